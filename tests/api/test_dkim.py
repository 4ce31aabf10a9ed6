"""DKIM keys of mail domains: how they are made, take turns, sign, and are published in the operator's zone."""
import base64
import concurrent.futures
import datetime
import re
import time

import dkim
import dns.zone
import nacl.exceptions
import pytest
from cryptography.hazmat.primitives import serialization

import iam
from dkim_keys import dkim_path, dkim_rests, dkim_settled, keys_of
from organization import create_organization, unique, unique_domain
from service import wait_until

RSA, ED25519 = "RSA_2048", "ED25519"
ZONE, ZONE_FILE = "/v1/dkim-zone", "/v1/dkim-zone/zone-file"
QUICK = ("--dkim-publication-time", "1", "--dkim-retirement-time", "2")
MESSAGE = (b"From: ann@%s\r\nTo: bob@example.org\r\nSubject: Hello\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\n"
           b"Hello Bob,\r\nhow are you?\r\n")


@pytest.fixture
def domain(service, org):
    """A verified domain with its keys."""
    return settled(service, org)


@pytest.fixture
def quick(make_service):
    """A service whose keys take turns within seconds, with a domain."""
    service = make_service(*QUICK)
    org = create_organization(service.client())
    return service, org, settled(service, org)


def settled(service, org):
    return dkim_settled(org, org.own_domain(service))


def rotate(org, domain, expect=200, **members):
    return org.api.post(dkim_path(org, domain, "rotate"), expect=expect, json=members)


def export(org, domain, expect=200, api=None, **arguments):
    return (api or org.api).get(dkim_path(org, domain, "signing-keys"), expect=expect, **arguments)


def by_state(org, domain):
    """{(state, algorithm): key}"""
    return {(key["state"], key["algorithm"]): key for key in keys_of(org, domain)}


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def parts(api, **params):
    """All parts of the zone file."""
    while True:
        answer = api.get(ZONE_FILE, params=params)
        yield answer
        if answer.body.endswith(b"; end\n"):
            return
        params["after"] = answer.body.splitlines()[-1].partition(b".")[0]


def published(api, **params):
    """{name: value} of the zone, as a name server reads its file."""
    text = b"".join(part.body for part in parts(api, **params)).decode()
    soa = "@ 3600 IN SOA ns.postreeve.test. hostmaster.postreeve.test. 1 7200 3600 1209600 3600\n@ IN NS ns.postreeve.test.\n"
    zone = dns.zone.from_text(soa + text, origin="dkim.postreeve.test.", relativize=False)
    found = {}
    for name, ttl, record in zone.iterate_rdatas("TXT"):
        assert ttl == 3600 and all(len(string) <= 255 for string in record.strings)
        assert name not in found
        found[name.to_text(omit_final_dot=True)] = b"".join(record.strings).decode()
    return found


def listed(api):
    return {record["name"]: record["value"] for record in api.items(ZONE)}


def resolver(api, domain):
    """What a verifier's resolver answers: the customer's CNAMEs lead to the operator's zone."""
    zone = published(api)

    def get_txt(name, timeout=5):
        name = name.decode().rstrip(".") if isinstance(name, bytes) else name.rstrip(".")
        selector, _, rest = name.partition("._domainkey.")
        assert rest == domain, name
        return zone.get(f"{selector}.dkim.postreeve.test", "").encode() or None
    return get_txt


def sign(key, domain, message):
    """With python3-dkim, which takes keys in forms of its own."""
    pair = serialization.load_pem_private_key(key["private_key"].encode(), None)
    if key["algorithm"] == ED25519:
        raw = pair.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
        form, algorithm = base64.b64encode(raw), b"ed25519-sha256"
    else:
        assert pair.key_size == 2048
        form = pair.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
        algorithm = b"rsa-sha256"
    return dkim.sign(message, key["selector"].encode(), domain.encode(), form, signature_algorithm=algorithm) + message


def verifies(api, domain, message):
    try:
        return dkim.verify(message, dnsfunc=resolver(api, domain))
    except nacl.exceptions.ValueError:  # behind the selector there is a key of the other algorithm now
        return False


def events(org, action):
    return [event for event in org.api.items(org.path + "/audit-events") if event["action"] == action]


# Keys


def test_new_domain_gets_three_keys_of_which_two_sign(service, org, domain):
    (selectors,), = service.sql("SELECT dkim_selectors FROM mail_domain WHERE organization_id = %s AND domain = %s", org.id, domain)
    about = org.api.get(dkim_path(org, domain)).body
    assert about["domain"] == domain
    one, two, three = about["keys"]
    assert [key["selector"] for key in about["keys"]] == selectors and [key["slot"] for key in about["keys"]] == [1, 2, 3]
    assert [(key["algorithm"], key["state"], key["next_state"]) for key in about["keys"]] == [
        (RSA, "ACTIVE", "RETIRED"), (ED25519, "ACTIVE", "RETIRED"), (RSA, "PUBLISHED", "ACTIVE")]
    assert len({key["value"] for key in about["keys"]}) == 3 and "active_at" not in three and "retired_at" not in one
    period = datetime.timedelta(days=180)
    assert moment(one["next_state_at"]) == moment(one["active_at"]) + period == moment(three["next_state_at"])
    assert moment(two["next_state_at"]) == moment(two["active_at"]) + period


def test_domain_that_is_not_verified_has_keys_but_does_not_sign(service, org):
    domain = dkim_settled(org, org.register_domain())
    answer = export(org, domain, expect="mail_domain_state")
    assert f"{domain} is PENDING" in answer["detail"]


def test_domains_that_are_registered_at_once_all_get_their_keys(service, org):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        domains = list(pool.map(lambda _: org.register_domain(), range(8)))
    for domain in domains:
        dkim_settled(org, domain)
    values = [key["value"] for domain in domains for key in keys_of(org, domain)]
    assert len(set(values)) == 24


def test_test_domain_has_no_keys(org):
    assert keys_of(org, org.domain) == []
    for answer in (rotate(org, org.domain, expect="mail_domain_state"), export(org, org.domain, expect="mail_domain_state")):
        assert "test domain" in answer["detail"]


def unheeded(service, org):
    """A domain whose registration brought no job."""
    domain = unique_domain()
    service.sql("INSERT INTO mail_domain (organization_id, domain) VALUES (%s, %s)", org.id, domain)
    return domain


def test_domain_that_was_just_registered_has_no_keys_yet(service, org):
    domain = unheeded(service, org)
    assert keys_of(org, domain) == []
    assert "Try again in a moment" in rotate(org, domain, expect="mail_domain_state")["detail"]


@pytest.mark.parametrize("domain", ["example.com", "EXAMPLE.com", "x", "a%20b", "%C3%A9.example", "." * 300])
def test_domain_that_is_not_there_is_not_found(org, domain):
    for call in (lambda: org.api.get(dkim_path(org, domain), expect="mail_domain_not_found"),
                 lambda: rotate(org, domain, expect="mail_domain_not_found"),
                 lambda: export(org, domain, expect="mail_domain_not_found")):
        call()


def test_domain_of_another_organization_is_not_found(api, org, domain):
    other = create_organization(api)
    for expect in (other, org):
        assert (expect is org) == (org.api.request("GET", dkim_path(expect, domain)).status == 200)
    rotate(other, domain, expect="mail_domain_not_found")
    export(other, domain, expect="mail_domain_not_found")


@pytest.mark.parametrize("body,fault", [({"algorithm": "RSA_1024"}, "/algorithm invalid_value"), ({"compromised": "yes"}, "/compromised wrong_type"),
                                        ({"selector": "x"}, "/selector unknown_member")])
def test_rotation_that_cannot_be_is_refused(org, domain, body, fault):
    before = keys_of(org, domain)
    assert rotate(org, domain, expect="validation_failed", **body).faults == {fault}
    assert keys_of(org, domain) == before


# Signing


def test_signature_of_each_key_verifies_with_the_published_record(api, org, domain):
    message = MESSAGE % domain.encode()
    keys = export(org, domain)["keys"]
    assert [key["algorithm"] for key in keys] == [RSA, ED25519]
    for key in keys:
        signed = sign(key, domain, message)
        assert verifies(api, domain, signed)
        assert not verifies(api, domain, signed.replace(b"how are you", b"who are you"))


def test_signature_made_with_the_key_of_another_domain_does_not_verify(service, api, org, domain):
    other = settled(service, org)
    for ours, theirs in zip(export(org, domain)["keys"], export(org, other)["keys"]):
        forged = sign({**theirs, "selector": ours["selector"]}, domain, MESSAGE % domain.encode())
        assert not verifies(api, domain, forged)


def test_export_says_not_modified_until_the_keys_change(quick):
    _, org, domain = quick
    answer = export(org, domain)
    assert answer.headers["Cache-Control"] == "no-store"
    tag = answer.headers["ETag"]
    assert export(org, domain, expect=304, headers={"If-None-Match": tag}).raw == b""
    assert len(events(org, "workmail:ExportDkimSigningKeys")) == 1, "only an answer with keys is told of"
    time.sleep(1.1)  # until the next key was in the zone for long enough
    rotate(org, domain, algorithm=RSA)
    wait_until(lambda: export(org, domain).headers["ETag"] != tag, 10)
    again = export(org, domain, headers={"If-None-Match": tag})
    assert again["keys"][1] == answer["keys"][1] and again["keys"][0] != answer["keys"][0]


def test_event_of_an_export_names_selectors_and_no_secret(service, org, domain, leak_check):
    keys = export(org, domain)["keys"]
    event, = events(org, "workmail:ExportDkimSigningKeys")
    assert event["outcome"] == "ALLOWED" and event["target"] == f"{org.path}/domains/{domain}"
    assert event["changes"] == {"after": {"selectors": [key["selector"] for key in keys]}}
    rsa, ed25519 = (key["private_key"].splitlines() for key in keys)
    leak_check(rsa[5])
    leak_check(ed25519[1][-43:-1])


@pytest.mark.parametrize("actions,expect", [
    (["workmail:Get*", "workmail:List*", "workmail:Describe*"], "access_denied"), (["workmail:GetMailDomainDkim"], "access_denied"),
    (["workmail:ExportDkimSigningKeys"], 200), (["workmail:*"], 200)])
def test_export_needs_a_permission_of_its_own(service, api, org, domain, actions, expect):
    caller = iam.Identity(service, api, iam.statement(action=[*actions, "workmail:DescribeOrganization"], resource=iam.arn(org.id))).client
    export(org, domain, expect=expect, api=caller)


def test_managed_read_only_policy_does_not_export(service, api, org, domain):
    user = iam.new_user(api)
    policy = next(item for item in api.items(iam.POLICIES) if item["name"] == "AmazonWorkMailReadOnlyAccess")
    iam.attach(api, user, policy)
    caller = service.client(iam.new_key(api, user))
    assert caller.get(dkim_path(org, domain)).body["keys"]
    export(org, domain, expect="access_denied", api=caller)


def test_switched_off_organization_does_not_sign_or_rotate(org, domain):
    org.api.post(org.path + "/deactivate", expect=200)
    export(org, domain, expect="organization_state")
    rotate(org, domain, expect="organization_state")
    org.api.get(dkim_path(org, domain), expect="organization_state")


# Turns


def watch(org, domain, until, seconds=30):
    """Looks until that holds; meanwhile one key of each algorithm signs at any time."""
    deadline = time.monotonic() + seconds
    while True:
        keys = keys_of(org, domain)
        assert sorted(key["algorithm"] for key in keys if key["state"] == "ACTIVE") == sorted([RSA, ED25519]), keys
        if until(keys):
            return keys
        assert time.monotonic() < deadline, keys
        time.sleep(0.02)


def values(keys, state="ACTIVE"):
    return {key["algorithm"]: key["value"] for key in keys if key["state"] == state}


def test_rotation_replaces_both_keys_behind_the_same_selectors(quick):
    service, org, domain = quick
    api, before = org.api, keys_of(org, domain)
    old = {key["algorithm"]: sign(key, domain, MESSAGE % domain.encode()) for key in export(org, domain)["keys"]}
    time.sleep(1.1)
    planned = rotate(org, domain).body["keys"]
    assert [key["value"] for key in planned] == [key["value"] for key in before]
    assert all(moment(key["next_state_at"]) <= moment(before[0]["next_state_at"]) for key in planned)

    # The standby signs at once; what the former key signed still verifies.
    keys = watch(org, domain, lambda keys: values(keys)[RSA] == before[2]["value"], 5)
    retired, = [key for key in keys if key["state"] == "RETIRED"]
    assert (retired["slot"], retired["value"], retired["next_state"]) == (1, before[0]["value"], "REMOVED")
    assert moment(retired["next_state_at"]) - moment(retired["retired_at"]) == datetime.timedelta(seconds=2)
    assert all(verifies(api, domain, message) for message in old.values())

    # Its selector gets a key of the other algorithm, which waits until it is known and then takes its turn.
    keys = watch(org, domain, lambda keys: keys[0]["state"] == "PUBLISHED")
    assert keys[0]["algorithm"] == ED25519 and moment(keys[0]["published_at"]) >= moment(retired["next_state_at"])
    assert not verifies(api, domain, old[RSA]) and verifies(api, domain, old[ED25519])
    fresh = keys[0]["value"]
    keys = watch(org, domain, lambda keys: values(keys)[ED25519] == fresh)
    assert moment(keys[0]["active_at"]) - moment(keys[0]["published_at"]) >= datetime.timedelta(seconds=1)
    keys = watch(org, domain, lambda keys: keys[1]["state"] == "PUBLISHED")
    assert keys[1]["algorithm"] == RSA
    assert [key["selector"] for key in keys] == [key["selector"] for key in before]
    assert not {key["value"] for key in keys} & {before[0]["value"], before[1]["value"]}

    told = [event["changes"]["after"] for event in events(org, "service:RotateDkimKey")]
    slots = [key["selector"] for key in keys]
    assert [(slots.index(step["selector"]), step["algorithm"], step["state"]) for step in reversed(told)] == [
        (0, RSA, "ACTIVE"), (1, ED25519, "ACTIVE"), (2, RSA, "PUBLISHED"), (2, RSA, "ACTIVE"), (0, ED25519, "PUBLISHED"),
        (0, ED25519, "ACTIVE"), (1, RSA, "PUBLISHED")]
    told, = events(org, "workmail:RotateMailDomainDkim")
    assert told["changes"]["before"]["keys"] == before and told["changes"]["after"]["keys"] == planned
    assert service.admin("verify-secrets")["checked"]["dkim_key"] == 3


def test_keys_take_turns_by_themselves(make_service):
    service = make_service("--dkim-rotation-interval", "2", "--dkim-publication-time", "1", "--dkim-retirement-time", "1")
    org = create_organization(service.client())
    domain = settled(service, org)
    first = values(keys_of(org, domain))
    watch(org, domain, lambda keys: all(values(keys)[algorithm] != first[algorithm] for algorithm in (RSA, ED25519)))


def test_rotation_of_the_key_that_has_no_standby_waits_for_one(quick):
    _, org, domain = quick
    before = keys_of(org, domain)
    rotate(org, domain, algorithm=ED25519)
    keys = watch(org, domain, lambda keys: keys[2]["algorithm"] == ED25519)
    assert keys[2]["state"] == "PUBLISHED" or keys[1]["state"] == "RETIRED"
    keys = watch(org, domain, lambda keys: keys[2]["state"] == "ACTIVE")
    assert values(keys)[RSA] == before[0]["value"] and keys[1]["state"] == "RETIRED"


def test_key_that_leaked_leaves_the_zone_at_once(make_service):
    service = make_service("--dkim-publication-time", "1")  # others would stay for a week
    org = create_organization(service.client())
    domain = settled(service, org)
    before = keys_of(org, domain)
    signed = sign(export(org, domain)["keys"][0], domain, MESSAGE % domain.encode())
    time.sleep(1.1)
    rotate(org, domain, algorithm=RSA, compromised=True)
    keys = watch(org, domain, lambda keys: keys[0]["value"] != before[0]["value"], 10)
    assert values(keys)[RSA] == before[2]["value"] and keys[0]["state"] == "PUBLISHED"
    assert not verifies(org.api, domain, signed)
    # One that is retired already goes, too.
    time.sleep(1.1)
    rotate(org, domain, algorithm=keys[0]["algorithm"])
    keys = watch(org, domain, lambda keys: "RETIRED" in {key["state"] for key in keys}, 10)
    rotate(org, domain, algorithm=RSA, compromised=True)
    watch(org, domain, lambda keys: "RETIRED" not in {key["state"] for key in keys}, 10)


def test_keys_that_leaked_both_leave_the_zone_at_once(service, org, domain):
    """Although only one has a standby, which was just published: nothing waits for the hours that others take."""
    api, before = org.api, keys_of(org, domain)
    old = [sign(key, domain, MESSAGE % domain.encode()) for key in export(org, domain)["keys"]]
    rotate(org, domain, compromised=True)
    keys = watch(org, domain, lambda keys: not {key["value"] for key in keys} & {key["value"] for key in before[:2]}, 10)
    assert not any(verifies(api, domain, message) for message in old)
    assert not {key["value"] for key in before[:2]} & set(published(api).values())
    assert values(keys) == {RSA: before[2]["value"], ED25519: keys[1]["value"]}
    watch(org, domain, lambda keys: keys[0]["state"] == "PUBLISHED", 10)
    for key in export(org, domain)["keys"]:
        assert verifies(api, domain, sign(key, domain, MESSAGE % domain.encode()))


def test_rotation_can_be_bound_to_what_was_seen(org, domain):
    seen = org.api.get(dkim_path(org, domain))
    path = dkim_path(org, domain, "rotate")
    answer = org.api.post(path, expect=200, headers={"If-Match": seen.headers["ETag"]}, json={"algorithm": RSA})
    assert answer.headers["ETag"] != seen.headers["ETag"]
    org.api.post(path, expect="precondition_failed", headers={"If-Match": seen.headers["ETag"]})


# Master keys


def test_without_the_master_key_no_key_is_made_or_shown_until_it_is_enabled_again(service, api):
    key = api.post("/v1/keys", json={"alias": unique("key")}).body
    org = create_organization(api, key_id=key["key_id"])
    domain = settled(service, org)
    api.patch(f"/v1/keys/{key['key_id']}", expect=200, json={"status": "DISABLED"})
    org.wait_state("IMPAIRED")
    other = org.register_domain()
    export(org, domain, expect="key_state")
    dkim_rests(service, org)
    assert keys_of(org, other) == [] and len(keys_of(org, domain)) == 3
    api.patch(f"/v1/keys/{key['key_id']}", expect=200, json={"status": "ENABLED"})
    dkim_settled(org, other)
    assert export(org, domain)["keys"]


def test_keys_survive_the_rotation_of_the_master_key(service, api):
    key = api.post("/v1/keys", json={"alias": unique("key")}).body
    org = create_organization(api, key_id=key["key_id"])
    domain = settled(service, org)
    before = export(org, domain).body
    api.patch(f"/v1/keys/{key['key_id']}", expect=200, json={"rotate": True})
    wait_until(lambda: not api.get(f"/v1/keys/{key['key_id']}")["is_rotating"], 30)
    assert export(org, domain).body == before


@pytest.mark.expect_errors
@pytest.mark.parametrize("spoil", [
    "UPDATE dkim_key SET sealed_private_key = set_byte(sealed_private_key, 20, get_byte(sealed_private_key, 20) # 1)",
    "UPDATE dkim_key SET value = value || ' '",
    "UPDATE dkim_key k SET sealed_private_key = o.sealed_private_key FROM dkim_key o"
    " WHERE o.organization_id = k.organization_id AND o.domain = k.domain AND o.slot = 2 AND k"])
def test_private_key_that_was_altered_or_moved_is_noticed(fresh_service, spoil):
    org = create_organization(fresh_service.client())
    domain = settled(fresh_service, org)
    one = keys_of(org, domain)[0]["selector"]
    assert fresh_service.admin("verify-secrets")["unreadable"] == []
    where = ".slot = 1" if spoil.endswith("AND k") else " WHERE slot = 1"
    fresh_service.sql(spoil + where)
    assert fresh_service.admin("verify-secrets", expect=1)["unreadable"] == [{"table": "dkim_key", "row": one}]
    export(org, domain, expect="internal_error")
    org.api.post(org.path + "/validate", expect=202)
    org.wait_state("IMPAIRED")
    issue, = org.api.get(org.path + "/health")["issues"]
    assert (issue["code"], issue["subject"]) == ("dkim_key_unreadable", domain) and one in issue["detail"]


def test_domain_that_has_no_keys_for_long_is_told_of(service, org):
    domain = unheeded(service, org)
    service.sql("UPDATE mail_domain SET created_at = now() - interval '2 hours' WHERE domain = %s", domain)
    org.api.post(org.path + "/validate", expect=202, headers={"Prefer": "wait=10"})
    issue, = org.api.get(org.path + "/health")["issues"]
    assert (issue["code"], issue["severity"], issue["subject"]) == ("dkim_keys_missing", "WARNING", domain)


# The zone


def test_zone_has_the_records_of_all_organizations_in_both_forms(service, api, org, domain):
    account = service.admin("create-account", "--name", "dkim")
    service.allow_organizations(5, account["account_id"])
    other = create_organization(service.client(account))
    theirs = settled(service, other)
    zone, file = listed(api), published(api)
    expected = {f"{key['selector']}.dkim.postreeve.test": key["value"]
                for where, name in ((org, domain), (other, theirs)) for key in keys_of(where, name)}
    assert len(expected) == 6 and expected.items() <= zone.items() and expected.items() <= file.items()


def test_zone_comes_in_parts(service, api, org, domain):
    settled(service, org)
    whole = published(api)
    assert list(whole) == sorted(whole) and published(api, limit=2) == whole
    pages = list(parts(api, limit=2))
    assert len(pages) == (len(whole) + 1) // 2 and all(page.body.count(b" IN TXT ") <= 2 for page in pages)
    assert all(page.body.startswith(f"; {page.headers['ETag']}\n".encode()) for page in pages)
    assert [b"; end" in page.body for page in pages] == [False] * (len(pages) - 1) + [True]
    assert [record["name"] for record in api.items(ZONE, page_size=2)] == list(whole)
    assert api.get(ZONE, params={"include_total": "true"})["total"] == len(whole)


def serial(answer):
    return int(re.fullmatch(r'"v(\d+)"', answer.headers["ETag"])[1])


def test_serial_of_the_zone_changes_when_its_content_does_and_only_then(quick):
    service, org, domain = quick
    api, before = org.api, org.api.get(ZONE)
    known = {"If-None-Match": before.headers["ETag"]}
    for path in (ZONE, ZONE_FILE):
        assert api.get(path, expect=304, headers=known).raw == b""
    service.sql("UPDATE mail_domain SET version = version + 1")
    create_organization(api)
    time.sleep(1.1)
    rotate(org, domain, algorithm=RSA)
    watch(org, domain, lambda keys: keys[2]["state"] == "ACTIVE")
    api.get(ZONE_FILE, expect=304, headers=known)  # another key signs; all three are where they were
    watch(org, domain, lambda keys: keys[0]["state"] == "PUBLISHED")
    rotated = api.get(ZONE_FILE, headers=known)
    assert serial(rotated) > serial(before)
    service.sql("UPDATE mail_domain SET ownership_status = 'PENDING' WHERE domain = %s", domain)
    api.delete(f"{org.path}/domains/{domain}", params={"confirm": domain})
    removed = api.get(ZONE)
    assert serial(removed) > serial(rotated) and removed["items"] == []


def test_keys_go_with_their_organization(service, api, org, domain):
    names = {f"{key['selector']}.dkim.postreeve.test" for key in keys_of(org, domain)}
    assert names <= listed(api).keys()
    before = serial(api.get(ZONE))
    org.remove()
    assert not names & listed(api).keys() and serial(api.get(ZONE)) > before
    assert service.sql("SELECT 1 FROM dkim_key WHERE organization_id = %s", org.id) == []
    assert service.sql("SELECT 1 FROM job WHERE organization_id = %s AND kind = 'dkim_rotation' AND state IN ('PENDING', 'RUNNING')", org.id) == []


def test_zone_is_for_the_account_of_the_operator(service, api):
    other = service.client(service.admin("create-account", "--name", "dkim"))
    for path in (ZONE, ZONE_FILE):
        assert "of the whole installation" in other.get(path, expect="access_denied")["detail"]
        other.get(path, expect="access_denied", headers={"If-None-Match": "*"})
        iam.Identity(service, api).client.get(path, expect="access_denied")
        iam.Identity(service, api, iam.statement(action="workmail:GetDkimZone")).client.get(path)


@pytest.mark.parametrize("path,params,fault", [
    (ZONE_FILE, {"limit": 0}, "limit too_small"), (ZONE_FILE, {"limit": 5001}, "limit too_large"), (ZONE_FILE, {"after": "x" * 64}, "after too_long"),
    (ZONE_FILE, {"page_size": 5}, "page_size unknown_parameter"), (ZONE, {"order_by": "name"}, "order_by unknown_parameter")])
def test_zone_that_cannot_be_asked_for_is_refused(api, path, params, fault):
    assert api.get(path, expect="validation_failed", params=params).faults == {fault}
