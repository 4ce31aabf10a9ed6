"""Enabling, disabling and restoring users, and what becomes of their addresses."""
import datetime

import pytest

from organization import PASSWORD, create_organization

THIRTY_DAYS = datetime.timedelta(days=30)


def at(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_enabling_makes_mailbox_and_default_address(org):
    user = org.enable(org.create_user("ann")).body
    assert user["state"] == "ENABLED" and user["email"] == f"ann@{org.domain}" and user["aliases"] == []
    assert user["mailbox"]["mailbox_id"] and user["has_password"] is False


def test_enabling_with_another_address_adds_the_name_as_alias(org):
    user = org.enable(org.create_user("ann"), email="boss").body
    assert org.aliases(user) == [f"boss@{org.domain}", f"ann@{org.domain}"]


@pytest.mark.parametrize("body", [None, {}])
def test_enabling_what_is_enabled_changes_nothing(api, org, body):
    user = org.create_enabled("ann")
    again = api.post(org.user(user, "enable"), expect=200, **({} if body is None else {"json": body}))
    assert again.body == user == org.describe_user(user)


def test_disabling_keeps_the_mailbox_for_thirty_days(org):
    user = org.create_enabled("ann")
    after = org.disable(user).body
    assert after["state"] == "DISABLED" and after["mailbox"]["mailbox_id"] == user["mailbox"]["mailbox_id"]
    assert at(after["mailbox"]["purge_at"]) - at(after["disabled_at"]) == THIRTY_DAYS
    assert org.disable(user).body == after


def test_disabling_what_was_never_enabled_changes_nothing(org):
    user = org.create_user()
    assert org.disable(user).body == user


def test_restoring_gives_back_mailbox_addresses_and_password(api, org):
    user = org.create_enabled("ann", email="boss")
    api.post(org.user(user, "aliases"), json={"email": "chief"})
    before = org.describe_user(user)
    org.disable(user)
    after = org.enable(user).body
    for name in ("email", "has_password", "quota_mb"):
        assert after[name] == before[name]
    assert sorted(after["aliases"]) == sorted(before["aliases"])
    assert after["mailbox"] == before["mailbox"] and "disabled_at" not in after
    assert after["enabled_at"] >= before["enabled_at"]


def test_restoring_with_another_address_makes_that_the_primary_one(org):
    user = org.create_enabled("ann", email="boss")
    org.disable(user)
    after = org.enable(user, email="chief").body
    assert after["email"] == f"chief@{org.domain}"
    assert org.aliases(after) == [f"{name}@{org.domain}" for name in ("chief", "ann", "boss")]
    assert after["mailbox"]["mailbox_id"] == user["mailbox"]["mailbox_id"]


@pytest.mark.parametrize("email", ["ann", "boss"])
def test_addresses_of_a_disabled_user_are_not_free_for_others(api, org, email):
    org.disable(org.create_enabled("ann", email="boss"))
    other = org.create_user("other")
    org.enable(other, expect="email_address_in_use", email=email)
    api.post(org.users, expect=409, json={"name": email + "x", "display_name": "x", "email": email,
                                          "password": PASSWORD})
    assert org.describe_user(other) == other


def test_addresses_of_a_deleted_user_are_not_free_and_the_name_restores_nothing(api, org):
    user = org.create_enabled("ann", email="boss")
    org.disable(user)
    api.delete(org.user(user))
    again = org.create_user("ann")
    assert "mailbox" not in again and again["has_password"] is False and "email" not in again
    org.enable(again, expect="email_address_in_use")
    api.post(org.user(org.create_enabled("third"), "aliases"), expect="email_address_in_use", json={"email": "boss"})


def test_address_taken_by_another_stops_enabling(org):
    org.create_enabled("bob", email="ann")
    user = org.create_user("ann")
    org.enable(user, expect="email_address_in_use")
    assert org.describe_user(user) == user


@pytest.mark.parametrize("email,expect", [
    ("ann@example.com", "mail_domain_not_registered"), ("a b", "validation_failed"), (5, "validation_failed"),
    ("amazonjournaling", "reserved_name"),
])
def test_unfit_address_stops_enabling(org, email, expect):
    user = org.create_user("ann")
    org.enable(user, expect=expect, email=email)
    assert org.describe_user(user) == user


def test_mailbox_of_another_user_is_another(org):
    one, two = org.create_enabled(), org.create_enabled()
    assert one["mailbox"]["mailbox_id"] != two["mailbox"]["mailbox_id"]


def test_same_name_in_two_organizations_gets_two_addresses(api, org):
    other = create_organization(api)
    assert org.create_enabled("ann")["email"] != other.create_enabled("ann")["email"]


def test_enabling_with_another_address_counts_against_the_limit_of_aliases(make_service):
    service = make_service()
    api = service.client()
    organization = create_organization(api)
    user = organization.create_enabled("ann")
    organization.disable(user)
    service.admin("set-limit", "--limit", "aliases_per_user", "--value", 0)
    organization.enable(user, expect="limit_exceeded", email="boss")
    assert organization.enable(user)["email"] == user["email"]
