"""Health checks of organizations: what they find, what follows from it, and when they come."""
import contextlib
import datetime
import re

import psycopg
import pytest

from checks import check_consistency
from organization import BORN, HEALTH, create_organization, wait_operation
from service import ROOT, wait_until

CHECKED = [("ACTIVE", "VALIDATING"), ("VALIDATING", "ACTIVE")]
FOUND = [("ACTIVE", "VALIDATING"), ("VALIDATING", "IMPAIRED")]
RECOVERED = [("IMPAIRED", "VALIDATING"), ("VALIDATING", "ACTIVE")]


def health(org):
    return org.api.get(org.path + "/health").body


def validate(org):
    """Checks it, and waits for the end of that; its health."""
    begun = org.api.post(org.path + "/validate", expect=202)
    assert begun["operation"] == "ValidateOrganization" and begun["target"] == org.path
    operation = wait_operation(org.api, begun["operation_id"])
    assert operation["status"] == "SUCCEEDED", operation
    assert [(step["name"], step["status"], step["attempts"]) for step in operation["steps"]] == [
        (name, "SUCCEEDED", 1) for name in HEALTH]
    return health(org)


@contextlib.contextmanager
def held_check(service, org, action="validate"):
    """The organization stays VALIDATING: a check has to wait for a table."""
    with psycopg.connect(f"{service.database_uri} dbname=postreeve") as other:
        other.execute("LOCK TABLE mobile_policy IN ACCESS EXCLUSIVE MODE")
        begun = org.api.post(f"{org.path}/{action}", expect=202)
        assert org.describe()["state"] == "VALIDATING"
        yield begun
        other.rollback()


def seconds_from_now(text):
    at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (at - datetime.datetime.now(datetime.timezone.utc)).total_seconds()


# On demand


def test_before_the_first_check_there_is_only_a_date_for_it(org):
    about = health(org)
    assert set(about) == {"state", "next_check_at", "issues"}
    assert about["state"] == "ACTIVE" and about["issues"] == []
    assert 0.49 * 86400 < seconds_from_now(about["next_check_at"]) < 1.5 * 86400


def test_organization_without_fault_is_active_again_after_the_check(api, org):
    org.create_enabled()
    org.disable(org.create_enabled())
    api.delete(org.user(org.create_user()))
    before = org.describe()
    about = validate(org)
    assert about["state"] == "ACTIVE" and about["issues"] == []
    assert seconds_from_now(about["checked_at"]) < 0 < seconds_from_now(about["next_check_at"])
    assert org.transitions() == BORN + CHECKED
    steps = api.items(org.path + "/transitions")[-2:]
    assert [step["actor"] for step in steps] == ["root", "service"]
    after = org.describe()
    assert after == {**before, "updated_at": after["updated_at"]}


def enabled(org):
    user = org.create_enabled("ann")
    org.api.post(org.user(user, "aliases"), json={"email": "boss"})
    return user


BREAK_ADDRESS = "DELETE FROM address_registry WHERE organization_id = %(id)s AND email LIKE 'boss@%%'"
SET_DOMAIN = "UPDATE mail_domain SET ownership_status = '{}' WHERE organization_id = %(id)s"
SPOIL_DATA_KEY = """UPDATE data_key SET sealed_probe = set_byte(sealed_probe, 9, 255 - get_byte(sealed_probe, 9))
                    WHERE organization_id = %(id)s"""
MAKE_DKIM_KEY = """INSERT INTO dkim_key (organization_id, domain, slot, selector, algorithm, state, value, sealed_private_key)
                   VALUES (%(id)s, %(domain)s, 1, md5(%(id)s), 'RSA_2048', 'PUBLISHED', 'v=DKIM1; k=rsa; p=', 'x')"""
# code → (severity, what breaks it, what the issue is about, what mends it: SQL, or a function of the organization and user)
FAULTS = {
    "directory_missing": (
        "ERROR", "UPDATE directory SET organization_id = NULL WHERE organization_id = %(id)s", "{directory}",
        "UPDATE directory SET organization_id = %(id)s WHERE directory_id = %(directory)s"),
    "alias_not_registered": (
        "ERROR", "DELETE FROM organization_alias WHERE organization_id = %(id)s", "{alias}",
        "INSERT INTO organization_alias VALUES (%(alias)s, %(id)s)"),
    "mobile_policy_missing": (
        "ERROR", "DELETE FROM mobile_policy WHERE organization_id = %(id)s", None,
        "INSERT INTO mobile_policy (organization_id) VALUES (%(id)s)"),
    "default_domain_not_verified": (
        "ERROR", "UPDATE organization SET default_domain = 'gone.test' WHERE organization_id = %(id)s", "gone.test",
        "UPDATE organization SET default_domain = test_domain WHERE organization_id = %(id)s"),
    "test_domain_missing": (
        "ERROR", "UPDATE mail_domain SET is_test_domain = false WHERE organization_id = %(id)s", "{domain}",
        "UPDATE mail_domain SET is_test_domain = true WHERE organization_id = %(id)s"),
    "domain_not_registered": (
        "ERROR", "DELETE FROM verified_domain WHERE organization_id = %(id)s", "{domain}",
        "INSERT INTO verified_domain VALUES (%(domain)s, %(id)s)"),
    "address_not_registered": (
        "ERROR", BREAK_ADDRESS, "boss@{domain}",
        lambda org, user: (org.api.delete(org.user(user, "aliases", f"boss@{org.domain}")),
                           org.api.post(org.user(user, "aliases"), json={"email": "boss"}))),
    "address_of_nobody": (
        "WARNING", "INSERT INTO address_registry VALUES ('lost@' || %(domain)s, %(id)s, %(user)s)", "lost@{domain}",
        "DELETE FROM address_registry WHERE organization_id = %(id)s AND email LIKE 'lost@%%'"),
    "address_without_domain": (
        "ERROR", """WITH made AS (INSERT INTO address_registry VALUES ('ann@gone.test', %(id)s, %(user)s))
                    INSERT INTO email_address (organization_id, entity_id, email, is_primary)
                    VALUES (%(id)s, %(user)s, 'ann@gone.test', false)""", "ann@gone.test",
        lambda org, user: org.api.delete(org.user(user, "aliases", "ann@gone.test"))),
    "user_without_mailbox": (
        "ERROR", "DELETE FROM mailbox WHERE organization_id = %(id)s", "ann",
        lambda org, user: (org.disable(user), org.enable(user))),
    "mailbox_never_purged": (
        "WARNING", "UPDATE entity SET state = 'DISABLED' WHERE entity_id = %(user)s", "ann",
        lambda org, user: (org.enable(user), org.disable(user))),
    "directory_not_followed": (
        "ERROR", """UPDATE directory SET sync_failures = 3, sync_error_code = 'refused', sync_error = 'The connection was refused.'
                    WHERE directory_id = %(directory)s""", "{directory}",
        "UPDATE directory SET sync_failures = 0, sync_error_code = NULL, sync_error = NULL WHERE directory_id = %(directory)s"),
    "too_many_aliases": (
        "WARNING", "INSERT INTO account_limit VALUES (%(account)s, 'aliases_per_user', 0)", "ann",
        "DELETE FROM account_limit WHERE code = 'aliases_per_user'"),
    "domain_proof_missing": (
        "WARNING", "UPDATE mail_domain SET proof_lost_at = now() - interval '6 days' WHERE organization_id = %(id)s", "{domain}",
        "UPDATE mail_domain SET proof_lost_at = NULL WHERE organization_id = %(id)s"),
    "domain_proof_lost": (
        "ERROR", "UPDATE mail_domain SET proof_lost_at = now() - interval '8 days' WHERE organization_id = %(id)s", "{domain}",
        "UPDATE mail_domain SET proof_lost_at = NULL WHERE organization_id = %(id)s"),
    "key_disabled": (
        "ERROR", "UPDATE master_key SET status = 'DISABLED' WHERE key_id = %(key)s", "{key}",
        "UPDATE master_key SET status = 'ENABLED' WHERE key_id = %(key)s"),
    "data_key_unreadable": (
        "ERROR", SPOIL_DATA_KEY, "{key}", SPOIL_DATA_KEY),
    "dkim_key_unreadable": (
        "ERROR", MAKE_DKIM_KEY, "{domain}", "DELETE FROM dkim_key WHERE organization_id = %(id)s"),
    "dkim_keys_missing": (
        "WARNING", """INSERT INTO mail_domain (organization_id, domain, created_at)
                      VALUES (%(id)s, 'd.' || %(domain)s, now() - interval '2 hours')""", "d.{domain}",
        "DELETE FROM mail_domain WHERE organization_id = %(id)s AND domain LIKE 'd.%%'"),
    "access_key_unreadable": (
        "WARNING", """INSERT INTO access_key (access_key_id, account_id, sealed_secret)
                      SELECT 'PRAKUNREADABLE', account_id, sealed_secret FROM access_key
                      WHERE account_id = %(account)s LIMIT 1""", "PRAKUNREADABLE",
        "DELETE FROM access_key WHERE access_key_id = 'PRAKUNREADABLE'"),
}


@pytest.mark.parametrize("code", FAULTS)
def test_fault_is_found_and_when_it_is_mended_the_organization_recovers(service, org, code):
    severity, spoil, subject, mend = FAULTS[code]
    user = enabled(org)
    about = {"id": org.id, "alias": org.alias, "domain": org.domain, "user": user["user_id"],
             "directory": org.describe()["directory_id"], "key": org.describe()["key_id"], "account": org.api.credential["account_id"]}

    def run(statement):
        service.db().execute(statement, about)
    run(spoil)
    found = validate(org)
    issue, = found["issues"]
    assert (issue["code"], issue["severity"]) == (code, severity)
    assert issue.get("subject") == (subject and subject.format(**about))
    assert issue["detail"].endswith(".") and issue["help"].endswith(".")
    after = org.describe()
    if severity == "ERROR":
        assert found["state"] == after["state"] == "IMPAIRED" and after["state_reason"] == issue["detail"]
        assert org.api.items(org.path + "/transitions")[-1]["reason"] == issue["detail"]
    else:
        assert found["state"] == after["state"] == "ACTIVE" and "state_reason" not in after
    if callable(mend):
        mend(org, user)
    else:
        run(mend)
    assert validate(org)["issues"] == []
    assert org.transitions() == BORN + (FOUND + RECOVERED if severity == "ERROR" else CHECKED + CHECKED)
    after = org.describe()
    assert after["state"] == "ACTIVE" and "state_reason" not in after
    check_consistency(service)


def test_each_check_there_is_stands_in_the_list_above():
    source = (ROOT / "db/organization_checks.c").read_text()
    assert set(re.findall(r'\.code = "(\w+)"', source)) == set(FAULTS)


def test_several_faults_are_all_told_and_make_one_reason(service, org):
    enabled(org)
    service.sql("DELETE FROM mailbox WHERE organization_id = %s", org.id)
    service.sql("DELETE FROM mobile_policy WHERE organization_id = %s", org.id)
    service.sql("DELETE FROM address_registry WHERE organization_id = %s", org.id)
    codes = [issue["code"] for issue in validate(org)["issues"]]
    assert sorted(codes) == ["address_not_registered", "address_not_registered", "mobile_policy_missing",
                             "user_without_mailbox"]
    assert "one of 4 errors" in org.describe()["state_reason"]
    org.remove(force="true", delete_directory="true")
    check_consistency(service)


def test_only_the_first_20_of_a_kind_are_listed(service, org):
    user = enabled(org)
    for count, listed in ((20, 20), (1, 21), (50, 21)):
        service.sql("""INSERT INTO address_registry SELECT gen_random_uuid() || '@x.test', %s, %s
                       FROM generate_series(1, %s)""", org.id, user["user_id"], count)
        issues = validate(org)["issues"]
        assert len(issues) == listed and all("subject" in issue for issue in issues[:20])
        assert all("subject" not in issue for issue in issues[20:])
    org.remove(force="true")
    service.sql("DELETE FROM address_registry WHERE organization_id = %s", org.id)


def test_faults_of_one_organization_do_not_show_in_another(service, api, org):
    other = create_organization(api)
    enabled(other)
    service.sql("DELETE FROM address_registry WHERE organization_id = %s", other.id)
    service.sql("DELETE FROM mobile_policy WHERE organization_id = %s", other.id)
    service.sql("DELETE FROM mailbox WHERE organization_id = %s", other.id)
    enabled(org)
    assert validate(org)["issues"] == []
    other.remove(force="true")


def test_impaired_organization_serves(service, org):
    service.sql("DELETE FROM mobile_policy WHERE organization_id = %s", org.id)
    assert validate(org)["state"] == "IMPAIRED"
    user = org.create_enabled()
    org.disable(user)
    org.enable(user)
    org.remove(force="true")


@pytest.mark.parametrize("state", ["ACTIVE", "IMPAIRED"])
def test_while_it_is_checked_an_organization_serves_as_before(service, api, org, state):
    if state == "IMPAIRED":
        service.sql("UPDATE organization SET default_domain = 'gone.test' WHERE organization_id = %s", org.id)
        validate(org)
    with held_check(service, org) as begun:
        user = org.create_user()
        api.patch(org.user(user), json={"city": "Bern"})
        assert org.describe_user(user)["city"] == "Bern"
        answer = api.post(org.path + "/validate", expect="organization_state")
        assert "VALIDATING" in answer["detail"] and "INACTIVE" in answer["detail"]
        assert api.get(begun.headers["Location"])["status"] in ("PENDING", "RUNNING")
        assert health(org)["state"] == "VALIDATING"
    assert wait_operation(api, begun["operation_id"])["status"] == "SUCCEEDED"
    assert org.describe()["state"] == state
    service.sql("UPDATE organization SET default_domain = test_domain WHERE organization_id = %s", org.id)


@pytest.mark.expect_errors
def test_check_that_cannot_be_made_impairs_and_says_why(fresh_service):
    api = fresh_service.client()
    org = create_organization(api)
    fresh_service.sql("ALTER TABLE mobile_policy RENAME TO hidden")
    begun = api.post(org.path + "/validate", expect=202)
    failed = wait_operation(api, begun["operation_id"], 60)
    assert failed["status"] == "FAILED" and failed["error"]
    assert [step["status"] for step in failed["steps"]] == ["SUCCEEDED", "FAILED", "PENDING"]
    about = org.describe()
    assert about["state"] == "IMPAIRED" and about["state_reason"] == failed["error"]
    fresh_service.sql("ALTER TABLE hidden RENAME TO mobile_policy")
    assert validate(org)["state"] == "ACTIVE"
    assert org.transitions() == BORN + FOUND + RECOVERED
    check_consistency(fresh_service)


# From time to time


def count_checks(org):
    return org.transitions().count(("ACTIVE", "VALIDATING")) + org.transitions().count(("IMPAIRED", "VALIDATING"))


def test_organization_is_checked_from_time_to_time_impaired_and_recovered(make_service):
    service = make_service("--health-check-interval", 1)
    org = create_organization(service.client())
    wait_until(lambda: count_checks(org) >= 3, 20, what="three checks")
    steps = org.api.items(org.path + "/transitions")
    begun = next(step for step in steps if step["to"] == "VALIDATING")
    assert begun["actor"] == "service" and begun["reason"]
    service.sql("DELETE FROM mobile_policy WHERE organization_id = %s", org.id)
    org.wait_state("IMPAIRED")
    service.sql("INSERT INTO mobile_policy (organization_id) VALUES (%s)", org.id)
    org.wait_state("ACTIVE")
    assert {operation["operation"] for operation in org.api.items("/v1/operations")} == {"CreateOrganization"}
    assert service.sql("SELECT count(*) FROM job WHERE kind = 'organization_health'") == [(1,)]
    org.remove()
    done = org.transitions()
    assert done[-1] == ("DELETING", "DELETED")
    wait_until(lambda: not service.sql("SELECT 1 FROM job WHERE state IN ('PENDING', 'RUNNING')"
                                       " AND organization_id IS NOT NULL"), 5)
    check_consistency(service)


def test_inactive_organization_is_not_checked_until_it_is_active_again(make_service):
    service = make_service("--health-check-interval", 1)
    org, watched = create_organization(service.client()), create_organization(service.client())
    org.api.post(org.path + "/deactivate", expect=200)
    done, seen = org.transitions(), count_checks(watched)
    assert "next_check_at" not in health(org)
    wait_until(lambda: count_checks(watched) >= seen + 3, 20)
    assert org.transitions() == done
    org.api.post(org.path + "/activate", expect=202)
    org.wait_state("ACTIVE")
    seen = count_checks(org)
    wait_until(lambda: count_checks(org) > seen, 20)


def next_checks(service):
    """Seconds until the next check of each organization."""
    return sorted(float(row[0]) for row in service.sql("""
        SELECT extract(epoch FROM run_at - now()) FROM job WHERE kind = 'organization_health' AND state = 'PENDING'"""))


def test_checks_are_spread_over_the_interval(fresh_service):
    """Of organizations made at once, and again after each was checked."""
    api = fresh_service.client()
    fresh_service.allow_organizations(100)
    organizations = [create_organization(api) for _ in range(60)]
    for _ in range(2):
        times = next_checks(fresh_service)
        assert len(times) == 60 and 0.49 * 86400 < times[0] and times[-1] < 1.5 * 86400
        for begin in (0.5, 0.75, 1.0, 1.25):
            assert [time for time in times if begin * 86400 <= time < (begin + 0.25) * 86400]
        for organization in organizations:
            validate(organization)


def test_impaired_organization_is_checked_again_within_hours(service, org):
    service.sql("DELETE FROM mobile_policy WHERE organization_id = %s", org.id)
    assert 1700 < seconds_from_now(validate(org)["next_check_at"]) < 5500
    service.sql("INSERT INTO mobile_policy (organization_id) VALUES (%s)", org.id)
    assert seconds_from_now(validate(org)["next_check_at"]) > 40000


def test_checks_that_fell_due_during_a_stop_do_not_come_all_at_once(fresh_service):
    api = fresh_service.client()
    fresh_service.allow_organizations(200)
    for _ in range(100):
        create_organization(api)
    fresh_service.sql("""UPDATE job SET run_at = now() - interval '1 day' * random() - interval '2 minutes'
                         WHERE kind = 'organization_health'""")
    def all_planned():
        times = next_checks(fresh_service)
        return len(times) == 100 and times[0] > 0 and times
    times = wait_until(all_planned, 20)
    assert len([time for time in times if time < 43200]) > 20
    checked = fresh_service.sql("SELECT count(*) FROM organization_health")[0][0]
    assert 1 <= checked <= 10
    check_consistency(fresh_service)


def test_validation_brings_the_scheduled_check_forward_and_does_not_add_another(service, org):
    jobs = "SELECT job_id, state FROM job WHERE organization_id = %s AND kind = 'organization_health'"
    before = service.sql(jobs, org.id)
    for _ in range(3):
        validate(org)
    assert service.sql(jobs, org.id) == before and len(before) == 1


def test_health_of_a_deleted_organization_has_no_issues_and_no_next_check(service, org):
    service.sql("DELETE FROM mobile_policy WHERE organization_id = %s", org.id)
    validate(org)
    org.remove()
    assert health(org) == {"state": "DELETED", "issues": []}
    check_consistency(service)


def test_health_is_known_by_its_tag(api, org):
    first = api.get(org.path + "/health")
    api.get(org.path + "/health", expect=304, headers={"If-None-Match": first.headers["ETag"]})
    validate(org)
    assert api.get(org.path + "/health", headers={"If-None-Match": first.headers["ETag"]})["checked_at"]


def test_check_does_not_hold_up_changes(service, org):
    """While a check reads, users are created, also when the check takes long."""
    with held_check(service, org) as begun:
        for number in range(20):
            org.create_user(f"u{number}")
    wait_operation(org.api, begun["operation_id"])
