"""Lists of users: filters, search, order and keyset pages."""
import base64
import hashlib
import itertools
import random

import pytest

import iam
from organization import create_organization


@pytest.fixture(scope="module")
def crowd(service):
    """Forty users with many equal display names, three of them enabled, one deleted."""
    organization = create_organization(service.client())
    shuffled = random.Random(7)
    for number in range(40):
        organization.create_user(f"user-{number:02}", display_name=shuffled.choice(["Ann", "bob", "Zoë", "Émile", "ann"]),
                                 first_name=f"First{number % 3}", last_name="O'Neil_100%")
    users = organization.api.items(organization.users, order_by="name")
    for user in users[:3]:
        organization.enable(user, email=f"mail.{user['name']}")
    organization.api.delete(organization.user(users[-1]))
    return organization


@pytest.fixture
def listed(api, crowd):
    def list_users(**params):
        return api.items(crowd.users, **params)
    return list_users


def names(users):
    return [user["name"] for user in users]


def test_item_of_the_list_is_what_describe_answers(api, crowd, listed):
    for user in listed(page_size=7)[:5]:
        assert crowd.describe_user(user) == user


def test_deleted_users_are_listed_only_when_asked_for(listed):
    assert len(listed()) == 39
    assert [user["state"] for user in listed(state="DELETED")] == ["DELETED"]


@pytest.mark.parametrize("params,count", [
    ({"state": "ENABLED"}, 3), ({"state": "DISABLED"}, 36), ({"type": "USER"}, 39), ({"type": "SYSTEM_USER"}, 0),
    ({"name": "user-01"}, 1), ({"name": "USER-01"}, 1), ({"name": "user-0"}, 0), ({"name": "absent"}, 0),
    ({"email": "mail.user-01@{domain}"}, 1), ({"email": "MAIL.user-01@{domain}"}, 1),
    ({"email": "user-01@{domain}"}, 1), ({"email": "user-09@{domain}"}, 0),
    ({"q": "user-1"}, 10), ({"q": "USER-1"}, 10), ({"q": "ser-1"}, 10), ({"q": "first2"}, 13), ({"q": "o'neil_100%"}, 39),
    ({"q": "_"}, 39), ({"q": "%"}, 39), ({"q": "r_0"}, 0), ({"q": "\\"}, 0), ({"q": "'"}, 39),
    ({"q": "mail.user"}, 3), ({"q": "nobody"}, 0), ({"q": "zo"}, None), ({"q": "ZOË"}, None),
    ({"q": "user-1", "state": "ENABLED"}, 0), ({"q": "user-0", "state": "ENABLED"}, 3),
])
def test_filters_find_what_they_say(api, crowd, listed, params, count):
    params = {name: value.format(domain=crowd.domain) for name, value in params.items()}
    found = listed(**params)
    if count is None:
        count = sum(user["display_name"] == "Zoë" for user in listed())
    assert len(found) == count
    assert listed(page_size=2, **params) == found
    page = api.get(crowd.users, params={"include_total": "true", "page_size": 1, **params})
    assert page["total"] == count and len(page["items"]) == min(count, 1)


KEYS = {"name": lambda user: user["name"].lower(), "display_name": lambda user: user["display_name"].casefold(),
        "created_at": lambda user: user["created_at"]}


def is_ordered(users, order):
    """Neighbours are in order, by the first key that tells them apart."""
    for one, two in itertools.pairwise(users):
        for key in order.split(","):
            a, b = KEYS[key.lstrip("-")](one), KEYS[key.lstrip("-")](two)
            if a != b:
                if (a < b) == key.startswith("-"):
                    return False
                break
    return True


ORDERS = ["name", "-name", "display_name", "-display_name", "created_at", "-created_at", "display_name,name",
          "display_name,-name", "-display_name,name", "-display_name,-created_at", "display_name,-created_at",
          "created_at,-display_name"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("page_size", [1, 3, 1000])
def test_every_order_gives_each_user_once_over_all_pages(listed, order, page_size):
    users = listed(order_by=order, page_size=page_size)
    assert len(users) == len({user["user_id"] for user in users}) == 39
    assert is_ordered(users, order), [(user["display_name"], user["name"]) for user in users]


@pytest.mark.parametrize("order,code", [*((order, "invalid_value") for order in (
    ",", "colour", "name,,", "name,name", "-", "--name", "+name", "name,-name", "Name", "name,colour",
    "display_name,-created_at,name")), ("", "too_short"), ("name," * 26, "too_long")])
def test_unfit_order_is_refused(api, crowd, order, code):
    assert api.get(crowd.users, expect="validation_failed", params={"order_by": order}).faults == {f"order_by {code}"}


def test_page_size_has_a_default_and_is_coerced_to_its_largest(api):
    organization = create_organization(api)
    for number in range(52):
        organization.create_user(f"u{number}")
    assert len(api.get(organization.users)["items"]) == 50
    whole = api.get(organization.users, params={"page_size": 5000})
    assert len(whole["items"]) == 52 and "next_page_token" not in whole.body and "total" not in whole.body


def test_last_full_page_has_no_token(api, crowd):
    page = api.get(crowd.users, params={"page_size": 39})
    assert len(page["items"]) == 39 and "next_page_token" not in page.body and "Link" not in page.headers


def test_link_of_a_page_leads_to_the_next_one(api, crowd):
    page = api.get(crowd.users, params={"page_size": 10, "state": "DISABLED", "order_by": "-name", "q": "user"})
    target = page.headers["Link"].split(">")[0].lstrip("<").removeprefix(api.url)
    following = api.get(target)
    assert names(following["items"]) == names(page["items"] + following["items"])[10:]
    assert names(following["items"])[0] < names(page["items"])[-1] and len(following["items"]) == 10


def test_users_that_come_and_go_between_pages_disturb_no_other(api, org):
    for number in range(10, 30, 2):
        org.create_user(f"u{number}", display_name="Same")
    first = api.get(org.users, params={"page_size": 4, "order_by": "display_name,name"})
    org.create_user("u11", display_name="Same")    # before the page's end: not seen any more
    org.create_user("u21", display_name="Same")    # after it: seen
    last = first["items"][-1]
    api.delete(org.user(last))                      # the one the token stands at
    following = api.items(org.users, page_size=4, order_by="display_name,name", page_token=first["next_page_token"])
    assert names(following) == ["u18", "u20", "u21", "u22", "u24", "u26", "u28"]


@pytest.mark.parametrize("spoil", [
    lambda token: token[:-1], lambda token: token + "A", lambda token: "A" + token[1:], lambda token: token.swapcase(),
    lambda token: "x", lambda token: "A" * 2048, lambda token: base64.b64encode(b"{}").decode(),
    lambda token: token[: len(token) // 2], lambda token: token[:-4], lambda token: token + "=",
    lambda token: token[:-8] + ("B" if token[-8] == "A" else "A") + token[-7:], lambda token: token[:-1] + chr(ord(token[-1]) + 1),
], ids=["cut", "longer", "other start", "swapped case", "x", "huge", "json", "half", "cut by 4", "padded",
        "other near the end", "other unused bits"])
def test_spoilt_token_is_refused(api, crowd, spoil):
    token = api.get(crowd.users, params={"page_size": 5})["next_page_token"]
    api.get(crowd.users, expect="invalid_page_token", params={"page_size": 5, "page_token": spoil(token)})


def seal(values, account):
    """A token's checksum, as whoever reads the source can compute it: over what it is bound to, and its values."""
    bound = "\x1f".join(["session", "", account] + 9 * ["\x1e"])
    return hashlib.sha256((bound + values).encode()).hexdigest()[:16]


@pytest.mark.parametrize("at,expect", [("2000-01-01 00:00:00+00", None), ("soon", "invalid_page_token"), ("", "invalid_page_token"),
                                       ("'; --", "invalid_page_token")])
def test_forged_token_is_a_place_in_the_list_or_refused(service, api, at, expect):
    """What it opens is the caller's own list, from another place."""
    account, identity = service.root["account_id"], iam.Identity(service, api)
    identity.set_password()
    for _ in range(2):
        iam.sign_in(service, identity.user, account)
    token = api.get("/v1/sessions", params={"page_size": 1})["next_page_token"]
    text = base64.urlsafe_b64decode(token + -len(token) % 4 * "=").decode()
    assert text[:16] == seal(text[16:], account)
    values = f"\x1f{at}" + text[text.rindex("\x1f"):]
    forged = base64.urlsafe_b64encode((seal(values, account) + values).encode()).decode().rstrip("=")
    answer = api.get("/v1/sessions", expect=expect, params={"page_token": forged})
    assert expect or {item["session_id"] for item in answer["items"]}


@pytest.mark.parametrize("token,fault", [("", "too_short"), ("A" * 2049, "too_long")])
def test_token_of_impossible_length_is_a_fault(api, crowd, token, fault):
    assert api.get(crowd.users, expect="validation_failed", params={"page_token": token}).faults == {
        f"page_token {fault}"}


@pytest.mark.parametrize("change", [{"order_by": "-name"}, {"state": "ENABLED"}, {"q": "user"}, {"name": "user-01"},
                                    {"type": "USER"}])
def test_token_is_bound_to_filters_and_order(api, crowd, change):
    token = api.get(crowd.users, params={"page_size": 5})["next_page_token"]
    api.get(crowd.users, expect="invalid_page_token", params={"page_token": token, **change})


def test_token_is_bound_to_its_list(api, crowd, org):
    token = api.get(crowd.users, params={"page_size": 5})["next_page_token"]
    api.get(org.users, expect="invalid_page_token", params={"page_token": token})
    api.get("/v1/organizations", expect="invalid_page_token", params={"page_token": token})


def test_page_size_may_change_between_pages(api, crowd, listed):
    first = api.get(crowd.users, params={"page_size": 5})
    rest = listed(page_size=1000, page_token=first["next_page_token"])
    assert names(first["items"] + rest) == names(listed())


def test_search_of_another_organization_finds_nothing_of_this(api, crowd, org):
    assert api.get(org.users, params={"q": "user"})["items"] == []
    assert api.get(org.users, params={"email": f"user-00@{crowd.domain}"})["items"] == []
