"""Several accounts in one installation: made by the operator, apart from each other, on trial, metered, closed."""
import concurrent.futures
import datetime
import json
import re
import threading

import psycopg
import pytest

import iam
from changes import begin_setup
from checks import check_all_sealed, check_no_job_left
from devices import Device
from organization import PASSWORD, create_organization, unique
from routes import FILLINGS, NO_ORGANIZATION, arguments_of, closed_routes, is_mutation, named
from service import wait_until

TRIAL_ERROR = "You have reached the maximum number of users of the free trial"


def new_account(service, **options):
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return service.admin("create-account", "--name", unique("account"), *words)


def set_limit(service, account, limit, value):
    service.admin("set-limit", "--account", account["account_id"], "--limit", limit, "--value", value)


@pytest.fixture
def account(service):
    """An account of this test alone, not on trial: its id, name and root access key."""
    made = new_account(service, trial="false")
    service.allow_organizations(100, made["account_id"])
    return made


@pytest.fixture
def theirs(service, account):
    return service.client(account)


@pytest.fixture
def trial(service):
    """A root caller of an account on trial, with an organization."""
    made = new_account(service)
    caller = service.client(made)
    caller.account = made
    caller.organization = create_organization(caller)
    return caller


# Making them


def test_operator_makes_an_account_whose_root_key_works_at_once(service):
    made = new_account(service)
    assert set(made) == {"account_id", "name", "access_key_id", "secret_access_key"}
    about = service.client(made).get("/v1/account").body
    assert (about["account_id"], about["name"], about["status"]) == (made["account_id"], made["name"], "ACTIVE")
    assert made["account_id"] in {item["account_id"] for item in service.admin("list-accounts")["items"]}


@pytest.mark.parametrize("arguments", [[], ["--name", ""], ["--name", "x" * 129], ["--name", "a\nb"],
                                       ["--name", "x", "--trial", "maybe"]])
def test_account_that_cannot_be_is_not_made(service, arguments):
    before = len(service.admin("list-accounts")["items"])
    service.admin("create-account", *arguments, expect=2)
    assert len(service.admin("list-accounts")["items"]) == before


def test_secret_of_a_new_root_key_is_nowhere_else(service, leak_check):
    leak_check(new_account(service)["secret_access_key"])


def test_root_key_of_another_account_does_not_overwrite_the_first_ones_file(service, account):
    first = service.root
    service.admin("reset-root-key", "--account", account["account_id"])
    assert service.root == first
    path = service.state / f"root-access-key-{account['account_id']}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    service.client(account).get("/v1/account", expect="unauthenticated")


def test_root_key_of_no_account_or_a_closed_one_is_not_reset(service, account, theirs):
    close(theirs, account)
    for account_id in (account["account_id"], "0" * 12):
        service.admin("reset-root-key", "--account", account_id, expect=1)
        assert not (service.state / f"root-access-key-{account_id}.json").exists()


def test_account_name_is_changed_and_nothing_else(theirs):
    before = theirs.get("/v1/account")
    after = theirs.patch("/v1/account", json={"name": "Ärger & Co."})
    assert after["name"] == "Ärger & Co." and after.headers["ETag"] != before.headers["ETag"]
    assert theirs.get("/v1/account").body == after.body
    assert theirs.patch("/v1/account", json={}).body["name"] == "Ärger & Co."
    for body, fault in (({"name": ""}, "/name too_short"), ({"name": None}, "/name not_nullable"),
                        ({"name": "x" * 129}, "/name too_long"), ({"status": "CLOSED"}, "/status read_only"),
                        ({"trial": {"user_limit": 1000}}, "/trial read_only"), ({"account_id": "1"}, "/account_id read_only")):
        assert theirs.patch("/v1/account", expect="validation_failed", json=body).faults == {fault}


def test_limits_are_those_of_the_own_account(service, api, account, theirs):
    set_limit(service, account, "aliases_per_user", 7)
    limits = {item["code"]: item for item in theirs.get("/v1/account/limits")["items"]}
    assert limits["aliases_per_user"] == {"code": "aliases_per_user", "value": 7, "default": 100, "scope": "user"}
    others = {item["code"]: item["value"] for item in api.get("/v1/account/limits")["items"]}
    assert others["aliases_per_user"] == 100


# In the audit log


def told(caller, action):
    """What the one event with this action says."""
    event, = caller.items("/v1/audit-events", action=action)
    assert event["target"] == "/v1/account" and event["outcome"] == "ALLOWED"
    return event


def test_new_account_is_told_in_its_own_log_alone(service, api, account, theirs):
    event = told(theirs, "operator:CreateAccount")
    assert event["actor"]["kind"] == "OPERATOR" and event["account_id"] == account["account_id"]
    assert event["changes"] == {"after": {"account_id": account["account_id"], "name": account["name"], "is_trial": False,
                                          "access_key_id": account["access_key_id"]}}
    assert account["account_id"] not in str(api.items("/v1/audit-events", action="operator:CreateAccount"))


def test_what_an_account_was_and_is_is_told(service):
    made = new_account(service)
    caller = service.client(made)
    first = caller.get("/v1/account").body
    renamed = caller.patch("/v1/account", json={"name": "other"}).body
    service.admin("end-trial", "--account", made["account_id"])
    assert told(caller, "workmail:UpdateAccount")["changes"] == {"before": first, "after": renamed}
    event = told(caller, "operator:EndTrial")
    assert event["actor"]["kind"] == "OPERATOR"
    assert event["changes"] == {"before": renamed, "after": caller.get("/v1/account").body}
    service.admin("end-trial", "--account", made["account_id"], expect=1)
    told(caller, "operator:EndTrial")  # what was refused is not told


def test_end_of_an_account_is_told_and_sealed(service, account, theirs):
    before = theirs.get("/v1/account").body
    organization = create_organization(theirs)
    close(theirs, account, force="true")
    (changes, actor), = service.sql("SELECT changes, actor FROM audit_log WHERE chain = %s AND action = 'iam:CloseAccount'",
                                    account["account_id"])
    changes = json.loads(changes)
    assert actor == "root" and changes["before"] == {**before, "updated_at": changes["before"]["updated_at"]}
    assert (changes["before"]["status"], changes["after"]["status"]) == ("ACTIVE", "CLOSED")
    wait_until(lambda: service.sql("""SELECT * FROM audit_log WHERE organization_id = %s AND outcome = 'ALLOWED'
                                      AND action = 'service:RemoveOrganization'""", organization.id), what="the end of the organization")
    check_all_sealed(service)
    assert service.admin("verify-audit", "--account", account["account_id"])["result"] == "WHOLE"


# Isolation


class Victim:
    """An account with something of everything in it, and the ids of all that."""

    def __init__(self, service):
        self.account = new_account(service, trial="false")
        self.api = service.client(self.account)
        self.organization = create_organization(self.api)
        self.user = self.organization.create_enabled()
        self.group = self.organization.create_group()
        self.organization.add_member(self.group, self.user)
        self.resource = self.organization.create_resource(booking_options={"auto_accept_requests": False}, delegate_ids=[self.user["user_id"]])
        device = Device(self.organization, self.user)
        device.sync()
        self.operation = self.api.get("/v1/operations")["items"][0]
        self.service = service
        self.ids = {"organization_id": self.organization.id, "user_id": self.user["user_id"],
                    "group_id": self.group["group_id"], "resource_id": self.resource["resource_id"], "device_id": device.id,
                    "member_id": self.user["user_id"], "entity_id": self.user["user_id"],
                    "operation_id": self.operation["operation_id"], "email": self.user["email"],
                    "key_id": self.organization.describe()["key_id"]}

    def fill(self, path, ids):
        for name in re.findall(r"{(\w+)}", path):
            path = path.replace("{%s}" % name, ids.get(name) or FILLINGS[name]())
        return path

    def rows(self):
        """All that the database has of this account and its organization."""
        check_no_job_left(self.service)
        check_all_sealed(self.service)
        columns = self.service.sql("""SELECT quote_ident(table_name), column_name FROM information_schema.columns
                                      JOIN information_schema.tables USING (table_schema, table_name)
                                      WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
                                        AND column_name IN ('account_id', 'organization_id') ORDER BY 1, 2""")
        values = {"account_id": self.account["account_id"], "organization_id": self.organization.id}
        each = " UNION ALL ".join(
            f"SELECT '{table}.{column}', md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {table} t WHERE {column} = %s"
            for table, column in columns)
        return self.service.sql(each, *(values[column] for _, column in columns))

    def is_named_in(self, text):
        return [name for name in (*self.ids.values(), self.account["account_id"], self.organization.alias) if name in text]


@pytest.fixture(scope="module")
def victim(service):
    return Victim(service)


def anonymous_body(problem):
    return {name: value for name, value in problem.body.items() if name != "instance"}


@pytest.mark.parametrize(**named(route for route in closed_routes() if "{" in route["path"]))
def test_root_of_another_account_finds_nothing_under_ids_that_are_there(service, theirs, victim, route):
    """… and is told the same as for ids that are nowhere; and nothing changes."""
    nowhere = {"organization_id": NO_ORGANIZATION}
    before = victim.rows()
    told = []
    for ids in (victim.ids, nowhere):
        answer = theirs.request(route["method"], victim.fill(route["path"], ids), **{
            "json_body" if name == "json" else name: value for name, value in arguments_of(route).items()})
        assert answer.status == 404, answer
        told.append(anonymous_body(answer))
    assert told[0] == told[1]
    assert victim.rows() == before


def test_root_of_another_account_waits_for_nothing_that_is_locked(service, theirs, victim):
    """Nor does it lock what is not its own, which would hold up who it belongs to."""
    with psycopg.connect(f"{service.database_uri} dbname=postreeve") as holder:
        for table in ("entity", "mobile_device", "mobile_policy", "email_address", "entity_edge"):
            assert holder.execute(f"SELECT FROM {table} WHERE organization_id = %s FOR UPDATE", [victim.organization.id]).rowcount > 0
        for route in closed_routes():
            if "{organization_id}" in route["path"]:
                answer = theirs.request(route["method"], victim.fill(route["path"], victim.ids), **{
                    "json_body" if name == "json" else name: value for name, value in arguments_of(route).items()})
                assert answer.status == 404, answer


@pytest.mark.parametrize(**named(route for route in closed_routes()
                                 if "{" not in route["path"] and not is_mutation(route) and not route["for_operator"]))
def test_what_an_account_reads_of_itself_shows_nothing_of_another(theirs, victim, route):
    arguments = {"json_body" if name == "json" else name: value for name, value in arguments_of(route).items() if name != "params"}
    for params in ({}, {"organization_id": victim.organization.id}, {"alias": victim.organization.alias}):
        answer = theirs.request(route["method"], route["path"], params=params, **arguments)
        assert answer.status in (200, 400) or answer["code"] == "session_not_found", answer
        assert victim.is_named_in(answer.raw.decode()) == []


def test_page_token_of_another_account_opens_nothing(service, api, theirs):
    for _ in range(2):
        create_organization(api)
    token = api.get("/v1/organizations", params={"page_size": 1})["next_page_token"]
    theirs.get("/v1/organizations", expect="invalid_page_token", params={"page_size": 1, "page_token": token})


def test_same_idempotency_key_in_two_accounts_is_two_requests(service, api, theirs):
    sent = {"Idempotency-Key": unique("key")}
    made = [caller.post("/v1/organizations", expect=202, json={"alias": unique(), "setup": "QUICK"}, headers=sent)
            for caller in (api, theirs)]
    assert made[0]["organization_id"] != made[1]["organization_id"]


# Trial


def test_trial_begins_with_the_first_organization_and_lasts_30_days(service):
    made = new_account(service)
    caller = service.client(made)
    assert caller.get("/v1/account")["trial"] == {"user_limit": 25}
    create_organization(caller)
    ends_at = datetime.datetime.fromisoformat(caller.get("/v1/account")["trial"]["ends_at"].replace("Z", "+00:00"))
    left = ends_at - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=29, hours=23) < left <= datetime.timedelta(days=30)
    create_organization(caller)
    assert datetime.datetime.fromisoformat(caller.get("/v1/account")["trial"]["ends_at"].replace("Z", "+00:00")) == ends_at


def test_first_account_of_an_installation_is_not_on_trial(api):
    assert "trial" not in api.get("/v1/account").body


def test_26th_user_of_a_trial_is_refused_and_counted_over_all_organizations(service, trial):
    other = create_organization(trial)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        users = list(pool.map(lambda i: (trial.organization, other)[i % 2].create_enabled(), range(25)))
    answer = trial.post(other.users, expect="limit_exceeded",
                        json={"name": "one-more", "display_name": "x", "password": PASSWORD})
    assert answer["detail"].startswith(TRIAL_ERROR)
    waiting = other.create_user()  # only enabled ones count
    other.enable(waiting, expect="limit_exceeded")
    assert other.describe_user(waiting)["state"] == "DISABLED"
    trial.organization.disable(users[0])
    other.enable(waiting)
    trial.organization.enable(users[0], expect="limit_exceeded")
    other.enable(waiting)  # nothing changes, nothing is counted


def test_enabling_at_once_does_not_pass_the_limit_of_a_trial(service, trial):
    set_limit(service, trial.account, "trial_users", 3)
    organizations = [trial.organization, create_organization(trial)]
    waiting = [(organizations[i % 2], organizations[i % 2].create_user()) for i in range(12)]
    gate = threading.Barrier(12)

    def enable(which):
        gate.wait(30)
        return trial.request("POST", which[0].user(which[1], "enable")).status
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        statuses = sorted(pool.map(enable, waiting))
    assert statuses == [200] * 3 + [409] * 9


def test_operator_raises_the_limit_or_ends_the_trial(service, trial):
    set_limit(service, trial.account, "trial_users", 0)
    assert trial.get("/v1/account")["trial"]["user_limit"] == 0
    user = trial.organization.create_user()
    trial.organization.enable(user, expect="limit_exceeded")
    service.admin("end-trial", "--account", trial.account["account_id"])
    assert "trial" not in trial.get("/v1/account").body
    trial.organization.enable(user)
    service.admin("end-trial", "--account", trial.account["account_id"], expect=1)


def test_after_its_time_a_trial_limits_nothing(service, trial):
    set_limit(service, trial.account, "trial_users", 0)
    service.sql("UPDATE account SET trial_ends_at = now() WHERE account_id = %s", trial.account["account_id"])
    assert "trial" not in trial.get("/v1/account").body
    trial.organization.create_enabled()


def test_length_of_a_trial_is_a_limit_of_the_account(service):
    made = new_account(service)
    set_limit(service, made, "trial_days", 0)
    caller = service.client(made)
    create_organization(caller)
    assert "trial" not in caller.get("/v1/account").body


def test_third_quick_organization_is_refused_in_the_words_of_the_guide(trial):
    create_organization(trial)
    answer = trial.post("/v1/organizations", expect="limit_exceeded", json={"alias": unique(), "setup": "QUICK"})
    assert answer["detail"].startswith("You have reached the maximum number of organizations you can create")


# Usage


def usage(caller, organization, **params):
    (item,) = caller.get("/v1/account/usage", params={"organization_id": organization.id, **params})["items"]
    return item


def today():
    return datetime.datetime.now(datetime.timezone.utc).date()


def test_users_count_from_enabling_to_disabling(theirs):
    organization = create_organization(theirs)
    assert usage(theirs, organization)["active_users"] == 0
    ada, bob = organization.create_enabled(), organization.create_enabled()
    organization.create_user()
    assert usage(theirs, organization)["active_users"] == 2
    for _ in range(3):
        organization.disable(ada)
        organization.enable(ada)
    organization.disable(bob)
    report = usage(theirs, organization)
    assert report["active_users"] == 2 and report["month"] == today().isoformat()[:7]
    assert report["days"][-1] == {"date": today().isoformat(), "active_users": 2}
    assert len(report["days"]) == today().day


PERIODS = [  # user, began, ended; what counts on each day follows from it
    ("a", "2024-01-20 10:00", None),
    ("b", "2024-02-01 00:00", "2024-02-01 00:00:01"),
    ("c", "2024-02-03 08:00", "2024-02-03 09:00"), ("c", "2024-02-03 10:00", "2024-02-05 00:00"),
    ("c", "2024-02-07 10:00", "2024-02-08 10:00"),
    ("d", "2024-01-01 00:00", "2024-01-31 23:59:59"), ("e", "2024-02-29 23:59:59", None), ("f", "2024-03-01 00:00", None),
]


def expected(day_begins, day_ends):
    """By looking at every period: a model that nobody can get wrong."""
    return len({user for user, began, ended in PERIODS if began < day_ends and (ended is None or ended >= day_begins)})


def test_report_of_a_month_is_what_a_plain_count_of_each_day_gives(service, theirs):
    organization = create_organization(theirs)
    service.sql("UPDATE organization SET created_at = '2024-01-01' WHERE organization_id = %s", organization.id)
    ids = {}
    for user, began, ended in PERIODS:
        entity = ids.setdefault(user, service.sql("SELECT gen_random_uuid()")[0][0])
        service.sql("INSERT INTO active_period VALUES (%s, %s, %s, %s)", organization.id, entity, began, ended)
    for month, length in (("2024-01", 31), ("2024-02", 29), ("2024-03", 31)):
        report = usage(theirs, organization, month=month)
        after = f"{month[:5]}{int(month[5:]) + 1:02d}-01 00:00"
        assert report["active_users"] == expected(f"{month}-01 00:00", after), month
        days = [f"{month}-{day:02d}" for day in range(1, length + 1)]
        assert [day["date"] for day in report["days"]] == days
        for day in report["days"]:
            # As texts these compare like times; `~` comes after all digits.
            assert day["active_users"] == expected(f"{day['date']} 00:00", f"{day['date']} ~"), day
    service.sql("DELETE FROM active_period WHERE organization_id = %s", organization.id)
    assert [item for item in theirs.items("/v1/account/usage", month="2023-12")
            if item["organization_id"] == organization.id] == []


@pytest.mark.parametrize("month", ["2024-13", "2024-00", "2024-1", "24-01", "0024-01", "2024-01-01", "2024/01", "now", ""])
def test_month_that_is_none_is_refused(theirs, month):
    theirs.get("/v1/account/usage", expect="validation_failed", params={"month": month})


def test_month_that_has_not_begun_is_refused(theirs):
    theirs.get("/v1/account/usage", expect="validation_failed", params={"month": "9999-12"})


def test_removed_organizations_users_counted_until_they_went(theirs):
    organization = create_organization(theirs)
    organization.create_enabled()
    organization.remove(force="true")
    report = usage(theirs, organization)
    assert report["active_users"] == 1 and report["days"][-1]["active_users"] == 1


def test_usage_comes_in_pages(theirs):
    made = {create_organization(theirs).id for _ in range(3)}
    pages = list(theirs.pages("/v1/account/usage", page_size=2, include_total="true"))
    assert [len(page["items"]) for page in pages] == [2, 1] and pages[0]["total"] == 3
    assert {item["organization_id"] for page in pages for item in page["items"]} == made


# Closing


def close(caller, account, expect=204, **params):
    return caller.delete("/v1/account", expect=expect, params={"confirm": account["account_id"], **params})


def test_empty_account_is_closed_and_its_keys_are_refused_at_once(service, account, theirs):
    reader = service.client(service.admin("create-iam-user", "--account", account["account_id"], "--name", "reader",
                                          "--policy", "AmazonWorkMailReadOnlyAccess"))
    for caller in (theirs, reader):
        caller.get("/v1/account")
    close(theirs, account)
    for caller in (theirs, reader):
        caller.get("/v1/account", expect="unauthenticated")
    (listed,) = [item for item in service.admin("list-accounts")["items"] if item["account_id"] == account["account_id"]]
    assert listed["status"] == "CLOSED"


def test_account_with_something_in_it_is_closed_by_force_only(service, account, theirs):
    organizations = [create_organization(theirs) for _ in range(3)]
    user = organizations[0].create_enabled()
    close(theirs, account, expect="account_in_use")
    assert organizations[0].describe_user(user)["state"] == "ENABLED"
    close(theirs, account, force="true")
    for organization in organizations:
        wait_until(lambda organization=organization: service.sql(
            "SELECT state FROM organization WHERE organization_id = %s", organization.id) == [("DELETED",)], 30)
        assert service.sql("""SELECT to_state, actor, reason FROM organization_transition WHERE organization_id = %s
                              AND to_state = 'DELETING'""", organization.id) == [("DELETING", "root", "The account was closed.")]
    assert service.sql("SELECT * FROM directory WHERE account_id = %s", account["account_id"]) == []
    assert service.sql("SELECT * FROM entity WHERE organization_id = %s", organizations[0].id) == []


def test_kept_directory_is_something_left(service, account, theirs):
    organization = create_organization(theirs)
    organization.create_user()
    organization.remove()
    assert "1 directory" in close(theirs, account, expect="account_in_use")["detail"]
    close(theirs, account, force="true")
    assert service.sql("SELECT * FROM directory WHERE account_id = %s", account["account_id"]) == []


def test_closing_wants_the_id_of_the_account_itself(service, api, account, theirs):
    theirs.delete("/v1/account", expect="validation_failed")
    for confirm in ("0", account["name"][:12], service.root["account_id"]):
        theirs.delete("/v1/account", expect="confirmation_mismatch", params={"confirm": confirm})
    theirs.get("/v1/account")


def test_closing_can_be_tried_and_tied_to_a_version(service, account, theirs):
    tag = theirs.get("/v1/account").headers["ETag"]
    create_organization(theirs)
    close(theirs, account, expect="account_in_use", validate_only="true")
    assert close(theirs, account, expect=200, force="true", validate_only="true").headers["Validate-Only"] == "true"
    theirs.delete("/v1/account", expect="precondition_failed", headers={"If-Match": '"v999"'},
                  params={"confirm": account["account_id"], "force": "true"})
    theirs.delete("/v1/account", headers={"If-Match": tag}, params={"confirm": account["account_id"], "force": "true"})


def test_full_access_does_not_close_the_account(service, account):
    caller = service.client(service.admin("create-iam-user", "--account", account["account_id"], "--name", "admin",
                                          "--policy", "AmazonWorkMailFullAccess"))
    close(caller, account, expect="access_denied")


def test_organization_is_not_made_in_an_account_that_closes_meanwhile(service, account, theirs):
    """Whoever comes first: never an organization that stays in a closed account."""
    gate = threading.Barrier(9)

    def make(_):
        gate.wait(30)
        return theirs.request("POST", "/v1/organizations", {"alias": unique(), "setup": "QUICK"}).status

    def end(_):
        gate.wait(30)
        return theirs.request("DELETE", f"/v1/account?confirm={account['account_id']}&force=true").status
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        making, ended = [pool.submit(make, i) for i in range(8)], pool.submit(end, None)
    assert ended.result() == 204 and {each.result() for each in making} <= {202, 401}
    wait_until(lambda: service.sql("""SELECT * FROM organization WHERE account_id = %s AND state <> 'DELETED'""",
                                   account["account_id"]) == [], 30, what="the end of all organizations")


def test_other_accounts_go_on_when_one_closes(api, org, account, theirs):
    close(theirs, account)
    api.get("/v1/account")
    org.create_enabled()


# What ends with an account


def test_everything_of_a_closed_account_is_of_no_use(service, account, theirs):
    """Sessions, passwords, keys of all identities; commands of the operator that would give new ones."""
    user = iam.new_user(theirs)
    iam.attach(theirs, user, iam.new_policy(theirs, iam.statement()))
    key = service.client(iam.new_key(theirs, user))
    theirs.put(f"{iam.USERS}/{user['iam_user_id']}/password", expect=204, json={"password": PASSWORD})
    session = iam.sign_in(service, user, account["account_id"])
    callers = (theirs, key, session)
    for caller in callers:
        caller.get("/v1/account")
    close(session, account)
    for caller in callers:
        caller.get("/v1/account", expect="unauthenticated")
        caller.patch("/v1/account", expect="unauthenticated", json={"name": "again"})
    iam.sign_in(service, user, account["account_id"], expect="unauthenticated")
    words = ("--account", account["account_id"])
    service.admin("create-iam-user", *words, "--name", "late", "--policy", "AmazonWorkMailFullAccess", expect=1)
    service.admin("reset-root-key", *words, expect=1)
    service.admin("end-trial", *words, expect=1)
    assert service.sql("SELECT name FROM iam_user WHERE account_id = %s", account["account_id"]) == [(user["name"],)]


def test_what_was_held_in_registries_is_free_once_an_account_is_closed(service, api, org, account, theirs):
    """Its domain and its master keys' use go; aliases, test domains and quarantined addresses stay, as of any removed organization."""
    organization = create_organization(theirs)
    user, domain = organization.create_enabled(), unique() + ".example"
    email = organization.describe_user(user)["email"]
    service.sql("INSERT INTO mail_domain (organization_id, domain, ownership_status) VALUES (%s, %s, 'VERIFIED')", organization.id, domain)
    service.sql("INSERT INTO verified_domain (domain, organization_id) VALUES (%s, %s)", domain, organization.id)
    begin_setup(service, organization)
    close(theirs, account, force="true")
    wait_until(lambda: service.sql("SELECT state FROM organization WHERE organization_id = %s", organization.id)
               == [("DELETED",)], 30)
    assert service.sql("SELECT * FROM verified_domain WHERE organization_id = %s", organization.id) == []
    assert service.sql("SELECT * FROM data_key WHERE account_id = %s", account["account_id"]) == []
    assert service.sql("""SELECT * FROM job WHERE organization_id = %s AND state IN ('PENDING', 'RUNNING')""", organization.id) == []
    assert service.sql("""SELECT DISTINCT status FROM operation WHERE account_id = %s AND status IN ('PENDING', 'RUNNING')""",
                       account["account_id"]) == []
    api.post("/v1/organizations", expect="alias_taken", json={"alias": organization.alias, "setup": "QUICK"})
    assert service.sql("SELECT organization_id FROM address_registry WHERE email = %s", email) in ([], [(organization.id,)])
