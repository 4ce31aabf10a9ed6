"""What happens when the time that a mailbox is kept is over."""
import pytest

from checks import check_consistency
from organization import create_organization
from service import wait_until

KEPT = 2


@pytest.fixture
def hasty(make_service):
    service = make_service("--mailbox-retention", KEPT)
    return service


@pytest.fixture
def org(hasty):
    return create_organization(hasty.client())


def wait_purged(org, user, seconds=KEPT + 15):
    return wait_until(lambda: "mailbox" not in (now := org.describe_user(user)) and now, seconds, 0.1, "the purge")


def test_mailbox_is_purged_and_addresses_become_free(hasty, org):
    user = org.create_enabled("ann", email="boss")
    org.api.post(org.user(user, "aliases"), json={"email": "chief"})
    assert org.disable(user)["mailbox"]["purge_at"]
    purged = wait_purged(org, user)
    assert purged["state"] == "DISABLED" and purged["aliases"] == [] and "email" not in purged
    other = org.create_enabled("other", email="boss")
    for name in ("ann", "chief"):
        org.api.post(org.user(other, "aliases"), json={"email": name})
    check_consistency(hasty)


def test_enabling_after_the_purge_makes_another_mailbox(org):
    user = org.create_enabled("ann")
    org.disable(user)
    wait_purged(org, user)
    assert org.enable(user)["mailbox"]["mailbox_id"] != user["mailbox"]["mailbox_id"]


def test_restored_in_time_nothing_is_purged(hasty, org):
    user, other = org.create_enabled("ann"), org.create_enabled("other")
    org.disable(user)
    restored = org.enable(user).body
    org.disable(other)
    wait_purged(org, other)  # later than the first one's time
    assert org.describe_user(user) == restored and restored["mailbox"] == user["mailbox"]
    check_consistency(hasty)


def test_disabled_again_the_time_begins_anew(org):
    user = org.create_enabled("ann")
    first = org.disable(user)["mailbox"]["purge_at"]
    org.enable(user)
    assert org.disable(user)["mailbox"]["purge_at"] > first
    wait_purged(org, user)


def test_deleted_user_is_purged_too(hasty, org):
    user = org.create_enabled("ann")
    org.disable(user)
    org.api.delete(org.user(user))
    again = org.create_user("ann")
    org.enable(again, expect="email_address_in_use")
    wait_until(lambda: org.api.request("POST", org.user(again, "enable")).status == 200, KEPT + 15, 0.2,
               "the end of the quarantine")
    check_consistency(hasty)


def test_purge_that_fell_due_while_the_service_was_down_happens_afterwards(hasty, org):
    user = org.create_enabled("ann")
    org.disable(user)
    hasty.kill9()
    hasty.start()
    org.api = hasty.client()
    wait_purged(org, user)
    check_consistency(hasty)


def test_deleted_organization_has_nothing_left_to_purge(hasty, org):
    org.disable(org.create_enabled("ann"))
    org.remove()
    check_consistency(hasty)


def test_purge_that_comes_too_early_comes_again(hasty, org):
    """The clock went back, or the user was disabled anew: the job must not be lost."""
    user = org.create_enabled("ann")
    org.disable(user)
    hasty.sql("UPDATE entity SET purge_at = now() + interval '5 seconds' WHERE entity_id = %s", user["user_id"])
    wait_until(lambda: hasty.sql("""SELECT 1 FROM job WHERE entity_id = %s AND kind = 'entity_purge'
                                    AND state = 'SUCCEEDED'""", user["user_id"]), KEPT + 2)
    assert org.describe_user(user)["mailbox"] and org.aliases(user)
    wait_purged(org, user)
    check_consistency(hasty)
