"""The service is killed while DKIM keys are made and take turns; a restart goes on, and no turn is taken twice."""
import pytest

from checks import check_consistency
from dkim_keys import dkim_path, dkim_settled, keys_of
from organization import create_organization
from service import wait_until
from test_kill import doomed, points, revive, send

OPTIONS = ("--dkim-publication-time", "1", "--dkim-retirement-time", "1")
RSA, ED25519 = "RSA_2048", "ED25519"


def states(org, domain):
    return [(key["algorithm"], key["state"]) for key in keys_of(org, domain)]


@pytest.mark.parametrize("point", [*points("dkim_rotation", ["rotate"]), "dkim_rotation.rotate.before_commit:2",
                                   "dkim_rotation.rotate.after_commit:2", "dkim_rotation.rotate.before_commit:3"])
def test_keys_of_a_new_domain_are_made_once(doomed, point):
    service = doomed(point)
    org = create_organization(service.client())
    domain = "example.org"
    send(service, "POST", org.path + "/domains", expect=201, json={"domain": domain})
    org.api = revive(service)
    dkim_settled(org, domain)
    assert states(org, domain) == [(RSA, "ACTIVE"), (ED25519, "ACTIVE"), (RSA, "PUBLISHED")]
    told = [event for event in org.api.items(org.path + "/audit-events") if event["action"] == "service:RotateDkimKey"]
    assert len(told) == 3
    assert service.admin("verify-secrets")["unreadable"] == []
    check_consistency(service)


# Making three keys is four steps, the last of which finds nothing to do; then come the switch and the new key.
@pytest.mark.parametrize("point", [f"dkim_rotation.rotate.{moment}:{number}" for number in (5, 6, 7) for moment in ("before_commit", "after_commit")])
def test_turn_is_taken_once(doomed, point):
    service = doomed(point, *OPTIONS)
    org = create_organization(service.client())
    domain = org.register_domain()
    before = (dkim_settled(org, domain), keys_of(org, domain))[1]
    send(service, "POST", dkim_path(org, domain, "rotate"), expect=200, json={"algorithm": RSA})
    org.api = revive(service)
    wait_until(lambda: states(org, domain) == [(ED25519, "PUBLISHED"), (ED25519, "ACTIVE"), (RSA, "ACTIVE")], 30)
    keys = keys_of(org, domain)
    assert [key["selector"] for key in keys] == [key["selector"] for key in before]
    assert (keys[1]["value"], keys[2]["value"]) == (before[1]["value"], before[2]["value"])
    assert service.admin("verify-secrets")["unreadable"] == []
    check_consistency(service)
