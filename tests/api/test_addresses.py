"""Aliases and the primary address."""
import urllib.parse

import pytest

from organization import create_organization


@pytest.fixture
def user(org):
    return org.create_enabled("ann")


def add(api, org, user, email, expect=201):
    return api.post(org.user(user, "aliases"), expect=expect, json={"email": email})


def remove(api, org, user, email, expect=204):
    return api.delete(org.user(user, "aliases", urllib.parse.quote(email)), expect=expect)


def make_primary(api, org, user, email, expect=200):
    return api.put(org.user(user, "primary-email"), expect=expect, json={"email": email})


def test_alias_is_added_once(api, org, user):
    answer = add(api, org, user, "chief")
    alias = answer.body
    assert (alias["email"], alias["is_primary"]) == (f"chief@{org.domain}", False) and alias["created_at"]
    assert add(api, org, user, "chief", expect=200).body == alias
    assert add(api, org, user, f"CHIEF@{org.domain.upper()}", expect=200).body == alias
    assert org.describe_user(user)["aliases"] == [alias["email"]]


@pytest.mark.parametrize("status,expect", [("VERIFIED", 201), ("PENDING", "mail_domain_state")])
def test_alias_may_be_of_any_verified_domain_of_the_organization(service, api, org, user, status, expect):
    domain = f"{org.alias}.example.net"
    service.sql("INSERT INTO mail_domain (organization_id, domain, ownership_status) VALUES (%s, %s, %s)", org.id, domain, status)
    add(api, org, user, f"ann@{domain}", expect=expect)
    assert (f"ann@{domain}" in org.describe_user(user)["aliases"]) == (status == "VERIFIED")


def test_list_has_the_primary_address_too(api, org, user):
    add(api, org, user, "chief")
    items = api.items(org.user(user, "aliases"), page_size=1)
    assert {item["email"]: item["is_primary"] for item in items} == {
        f"ann@{org.domain}": True, f"chief@{org.domain}": False}
    assert api.get(org.user(user, "aliases"), params={"include_total": "true"})["total"] == 2


@pytest.mark.parametrize("email,expect", [
    ("bob", "email_address_in_use"), ("BOB", "email_address_in_use"), ("ann@example.com", "mail_domain_not_registered"),
    ("amazonjournaling", "reserved_name"), ("a b", "validation_failed"), ("", "validation_failed"),
    (5, "validation_failed"), (None, "validation_failed"),
])
def test_unfit_alias_is_refused(api, org, user, email, expect):
    org.create_enabled("bob")
    add(api, org, user, email, expect)
    assert org.describe_user(user) == user


def test_alias_is_removed_and_removing_it_again_succeeds(api, org, user):
    add(api, org, user, "chief")
    for email in (f"chief@{org.domain}", f"CHIEF@{org.domain}", f"never@{org.domain}", "never@example.com"):
        remove(api, org, user, email)
    assert org.describe_user(user)["aliases"] == []


def test_alias_of_another_user_is_not_removed(api, org, user):
    other = org.create_enabled("bob")
    add(api, org, other, "robert")
    remove(api, org, user, f"robert@{org.domain}")
    assert org.describe_user(other)["aliases"] == [f"robert@{org.domain}"]


def test_removed_alias_may_be_taken_back(api, org, user):
    add(api, org, user, "chief")
    remove(api, org, user, f"chief@{org.domain}")
    add(api, org, user, "chief")


def test_primary_address_is_not_removed(api, org, user):
    remove(api, org, user, user["email"], expect="primary_address")
    assert org.describe_user(user) == user


def test_old_primary_address_becomes_an_alias(api, org, user):
    add(api, org, user, "chief")
    after = make_primary(api, org, user, "chief").body
    assert after["email"] == f"chief@{org.domain}" and after["aliases"] == [f"ann@{org.domain}"]
    assert org.describe_user(user) == after
    assert make_primary(api, org, user, "chief")["email"] == after["email"]
    assert make_primary(api, org, user, "ann")["aliases"] == [f"chief@{org.domain}"]


def test_new_address_may_become_the_primary_one_directly(api, org, user):
    after = make_primary(api, org, user, "boss").body
    assert after["email"] == f"boss@{org.domain}" and f"ann@{org.domain}" in after["aliases"]


@pytest.mark.parametrize("email,expect", [("bob", "email_address_in_use"), ("x@example.com", "mail_domain_not_registered"),
                                          ("a b", "validation_failed")])
def test_unfit_primary_address_is_refused(api, org, user, email, expect):
    org.create_enabled("bob")
    make_primary(api, org, user, email, expect)
    assert org.describe_user(user) == user


def test_address_change_shows_in_updated_at(api, org, user):
    add(api, org, user, "chief")
    assert org.describe_user(user)["updated_at"] > user["updated_at"]


def test_hundred_aliases_and_no_more(api, org, user):
    for number in range(100):
        add(api, org, user, f"alias{number}")
    assert "100" in add(api, org, user, "onetoomany", expect="limit_exceeded")["detail"]
    add(api, org, user, "alias7", expect=200)
    make_primary(api, org, user, "alias7")
    make_primary(api, org, user, "onetoomany", expect="limit_exceeded")
    remove(api, org, user, f"alias8@{org.domain}")
    add(api, org, user, "alias8")
    assert len(api.items(org.user(user, "aliases"))) == 101


def test_operator_sets_the_limit_of_aliases(make_service):
    service = make_service()
    api = service.client()
    organization = create_organization(api)
    user = organization.create_enabled()
    service.admin("set-limit", "--limit", "aliases_per_user", "--value", 1)
    add(api, organization, user, "one")
    add(api, organization, user, "two", expect="limit_exceeded")


def test_addresses_of_a_user_that_is_not_enabled(api, org):
    """Without a mailbox there is nothing an address could deliver to."""
    user = org.create_user("off")
    add(api, org, user, "chief", expect="entity_state")
    make_primary(api, org, user, "chief", expect="entity_state")
    assert api.items(org.user(user, "aliases")) == []


def test_addresses_of_a_disabled_user_stay_in_quarantine(api, org, user):
    add(api, org, user, "chief")
    org.disable(user)
    before = org.aliases(user)
    remove(api, org, user, f"chief@{org.domain}", expect="entity_state")
    assert org.aliases(user) == before
    add(api, org, org.create_enabled("bob"), "chief", expect="email_address_in_use")


def test_location_of_an_alias_is_where_it_can_be_removed(api, org, user):
    made, again = add(api, org, user, "a+b"), add(api, org, user, "a+b", expect=200)
    location = made.headers["Location"]
    assert urllib.parse.unquote(location) == org.user(user, "aliases", made["email"])
    assert again.headers["Location"] in (location, None)
    api.delete(location)
    assert org.describe_user(user)["aliases"] == []
