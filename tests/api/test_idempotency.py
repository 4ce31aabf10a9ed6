"""A POST with an Idempotency-Key is done once, however often it is sent."""
import concurrent.futures
import os
import pathlib
import threading
import time

import pytest

from changes import changes, prepare
from checks import check_consistency
from organization import PASSWORD, create_organization, unique
from routes import named

POSTS = [route for route in changes() if route["method"] == "POST"]
OTHERS = [route for route in changes() if route["method"] != "POST"]


def key():
    return {"Idempotency-Key": unique("key")}


def is_replayed(answer):
    return answer.headers.get("Idempotent-Replayed") == "true"


def what(answer):
    """All that a repetition must have in common with the first answer."""
    return answer.status, answer.raw, answer.headers.get("Location"), answer.headers.get("ETag")


def records(service, sent):
    return service.sql("SELECT count(*) FROM idempotency_record WHERE idempotency_key = %s", sent["Idempotency-Key"])[0][0]


def check_refused(answer, status, code):
    assert (answer.status, answer["code"]) == (status, code), answer


def create(org, name, sent, **members):
    return org.api.request("POST", org.users, {"name": name, "display_name": name, **members}, headers=sent)


@pytest.mark.parametrize(**named(POSTS))
def test_50_at_once_have_one_effect_and_one_answer(service, api, org, route):
    request, sent = prepare(service, org, route), key()
    gate = threading.Barrier(50)

    def send(_):
        gate.wait(30)
        return request.send(api, headers=sent)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(50)))
    running = [answer for answer in answers if answer.status == 409]
    done = [answer for answer in answers if answer.status != 409]
    for answer in running:
        check_refused(answer, 409, "idempotency_in_progress")
        assert answer.headers["Retry-After"]
    assert {answer.status for answer in done} == {route["success"]}
    assert len({what(answer) for answer in done}) == 1
    assert [is_replayed(answer) for answer in done].count(False) == 1
    assert records(service, sent) == 1
    if route["operation"] == "CreateUser":
        assert service.sql("SELECT count(*) FROM entity WHERE organization_id = %s", org.id) == [(1,)]
    assert what(request.send(api, headers=sent)) == what(done[0])
    check_consistency(service)


@pytest.mark.parametrize(**named(POSTS))
def test_repetition_gets_the_first_answer(service, api, org, route):
    request, sent = prepare(service, org, route), key()
    first = request.send(api, headers=sent)
    assert first.status == route["success"] and not is_replayed(first), first
    again = request.send(api, headers=sent)
    assert is_replayed(again) and what(again) == what(first)
    assert first.headers["Request-Id"] != again.headers["Request-Id"]


def test_repetition_gets_the_first_answer_although_things_have_changed_since(api, org):
    user, sent = org.create_user(), key()
    matching = {**sent, "If-Match": api.get(org.user(user)).headers["ETag"]}
    first = api.request("POST", org.user(user, "enable"), headers=matching)
    org.disable(user)
    again = api.request("POST", org.user(user, "enable"), headers=matching)
    assert is_replayed(again) and what(again) == what(first)
    assert org.describe_user(user)["state"] == "DISABLED"


def test_addition_of_what_was_there_is_repeated_with_its_own_status(api, org):
    user, sent = org.create_enabled(), key()
    api.post(org.user(user, "aliases"), json={"email": "boss"})
    for expected in (False, True):
        answer = api.post(org.user(user, "aliases"), expect=200, json={"email": "boss"}, headers=sent)
        assert is_replayed(answer) == expected


def test_same_request_may_say_that_it_is_no_dry_run(org):
    sent = key()
    first = create(org, "ann", sent)
    again = org.api.request("POST", org.users, {"name": "ann", "display_name": "ann"}, headers=sent,
                            params={"validate_only": "false"})
    assert is_replayed(again) and what(again) == what(first)


def test_key_of_another_identity_is_another_key(service, org):
    made = service.admin("create-iam-user", "--account", service.root["account_id"], "--name", unique("iam"),
                         "--policy", "AmazonWorkMailFullAccess")
    other, sent = service.client(made), key()
    assert create(org, "ann", sent).status == 201
    answer = other.post(org.users, json={"name": "bob", "display_name": "bob"}, headers=sent)
    assert not is_replayed(answer) and records(service, sent) == 2


def test_key_of_another_operation_is_another_key(service, api, org):
    user, sent = org.create_user(), key()
    for segment in ("enable", "disable"):
        answer = api.post(org.user(user, segment), expect=200, headers=sent)
        assert not is_replayed(answer)
    assert records(service, sent) == 2


def test_key_of_another_body_path_or_query_is_refused(service, api, org):
    sent, users = key(), [org.create_user(), org.create_user()]
    api.post(org.user(users[0], "enable"), expect=200, headers=sent, json={"email": "boss"})
    for user, body, params in ((users[0], {"email": "chief"}, None), (users[1], {"email": "boss"}, None),
                               (users[0], {}, None), (users[0], {"email": "boss"}, {"x": 1})):
        answer = api.request("POST", org.user(user, "enable"), body, headers=sent, params=params)
        check_refused(answer, 422, "idempotency_mismatch")
    assert org.describe_user(users[1])["state"] == "DISABLED"
    assert records(service, sent) == 1


def test_key_of_another_organization_is_refused(api, org):
    sent, other = key(), create_organization(api)
    create(org, "ann", sent)
    check_refused(create(other, "ann", sent), 422, "idempotency_mismatch")
    assert other.api.get(other.users)["items"] == []


@pytest.mark.parametrize("fault,status", [
    ({"display_name": None}, 400), ({"quota_mb": 0}, 400), ({"more": 1}, 400), ({"password": "short"}, 400),
    ({"name": "taken"}, 409), ({"password": PASSWORD, "email": "a@nowhere.test"}, 409)], ids=str)
def test_failure_is_not_kept_the_key_works_once_the_request_is_correct(service, org, fault, status):
    org.create_user("taken")
    sent = key()
    for _ in range(2):
        assert org.api.request("POST", org.users, {"name": "ann", "display_name": "Ann", **fault},
                               headers=sent).status == status
    assert records(service, sent) == 0
    answer = create(org, "ann", sent)
    assert answer.status == 201 and not is_replayed(answer) and records(service, sent) == 1


@pytest.mark.parametrize("text", ["", "a b", "a\tb", "\xe9", 256 * "k"], ids=ascii)
@pytest.mark.parametrize("dry", ["false", "true"])
def test_key_of_bad_form_is_refused(service, api, org, text, dry):
    answer = api.request("POST", org.users, {"name": "ann", "display_name": "Ann"}, headers={"Idempotency-Key": text},
                         params={"validate_only": dry})
    check_refused(answer, 400, "bad_request")
    assert service.sql("SELECT count(*) FROM entity WHERE organization_id = %s", org.id) == [(0,)]


def test_longest_key_and_all_its_characters_work(org):
    for text in (unique().ljust(255, "k"), unique() + "".join(map(chr, range(0x21, 0x7f)))):
        sent = {"Idempotency-Key": text}
        name = unique("u")
        assert [is_replayed(create(org, name, sent)) for _ in range(2)] == [False, True]


@pytest.mark.parametrize(**named(OTHERS))
def test_other_methods_keep_no_answer(service, api, org, route):
    sent = key()
    answer = prepare(service, org, route).send(api, headers=sent)
    assert answer.status == route["success"] and records(service, sent) == 0


def duration(call):
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def test_repetition_hashes_no_password_again(org):
    sent = [key() for _ in range(5)]
    creations = [duration(lambda number=number: create(org, f"u{number}", sent[number], password=PASSWORD))
                 for number in range(5)]
    repetitions = [duration(lambda number=number: create(org, f"u{number}", sent[number], password=PASSWORD))
                   for number in range(5)]
    assert min(repetitions) < min(creations) / 2, (creations, repetitions)


def hashing_seconds(service):
    """What the threads that hash passwords have used of the processor: they are the nice ones."""
    total = 0
    for task in pathlib.Path(f"/proc/{service.process.pid}/task").iterdir():
        fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) * (int(fields[16]) == 10)
    return total / 100


def hashing_of(service, call):
    begun = hashing_seconds(service)
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(call, range(30)))
    return hashing_seconds(service) - begun, answers


def test_30_equal_requests_at_once_hash_their_password_hardly_more_than_once(service, org):
    """Those that queue for a hashing thread behind the first one find its answer."""
    sent = key()
    each, _ = hashing_of(service, lambda number: create(org, f"u{number}", key(), password=PASSWORD))
    equal, answers = hashing_of(service, lambda _: create(org, "ann", sent, password=PASSWORD))
    done = [answer for answer in answers if answer.status != 409]
    assert {answer.status for answer in done} == {201} and len({what(answer) for answer in done}) == 1
    threads = max(1, os.cpu_count() - 1)
    assert equal < each / 30 * (threads + 2), (each, equal)


# The dry run of an import is an operation of its own: test_import.py.
@pytest.mark.parametrize(**named(route for route in POSTS if route["operation"] != "ImportUsers"))
def test_dry_run_with_a_used_key_shows_what_the_request_would_be_answered(service, api, org, route):
    request, sent = prepare(service, org, route), key()
    first = request.send(api, headers=sent)
    before = records(service, sent)
    dry = request.send(api, headers=sent, validate_only="true")
    assert dry.status == 200 and dry.headers["Validate-Only"] == "true" and not is_replayed(dry)
    assert dry.body == (first.body if route["success"] in (200, 201) else {})
    other = api.request(request.method, request.target, headers=sent, params={"validate_only": "true", "more": "1"},
                        **({} if request.json is None else {"json_body": request.json}))
    check_refused(other, 422, "idempotency_mismatch")
    assert records(service, sent) == before == 1


def test_kept_answer_cannot_be_read_in_the_database(service, org):
    sent, name, shown = key(), unique("hidden"), unique("Shown")
    create(org, name, sent, first_name=shown, password=PASSWORD)
    (row, sealed), = service.sql("SELECT to_jsonb(r)::text, sealed_body FROM idempotency_record r"
                                 " WHERE idempotency_key = %s", sent["Idempotency-Key"])
    for secret in (name, shown, PASSWORD):
        assert secret not in row and secret.encode() not in sealed
        assert secret.encode().hex() not in row


@pytest.mark.expect_errors
def test_kept_answer_that_was_moved_to_another_key_is_not_given_out(service, org):
    one, two = key(), key()
    create(org, "ann", one)
    create(org, "bob", two)
    service.sql("""UPDATE idempotency_record SET sealed_body = (SELECT sealed_body FROM idempotency_record
                   WHERE idempotency_key = %s) WHERE idempotency_key = %s""",
                one["Idempotency-Key"], two["Idempotency-Key"])
    assert is_replayed(create(org, "ann", one))
    check_refused(create(org, "bob", two), 500, "internal_error")


def test_answer_is_kept_for_24_hours(service, org):
    sent = key()
    first = create(org, "ann", sent)

    def age(interval):
        service.sql("UPDATE idempotency_record SET created_at = now() - %s::interval WHERE idempotency_key = %s",
                    interval, sent["Idempotency-Key"])
    age("23 hours 59 minutes")
    assert what(create(org, "ann", sent)) == what(first)
    age("24 hours 1 second")
    check_refused(create(org, "ann", sent), 409, "name_taken")
    other = create(org, "bob", sent)
    assert other.status == 201 and not is_replayed(other) and records(service, sent) == 1
    assert is_replayed(create(org, "bob", sent))
