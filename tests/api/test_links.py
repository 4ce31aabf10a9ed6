"""The Link header of every list: a caller that only follows it sees all rows once."""
import re
import urllib.parse

import pytest

from organization import create_organization


@pytest.fixture(scope="module")
def filled(service):
    """An organization with something to page through in each of its lists, and two more organizations."""
    organization = create_organization(service.client())
    for number in range(7):
        organization.create_user(f"user{number}", display_name=f"A & B = 1+1 #{number % 2} \"é\" 100%")
    user = organization.create_enabled("linked")
    for email in ("one", "two"):
        organization.api.post(organization.user(user, "aliases"), json={"email": email})
    groups, outer = [organization.create_group(f"G & H {number}") for number in range(3)], organization.create_group("outer")
    for member in organization.api.items(organization.users):
        organization.add_member(groups[0], member)
    for group in groups:
        organization.add_member(group, user)
        organization.add_member(outer, group)
    rooms = [organization.create_resource(delegate_ids=[member["user_id"] for member in organization.api.items(organization.users)],
                                          booking_options={"auto_accept_requests": False}) for _ in range(3)]
    for _ in range(2):
        create_organization(service.client()).remove()
    return {"organization": organization.path, "user": organization.user(user), "group": organization.of(groups[0]),
            "outer": organization.of(outer), "resource": organization.of(rooms[0])}


LISTS = [
    ("{organization}/users", {"page_size": 2}),
    ("{organization}/users", {"page_size": 3, "q": "& B = 1+1 #", "state": "DISABLED", "type": "USER",
                              "order_by": "-display_name,name", "include_total": "true"}),
    ("{organization}/users", {"page_size": 3, "q": "\"é\" 100%", "order_by": "created_at"}),
    ("{organization}/transitions", {"page_size": 1, "include_total": "false"}),
    ("{organization}/groups", {"page_size": 1, "q": "g & h", "include_total": "true"}),
    ("{organization}/groups", {"page_size": 1, "order_by": "-display_name,name"}),
    ("{organization}/resources", {"page_size": 1, "type": "ROOM", "order_by": "-created_at,name"}),
    ("{resource}/delegates", {"page_size": 2, "include_total": "true"}),
    ("{group}/members", {"page_size": 3, "kind": "USER", "order_by": "display_name,-name"}),
    ("{outer}/members", {"page_size": 2, "effective": "true", "include_total": "true"}),
    ("{user}/groups", {"page_size": 1, "effective": "true"}),
    ("{user}/aliases", {"page_size": 1, "include_total": "true"}),
    ("/v1/organizations", {"page_size": 1, "state": "DELETED", "order_by": "-created_at,alias"}),
    ("/v1/operations", {"page_size": 1, "status": "SUCCEEDED", "order_by": "created_at"}),
]


def target_of(api, page):
    """Where the Link header leads, as a target of this service."""
    match = re.fullmatch(r'<([^<>"\s]+)>; rel="next"', page.headers["Link"])
    assert match, page.headers["Link"]
    return match.group(1).removeprefix(api.url)


def parameters_of(target):
    """The query of a target; each parameter stands in it once."""
    pairs = urllib.parse.parse_qsl(target.partition("?")[2], keep_blank_values=True, strict_parsing=True)
    assert len(pairs) == len(dict(pairs)), target
    return dict(pairs)


@pytest.mark.parametrize("path,params", LISTS)
def test_link_has_the_next_token_and_keeps_all_other_parameters(api, filled, path, params):
    path = path.format(**filled)
    first = api.get(path, params=params)
    target = target_of(api, first)
    kept = {name: str(value) for name, value in params.items()}
    assert target.partition("?")[0] == path
    assert parameters_of(target) == {**kept, "page_token": first["next_page_token"]}
    assert api.get(target).body == api.get(path, params={**params, "page_token": first["next_page_token"]}).body
    second = api.get(target)
    if "next_page_token" in second.body:
        assert parameters_of(target_of(api, second)) == {**kept, "page_token": second["next_page_token"]}


@pytest.mark.parametrize("path,params", [row for row in LISTS if row[0].startswith("{")])
def test_following_the_links_gives_every_row_once(api, filled, path, params):
    path = path.format(**filled)
    page = api.get(path, params=params)
    found = page["items"]
    while "Link" in page.headers:
        assert len(page["items"]) == params["page_size"]
        page = api.get(target_of(api, page))
        found = found + page["items"]
    whole = {name: value for name, value in params.items() if name != "page_size"}
    assert found == api.get(path, params={**whole, "page_size": 1000})["items"]
    assert len(found) > 2


@pytest.mark.parametrize("path", ["/v1/regions", "/v1/account/limits", "/healthz"])
def test_what_is_not_paged_has_no_link(api, path):
    assert "Link" not in api.get(path).headers


def test_head_has_the_link_of_get(api, filled):
    target = filled["organization"] + "/users?page_size=2"
    assert api.head(target).headers["Link"] == api.get(target).headers["Link"]


def test_problem_has_no_link(api, filled):
    answer = api.get(filled["organization"] + "/users", expect=400, params={"page_size": 2, "page_token": "x"})
    assert "Link" not in answer.headers


def test_link_escapes_what_would_end_it(api, org):
    for number in range(3):
        org.create_user(f"user{number}", display_name="a>b")
    page = api.get(f"{org.users}?page_size=1&q=a>b")
    target = target_of(api, page)
    assert parameters_of(target) == {"page_size": "1", "q": "a>b", "page_token": page["next_page_token"]}
    assert api.get(target)["items"][0]["display_name"] == "a>b"


def test_link_replaces_the_token_however_its_name_was_written(api, filled):
    first = api.get(filled["organization"] + "/users", params={"page_size": 2})
    second = api.get(f"{filled['organization']}/users?page_size=2&page%5Ftoken={first['next_page_token']}")
    assert second["items"] != first["items"]
    assert parameters_of(target_of(api, second)) == {"page_size": "2", "page_token": second["next_page_token"]}
