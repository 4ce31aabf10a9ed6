"""A grant that waited for the account's lock is judged by what its granter may do then, not by what he might when he came."""
import concurrent.futures

import psycopg
import pytest

import iam
from iam import Identity, attach, new_group, new_key, new_policy, new_user, statement
from organization import PASSWORD, unique
from service import wait_until

WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def granter(service, api):
    return Identity(service, api, statement())


@pytest.fixture
def grants(api, granter):
    """By name: a request that gives, or that takes a Deny away."""
    user, group, policy = new_user(api), new_group(api), new_policy(api, statement(action="workmail:*"))
    denied, deny = new_user(api), new_policy(api, statement("Deny", "workmail:DeleteOrganization"))
    for has in (denied, user):
        attach(api, has, policy)
    attach(api, denied, deny)
    attach(api, group, policy)
    key = new_key(api, user, status="DISABLED")
    document = {"document": iam.document(statement(action="workmail:*"))}
    empty, narrow = new_user(api), new_policy(api, statement(action="workmail:List*"))
    return {
        "policy written": ("POST", iam.POLICIES, {"name": unique("race"), **document}),
        "policy rewritten": ("PATCH", f"{iam.POLICIES}/{narrow['policy_id']}", document),
        "policy attached": ("PUT", iam.attachment(empty, policy), None),
        "group joined": ("PUT", iam.membership(group, empty), None),
        "key made": ("POST", f"{iam.USERS}/{user['iam_user_id']}/access-keys", None),
        "key enabled": ("PATCH", f"{iam.USERS}/{user['iam_user_id']}/access-keys/{key['access_key_id']}", {"status": "ACTIVE"}),
        "password set": ("PUT", f"{iam.USERS}/{user['iam_user_id']}/password", {"password": PASSWORD}),
        "deny taken away": ("DELETE", iam.attachment(denied, deny), None),
    }


GRANTS = ["policy written", "policy rewritten", "policy attached", "group joined", "key made", "key enabled", "password set",
          "deny taken away"]
REVOCATIONS = {
    "policy detached": ("DELETE FROM iam_user_policy WHERE iam_user_id = %(user)s", "access_denied"),
    "policy narrowed": ("""UPDATE policy SET document_version = document_version + 1, document =
        '{"Statement": {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}}' WHERE policy_id = %(policy)s""", "not_held"),
    "key disabled": ("UPDATE access_key SET status = 'DISABLED' WHERE access_key_id = %(key)s", "unauthenticated"),
    "key limited": ("UPDATE access_key SET allowed_networks = '{192.0.2.0/24}' WHERE access_key_id = %(key)s",
                    "unauthenticated"),
    "identity deleted": ("DELETE FROM access_key WHERE access_key_id = %(key)s", "unauthenticated"),
}
GIVEN = """SELECT (SELECT json_agg(p ORDER BY p.policy_id)::text FROM policy p WHERE policy_id <> %s),
    (SELECT json_agg(a ORDER BY a.iam_user_id, a.policy_id)::text FROM iam_user_policy a WHERE iam_user_id <> %s),
    (SELECT count(*) FROM iam_group_member), (SELECT json_agg(k.status ORDER BY k.access_key_id)::text FROM access_key k
    WHERE k.access_key_id <> %s), (SELECT json_agg(u.password_hash ORDER BY u.iam_user_id)::text FROM iam_user u)"""


EXPIRE = """SELECT pg_sleep(extract(epoch FROM expires_at - clock_timestamp()) + 0.05) FROM access_key
            WHERE access_key_id = %(key)s"""


def send_while(service, account, client, request, change, ids):
    """Sends the request while somebody else has the account's identities, changes what is theirs, and lets go."""
    with psycopg.connect(f"{service.database_uri} dbname=postreeve") as holder, concurrent.futures.ThreadPoolExecutor(1) as pool:
        holder.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7265))", [account])
        sent = pool.submit(client.request, *(part for part in request if part is not None))
        wait_until(lambda: service.sql(WAITING) == [(1,)])
        holder.execute(change, ids)
        holder.commit()
        return sent.result(20)


@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.parametrize("revocation", REVOCATIONS)
def test_revocation_while_a_grant_waits_is_seen_by_it(service, granter, grants, grant, revocation):
    change, code = REVOCATIONS[revocation]
    ids = {"user": granter.id, "policy": granter.policy["policy_id"], "key": granter.key["access_key_id"]}
    before = service.sql(GIVEN, ids["policy"], ids["user"], ids["key"])
    send_while(service, service.root["account_id"], granter.client, grants[grant], change, ids).check_problem(code)
    assert service.sql(GIVEN, ids["policy"], ids["user"], ids["key"]) == before


@pytest.mark.parametrize("grant", GRANTS)
def test_grant_that_waited_and_is_still_held_is_made(service, granter, grants, grant):
    answer = send_while(service, service.root["account_id"], granter.client, grants[grant], "SELECT 1", {})
    assert answer.status in (200, 201, 204), answer


@pytest.mark.parametrize("grant", GRANTS)
def test_key_that_expires_while_its_grant_waits_gives_nothing(service, granter, grants, grant):
    """Nobody revokes it: its time is over when it is let through, as it was not when it came."""
    key = granter.key["access_key_id"]
    service.sql("UPDATE access_key SET expires_at = date_trunc('second', now() + interval '1.7 s') WHERE access_key_id = %s", key)
    service.sql("SELECT pg_notify('postreeve_identity', '')")
    before = service.sql(GIVEN, granter.policy["policy_id"], granter.id, key)
    send_while(service, service.root["account_id"], granter.client, grants[grant], EXPIRE, {"key": key}).check_problem("unauthenticated")
    assert service.sql(GIVEN, granter.policy["policy_id"], granter.id, key) == before


def test_session_that_ended_while_its_grant_waited_gives_nothing(service, granter, grants):
    granter.set_password()
    account = service.root["account_id"]
    client = iam.sign_in(service, granter.user, account)
    send_while(service, account, client, grants["policy written"], "DELETE FROM iam_session WHERE session_id = %(session)s",
               {"session": client.session["session_id"]}).check_problem("unauthenticated")
