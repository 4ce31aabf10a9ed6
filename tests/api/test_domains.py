"""Mail domains: registering, showing, removing, the default one, the identity policy. test_domain_ownership.py has who owns
one."""
import base64
import json
import re
import urllib.parse

import pytest

from domains import record, wait_unchecked
from organization import create_organization, unique, unique_domain, wait_operation
from test_accounts import set_limit

POLICY_MEMBERS = {"Sid": "AuthorizeWorkMail", "Effect": "Allow"}


def register(org, domain, expect=None, **members):
    return org.api.post(org.path + "/domains", expect=expect, json={"domain": domain, **members})


def describe(org, domain):
    return org.api.get(org.domain_path(domain)).body


def names(org, **params):
    return [item["domain"] for item in org.api.items(org.path + "/domains", **params)]


# --- registering ---


def test_new_domain_is_pending_and_lists_its_records(api, org):
    domain = unique_domain()
    answer = register(org, domain)
    made = answer.body
    assert answer.headers["Location"] == org.domain_path(domain)
    assert (made["domain"], made["unicode_name"], made["ownership_status"], made["dkim_status"]) == (domain, domain, "PENDING", "PENDING")
    assert not made["is_default"] and not made["is_test_domain"] and not made["allow_subdomains"] and made["next_check_at"]
    assert [row["purpose"] for row in made["records"]] == ["OWNERSHIP", "MX", "AUTODISCOVER", "DKIM", "DKIM", "DKIM", "SPF", "DMARC"]
    assert {(row["status"], row["ttl"], len(row["observed"])) for row in made["records"]} == {("PENDING", 3600, 0)}
    token = record(made, "OWNERSHIP")
    assert (token["type"], token["name"]) == ("TXT", f"_amazonses.{domain}") and len(base64.b64decode(token["value"])) == 32
    assert (record(made, "MX")["name"], record(made, "MX")["value"]) == (domain, "10 inbound-smtp.us-east-1.postreeve.test")
    found = record(made, "AUTODISCOVER")
    assert (found["type"], found["name"], found["value"]) == ("CNAME", f"autodiscover.{domain}", "autodiscover.mail.us-east-1.postreeve.test")
    selectors = [row["name"].split(".")[0] for row in record(made, "DKIM")]
    assert len(set(selectors)) == 3 and all(re.fullmatch("[a-z0-9]{32}", selector) for selector in selectors)
    for selector, row in zip(selectors, record(made, "DKIM")):
        assert (row["type"], row["name"], row["value"]) == ("CNAME", f"{selector}._domainkey.{domain}", f"{selector}.dkim.postreeve.test")
    assert record(made, "SPF")["value"] == "v=spf1 include:postreeve.test ~all"
    assert record(made, "DMARC")["name"] == f"_dmarc.{domain}"
    again = describe(org, domain)
    assert [row["value"] for row in again["records"]] == [row["value"] for row in made["records"]]


def test_tokens_and_selectors_are_of_one_domain_each(org):
    made = [register(org, unique_domain()) for _ in range(3)]
    assert len({record(one, "OWNERSHIP")["value"] for one in made}) == 3
    assert len({row["name"].split(".")[0] for one in made for row in record(one, "DKIM")}) == 9


def test_records_follow_the_region(api):
    org = create_organization(api, region="eu-west-1")
    made = register(org, unique_domain())
    assert ".eu-west-1." in record(made, "MX")["value"] and ".eu-west-1." in record(made, "AUTODISCOVER")["value"]


def test_label_of_the_proof_is_a_setting(make_service):
    service = make_service("--ownership-label", "_Postreeve")
    org = create_organization(service.client())
    assert record(register(org, "example.com"), "OWNERSHIP")["name"] == "_postreeve.example.com"


@pytest.mark.parametrize("written,ascii_form,unicode", [
    ("bücher.{}", "xn--bcher-kva.{}", "bücher.{}"), ("XN--BCHER-KVA.{}", "xn--bcher-kva.{}", "bücher.{}"), ("BÜCHER.{}", "xn--bcher-kva.{}", "bücher.{}")])
def test_international_domain_is_kept_in_ascii_and_shown_both_ways(org, written, ascii_form, unicode):
    number = unique().replace("-", "")
    written, ascii_form, unicode = (text.format(number) + ".example.org" for text in (written, ascii_form, unicode))
    made = register(org, written)
    assert (made["domain"], made["unicode_name"]) == (ascii_form, unicode)
    for form in (ascii_form, ascii_form.upper(), unicode):
        assert describe(org, urllib.parse.quote(form))["domain"] == ascii_form
    assert record(made, "MX")["name"] == ascii_form
    assert names(org, prefix=unicode[:10]) == names(org, prefix=ascii_form[:10]) == [ascii_form]
    register(org, unicode, expect="mail_domain_in_use")


@pytest.mark.parametrize("domain,said", [
    ("localhost", "two or more labels"), ("a_b.example", "two or more labels"), ("-a.example", ""), ("a..example", ""),
    ("example.com.", ""), ("1.2.3.4/24", ""), ("a b.example", ""), ("ex\nample.com", ""), ("xn--\u00fc.example", ""),
    ("com", "two or more labels"), ("co.uk", "public suffix"), ("CO.UK", "public suffix"), ("xn--55qx5d.cn", "public suffix"), ("公司.cn", "public suffix"),
    ("postreeve.test", "service's own"), ("mine.postreeve.test", "service's own"), ("a.b.Postreeve.Test", "service's own"),
    (".".join(["a" * 51] * 4) + ".com", "209"), ("a" * 64 + ".example", "")])
def test_what_cannot_be_a_domain_of_ones_own_is_refused(org, domain, said):
    answer = register(org, domain, expect="validation_failed")
    fault, = answer["errors"]
    assert fault["pointer"] == "/domain" and said in fault["detail"]


def test_longest_domain_has_records_with_names_that_can_be(org):
    domain = ".".join(["a" * 50] * 3 + ["a" * 52, "org"])
    made = register(org, domain)
    assert len(domain) == 209 and max(len(row["name"]) for row in made["records"]) == 253


def test_name_that_only_ends_as_the_services_is_ones_own(org):
    assert register(org, f"{unique()}-notpostreeve.test")


def test_domain_is_registered_once(org):
    domain = org.register_domain()
    register(org, domain.upper(), expect="mail_domain_in_use")
    register(org, org.domain, expect="validation_failed")


def test_there_are_as_many_as_the_limit_says(service, api, org):
    limit = next(row for row in api.get("/v1/account/limits")["items"] if row["code"] == "domains_per_organization")
    assert limit["default"] == 100
    service.sql("INSERT INTO mail_domain (organization_id, domain) SELECT %s, 'n' || n || '.example.org' FROM generate_series(1, 99) n", org.id)
    last = org.register_domain()
    assert "maximum number of domains" in register(org, unique_domain(), expect="limit_exceeded")["detail"]
    api.delete(org.domain_path(last), expect=204, params={"confirm": last})
    org.register_domain()
    set_limit(service, service.root, "domains_per_organization", 101)
    try:
        org.register_domain()
        register(org, unique_domain(), expect="limit_exceeded")
    finally:
        set_limit(service, service.root, "domains_per_organization", 100)
        # Or keys are made for each of them, beside the tests that follow.
        service.sql("DELETE FROM mail_domain WHERE organization_id = %s AND domain LIKE 'n%%.example.org'", org.id)


def test_organization_is_made_with_domains(api):
    domain = unique_domain()
    number = unique().replace("-", "")
    org = create_organization(api, domains=[domain.upper(), f"ü{number}.example.org"])
    assert len(names(org)) == 3 and domain in names(org)
    assert describe(org, domain)["ownership_status"] == "PENDING" and org.describe()["default_domain"] == org.domain
    assert "domains" not in org.describe()


@pytest.mark.parametrize("domains,places", [
    (["a b", "fine.example.org", "co.uk"], ["/domains/0", "/domains/2"]), (["one.example.org", "ONE.example.org"], ["/domains/1"]),
    (["x.example.org"] * 101, ["/domains"])])
def test_faults_in_the_domains_of_a_new_organization_are_all_named(api, domains, places):
    answer = api.post("/v1/organizations", expect="validation_failed", json={"alias": unique(), "setup": "QUICK", "domains": domains})
    assert [fault["pointer"] for fault in answer["errors"]] == places


def test_organization_with_a_domain_below_anothers_is_not_made(service, api, org):
    domain = org.own_domain(service)
    alias = unique()
    api.post("/v1/organizations", expect="mail_domain_in_use", json={"alias": alias, "setup": "QUICK", "domains": [f"x.{domain}"]})
    assert service.sql("SELECT 1 FROM organization_alias WHERE alias = %s", alias) == []


# --- showing ---


def test_test_domain_is_there_from_the_start(api, org):
    shown = describe(org, org.domain)
    assert shown["is_test_domain"] and shown["is_default"] and shown["ownership_status"] == "VERIFIED"
    assert shown["records"] == [] and shown["advice"] == [] and "next_check_at" not in shown and "dkim_status" not in shown
    api.post(org.domain_path(org.domain, "verify"), expect="mail_domain_state")


@pytest.mark.parametrize("domain", ["nowhere.example.org", "nothing", "%20", "%C3%BC", "x" * 300, "_x.y"])
def test_what_is_not_there_is_not_found(api, org, domain):
    for part in ("", "/zone-file", "/identity-policy"):
        api.get(org.path + "/domains/" + domain + part, expect="mail_domain_not_found")
    api.post(org.path + "/domains/" + domain + "/verify", expect="mail_domain_not_found")
    api.delete(org.path + "/domains/" + domain, expect="mail_domain_not_found", params={"confirm": "x"})


def test_domain_of_another_organization_is_not_found(api, org):
    domain = org.register_domain()
    api.get(create_organization(api).domain_path(domain), expect="mail_domain_not_found")


def test_list_is_filtered_ordered_and_paged(service, api, org):
    first, second = org.register_domain("b.example.org"), org.own_domain(service, "c.example.org")
    assert names(org) == sorted([first, second, org.domain])
    assert names(org, page_size=1) == names(org)
    assert names(org, order_by="-created_at") == [second, first, org.domain]
    assert names(org, ownership_status="PENDING") == [first] and set(names(org, ownership_status="VERIFIED")) == {second, org.domain}
    assert names(org, prefix="B.ex") == [first] and names(org, prefix="%") == [] and names(org, prefix="example") == []
    page = api.get(org.path + "/domains", params={"include_total": "true", "ownership_status": "PENDING"})
    assert page["total"] == 1 and not {"records", "advice"} & set(page["items"][0])
    api.get(org.path + "/domains", expect="validation_failed", params={"ownership_status": "LOST"})


def observe(service, org, row, domain, **members):
    """As if that had been seen: once the first check is over, the next one comes after a minute."""
    wait_unchecked(service, org, domain)
    seen = {"status": "INCONSISTENT", "code": "wrong_value", "help": "Put it right.", "value": row["value"],
            "observed": [{"server": "ns1.example.net (192.0.2.1)", "outcome": "ANSWERED", "values": ["other"], "ttl": 60}], **members}
    service.sql("""INSERT INTO mail_domain_record (organization_id, domain, purpose, name, type, value, status, code, help, observed)
                   VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
                   ON CONFLICT (organization_id, domain, purpose, name) DO UPDATE SET value = excluded.value,
                   status = excluded.status, code = excluded.code, help = excluded.help, observed = excluded.observed,
                   checked_at = excluded.checked_at""", org.id, domain, row["purpose"], row["name"], row["type"],
                seen["value"], seen["status"], seen["code"], seen["help"], json.dumps(seen["observed"]))


def test_what_was_seen_is_shown_with_the_record(service, api, org):
    domain = org.register_domain()
    mx = record(describe(org, domain), "MX")
    before = api.get(org.domain_path(domain))
    observe(service, org, mx, domain)
    after = api.get(org.domain_path(domain))
    seen = record(after, "MX")
    assert (seen["status"], seen["code"], seen["help"]) == ("INCONSISTENT", "wrong_value", "Put it right.")
    assert seen["observed"] == [{"server": "ns1.example.net (192.0.2.1)", "outcome": "ANSWERED", "values": ["other"], "ttl": 60}] and seen["checked_at"]
    assert {row["status"] for row in after["records"] if row["purpose"] != "MX"} == {"PENDING"}
    assert after.headers["ETag"] != before.headers["ETag"]
    api.get(org.domain_path(domain), expect=304, headers={"If-None-Match": after.headers["ETag"]})
    api.get(org.domain_path(domain), expect=200, headers={"If-None-Match": before.headers["ETag"]})


def test_change_is_not_refused_because_the_dns_was_looked_at(service, api, org):
    domain = org.register_domain()
    tag = api.get(org.domain_path(domain)).headers["ETag"]
    observe(service, org, record(describe(org, domain), "MX"), domain)
    changed = api.patch(org.domain_path(domain), json={"allow_subdomains": True}, headers={"If-Match": tag})
    api.patch(org.domain_path(domain), expect="precondition_failed", json={"allow_subdomains": False}, headers={"If-Match": tag})
    api.patch(org.domain_path(domain), json={"allow_subdomains": False}, headers={"If-Match": changed.headers["ETag"]})


def test_what_was_seen_of_another_value_does_not_count(service, org):
    domain = org.register_domain()
    observe(service, org, record(describe(org, domain), "MX"), domain, value="10 where.it.was.before")
    seen = record(describe(org, domain), "MX")
    assert seen["status"] == "PENDING" and seen["observed"] == [] and "code" not in seen


@pytest.mark.parametrize("statuses,expect", [(["VERIFIED"] * 3, "VERIFIED"), (["VERIFIED", "VERIFIED", "MISSING"], "PENDING"),
                                             (["VERIFIED", "INCONSISTENT", "MISSING"], "FAILED"), (["VERIFIED"] * 2, "PENDING")])
def test_dkim_status_is_that_of_all_three_records(service, org, statuses, expect):
    domain = org.register_domain()
    for row, status in zip(record(describe(org, domain), "DKIM"), statuses):
        observe(service, org, row, domain, status=status)
    assert describe(org, domain)["dkim_status"] == expect


def test_with_interoperability_mail_and_clients_are_not_expected_here(service, api, org):
    domain = org.register_domain()
    service.sql("UPDATE organization SET interoperability_enabled = true WHERE organization_id = %s", org.id)
    shown = describe(org, domain)
    assert {row["purpose"] for row in shown["records"] if row["status"] == "NOT_EXPECTED"} == {"MX", "AUTODISCOVER"}
    assert " MX " not in api.get(org.domain_path(domain, "zone-file")).raw.decode()


def test_advice_goes_once_the_addresses_are_there(service, api, org):
    domain = org.own_domain(service)
    assert [row["address"] for row in describe(org, domain)["advice"]] == [f"abuse@{domain}", f"postmaster@{domain}"]
    user, group = org.create_enabled(), org.create_enabled_group()
    api.post(org.of(user, "aliases"), json={"email": f"abuse@{domain}"})
    assert [row["address"] for row in describe(org, domain)["advice"]] == [f"postmaster@{domain}"]
    api.post(org.of(group, "aliases"), json={"email": f"postmaster@{domain}"})
    assert describe(org, domain)["advice"] == []


def test_zone_file_has_absolute_names(api, org):
    domain = org.register_domain()
    answer = api.get(org.domain_path(domain, "zone-file"))
    assert answer.headers["Content-Type"].startswith("text/plain")
    lines = [line for line in answer.raw.decode().splitlines() if not line.startswith(";")]
    records = describe(org, domain)["records"]
    assert len(lines) == len(records)
    for line, row in zip(lines, records):
        value = f'"{row["value"]}"' if row["type"] == "TXT" else row["value"] + "."
        assert line == f'{row["name"]}. 3600 IN {row["type"]} {value}'
    assert api.get(org.domain_path(org.domain, "zone-file")).raw.startswith(b"; ")


# --- checking now ---


def test_check_that_is_asked_for_is_due_at_once(service, api, org):
    domain = org.register_domain()
    service.sql("UPDATE mail_domain SET next_check_at = now() + interval '1 day' WHERE domain = %s", domain)
    answer = api.post(org.domain_path(domain, "verify"), expect=202)
    assert answer["operation"] == "VerifyMailDomain" and answer["target"] == org.domain_path(domain)
    assert answer.headers["Location"] == f"/v1/operations/{answer['operation_id']}"
    ended = wait_operation(api, answer["operation_id"])
    assert ended["status"] == "FAILED" and "resolver" in ended["error"]  # the service of the tests has none
    assert record(describe(org, domain), "OWNERSHIP")["code"] == "resolver_unreachable"


def test_check_that_runs_is_left_to_end(service, api, org):
    """Who asks meanwhile is answered by the next one."""
    domain = org.register_domain()
    service.sql("UPDATE mail_domain SET check_started_at = now(), next_check_at = now() + interval '1 hour' WHERE domain = %s", domain)
    operation = api.post(org.domain_path(domain, "verify"), expect=202)["operation_id"]
    assert service.sql("SELECT next_check_at > now(), wanted_operation_id::text FROM mail_domain WHERE domain = %s", domain) == [(True, operation)]
    assert api.post(org.domain_path(domain, "verify"), expect=202)["operation_id"] == operation
    assert "next_check_at" not in describe(org, domain)


# --- removing ---


def remove(org, domain, expect=204, confirm=None):
    return org.api.delete(org.domain_path(domain), expect=expect, params={"confirm": confirm or domain})


def test_removed_domain_is_gone_with_its_records(service, api, org):
    domain = org.own_domain(service)
    observe(service, org, record(describe(org, domain), "MX"), domain)
    token = record(describe(org, domain), "OWNERSHIP")["value"]
    remove(org, domain)
    api.get(org.domain_path(domain), expect="mail_domain_not_found")
    for table in ("mail_domain", "mail_domain_record", "verified_domain"):
        assert service.sql(f"SELECT 1 FROM {table} WHERE domain = %s", domain) == []
    again = register(org, domain)
    assert record(again, "OWNERSHIP")["value"] != token and again["ownership_status"] == "PENDING"


def test_removal_is_confirmed_by_the_name(api, org):
    number = unique().replace("-", "")
    domain = register(org, f"ä{number}.example.org")["domain"]
    for wrong in ("ä.example.org", domain + "x", " "):
        remove(org, domain, expect="confirmation_mismatch", confirm=wrong)
    api.delete(org.domain_path(domain), expect="validation_failed")
    remove(org, domain, confirm=f"Ä{number}.example.org")


def test_operation_of_a_removed_domain_ends(api, org):
    domain = org.register_domain()
    operation = api.post(org.domain_path(domain, "verify"), expect=202)["operation_id"]
    remove(org, domain)
    assert wait_operation(api, operation)["status"] in ("CANCELED", "SUCCEEDED", "FAILED")


def test_domain_with_addresses_is_not_removed_and_says_whose(service, api, org):
    domain = org.own_domain(service)
    user, group = org.create_enabled(), org.create_enabled_group()
    resource = org.create_resource()
    for entity in (user, group, resource):
        api.post(org.of(entity, "aliases"), json={"email": f"{entity['name']}@{domain}"})
    detail = remove(org, domain, expect="mail_domain_in_use")["detail"]
    for word in ("3 have", f'user "{user["name"]}"', f'group "{group["name"]}"', f'resource "{resource["name"]}"'):
        assert word in detail
    org.disable(user)
    for entity in (group, resource):
        api.delete(org.of(entity, "aliases", f"{entity['name']}@{domain}"), expect=204)
    assert "1 have" in remove(org, domain, expect="mail_domain_in_use")["detail"]
    api.delete(org.of(user), expect=204)
    # What was kept for the deleted user is given up: another organization may use the address.
    remove(org, domain)
    assert service.sql("SELECT 1 FROM address_registry WHERE email LIKE %s", f"%@{domain}") == []


def test_list_of_who_uses_it_is_bounded(service, api, org):
    domain = org.own_domain(service)
    for _ in range(22):
        user = org.create_enabled()
        api.post(org.of(user, "aliases"), json={"email": f"{user['name']}@{domain}"})
    detail = remove(org, domain, expect="mail_domain_in_use")["detail"]
    assert detail.startswith("22 have") and detail.count('user "') == 20 and "…" in detail


def test_address_below_the_domain_is_not_in_it(service, api, org):
    domain = org.own_domain(service)
    below = org.own_domain(service, f"team.{domain}")
    user = org.create_enabled()
    api.post(org.of(user, "aliases"), json={"email": f"x@{below}"})
    remove(org, domain)
    remove(org, below, expect="mail_domain_in_use")


def test_default_and_test_domain_are_not_removed(service, api, org):
    remove(org, org.domain, expect="mail_domain_state")
    domain = org.own_domain(service)
    api.put(org.path + "/default-domain", json={"domain": domain})
    assert "default" in remove(org, domain, expect="mail_domain_in_use")["detail"]
    api.put(org.path + "/default-domain", json={"domain": org.domain})
    remove(org, domain)


# --- the default domain ---


def test_new_addresses_are_in_the_default_domain_and_old_ones_stay(service, api, org):
    domain = org.own_domain(service)
    before = org.create_enabled("ada")
    assert api.get(org.path + "/default-domain").body == {"domain": org.domain}
    answer = api.put(org.path + "/default-domain", json={"domain": domain.upper()})
    assert answer.body == {"domain": domain} == api.get(org.path + "/default-domain").body
    assert org.describe()["default_domain"] == domain and org.describe()["test_domain"] == org.domain
    assert org.look(before) == before
    after = org.create_enabled("bob")
    assert after["email"] == f"bob@{domain}" and f"bob@{org.domain}" in after["aliases"]
    assert {item["domain"] for item in api.items(org.path + "/domains") if item["is_default"]} == {domain}


def test_default_domain_is_a_verified_one_of_the_organization(api, org):
    pending = org.register_domain()
    api.put(org.path + "/default-domain", expect="mail_domain_state", json={"domain": pending})
    api.put(org.path + "/default-domain", expect="mail_domain_not_registered", json={"domain": "nowhere.example.org"})
    api.put(org.path + "/default-domain", expect="mail_domain_not_registered", json={"domain": "no domain"})
    assert org.describe()["default_domain"] == org.domain


def test_versions_of_organization_and_both_domains_change_with_the_default(service, api, org):
    domain = org.own_domain(service)
    paths = [org.path, org.domain_path(domain), org.domain_path(org.domain)]

    def versions():
        """Without what is seen of the domains meanwhile."""
        return [api.get(path).headers["ETag"].strip('"').split(".")[0] for path in paths]

    before = versions()
    answer = api.put(org.path + "/default-domain", json={"domain": domain}, headers={"If-Match": f'"{before[0]}"'})
    after = versions()
    assert all(old != new for old, new in zip(before, after)) and answer.headers["ETag"] == f'"{after[0]}"'
    api.put(org.path + "/default-domain", json={"domain": domain}, headers={"If-Match": answer.headers["ETag"]})
    assert versions() == after


# --- identity policy ---


def policy_of(org, domain):
    return org.api.get(org.domain_path(domain, "identity-policy"))


def put_policy(org, domain, *statements, expect=None):
    return org.api.put(org.domain_path(domain, "identity-policy"), expect=expect,
                       json={"document": {"Version": "2012-10-17", "Statement": list(statements)}})


def statement(service_name="workmail.us-east-1.postreeve.test", action="ses:*", **members):
    return {**POLICY_MEMBERS, "Principal": {"Service": service_name}, "Action": action, "Resource": "*", **members}


def test_domain_is_made_with_a_policy_that_allows_everything(service, org):
    domain = org.register_domain()
    policy = policy_of(org, domain)
    assert policy["is_default"] and policy["warnings"] == []
    only, = policy["document"]["Statement"]
    assert only["Action"] == ["ses:*", "ses:SendBounce", "ses:SendRawEmail"] and only["Effect"] == "Allow"
    assert only["Resource"] == f"arn:aws:ses:us-east-1:{service.root['account_id']}:identity/{domain}"


def test_policy_is_changed_and_its_own_document_is_accepted(api, org):
    domain = org.register_domain()
    document = policy_of(org, domain)["document"]
    tag = policy_of(org, domain).headers["ETag"]
    answer = api.put(org.domain_path(domain, "identity-policy"), json={"document": document}, headers={"If-Match": tag})
    assert answer["document"] == document and not answer["is_default"] and answer["warnings"] == []
    assert answer.headers["ETag"] != tag and policy_of(org, domain).body == answer.body
    assert put_policy(org, domain, *document["Statement"]).headers["ETag"] == answer.headers["ETag"]


@pytest.mark.parametrize("statements,lost", [
    ([statement()], []), ([statement(Principal="*")], []), ([statement(Principal={"AWS": ["1", "*"]})], []), ([statement(action="*")], []),
    ([statement(action=["ses:SendRawEmail", "ses:SendBounce"])], ["redirection"]),
    ([statement(action="ses:Send*")], ["redirection"]),
    ([statement(action="ses:SendRawEmail")], ["bounces", "redirection"]),
    ([statement(service_name="somebody.else")], ["sending", "bounces", "redirection"]),
    ([statement(), statement(Sid="No", Effect="Deny", action="ses:SendBounce")], ["bounces"]),
    ([statement(), statement(Sid="No", Effect="Deny", action="*", service_name="somebody.else")], []),
    ([statement(Resource="arn:aws:ses:us-east-1:1:identity/other.example")], ["sending", "bounces", "redirection"])])
def test_what_the_mail_service_loses_is_a_warning(org, statements, lost):
    domain = org.register_domain()
    answer = put_policy(org, domain, *statements)
    assert [row["code"] for row in answer["warnings"]] == [f"loses_{what}" for what in lost]
    assert policy_of(org, domain)["warnings"] == answer["warnings"]


@pytest.mark.parametrize("members,place", [
    ({"Principal": None}, "Principal"), ({"Principal": "somebody"}, "Principal"), ({"Principal": {}}, "Principal"),
    ({"Principal": {"Service": 1}}, "Principal/Service"), ({"Principal": {"Who": "x"}}, "Principal/Who"),
    ({"Principal": {"AWS": ["x", ""]}}, "Principal/AWS/1"), ({"Effect": "Maybe"}, "Effect"), ({"Resource": "here"}, "Resource"),
    ({"NotPrincipal": "*"}, "NotPrincipal"), ({"Condition": {"StringEquals": {"aws:Referer": "1"}}}, "Condition/StringEquals/aws:Referer")])
def test_policy_that_is_none_is_refused(org, members, place):
    domain = org.register_domain()
    wrong = {name: value for name, value in statement(**members).items() if value is not None}
    answer = put_policy(org, domain, wrong, expect="validation_failed")
    assert [fault["pointer"] for fault in answer["errors"]] == [f"/document/Statement/0/{place}"]
    assert policy_of(org, domain)["is_default"]


def test_policy_of_an_identity_has_no_principal(api):
    answer = api.post("/v1/iam/policies", expect="validation_failed",
                      json={"name": unique("p"), "document": {"Statement": [statement()]}})
    assert [fault["pointer"] for fault in answer["errors"]] == ["/document/Statement/0/Principal"]


# --- what is switched off ---


def test_domains_of_an_organization_that_is_switched_off_are_too(api, org):
    domain = org.register_domain()
    api.post(org.path + "/deactivate", expect=200)
    for path in ("/domains", f"/domains/{domain}", f"/domains/{domain}/zone-file", f"/domains/{domain}/identity-policy", "/default-domain"):
        api.get(org.path + path, expect="organization_state")
    register(org, unique_domain(), expect="organization_state")
    remove(org, domain, expect="organization_state")
    api.post(org.domain_path(domain, "verify"), expect="organization_state")
