"""Creating users and reading them."""
import re
import uuid

import pytest

from organization import PASSWORD, create_organization, unique

TEXTS = ["first_name", "last_name", "initials", "street", "city", "zip_code", "country", "telephone", "job_title",
         "department", "company", "office"]


def create(api, org, expect=201, **members):
    return api.post(org.users, expect=expect, json={"name": unique("u"), "display_name": "A User", **members})


def test_user_without_mailbox_is_a_disabled_directory_entry(api, org):
    answer = create(api, org, name="ann", display_name="Ann")
    user = answer.body
    assert answer.headers["Location"] == org.user(user)
    assert uuid.UUID(user["user_id"]) and user["directory_id"] == org.describe()["directory_id"]
    assert (user["name"], user["display_name"], user["type"], user["state"]) == ("ann", "Ann", "USER", "DISABLED")
    assert user["has_password"] is False and user["hidden_from_address_list"] is False
    assert user["aliases"] == [] and user["quota_mb"] == 51200
    assert not {"email", "mailbox", "enabled_at", "disabled_at", "first_name", "password"} & set(user)
    assert org.describe_user(user) == user


def test_user_with_password_is_enabled_with_mailbox_and_address(org):
    user = org.create_user("ann", email="ann.smith", password=PASSWORD, quota_mb=1000)
    assert user["state"] == "ENABLED" and user["has_password"] is True and "password" not in user
    assert user["email"] == f"ann.smith@{org.domain}"
    assert user["aliases"] == [f"ann@{org.domain}"]
    assert user["mailbox"]["quota_mb"] == user["quota_mb"] == 1000
    assert user["mailbox"]["mailbox_id"] and user["mailbox"]["provisioned_at"] and "purge_at" not in user["mailbox"]
    assert user["enabled_at"] and "disabled_at" not in user
    assert org.describe_user(user) == user


@pytest.mark.parametrize("email,primary", [(None, "ann@{domain}"), ("ann", "ann@{domain}"), ("boss", "boss@{domain}"),
                                           ("boss@{domain}", "boss@{domain}"), ("Boss@{DOMAIN}", "boss@{domain}")])
def test_default_address_is_name_at_default_domain(org, email, primary):
    given = {"email": email.format(domain=org.domain, DOMAIN=org.domain.upper())} if email else {}
    user = org.create_enabled("ann", **given)
    assert user["email"].lower() == primary.format(domain=org.domain)
    assert {address.lower() for address in org.aliases(user)} == {user["email"].lower(), f"ann@{org.domain}"}


def test_all_details_are_kept_as_they_were_given(org):
    details = {name: f"Zürich – {name} 𝔘 \"quoted\" \\ /" for name in TEXTS}
    user = org.create_user("full", **details, hidden_from_address_list=True)
    assert {name: user[name] for name in TEXTS} == details and user["hidden_from_address_list"] is True
    assert org.describe_user(user) == user


@pytest.mark.parametrize("name", ["a", "9", "a.b-c_d", "A" * 64, "joe@example.com", "-", "_", "."])
def test_fit_names(api, org, name):
    assert create(api, org, name=name)["name"] == name


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a@b", "a@b.c", "@b.com", "a@@b.com", "a" * 65, "a\n", "a,b", "a'b",
                                  "a@b.com@c.com", "a:b", "a*"])
def test_unfit_names(api, org, name):
    answer = create(api, org, expect="validation_failed", name=name)
    assert [fault.split()[0] for fault in answer.faults] == ["/name"]


@pytest.mark.parametrize("members,faults", [
    ({"display_name": ""}, {"/display_name too_short"}),
    ({"display_name": "x" * 257}, {"/display_name too_long"}),
    ({"city": "x" * 257, "office": "x" * 257}, {"/city too_long", "/office too_long"}),
    ({"quota_mb": 0}, {"/quota_mb too_small"}),
    ({"quota_mb": 51201}, {"/quota_mb too_large"}),
    ({"type": "SYSTEM_USER"}, {"/type invalid_value"}),
    ({"type": "RESOURCE"}, {"/type invalid_value"}),
    ({"email": "ann"}, {"/password required"}),
    ({"email": "a b", "password": PASSWORD}, {"/email invalid_format"}),
    ({"email": "ann", "password": "Short-1"}, {"/password too_short"}),
    ({"email": "ann", "password": "longbutsimple"}, {"/password weak_password"}),
])
def test_faults_are_named(api, org, members, faults):
    assert create(api, org, expect="validation_failed", **members).faults == faults


def test_length_is_counted_in_characters_not_bytes(api, org):
    assert create(api, org, city="ß" * 256)["city"] == "ß" * 256
    assert create(api, org, expect="validation_failed", city="ß" * 257).faults == {"/city too_long"}


@pytest.mark.parametrize("email", ["@{domain}", "a@b@{domain}", "a b@{domain}", "a@", ".a@{domain}", "a.@{domain}",
                                   "a..b@{domain}", "{long}@{domain}", "a\x01@{domain}", "a@-bad-.test", "<a>@{domain}",
                                   "a@{domain}\n", ""])
def test_unfit_addresses(api, org, email):
    answer = create(api, org, expect="validation_failed", password=PASSWORD,
                    email=email.format(domain=org.domain, long="x" * 65))
    assert [fault.split()[0] for fault in answer.faults] == ["/email"]


def test_address_must_be_of_a_domain_of_this_organization(api, org):
    other = create_organization(api)
    for domain in ("example.com", other.domain, "sub." + org.domain):
        create(api, org, expect="mail_domain_not_registered", email=f"ann@{domain}", password=PASSWORD)


def test_name_is_taken_whatever_its_case(api, org):
    create(api, org, name="ann")
    for name in ("ann", "ANN", "Ann"):
        create(api, org, expect="name_taken", name=name)
    assert create(api, create_organization(api), name="ann")["name"] == "ann"


def test_address_is_taken_whatever_its_case_and_whether_primary_or_alias(api, org):
    org.create_enabled("ann", email="boss")
    for email in ("boss", "BOSS", "Ann"):
        create(api, org, expect="email_address_in_use", email=email, password=PASSWORD)
    create(api, org, expect=409, name="boss", password=PASSWORD)
    assert api.get(org.users, params={"include_total": "true"})["total"] == 1


@pytest.mark.parametrize("email", ["amazonjournaling", "AmazonJournaling"])
def test_address_of_the_journaling_sender_is_reserved(api, org, email):
    create(api, org, expect="reserved_name", email=email, password=PASSWORD)
    create(api, org, expect="reserved_name", name=email, password=PASSWORD)


@pytest.mark.parametrize("name", ["00000000-0000-0000-0000-000000000000", "x", "ann"])
def test_unknown_user_is_not_found(api, org, name):
    api.get(org.user(name), expect="user_not_found")
    api.delete(org.user(name), expect="user_not_found")
    api.patch(org.user(name), expect="user_not_found", json={"city": "x"})


def test_user_of_another_organization_is_not_found(api, org):
    user = create_organization(api).create_user()
    api.get(org.user(user), expect="user_not_found")


def test_user_id_in_capitals_names_the_same_user_or_none(api, org):
    user = org.create_user()
    answer = api.request("GET", org.user(user["user_id"].upper()))
    assert answer.status == 404 or answer.body == user


def test_times_are_utc_with_z(org):
    user = org.create_enabled()
    for name in ("created_at", "updated_at", "enabled_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", user[name])
