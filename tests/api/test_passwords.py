"""Passwords: what is accepted, how they are kept, and that they show nowhere."""
import ctypes

import pytest

from organization import PASSWORD, unique

FIT = ["Abcdefg1", "Abcdefg!", "abcdef1!", "ABCDEF1!", "abcdefé1", "ABCDEFé!", "Aé345678", "A1" + "x" * 61,
       "Ab1 with spaces", "Ab1\"\\/<>&", "Ñandú-12"]
TOO_SHORT, TOO_LONG = ["", "Abcde1!", "Éé1!Éé1"], ["A1" + "x" * 62, "Éé1!" * 16]
WEAK = ["abcdefgh", "12345678", "abcdefg1", "ABCDEFGH", "Abcdefgh", "ABCDEFG1",
         "abcdefgé", "éééééééé", "!!!!!!!!", "Abcdef1€", "Abcdef1Ω", "Abcdef1😀"]
UNFIT = [(password, code) for passwords, code in ((TOO_SHORT, "too_short"), (TOO_LONG, "too_long"), (WEAK, "weak_password"))
         for password in passwords]


def reset(api, org, user, password, expect=204):
    return api.post(org.user(user, "reset-password"), expect=expect, json={"password": password})


@pytest.fixture
def user(org):
    return org.create_enabled("ann")


def stored_hash(service, user):
    (value,), = service.sql("SELECT password_hash FROM user_detail WHERE entity_id = %s", user["user_id"])
    return value


def verifies(stored, password):
    argon2 = ctypes.CDLL("libargon2.so.1")
    secret = password.encode()
    return argon2.argon2id_verify(stored.encode(), secret, len(secret)) == 0


@pytest.mark.parametrize("password", FIT)
def test_fit_password_is_stored_as_a_slow_hash_that_verifies(service, api, org, user, password):
    assert reset(api, org, user, password).raw == b""
    stored = stored_hash(service, user)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert verifies(stored, password) and not verifies(stored, password + "x")


@pytest.mark.parametrize("password,code", UNFIT)
def test_unfit_password_is_refused_when_resetting_and_creating(service, api, org, user, password, code):
    before = stored_hash(service, user)
    answer = reset(api, org, user, password, expect="validation_failed")
    assert answer.faults == {f"/password {code}"}
    assert len(password) < 4 or password not in answer.raw.decode()
    assert stored_hash(service, user) == before
    assert api.post(org.users, expect="validation_failed", json={
        "name": "bob", "display_name": "Bob", "password": password}).faults == {f"/password {code}"}


@pytest.mark.parametrize("members,faults", [({}, {"/password required"}), ({"password": 5}, {"/password wrong_type"}),
                                            ({"password": PASSWORD, "x": 1}, {"/x unknown_member"})])
def test_faults_of_the_body_are_named(api, org, user, members, faults):
    assert api.post(org.user(user, "reset-password"), expect="validation_failed", json=members).faults == faults


def test_same_password_gets_another_salt_each_time(service, api, org, user):
    seen = {stored_hash(service, user)}
    for _ in range(2):
        reset(api, org, user, PASSWORD)
        seen.add(stored_hash(service, user))
    assert len(seen) == 3


def test_user_without_mailbox_may_have_a_password(api, org):
    user = org.create_user()
    reset(api, org, user, PASSWORD)
    after = org.describe_user(user)
    assert after["has_password"] is True and after["state"] == "DISABLED"


def test_password_and_its_hash_show_nowhere(service, api, org, leak_check):
    secret = "Sesame-" + unique("9")[-8:] + "-É"
    user = org.create_enabled("bob")
    created = api.post(org.users, json={"name": "eve", "display_name": "Eve", "password": secret})
    answers = [created, reset(api, org, user, secret), api.get(org.user(user)), api.get(org.users),
               api.get(org.user(user, "aliases"))]
    api.post(org.users, expect=409, json={"name": "eve", "display_name": "Eve", "password": secret})
    api.post(org.users, expect=400, json={"name": "e e", "display_name": "Eve", "password": secret})
    for answer in answers:
        assert secret not in answer.raw.decode() and "argon2" not in answer.raw.decode()
        assert not answer.raw or b'"password"' not in answer.raw
    leak_check(secret)
    assert "$argon2" not in service.log()
