"""Mobile devices: what administrators see and ask for, what gateways say, and each way from each status."""
import random

import pytest

import iam
from checks import check_consistency
from devices import DETAILS, POLICY, REQUIRED, STRICT, SUCCEEDED, TO_WIPE, WIPED, Device, put_policy
from organization import create_organization, unique
from service import wait_until
from test_concurrency import all_at_once

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def user(org):
    return org.create_enabled("ann")


@pytest.fixture
def device(org, user):
    return Device(org, user)


def enter(device, status):
    """The device comes into a status by the ways that there are."""
    device.sync()
    if status == SUCCEEDED:
        device.provision()
    if status in (TO_WIPE, WIPED):
        device.wipe()
    if status == WIPED:
        device.acknowledge_wipe()
    assert device.status == status
    return device


# Details and lists


def test_device_that_connects_shows_up_in_the_list(api, org, user, device):
    """Guide, "View Mobile Device Details"."""
    answer = device.sync(**DETAILS)
    assert answer.status == 201 and answer.headers["Location"] == device.path
    seen = device.look()
    assert {name: seen[name] for name in DETAILS} == DETAILS
    assert (seen["device_id"], seen["user_id"], seen["status"], seen["warnings"]) == (device.id, user["user_id"], REQUIRED, [])
    assert seen["first_sync_at"] == seen["last_sync_at"] and "policy_key" not in seen and "policy_applied_at" not in seen
    assert api.items(org.user(user, "devices")) == [seen]


def test_details_that_a_device_did_not_send_are_absent(device):
    device.sync(model="Pixel 8")
    assert set(device.look()) == {"device_id", "user_id", "status", "model", "first_sync_at", "last_sync_at", "warnings", "created_at",
                                  "updated_at"}


def test_details_are_kept_until_the_device_tells_others(device):
    device.sync(**DETAILS)
    assert device.sync().status == 200
    device.api.put(device.path, json={"os": "iOS 18", "model": None})
    seen = device.look()
    assert {name: seen[name] for name in DETAILS} == {**DETAILS, "os": "iOS 18"}
    assert seen["last_sync_at"] > seen["first_sync_at"]


@pytest.mark.parametrize("details,faults", [
    ({"type": ""}, {"/type too_short"}), ({"model": "x" * 257}, {"/model too_long"}), ({"os": 5}, {"/os wrong_type"}),
    ({"status": REQUIRED, "device_id": "x", "colour": 1}, {"/status read_only", "/device_id read_only", "/colour unknown_member"}),
])
def test_faults_are_named(api, org, user, device, details, faults):
    assert device.sync(expect="validation_failed", **details).faults == faults
    assert api.get(org.user(user, "devices"))["items"] == []


@pytest.mark.parametrize("bad", ["a.b", "a%20b", "%C3%A9", "x" * 65])
def test_id_of_a_device_has_a_form(api, org, user, bad):
    path = org.user(user, "devices", bad)
    assert api.put(path, expect="validation_failed", json={"os": 1}).faults == {"device_id invalid_format", "/os wrong_type"}
    for method, action in (("GET", ""), ("DELETE", ""), ("POST", "/wipe")):
        api.call(method, path + action, expect="mobile_device_not_found")


def test_list_is_filtered_ordered_and_paged(api, org, user):
    phones = [Device(org, user, f"phone-{number}") for number in range(5)]
    for number, phone in enumerate(phones):
        phone.sync(type="Android" if number % 2 else "iPhone", model=f"Model {number}", imei=f"35{number}")
    phones[1].provision()
    phones[2].wipe()

    def listed(**params):
        return [item["device_id"] for item in api.items(org.user(user, "devices"), **params)]
    every = [phone.id for phone in phones]
    assert listed() == listed(page_size=2) == every and listed(order_by="-first_sync_at", page_size=1) == every[::-1]
    assert listed(order_by="-last_sync_at")[0] == "phone-1"
    assert listed(status=SUCCEEDED) == ["phone-1"] and listed(status=TO_WIPE) == ["phone-2"]
    assert listed(status=REQUIRED, page_size=1) == ["phone-0", "phone-3", "phone-4"]
    assert listed(type="android") == ["phone-1", "phone-3"] and listed(q="MODEL 3") == ["phone-3"] == listed(q="353")
    assert listed(q="%") == [] == listed(type="Andr")
    assert api.get(org.user(user, "devices"), params={"include_total": "true", "page_size": 1, "type": "iPhone"})["total"] == 3
    assert api.get(org.user(user, "devices"), expect="validation_failed", params={"status": "LOST", "order_by": "imei"}).faults == {
        "status invalid_value"}
    assert api.get(org.user(user, "devices"), expect="validation_failed", params={"order_by": "imei"}).faults == {"order_by invalid_value"}


def test_what_is_not_there(api, org, user, device):
    for act in (lambda d: d.api.get(d.path, expect=404), lambda d: d.wipe(404), lambda d: d.cancel_wipe(404),
                lambda d: d.ask_to_provision(404), lambda d: d.remove(404), lambda d: d.acknowledge_wipe(404)):
        assert act(device)["code"] == "mobile_device_not_found"
        assert act(Device(org, NOBODY))["code"] == "user_not_found"
    Device(org, NOBODY).sync(expect="user_not_found")
    api.get(org.user(NOBODY, "devices"), expect="user_not_found")
    group = org.create_group()
    Device(org, group["group_id"]).sync(expect="user_not_found")
    api.get(org.user(create_organization(api).create_enabled(), "devices"), expect="user_not_found")


def test_same_id_at_two_users_is_two_devices(org, device):
    other = Device(org, org.create_enabled("bob"), device.id)
    for one in (device, other):
        one.sync()
    device.wipe()
    assert (device.status, other.status) == (TO_WIPE, REQUIRED)


def test_number_of_devices_of_a_user_is_limited(make_service):
    service = make_service()
    org = create_organization(service.client())
    user, other = org.create_enabled(), org.create_enabled()
    service.admin("set-limit", "--limit", "devices_per_user", "--value", 3)
    devices = [Device(org, user) for _ in range(12)]
    outcomes = all_at_once(12, lambda number: devices[number].api.request("PUT", devices[number].path))
    assert outcomes == {(201, None): 3, (409, "limit_exceeded"): 9}
    known = [device for device in devices if device.api.request("GET", device.path).status == 200]
    for device in known:
        assert device.sync().status == 200
    Device(org, other).sync()
    known[0].remove()
    assert Device(org, user).sync().status == 201


def test_device_that_connects_twice_at_once_is_one(api, org, user, device):
    outcomes = all_at_once(10, lambda _: api.request("PUT", device.path, {"os": "x"}))
    assert outcomes == {(201, None): 1, (200, None): 9}
    assert len(api.items(org.user(user, "devices"))) == 1


# The state machine

ACTIONS = {
    "sync": Device.sync, "acknowledge": Device.acknowledge, "acknowledge_wipe": Device.acknowledge_wipe, "wipe": Device.wipe,
    "cancel_wipe": Device.cancel_wipe, "ask_to_provision": Device.ask_to_provision,
}
# Where each action leads to from each status; None: refused.
WAYS = {
    REQUIRED: {"sync": REQUIRED, "acknowledge": SUCCEEDED, "acknowledge_wipe": None, "wipe": TO_WIPE, "cancel_wipe": None,
               "ask_to_provision": REQUIRED},
    SUCCEEDED: {"sync": SUCCEEDED, "acknowledge": SUCCEEDED, "acknowledge_wipe": None, "wipe": TO_WIPE, "cancel_wipe": None,
                "ask_to_provision": REQUIRED},
    TO_WIPE: {"sync": TO_WIPE, "acknowledge": None, "acknowledge_wipe": WIPED, "wipe": TO_WIPE, "cancel_wipe": REQUIRED,
              "ask_to_provision": None},
    WIPED: {"sync": TO_WIPE, "acknowledge": None, "acknowledge_wipe": WIPED, "wipe": TO_WIPE, "cancel_wipe": None,
            "ask_to_provision": None},
}
MUST = {REQUIRED: "PROVISION", SUCCEEDED: "NONE", TO_WIPE: "WIPE", WIPED: "WIPE"}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("status", WAYS)
def test_each_way_from_each_status(device, status, action):
    enter(device, status)
    key = {"policy_key": "1"} if action == "acknowledge" and WAYS[status][action] is None else {}
    before, to = device.look(), WAYS[status][action]
    if to is None:
        refusal = ACTIONS[action](device, expect="mobile_device_state", **key)
        assert status in refusal["detail"]
        assert device.look() == before
    else:
        answer = ACTIONS[action](device)
        assert device.status == to
        if action == "sync":
            assert answer["required"] == MUST[to]
        else:
            assert answer.body == device.look()


@pytest.mark.parametrize("status", WAYS)
def test_new_policy_moves_devices_that_are_not_to_be_wiped(org, device, status):
    enter(device, status)
    put_policy(org, **STRICT)
    assert device.status == (REQUIRED if status == SUCCEEDED else status)


@pytest.mark.parametrize("status", WAYS)
def test_removed_device_that_connects_again_is_new(api, org, user, device, status):
    """Guide, "Remove a User's Mobile Devices from the Devices List"."""
    enter(device, status)
    first = device.look()
    device.remove()
    device.remove(expect="mobile_device_not_found")
    assert api.items(org.user(user, "devices")) == []
    answer = device.sync()
    assert answer.status == 201 and answer["required"] == "PROVISION"
    again = device.look()
    assert again["status"] == REQUIRED and again["first_sync_at"] > first["first_sync_at"]
    assert not {"wiped_at", "wipe_requested_at", "policy_applied_at"} & again.keys()


def test_gateway_gets_the_policy_and_its_key(org, device):
    answer = device.sync()
    assert {name: answer["policy"][name] for name in POLICY} == POLICY
    assert 0 < int(answer["policy_key"]) < 2 ** 32
    done = device.acknowledge(policy_key=answer["policy_key"]).body
    assert (done["status"], done["policy_key"], done["policy_version"]) == (SUCCEEDED, answer["policy_key"], 1)
    assert done["policy_applied_at"] > done["first_sync_at"]
    assert device.sync().body == {"required": "NONE", "policy_key": answer["policy_key"]}
    put_policy(org, **STRICT)
    again = device.sync()
    assert again["required"] == "PROVISION" and again["policy_key"] != answer["policy_key"]
    assert {name: again["policy"][name] for name in STRICT} == STRICT
    assert device.look()["policy_version"] == 1  # what it applied last


def test_late_acknowledgement_is_not_taken_for_the_present_policy(org, device):
    old = device.sync()["policy_key"]
    put_policy(org, **STRICT)
    assert "synchronize again" in device.acknowledge(expect="mobile_device_state", policy_key=old)["detail"]
    device.acknowledge()
    present = device.look()["policy_key"]
    device.ask_to_provision()
    device.acknowledge(expect="mobile_device_state", policy_key=present)
    device.provision()
    before = device.look()["policy_key"]
    device.remove()
    device.sync()
    device.acknowledge(expect="mobile_device_state", policy_key=before)
    assert device.status == REQUIRED


def test_policy_that_came_back_must_be_applied_again(org, device):
    enter(device, SUCCEEDED)
    put_policy(org, **STRICT)
    put_policy(org)
    assert device.status == REQUIRED


def test_acknowledgement_says_what_and_of_which_policy(device):
    device.sync()
    for json, faults in (({}, {"/acknowledged required"}), ({"acknowledged": "PROVISION"}, {"/policy_key required"}),
                         ({"acknowledged": "NONE"}, {"/acknowledged invalid_value"}),
                         ({"acknowledged": "PROVISION", "policy_key": "12345678901"}, {"/policy_key too_long"})):
        assert device.post("acknowledge", "validation_failed", json=json).faults == faults
    for key in ("0", "x", "'", "-1"):
        device.acknowledge(expect="mobile_device_state", policy_key=key)


def test_wipe_warns_and_stays_until_the_device_connects(device):
    """Guide, "Remotely Wipe Mobile Devices"."""
    enter(device, SUCCEEDED)
    asked = device.wipe().body
    assert "personal data" in asked["warnings"][0] and asked["status"] == TO_WIPE
    assert device.wipe().body == asked
    assert device.sync()["required"] == "WIPE"
    done = device.acknowledge_wipe().body
    assert done["status"] == WIPED and done["warnings"] == [] and done["wiped_at"] >= done["wipe_requested_at"]
    assert device.sync()["required"] == "WIPE"
    again = device.look()
    assert again["status"] == TO_WIPE and again["wipe_requested_at"] > asked["wipe_requested_at"] and again["wiped_at"] == done["wiped_at"]


def test_canceled_wipe_leaves_no_trace_but_the_audit_log(api, org, device):
    enter(device, TO_WIPE)
    after = device.cancel_wipe().body
    assert after["status"] == REQUIRED and "wipe_requested_at" not in after and after["warnings"] == []
    assert device.sync()["required"] == "PROVISION"
    event, = api.items(org.path + "/audit-events", action="workmail:CancelMobileDeviceWipe")
    assert event["target"] == device.path
    assert (event["changes"]["before"]["status"], event["changes"]["after"]["status"]) == (TO_WIPE, REQUIRED)


def test_audit_log_tells_what_is_new_and_not_each_sign_of_life(api, org, device):
    def events(action):
        return [event["changes"] for event in api.items(org.path + "/audit-events", action=f"workmail:{action}", order_by="at")]
    device.sync(**DETAILS)
    for _ in range(3):
        device.sync(**DETAILS)
        device.sync()
    device.sync(os="iOS 18")
    registered, changed = events("SyncMobileDevice")
    assert "before" not in registered and registered["after"]["os"] == DETAILS["os"]
    assert changed["before"]["os"] == DETAILS["os"] and changed["after"]["os"] == "iOS 18"
    device.wipe()
    device.acknowledge_wipe()
    device.sync()
    last = events("SyncMobileDevice")[2]
    assert (last["before"]["status"], last["after"]["status"]) == (WIPED, TO_WIPE)
    device.remove()
    removed, = events("RemoveMobileDevice")
    assert removed["before"]["status"] == TO_WIPE and "after" not in removed


def test_versions_tell_of_every_change_and_of_the_policy(api, org, device):
    device.sync()
    seen = []

    def note():
        answer = api.get(device.path)
        seen.append(answer.headers["ETag"])
        api.call("GET", device.path, expect=304, headers={"If-None-Match": seen[-1]})
    for change in (device.sync, device.provision, lambda: put_policy(org, **STRICT), device.wipe, device.cancel_wipe):
        change()
        note()
    assert len(set(seen)) == len(seen)
    for stale in seen[:-1]:
        api.post(device.path + "/wipe", expect="precondition_failed", headers={"If-Match": stale})
    api.post(device.path + "/wipe", expect=200, headers={"If-Match": seen[-1]})


def test_repeated_acknowledgement_gets_its_first_answer(api, device):
    body, key = device.acknowledgement(), {"Idempotency-Key": unique("key")}
    first = api.post(device.path + "/acknowledge", expect=200, json=body, headers=key)
    device.wipe()
    again = api.post(device.path + "/acknowledge", expect=200, json=body, headers=key)
    assert again.body == first.body and again.headers["Idempotent-Replayed"] == "true"
    assert device.status == TO_WIPE


def test_gateway_needs_its_own_permissions_only(service, api, org, device):
    gateway = iam.Identity(service, api, iam.statement(
        action=["workmail:SyncMobileDevice", "workmail:AcknowledgeMobileDevice", "workmail:GetMobilePolicyProvisionDoc"],
        resource=iam.arn(org.id)))
    device.api = gateway.client
    device.sync(**DETAILS)
    device.acknowledge()
    gateway.client.get(org.path + "/mobile-policy/provision-doc")
    for call in (device.wipe, device.cancel_wipe, device.ask_to_provision, device.remove):
        assert call(404)["code"] == "organization_not_found"  # it may not read the organization
    gateway.client.get(device.path, expect="organization_not_found")
    gateway.client.get(org.path + "/mobile-policy", expect="organization_not_found")
    administrator = iam.Identity(service, api, iam.statement(action="workmail:*", resource=iam.arn(org.id)),
                                 iam.statement("Deny", ["workmail:SyncMobileDevice", "workmail:AcknowledgeMobileDevice"], iam.arn(org.id)))
    device.api = administrator.client
    device.wipe()
    device.sync(expect="access_denied")
    device.acknowledge_wipe(expect="access_denied")


# What becomes of devices when their users go


def test_devices_of_a_disabled_user_do_nothing_but_be_wiped(org, user, device):
    known, other = enter(device, SUCCEEDED), Device(org, user)
    key = other.sync()["policy_key"]
    org.disable(user)
    assert "DISABLED" in known.sync(expect="entity_state")["detail"]
    other.acknowledge(expect="entity_state", policy_key=key)
    Device(org, user).sync(expect="entity_state")
    assert {item["device_id"] for item in org.api.items(org.user(user, "devices"))} == {known.id, other.id}
    known.wipe()
    assert known.sync()["required"] == "WIPE"
    known.acknowledge_wipe()
    org.enable(user)
    assert known.sync()["required"] == "WIPE" and other.sync()["required"] == "PROVISION"


def test_devices_of_a_deleted_user_can_be_wiped_until_it_is_purged(org, user, device):
    enter(device, SUCCEEDED)
    org.disable(user)
    org.api.delete(org.of(user))
    device.wipe()
    assert device.sync()["required"] == "WIPE"
    device.acknowledge_wipe()
    assert device.status == WIPED


@pytest.mark.parametrize("deleted", [False, True])
def test_devices_go_with_the_mailbox(make_service, deleted):
    service = make_service("--mailbox-retention", "1")
    org = create_organization(service.client())
    user, other = org.create_enabled(), org.create_enabled()
    devices = [enter(Device(org, one), SUCCEEDED) for one in (user, other)]
    org.disable(user)
    if deleted:
        org.api.delete(org.of(user))
    wait_until(lambda: service.sql("SELECT count(*) FROM mobile_device") == [(1,)], 20)
    devices[0].sync(expect="user_not_found" if deleted else "entity_state")
    assert devices[1].status == SUCCEEDED
    if not deleted:
        org.enable(user, email="back")
        assert devices[0].sync().status == 201
    check_consistency(service)


def test_devices_go_with_their_organization(service, api, org, user, device):
    enter(device, TO_WIPE)
    api.post(org.path + "/deactivate", expect=200)
    for call in (device.sync, device.wipe):
        call(expect="organization_state")
    api.get(device.path, expect="organization_state")
    api.get(org.path + "/mobile-policy", expect="organization_state")
    put_policy(org, expect="organization_state")
    org.remove(force="true")
    assert service.sql("SELECT count(*) FROM mobile_device WHERE organization_id = %s", org.id) == [(0,)]
    assert service.sql("SELECT count(*) FROM mobile_policy WHERE organization_id = %s", org.id) == [(0,)]


# At random, against a model


class Model:
    """What a device must be, in a few lines."""

    def __init__(self):
        self.status, self.version, self.round = None, 1, 0
        self.known = None  # (version, round) of the key that the gateway holds

    def current(self):
        return self.version, self.round

    def step(self, action):
        """The status after an action, or None when it is refused."""
        if action == "policy":
            self.version += 1
            self.status = REQUIRED if self.status == SUCCEEDED else self.status
            return self.status
        if action == "remove":
            known, self.status = self.status, None
            return known
        if action == "sync" and self.status is None:
            self.status, self.round = REQUIRED, self.round + 1
        to = None if self.status is None else WAYS[self.status][action]
        if action == "acknowledge" and to and self.known != self.current():
            to = None
        if action == "sync":
            self.known = self.current()
        if to is None:
            return None
        self.round += to == REQUIRED and self.status != REQUIRED
        if action == "sync":
            self.known = self.current()
        self.status = to
        return to


@pytest.mark.parametrize("seed", range(12))
def test_devices_at_random_are_what_the_model_says(service, org, user, seed):
    rng = random.Random(f"devices {seed}")
    devices = [(Device(org, user), Model(), {"key": None}) for _ in range(3)]
    version = 1
    for number in range(120):
        device, model, held = rng.choice(devices)
        action = rng.choices([*ACTIONS, "remove", "policy"], [6, 6, 3, 3, 3, 3, 1, 2])[0]
        if action == "policy":
            put_policy(org, password_history=(version := version + 1) % 50 + 1)
            for _, one, _ in devices:
                one.step("policy")
        elif action == "remove":
            answer = device.api.request("DELETE", device.path)
            assert answer.status == (204 if model.step("remove") else 404), (seed, number, answer)
        else:
            if action == "acknowledge":
                answer = device.api.request("POST", device.path + "/acknowledge",
                                            {"acknowledged": "PROVISION", "policy_key": held["key"] or "1"})
            else:
                answer = ACTIONS[action](device, expect=None) if action == "sync" else device.api.request(
                    "POST", device.path + "/" + {"acknowledge_wipe": "acknowledge", "wipe": "wipe", "cancel_wipe": "cancel-wipe",
                                                 "ask_to_provision": "provision"}[action],
                    **({"json_body": {"acknowledged": "WIPE"}} if action == "acknowledge_wipe" else {}))
            was_there, to = model.status is not None or action == "sync", model.step(action)
            assert (answer.status < 300) == (to is not None), (seed, number, action, model.status, answer)
            if to is None:
                assert answer["code"] == ("mobile_device_state" if was_there else "mobile_device_not_found"), (seed, number, answer)
            if action == "sync":
                held["key"] = answer["policy_key"]
                assert answer["required"] == MUST[model.status], (seed, number, answer)
        for one, expected, _ in devices:
            seen = one.api.request("GET", one.path)
            assert (seen.body["status"] if seen.status == 200 else None) == expected.status, (seed, number, action, seen)
