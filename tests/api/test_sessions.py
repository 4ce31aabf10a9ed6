"""Signing in with a password, for the console."""
import concurrent.futures
import http.client
import json
import threading

import psycopg
import pytest

import iam
from iam import Identity, sign_in, statement
from organization import PASSWORD, unique
from prometheus import Metrics
from service import wait_until


@pytest.fixture(scope="session")
def account(service):
    return service.root["account_id"]


@pytest.fixture
def ann(service, api):
    identity = Identity(service, api, statement(action=["workmail:*", "iam:*"]))
    identity.set_password()
    return identity


def test_session_does_what_its_user_may(service, org, ann, account):
    session = sign_in(service, ann.user, account)
    session.get(org.users)
    session.post(org.users, json={"name": unique("u"), "display_name": "U"})
    current = session.get("/v1/sessions/current")
    assert current["csrf_token"] == session.csrf_token and current["iam_user_id"] == ann.id
    assert [item["session_id"] for item in session.items("/v1/sessions", iam_user_id=ann.id)] == [current["session_id"]]


def test_cookie_is_out_of_reach_of_scripts_and_of_other_sites(service, ann, account, leak_check):
    answer = service.anonymous().post("/v1/sessions", json={"account_id": account, "name": ann.user["name"],
                                                            "password": PASSWORD})
    cookie, *attributes = [part.strip() for part in answer.headers["Set-Cookie"].split(";")]
    assert cookie.startswith("postreeve-session=") and {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    leak_check(cookie.split("=")[1])
    leak_check(answer["csrf_token"])


def test_cookie_that_came_by_tls_is_bound_to_it_and_to_the_host(make_service):
    service, by_tls = make_service("--trusted-proxies", "127.0.0.0/8"), {"X-Forwarded-Proto": "https"}
    identity = Identity(service, service.client())
    identity.set_password()
    client = service.anonymous()
    answer = client.post("/v1/sessions", headers=by_tls, json={
        "account_id": service.root["account_id"], "name": identity.user["name"], "password": PASSWORD})
    client.cookie, *attributes = [part.strip() for part in answer.headers["Set-Cookie"].split(";")]
    assert client.cookie.startswith("__Host-postreeve-session=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} == set(attributes)
    client.get("/v1/sessions/current", headers=by_tls)
    client.get("/v1/sessions/current", expect="unauthenticated")


def test_password_that_is_being_replaced_opens_no_session(service, ann, account):
    """Its sessions are ended by then: one that began now would outlive it."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%INTO iam_session%%'"
    with psycopg.connect(f"{service.database_uri} dbname=postreeve") as holder, concurrent.futures.ThreadPoolExecutor(1) as pool:
        holder.execute("UPDATE iam_user SET password_hash = 'another' WHERE iam_user_id = %s", [ann.id])
        holder.execute("DELETE FROM iam_session WHERE iam_user_id = %s", [ann.id])
        answer = pool.submit(sign_in, service, ann.user, account, PASSWORD, "unauthenticated")
        wait_until(lambda: answer.done() or service.sql(waiting) == [(1,)])
        holder.commit()
        answer.result(20)
    assert service.sql("SELECT count(*) FROM iam_session WHERE iam_user_id = %s", ann.id) == [(0,)]


@pytest.mark.parametrize("token", [None, "", "x", "0" * 64])
def test_change_without_the_token_is_refused(service, org, ann, account, token):
    session = sign_in(service, ann.user, account)
    session.csrf_token = token
    session.post(org.users, expect="csrf_token", json={"name": unique("u"), "display_name": "U"})
    session.delete("/v1/sessions/current", expect="csrf_token")
    session.get(org.users)


def test_token_of_another_session_is_refused(service, org, ann, account):
    session, other = sign_in(service, ann.user, account), sign_in(service, ann.user, account)
    session.csrf_token = other.csrf_token
    session.post(org.users, expect="csrf_token", json={"name": unique("u"), "display_name": "U"})


def test_access_key_needs_no_token_and_counts_before_a_cookie(service, api, org, ann, account):
    session = sign_in(service, ann.user, account)
    stranger = Identity(service, api)
    stranger.client.cookie = session.cookie
    stranger.client.get(org.users, expect="organization_not_found")


@pytest.mark.parametrize("change", [{"password": PASSWORD + "x"}, {"name": "nobody-here"}, {"account_id": "111111111111"}])
def test_wrong_name_and_wrong_password_look_the_same(service, ann, account, change):
    told = []
    for members in (change, {"password": "Another-horse-8"}):
        answer = service.anonymous().post("/v1/sessions", expect="unauthenticated", json={
            "account_id": account, "name": ann.user["name"], "password": PASSWORD, **members})
        told.append({**answer.body, "instance": ""})
        assert "Set-Cookie" not in answer.headers
    assert told[0] == told[1]


def guess(client, user, account_id, count):
    """Statuses of so many wrong passwords."""
    return [client.request("POST", "/v1/sessions", {"account_id": account_id, "name": user["name"],
                                                    "password": f"Guess-{number}"}).status for number in range(count)]


def from_elsewhere(service, user, account_id, password):
    """All of 127/8 is loopback: another source address."""
    connection = http.client.HTTPConnection(*service.client().address, source_address=("127.0.0.9", 0))
    connection.request("POST", "/v1/sessions", json.dumps({"account_id": account_id, "name": user["name"], "password": password}),
                       {"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status


def test_guessing_a_password_is_stopped_and_its_owner_is_not(make_service):
    """From where the guesses come even the right one is not looked at; elsewhere its owner is let in, and here all others."""
    service = make_service()
    account, identity, other = service.root["account_id"], *(Identity(service, service.client()) for _ in range(2))
    identity.set_password()
    other.set_password()
    anonymous = service.anonymous()
    assert guess(anonymous, identity.user, account, 40) == 10 * [401] + 30 * [429]
    shouted = {**identity.user, "name": identity.user["name"].upper()}
    assert guess(anonymous, shouted, account, 1) == [429]
    refused = sign_in(service, identity.user, account, expect="rate_limited")
    assert int(refused.headers["Retry-After"]) >= 1 and "wrong passwords for this name" in refused["detail"]
    assert from_elsewhere(service, identity.user, account, PASSWORD) == 201
    assert guess(anonymous, {"name": "nobody"}, account, 12) == 10 * [401] + 2 * [429]  # as of one that is there
    sign_in(service, other.user, account).get("/v1/sessions/current")
    metrics = Metrics(service.client().request("GET", "/metrics").raw.decode())
    assert metrics.get("postreeve_authentication_failures_total") == 20
    assert metrics.get("postreeve_rate_limited_total", by="address") == 30 + 1 + 1 + 2


def test_right_password_forgives_the_wrong_ones_before(make_service):
    service = make_service("--password-guesses", 3)
    account, identity = service.root["account_id"], Identity(service, service.client())
    identity.set_password()
    for _ in range(3):
        assert guess(service.anonymous(), identity.user, account, 2) == 2 * [401]
        sign_in(service, identity.user, account).get("/v1/sessions/current")


def test_password_may_be_guessed_on_where_the_operator_says_so(make_service):
    service = make_service("--password-guesses", 0)
    account, identity = service.root["account_id"], Identity(service, service.client())
    identity.set_password()
    assert guess(service.anonymous(), identity.user, account, 15) == 15 * [401]


def test_many_guesses_at_once_are_refused_before_they_cost_a_hash(make_service):
    """Those of one address keep neither who has a key from hashing, nor the owner from signing in once they ended."""
    service = make_service("--password-guesses", 0)
    account, api = service.root["account_id"], service.client()
    identity = Identity(service, api)
    identity.set_password()
    gate = threading.Barrier(41)

    def attempt(number):
        gate.wait(30)
        return service.anonymous().request("POST", "/v1/sessions", {"account_id": account, "name": identity.user["name"],
                                                                    "password": f"Guess-{number}"})
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        sent = [pool.submit(attempt, number) for number in range(40)]
        gate.wait(30)
        identity.set_password()
        answers = [one.result(30) for one in sent]
    refused = [answer for answer in answers if answer.status == 429]
    assert {answer.status for answer in answers} == {401, 429} and len(refused) > 10
    for answer in refused:
        answer.check_problem("rate_limited")
        assert answer.headers["Retry-After"] == "1" and "at once" in answer["detail"]
    failures = Metrics(api.request("GET", "/metrics").raw.decode()).get("postreeve_authentication_failures_total")
    assert failures == 40 - len(refused)
    for _ in range(10):
        sign_in(service, identity.user, account).get("/v1/sessions/current")


def test_old_cookie_of_something_else_is_no_guess(make_service):
    service = make_service("--failed-auth-limit", 1)
    anonymous = service.anonymous()
    for cookie in ("theme=dark", "postreeve-session=short"):
        anonymous.cookie = cookie
        assert {anonymous.request("GET", "/v1/regions").status for _ in range(70)} == {401}
    anonymous.cookie = "postreeve-session=" + 43 * "A"
    assert {anonymous.request("GET", "/v1/regions").status for _ in range(70)} == {401, 429}


def test_failed_sign_in_is_told_to_the_account_of_the_user(fresh_service):
    # Of one caller only so many refusals a minute are told one by one, and others at this address are refused as well.
    service, api, account = fresh_service, fresh_service.client(), fresh_service.root["account_id"]
    ann = Identity(service, api)
    ann.set_password()
    sent = {"Request-Id": unique("request")}
    attempt = {"account_id": account, "name": ann.user["name"], "password": "Wrong-horse-9"}
    service.anonymous().post("/v1/sessions", expect="unauthenticated", headers=sent, json=attempt)
    event, = wait_until(lambda: api.items("/v1/audit-events", request_id=sent["Request-Id"]))
    assert (event["action"], event["outcome"], event["reason"]) == ("iam:CreateSession", "DENIED", "unauthenticated")
    assert event["target"] == ann.path() and event["actor"] == {"kind": "ANONYMOUS", "id": "anonymous"}
    assert "Wrong-horse-9" not in str(event)


def test_sign_in_as_nobody_is_told_to_the_installation_alone(fresh_service):
    service, api, account = fresh_service, fresh_service.client(), fresh_service.root["account_id"]
    sent = {"Request-Id": unique("request")}
    service.anonymous().post("/v1/sessions", expect="unauthenticated", headers=sent,
                             json={"account_id": account, "name": "nobody-here", "password": PASSWORD})
    (chain, target), = wait_until(lambda: service.sql("SELECT chain, target FROM audit_log WHERE request_id = %s",
                                                      sent["Request-Id"]))
    assert (chain, target) == ("installation", "/v1/sessions")
    assert api.items("/v1/audit-events", request_id=sent["Request-Id"]) == []


def test_user_without_a_password_does_not_sign_in(service, api, account):
    user = iam.new_user(api)
    assert sign_in(service, user, account, expect="unauthenticated").status == 401


@pytest.mark.parametrize("password,fault", [("Secret-4567", "too_short"), ("Secret-45678" + 117 * "x", "too_long"),
                                            ("all-lower-case", "weak_password"), ("Correct-horse-\u20ac", "weak_password")])
def test_unfit_password_of_an_iam_user_is_refused(ann, password, fault):
    answer = ann.api.put(ann.path("password"), expect="validation_failed", json={"password": password})
    assert answer.faults == {f"/password {fault}"} and password not in answer.raw.decode()


@pytest.mark.parametrize("password", ["Secret-45678", "Secret 45678" + 116 * "x"])
def test_shortest_and_longest_password_sign_in_whole(service, ann, account, password):
    ann.set_password(password)
    sign_in(service, ann.user, account, password)
    sign_in(service, ann.user, account, password[:-1], expect="unauthenticated")


def test_signing_out_ends_the_session_at_once(service, ann, account):
    session, other = sign_in(service, ann.user, account), sign_in(service, ann.user, account)
    session.get("/v1/sessions/current")
    answer = session.delete("/v1/sessions/current")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    session.get("/v1/sessions/current", expect="unauthenticated")
    other.get("/v1/sessions/current")


def test_session_is_ended_by_who_administrates(service, api, ann, account):
    session = sign_in(service, ann.user, account)
    session.get("/v1/regions")
    api.delete(f"/v1/sessions/{session.session['session_id']}")
    session.get("/v1/regions", expect="unauthenticated")
    api.delete(f"/v1/sessions/{session.session['session_id']}", expect="session_not_found")


def test_new_password_ends_the_old_sessions(service, ann, account):
    session = sign_in(service, ann.user, account)
    session.get("/v1/regions")
    ann.set_password("Another-horse-8")
    session.get("/v1/regions", expect="unauthenticated")
    sign_in(service, ann.user, account, expect="unauthenticated")
    sign_in(service, ann.user, account, "Another-horse-8")
    ann.api.delete(ann.path("password"))
    sign_in(service, ann.user, account, "Another-horse-8", expect="unauthenticated")


@pytest.mark.parametrize("what", ["last_used_at = now() - interval '31 minutes'", "expires_at = now() - interval '1 second'"])
def test_session_ends_when_it_is_idle_and_in_any_case(service, ann, account, what):
    session = sign_in(service, ann.user, account)
    service.sql(f"UPDATE iam_session SET {what} WHERE session_id = %s", session.session["session_id"])
    session.get("/v1/regions", expect="unauthenticated")
    assert session.session["session_id"] not in {item["session_id"] for item in ann.api.items("/v1/sessions")}


def test_use_keeps_a_session_alive(service, ann, account):
    session = sign_in(service, ann.user, account)
    service.sql("UPDATE iam_session SET last_used_at = now() - interval '20 minutes' WHERE session_id = %s",
                session.session["session_id"])
    session.get("/v1/regions")
    (age,), = service.sql("SELECT now() - last_used_at < interval '1 minute' FROM iam_session WHERE session_id = %s",
                          session.session["session_id"])
    assert age


def test_sessions_of_whom_one_may_not_see_are_not_there(service, api, ann, account):
    session = sign_in(service, ann.user, account)
    other = Identity(service, api)
    policy = iam.new_policy(api, statement(action="iam:*", resource=iam.iam_arn("user", other.id)))
    iam.attach(api, other.user, policy)
    assert other.client.items("/v1/sessions") == []
    other.client.delete(f"/v1/sessions/{session.session['session_id']}", expect="session_not_found")
    session.get("/v1/regions")


def test_who_came_with_a_key_has_no_session(api):
    api.get("/v1/sessions/current", expect="session_not_found")
    api.delete("/v1/sessions/current", expect="session_not_found")
