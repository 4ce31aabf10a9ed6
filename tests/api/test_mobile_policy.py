"""The mobile device policy: its eleven members, its versions, the document that devices get, and how little a change costs."""
import statistics
import threading
import time
import xml.etree.ElementTree as ET

import pytest

from devices import POLICY, REQUIRED, STRICT, SUCCEEDED, Device, put_policy
from organization import create_organization
from service import wait_until

BOUNDS = {"min_password_length": (1, 18), "min_character_sets": (1, 4), "max_failed_attempts": (4, 16),
          "password_expiration_days": (0, 730), "screen_lock_seconds": (0, 9998), "password_history": (0, 50)}
NAMESPACE = "{Provision:}"
READ_ONLY = {"policy_version", "created_at", "updated_at"}


def members(policy):
    return {name: value for name, value in policy.items() if name not in READ_ONLY}


def path(org):
    return org.path + "/mobile-policy"


def provision_doc(org):
    """The elements of the document, by their names."""
    answer = org.api.get(path(org) + "/provision-doc")
    assert answer.headers.get_content_type() == "application/xml"
    root = ET.fromstring(answer.raw)
    assert root.tag == NAMESPACE + "EASProvisionDoc" and not root.attrib
    names = [element.tag for element in root]
    assert all(name.startswith(NAMESPACE) for name in names) and len(set(names)) == len(names)
    assert all(len(element) == 0 for element in root)
    return {element.tag.removeprefix(NAMESPACE): int(element.text) for element in root}


def test_new_organization_has_the_default_policy(api, org):
    policy = api.get(path(org)).body
    assert members(policy) == POLICY and policy["policy_version"] == 1


def test_each_member_can_be_set(api, org):
    """Guide, "Edit Your Organization's Mobile Device Policy": a. to k."""
    assert members(put_policy(org, **STRICT).body) == STRICT
    policy = api.get(path(org)).body
    assert members(policy) == STRICT and policy["policy_version"] == 2
    for name, value in POLICY.items():
        changed = members(put_policy(org, **{name: STRICT[name]} if name != "min_character_sets" else {name: 2}).body)
        assert {other for other in POLICY if changed[other] != POLICY[other]} == ({name} if STRICT[name] != value else set())


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds(org, name):
    least, most = BOUNDS[name]
    for value in (least, most):
        other = {"min_password_length": 4} if name == "min_character_sets" else {}
        assert put_policy(org, **{**other, name: value})[name] == value
    for value, code in ((least - 1, "too_small"), (most + 1, "too_large"), ("4", "wrong_type"), (None, "not_nullable"), (4.5, "wrong_type")):
        assert put_policy(org, expect="validation_failed", **{name: value}).faults == {f"/{name} {code}"}


def test_all_members_are_needed_and_no_other_is_taken(api, org):
    assert api.put(path(org), expect="validation_failed", json={}).faults == {f"/{name} required" for name in POLICY}
    faults = put_policy(org, expect="validation_failed", policy_version=3, colour="red", password_required=1).faults
    assert faults == {"/policy_version read_only", "/colour unknown_member", "/password_required wrong_type"}


@pytest.mark.parametrize("change,faults", [
    ({"password_required": False, "require_alphanumeric_password": True}, {"require_alphanumeric_password"}),
    ({"password_required": False, "min_character_sets": 2}, {"min_character_sets"}),
    ({"password_required": False, "password_expiration_days": 1}, {"password_expiration_days"}),
    ({"password_required": False, "password_history": 1}, {"password_history"}),
    ({"min_character_sets": 4, "min_password_length": 3}, {"min_password_length"}),
    ({"require_alphanumeric_password": True, "min_password_length": 1}, {"min_password_length"}),
    ({**STRICT, "password_required": False, "min_password_length": 1},
     {"require_alphanumeric_password", "min_character_sets", "password_expiration_days", "password_history", "min_password_length"}),
])
def test_contradictions_are_refused_all_at_once(api, org, change, faults):
    assert put_policy(org, expect="validation_failed", **change).faults == {f"/{name} contradiction" for name in faults}
    assert members(api.get(path(org)).body) == POLICY


def test_without_a_password_the_rest_may_be_asked_for(org):
    put_policy(org, password_required=False, screen_lock_seconds=60, require_device_encryption=True)


def test_what_is_as_it_was_makes_no_new_version(api, org):
    device = Device(org, org.create_enabled())
    device.sync()
    device.provision()
    before = api.get(path(org))
    after = put_policy(org)
    assert after.body == before.body and after.headers["ETag"] == before.headers["ETag"] and device.status == SUCCEEDED


def test_one_of_two_who_change_the_same_version_is_refused(api, org):
    tag = {"If-Match": api.get(path(org)).headers["ETag"]}
    first = api.put(path(org), json={**POLICY, "password_history": 1}, headers=tag)
    api.put(path(org), json={**POLICY, "password_history": 2}, headers=tag, expect="precondition_failed")
    assert api.get(path(org)).headers["ETag"] == first.headers["ETag"] != tag["If-Match"]
    api.call("GET", path(org), expect=304, headers={"If-None-Match": first.headers["ETag"]})


def test_change_is_in_the_audit_log_with_before_and_after(api, org):
    put_policy(org, password_history=3)
    event, = api.items(org.path + "/audit-events", action="workmail:PutMobilePolicy")
    assert event["target"] == org.path and event["outcome"] == "ALLOWED"
    assert members(event["changes"]["before"]) == POLICY
    assert members(event["changes"]["after"]) == {**POLICY, "password_history": 3}


def test_policies_of_two_organizations_are_two(api, org):
    other = create_organization(api)
    put_policy(org, **STRICT)
    assert members(api.get(path(other)).body) == POLICY


def test_policy_that_is_missing_is_said_so_and_can_be_put(service, api, org):
    """The health check reports it; whoever needs it is told instead of being let in without one."""
    device = Device(org, org.create_enabled())
    device.sync()
    service.sql("DELETE FROM mobile_policy WHERE organization_id = %s", org.id)
    api.get(path(org), expect="organization_state")
    api.get(path(org) + "/provision-doc", expect="organization_state")
    device.sync(expect="organization_state")
    assert device.status == REQUIRED
    put_policy(org)
    device.provision()
    assert device.status == SUCCEEDED


# The document of Exchange ActiveSync


def test_document_says_what_the_default_policy_says(org):
    document = provision_doc(org)
    assert document == {
        "DevicePasswordEnabled": 1, "AlphanumericDevicePasswordRequired": 0, "PasswordRecoveryEnabled": 0, "RequireStorageCardEncryption": 0,
        "AttachmentsEnabled": 1, "MinDevicePasswordLength": 4, "MaxInactivityTimeDeviceLock": 300, "MaxDevicePasswordFailedAttempts": 8,
        "AllowSimpleDevicePassword": 1, "DevicePasswordExpiration": 0, "DevicePasswordHistory": 0, "RequireDeviceEncryption": 0,
        "MinDevicePasswordComplexCharacters": 1,
        # What the policy has no word for is allowed.
        "AllowStorageCard": 1, "AllowCamera": 1, "AllowUnsignedApplications": 1, "AllowUnsignedInstallationPackages": 1, "AllowWiFi": 1,
        "AllowTextMessaging": 1, "AllowPOPIMAPEmail": 1, "AllowBluetooth": 2, "AllowIrDA": 1, "RequireManualSyncWhenRoaming": 0,
        "AllowDesktopSync": 1, "MaxCalendarAgeFilter": 0, "AllowHTMLEmail": 1, "MaxEmailAgeFilter": 0, "MaxEmailBodyTruncationSize": -1,
        "MaxEmailHTMLBodyTruncationSize": -1, "RequireSignedSMIMEMessages": 0, "RequireEncryptedSMIMEMessages": 0,
        "RequireSignedSMIMEAlgorithm": 0, "RequireEncryptionSMIMEAlgorithm": 0, "AllowSMIMEEncryptionAlgorithmNegotiation": 2,
        "AllowSMIMESoftCerts": 1, "AllowBrowser": 1, "AllowConsumerEmail": 1, "AllowRemoteDesktop": 1, "AllowInternetSharing": 1}


def test_each_member_of_the_policy_has_its_element(org):
    put_policy(org, **STRICT)
    document = provision_doc(org)
    elements = {"password_required": "DevicePasswordEnabled", "allow_simple_password": "AllowSimpleDevicePassword",
                "min_password_length": "MinDevicePasswordLength", "require_alphanumeric_password": "AlphanumericDevicePasswordRequired",
                "min_character_sets": "MinDevicePasswordComplexCharacters", "max_failed_attempts": "MaxDevicePasswordFailedAttempts",
                "password_expiration_days": "DevicePasswordExpiration", "screen_lock_seconds": "MaxInactivityTimeDeviceLock",
                "password_history": "DevicePasswordHistory", "require_device_encryption": "RequireDeviceEncryption",
                "require_storage_card_encryption": "RequireStorageCardEncryption"}
    assert {name: document[element] for name, element in elements.items()} == {name: int(value) for name, value in STRICT.items()}


def test_lock_that_is_off_and_passwords_that_are_not_required_are_left_out(org):
    put_policy(org, password_required=False, screen_lock_seconds=0)
    document = provision_doc(org)
    assert document["DevicePasswordEnabled"] == 0 and "MaxInactivityTimeDeviceLock" not in document
    assert not {"MinDevicePasswordLength", "MaxDevicePasswordFailedAttempts", "AllowSimpleDevicePassword", "DevicePasswordExpiration",
                "DevicePasswordHistory", "MinDevicePasswordComplexCharacters"} & document.keys()


def test_document_has_the_version_of_the_policy(api, org):
    document = path(org) + "/provision-doc"
    tag = api.get(document).headers["ETag"]
    assert tag == api.get(path(org)).headers["ETag"]
    assert api.call("GET", document, expect=304, headers={"If-None-Match": tag}).raw == b""
    put_policy(org, **STRICT)
    assert api.get(document, headers={"If-None-Match": tag}).headers["ETag"] != tag
    assert api.head(document).headers.get_content_type() == "application/xml"


# Many devices

USERS, DEVICES = 1000, 100


def fill(service, org):
    """100 devices each for 1,000 users with a mailbox, all of them provisioned."""
    service.sql("""WITH made AS (INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state, search_text)
                       SELECT %s, gen_random_uuid(), 'USER', 'many' || n, 'many', 'ENABLED', '' FROM generate_series(1, %s) n
                       RETURNING organization_id, entity_id),
                   detail AS (INSERT INTO user_detail (organization_id, entity_id, type, quota_mb)
                       SELECT organization_id, entity_id, 'USER', 100 FROM made)
                   INSERT INTO mailbox (organization_id, mailbox_id, entity_id)
                   SELECT organization_id, gen_random_uuid(), entity_id FROM made""", org.id, USERS)
    service.sql("""INSERT INTO mobile_device (organization_id, entity_id, device_id, status, policy_version, policy_key, policy_applied_at)
                   SELECT organization_id, entity_id, 'device' || n, 'PROVISIONING_SUCCEEDED', 1, '1', now()
                   FROM mailbox, generate_series(1, %s) n WHERE organization_id = %s""", DEVICES, org.id)
    service.sql("ANALYZE mobile_device")


def rows_since_the_insert(service):
    """How many devices, but those that send heartbeats, are the very rows that `fill` wrote."""
    return service.sql("""SELECT count(*) FROM mobile_device WHERE device_id <> 'device9'
                          AND xmin = (SELECT xmin FROM mobile_device WHERE device_id = 'device8' LIMIT 1)""")[0][0]


def test_change_moves_100000_devices_at_once_and_holds_nobody_up(make_service, record_property):
    """One row is written, whatever the number of devices; heartbeats and reads go on meanwhile as they did."""
    service = make_service()
    org = create_organization(service.client())
    fill(service, org)
    ids = [row[0] for row in service.sql("SELECT entity_id::text FROM mailbox WHERE organization_id = %s", org.id)]
    succeeded = {"status": SUCCEEDED, "page_size": 1000}
    listed = [Device(org, user, "device7") for user in ids[::50]]
    assert {device.status for device in listed} == {SUCCEEDED}
    waits, stop = {"calm": [], "changing": []}, threading.Event()
    phase = "calm"

    def beat(number):
        count = 0
        while not stop.is_set():
            device = Device(org, ids[(number * 97 + count) % len(ids)], "device9")
            begun = time.monotonic()
            method = ("GET", "PUT")[count % 2]
            assert device.api.request(method, device.path).status == 200
            waits[phase].append(time.monotonic() - begun)
            count += 1
    threads = [threading.Thread(target=beat, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(waits["calm"]) > 500)
    phase, took = "changing", []
    for history in range(1, 21):
        begun = time.monotonic()
        put_policy(org, password_history=history)
        took.append(time.monotonic() - begun)
    wait_until(lambda: len(waits["changing"]) > 500)
    stop.set()
    for thread in threads:
        thread.join()
    assert rows_since_the_insert(service) == USERS * (DEVICES - 1), "a change of the policy wrote devices"
    assert {device.status for device in listed} == {REQUIRED}
    user = org.user(ids[3], "devices")
    assert org.api.get(user, params=succeeded)["items"] == []
    assert len(org.api.get(user, params={**succeeded, "status": REQUIRED})["items"]) == DEVICES
    calm, changing = (statistics.median(waits[name]) for name in ("calm", "changing"))
    record_property("put_ms", round(statistics.median(took) * 1000, 2))
    print(f"PUT of the policy with 100,000 devices: median {statistics.median(took) * 1000:.1f} ms, longest {max(took) * 1000:.1f} ms;"
          f" reads and heartbeats beside it: {changing * 1000:.1f} ms, without it {calm * 1000:.1f} ms, longest {max(waits['changing']) * 1000:.0f} ms")
    assert statistics.median(took) < 0.25 and max(waits["changing"]) < 2
