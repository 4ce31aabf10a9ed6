"""Settings of an organization: email journaling, the migration administrator."""
import threading

import pytest

from organization import create_organization

OFF = {"enabled": False}
ON = {"enabled": True, "journaling_address": "acme@archive.example", "report_address": "postmaster@example.com"}


def members(setting):
    return {name: value for name, value in setting.items() if name not in ("created_at", "updated_at")}


def journaling(org):
    return org.path + "/journaling"


def migration(org):
    return org.path + "/migration"


# Email journaling


def test_journaling_is_off_and_its_sender_is_in_the_test_domain(api, org):
    assert members(api.get(journaling(org)).body) == {**OFF, "sender_address": "amazonjournaling@" + org.describe()["test_domain"]}


def test_journaling_is_switched_on_and_off_at_once(api, org):
    changed = api.put(journaling(org), json=ON).body
    assert members(changed) == {**ON, "sender_address": changed["sender_address"]}
    assert api.get(journaling(org)).body == changed
    assert members(api.put(journaling(org), json=OFF).body) == {**OFF, "sender_address": changed["sender_address"]}
    kept = {**ON, "enabled": False}
    assert members(api.put(journaling(org), json=kept).body) == {**kept, "sender_address": changed["sender_address"]}


@pytest.mark.parametrize("body,faults", [
    ({}, {"/enabled required"}),
    ({"enabled": True}, {"/journaling_address required", "/report_address required"}),
    ({"enabled": True, "journaling_address": None, "report_address": "a@b.example"}, {"/journaling_address required"}),
    ({"enabled": True, "journaling_address": "archive", "report_address": "a b@c.example"},
     {"/journaling_address invalid_format", "/report_address invalid_format"}),
    ({"enabled": False, "report_address": "@b.example"}, {"/report_address invalid_format"}),
    ({"enabled": "yes", "journaling_address": 254 * "a" + "@b", "sender_address": "me@b.example"},
     {"/enabled wrong_type", "/journaling_address too_long", "/sender_address read_only"}),
])
def test_journaling_needs_two_whole_addresses(api, org, body, faults):
    assert api.put(journaling(org), json=body, expect="validation_failed").faults == faults
    assert api.get(journaling(org))["enabled"] is False


def test_records_do_not_go_to_where_they_come_from(api, org):
    sender = api.get(journaling(org))["sender_address"]
    body = {"enabled": True, "journaling_address": sender.upper(), "report_address": sender}
    faults = api.put(journaling(org), json=body, expect="validation_failed").faults
    assert faults == {"/journaling_address invalid_value", "/report_address invalid_value"}


def test_journaling_addresses_are_kept_as_they_are_compared(api, org):
    changed = api.put(journaling(org), json={"enabled": True, "journaling_address": "Archive@BÜCHER.example", "report_address": "Me@Example.com"})
    assert changed["journaling_address"] == "archive@xn--bcher-kva.example" and changed["report_address"] == "me@example.com"


def test_sender_of_records_can_be_nobody(api, org):
    """No user, group or resource gets its address, by whatever way."""
    sender = api.get(journaling(org))["sender_address"]
    for name in ("amazonjournaling", "AmazonJournaling", "amazonjournaling@acme.example"):
        api.post(org.users, json={"name": name, "display_name": "J"}, expect="reserved_name")
    api.post(org.groups, json={"name": "amazonjournaling"}, expect="reserved_name")
    for entity in (org.create_enabled(), org.create_enabled_group(), org.create_resource()):
        for path, method in ((org.of(entity, "aliases"), api.post), (org.of(entity, "primary-email"), api.put)):
            method(path, json={"email": sender}, expect="reserved_name")


def test_sender_of_records_does_not_come_with_a_mailbox(service, api, org):
    """Directories have names that nobody checked."""
    user, sender = org.create_user("early"), api.get(journaling(org))["sender_address"]
    service.sql("UPDATE entity SET name = 'amazonjournaling' WHERE organization_id = %s AND entity_id = %s", org.id, user["user_id"])
    org.enable(user, expect="reserved_name")
    org.enable(user, email="chosen")
    assert org.aliases(user) == [f"chosen@{org.domain}"] and sender == f"amazonjournaling@{org.domain}"


def test_sender_of_records_is_the_operators_choice(make_service):
    api = make_service("--journaling-sender", "Journal.Records").client()
    org = create_organization(api)
    assert api.get(journaling(org))["sender_address"] == f"journal.records@{org.describe()['test_domain']}"
    user = org.create_enabled()
    api.post(org.user(user, "aliases"), json={"email": "JOURNAL.records"}, expect="reserved_name")
    api.post(org.users, json={"name": "journal.Records", "display_name": "J"}, expect="reserved_name")
    org.create_user("amazonjournaling")


# The migration administrator


def test_without_a_choice_nobody_or_the_enabled_migration_admin_is_it(api, org):
    assert members(api.get(migration(org)).body) == {"warnings": []}
    user = org.create_user("Migration_Admin")
    assert "user" not in api.get(migration(org)).body
    org.enable(user)
    shown = members(api.get(migration(org)).body)
    assert shown == {"warnings": [], "user": {"user_id": user["user_id"], "name": "Migration_Admin", "display_name": user["display_name"],
                                              "email": f"migration_admin@{org.domain}", "state": "ENABLED"}}
    org.disable(user)
    assert "user" not in api.get(migration(org)).body


@pytest.mark.parametrize("text", ["user_id", "Ann", "aNN"])
def test_migration_administrator_is_chosen_by_id_or_name(api, org, text):
    org.create_enabled("migration_admin")
    user = org.create_enabled("Ann")
    changed = api.put(migration(org), json={"migration_admin": user.get(text, text)}).body
    assert changed["migration_admin"] == changed["user"]["user_id"] == user["user_id"] and changed["user"]["name"] == "Ann"
    assert api.get(migration(org)).body == changed
    back = api.put(migration(org), json={"migration_admin": None}).body
    assert "migration_admin" not in back and back["user"]["name"] == "migration_admin"


def test_id_goes_before_a_name_that_looks_like_one(api, org):
    user = org.create_enabled()
    org.create_enabled(user["user_id"])
    assert api.put(migration(org), json={"migration_admin": user["user_id"]})["user"]["name"] == user["name"]


def test_migration_administrator_is_an_enabled_user_of_the_organization(service, api, org):
    path, group = migration(org), org.create_enabled_group()
    other = create_organization(api).create_enabled()
    deleted = org.create_user()
    api.delete(org.user(deleted))
    for text in ("nobody", group["group_id"], group["name"], other["user_id"], other["name"], deleted["user_id"], deleted["name"]):
        assert api.put(path, json={"migration_admin": text}, expect="validation_failed").faults == {"/migration_admin invalid_value"}
    disabled = org.create_user()
    assert disabled["name"] in api.put(path, json={"migration_admin": disabled["name"]}, expect="entity_state")["detail"]
    assert members(api.get(path).body) == {"warnings": []}


def test_chosen_administrator_who_is_disabled_is_told_of_until_gone(service, api, org):
    org.create_enabled("migration_admin")
    user = org.create_enabled()
    api.put(migration(org), json={"migration_admin": user["user_id"]})
    first = api.get(migration(org))
    assert first["warnings"] == []
    org.disable(user)
    shown = api.get(migration(org))
    assert shown["user"]["state"] == "DISABLED" and user["name"] in shown["warnings"][0]
    assert shown.headers["ETag"] != first.headers["ETag"]
    api.delete(org.user(user))
    assert api.get(migration(org))["user"]["state"] == "DELETED"
    for table in ("address_registry", "entity"):  # as when it is purged
        service.sql(f"DELETE FROM {table} WHERE organization_id = %s AND entity_id = %s", org.id, user["user_id"])
    assert api.get(migration(org))["user"]["name"] == "migration_admin"
    other = org.create_enabled()
    # What is observed is not what a change depends on.
    api.put(migration(org), json={"migration_admin": other["name"]}, headers={"If-Match": first.headers["ETag"]})


# What settings have alike

SETTINGS = {"journaling": (ON, OFF), "migration": ({"migration_admin": "ann"}, {})}


@pytest.mark.parametrize("setting", SETTINGS)
def test_one_of_two_who_change_the_same_setting_is_refused(api, org, setting):
    path, (first, second) = f"{org.path}/{setting}", SETTINGS[setting]
    org.create_enabled("ann")
    tag = {"If-Match": api.get(path).headers["ETag"]}
    outcomes = []

    def put(body):
        outcomes.append(api.request("PUT", path, body, headers=tag).status)
    threads = [threading.Thread(target=put, args=(body,)) for body in (first, {**first})]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [200, 412]
    api.put(path, json=second, headers=tag, expect="precondition_failed")
    current = api.get(path)
    assert api.put(path, json=first).headers["ETag"] == current.headers["ETag"], "what is as it was makes no new version"
    api.call("GET", path, expect=304, headers={"If-None-Match": current.headers["ETag"]})


@pytest.mark.parametrize("setting,operation", [("journaling", "PutJournaling"), ("migration", "PutMigration")])
def test_change_of_a_setting_is_in_the_audit_log_with_before_and_after(api, org, setting, operation):
    org.create_enabled("ann")
    before = api.get(f"{org.path}/{setting}").body
    after = api.put(f"{org.path}/{setting}", json=SETTINGS[setting][0]).body
    event, = api.items(org.path + "/audit-events", action=f"workmail:{operation}")
    assert event["target"] == org.path and event["outcome"] == "ALLOWED"
    assert event["changes"] == {"before": before, "after": after}


def test_settings_of_two_organizations_are_two_and_go_with_them(service, api, org):
    other = create_organization(api)
    api.put(journaling(org), json=ON)
    api.put(migration(org), json={"migration_admin": org.create_enabled()["name"]})
    for setting in SETTINGS:
        assert members(api.get(f"{other.path}/{setting}").body).keys() <= {"enabled", "sender_address", "warnings"}
    org.remove(force="true")
    for table in ("journaling", "migration_setting"):
        assert service.sql(f"SELECT FROM {table} WHERE organization_id = %s", org.id) == []
        api.get(f"{org.path}/{table.split('_', maxsplit=1)[0]}", expect="organization_state")


def test_settings_of_an_organization_that_is_switched_off_are_not_shown(api, org):
    api.post(org.path + "/deactivate", expect=200)
    for setting, (body, _) in SETTINGS.items():
        api.get(f"{org.path}/{setting}", expect="organization_state")
        api.put(f"{org.path}/{setting}", json=body, expect="organization_state")


def test_dry_run_of_a_setting_changes_nothing(api, org):
    before = api.get(journaling(org))
    shown = api.put(journaling(org), json=ON, params={"validate_only": "true"})
    assert shown["enabled"] is True
    after = api.get(journaling(org))
    assert after.body == before.body and after.headers["ETag"] == before.headers["ETag"]
