"""SearchDirectory and the address book."""
import random
import unicodedata

import pytest

from organization import create_organization, id_of

COMMON = 2100  # more than are looked at in a search for what is common


@pytest.fixture(scope="module")
def staff(service):
    org = create_organization(service.client())
    org.create_enabled("zoe", first_name="Zoë", last_name="Meier", display_name="Zoë Meier")
    org.create_enabled("lukasz", first_name="Łukasz", last_name="Groß", display_name="Groß, Łukasz")
    org.create_user("soren", first_name="Søren", last_name="Ångström", display_name="Søren Ångström")
    org.create_user("joanna", first_name="Joanna", last_name="Anna", display_name="J. Anna")
    org.create_user("anna.meier", first_name="Anna", last_name="Meierhofer", display_name="Anna M.")
    org.create_user("hannah", first_name="Hannah", last_name="Obermeier", display_name="Hannah 100% O_Neil\\", hidden_from_address_list=True)
    org.create_group("Meier & Co", display_name="Family")
    org.create_enabled_group("sales", email="sales.meier", display_name="Sales")
    org.create_resource("meier-room")
    gone = org.create_user("meier.gone", display_name="Meier Gone")
    org.api.delete(org.user(gone))
    return org


def search(org, q, **params):
    return org.api.items(org.path + "/directory", q=q, **params)


def found(org, q, **params):
    return [item["name"] for item in search(org, q, **params)]


def ranked(org, q):
    return [(item["name"], item["match"]) for item in search(org, q)]


@pytest.mark.parametrize("q,name", [
    ("Zoë", "zoe"), ("Meierhofer", "anna.meier"), ("J. Anna", "joanna"), ("anna.meier", "anna.meier"), ("Meier & Co", "Meier & Co"),
    ("Family", "Meier & Co"), ("sales.meier@", "sales"), ("ales.mei", "sales"), ("100%", "hannah"), ("O_N", "hannah"), ("Neil\\", "hannah"),
], ids=["first name", "last name", "display name", "user name", "group name", "group's display name", "address", "inside an address",
        "percent", "underscore", "backslash"])
def test_users_and_groups_are_found_by_names_and_addresses(staff, q, name):
    assert found(staff, q) == [name]


@pytest.mark.parametrize("q,names", [
    ("zoe", {"zoe"}), ("ZOË", {"zoe"}), ("ZOE", {"zoe"}), (unicodedata.normalize("NFD", "zoë"), {"zoe"}), ("łukasz", {"lukasz"}),
    ("LUKASZ", {"lukasz"}), ("gross", {"lukasz"}), ("GROß", {"lukasz"}), ("sören", {"soren"}), ("SØREN", {"soren"}), ("angstrom", {"soren"}),
    ("ＺＯＥ", {"zoe"}), ("hannäh", {"hannah"}),
])
def test_case_accents_and_forms_of_letters_do_not_matter(staff, q, names):
    assert set(found(staff, q)) == names
    assert {user["name"] for user in staff.api.items(staff.users, q=q)} == names


@pytest.mark.parametrize("q", ["nobody", "meier\u00a0x", "%", "_", "a%a", "zo_", "'", "''", "\\n", "zoe\\", "(", "*", "𝔘nknown", "zoe meier x"])
def test_what_nobody_has_is_not_found(staff, q):
    assert found(staff, q) == (["hannah"] if q in "%_" else [])


@pytest.mark.parametrize("q", ["\u0301", "\u0308\u0301"])
def test_accents_without_a_letter_find_nobody(staff, crowd, q):
    for org in (staff, crowd):
        assert found(org, q) == [] and not says_incomplete(org, q)


def test_exact_matches_come_first_then_beginnings_then_parts(staff):
    assert ranked(staff, "meier") == [("zoe", "EXACT"), ("Meier & Co", "BEGINNING"), ("anna.meier", "BEGINNING"), ("hannah", "PART"),
                                      ("sales", "PART")]
    assert ranked(staff, "Anna") == [("anna.meier", "EXACT"), ("joanna", "EXACT"), ("hannah", "PART")]
    first, *same, last = ranked(staff, "an")  # Ångström, two of Anna, Hannah
    assert (first, set(same), last) == (("soren", "BEGINNING"), {("joanna", "BEGINNING"), ("anna.meier", "BEGINNING")}, ("hannah", "PART"))


def test_an_item_says_what_is_needed_to_tell_people_apart(staff):
    [zoe] = search(staff, "zoe")
    user = staff.api.items(staff.users, name="zoe")[0]
    assert zoe == {"kind": "USER", "entity_id": user["user_id"], "match": "EXACT", **{name: user[name] for name in (
        "name", "first_name", "last_name", "display_name", "email", "state", "hidden_from_address_list")}}
    [group] = search(staff, "family")
    assert (group["kind"], group["state"]) == ("GROUP", "DISABLED") and not {"email", "first_name"} & set(group)


def test_hidden_ones_are_found_and_deleted_ones_and_resources_are_not(staff):
    assert [item["hidden_from_address_list"] for item in search(staff, "hannah")] == [True]
    assert not {"meier-room", "meier.gone"} & set(found(staff, "meier"))


@pytest.mark.parametrize("q", ["meier", "an", "a", "example", "@"])
@pytest.mark.parametrize("size", [1, 2])
def test_pages_are_the_whole_list_in_pieces(staff, q, size):
    assert search(staff, q, page_size=size) == search(staff, q, page_size=1000)


def test_total_is_that_of_what_was_found(staff):
    page = staff.api.get(staff.path + "/directory", params={"q": "meier", "page_size": 2, "include_total": "true"})
    assert page["total"] == 5 and len(page["items"]) == 2


@pytest.mark.parametrize("params,fault", [({}, "q required"), ({"q": ""}, "q too_short"), ({"q": 257 * "a"}, "q too_long"),
                                          ({"q": "a\nb"}, "q invalid_format"), ({"q": "a", "kind": "USER"}, "kind unknown_parameter"),
                                          ({"q": "a", "order_by": "name"}, "order_by unknown_parameter")])
def test_unfit_search_is_refused(staff, params, fault):
    assert fault in staff.api.get(staff.path + "/directory", expect="validation_failed", params=params).faults


def test_token_is_bound_to_the_text(staff):
    token = staff.api.get(staff.path + "/directory", params={"q": "meier", "page_size": 1})["next_page_token"]
    staff.api.get(staff.path + "/directory", expect="invalid_page_token", params={"q": "anna", "page_token": token})


def test_search_is_within_one_organization(staff, org):
    org.create_user("zoe")
    assert len(search(staff, "zoe")) == len(search(org, "zoe")) == 1


def test_longest_texts_that_grow_when_they_are_folded_are_kept_and_found(org):
    """U+FDFA is eighteen letters without its form: such names are longer than what an index holds."""
    name = 256 * "\ufdfa"
    user = org.create_user(display_name=name)
    assert [item["entity_id"] for item in search(org, name)] == [user["user_id"]]
    assert [item["entity_id"] for item in search(org, 20 * "\ufdfa")] == [user["user_id"]]


@pytest.mark.parametrize("change", [
    lambda org, user: org.api.patch(org.user(user), json={"first_name": "Quintus"}),
    lambda org, user: org.api.patch(org.user(user), json={"display_name": "Quintus"}),
    lambda org, user: org.api.post(org.user(user, "aliases"), json={"email": "quintus"}),
    lambda org, user: org.api.put(org.user(user, "primary-email"), json={"email": "quintus"}),
], ids=["first name", "display name", "alias", "primary address"])
def test_what_changed_is_found_at_once_and_what_was_is_not(org, change):
    user = org.create_enabled("first", first_name="Tertius", last_name="Tertius", display_name="Tertius")
    change(org, user)
    assert found(org, "quintus") == found(org, "intus") == ["first"]
    org.api.patch(org.user(user), json={"first_name": None, "last_name": "X", "display_name": "X"})
    assert found(org, "tertius") == found(org, "ertiu") == []


def test_terms_are_what_entities_have_after_changes_at_random(service, org):
    """The index beside the table, which a trigger keeps, never says anything else than the table."""
    choose = random.Random(11)
    users = [org.create_enabled(f"user-{number}", first_name="Ünal") for number in range(4)]
    for _ in range(60):
        user, name = choose.choice(users), choose.choice(["Åsa", "Bo", "Çem", None])
        choose.choice([
            lambda: org.api.patch(org.user(user), json={"first_name": name}),
            lambda: org.api.request("POST", org.user(user, "aliases"), {"email": f"alias{choose.randrange(5)}-{user['name']}"}),
            lambda: org.api.request("DELETE", org.user(user, "aliases", f"alias{choose.randrange(5)}-{user['name']}@{org.domain}")),
            lambda: org.disable(user), lambda: org.enable(user)])()
    org.disable(users[0])
    org.api.delete(org.user(users[0]))
    assert service.sql("""SELECT entity_id, unnest(entity_terms(e)) FROM entity e WHERE organization_id = %s
                          EXCEPT SELECT entity_id, term FROM entity_term WHERE organization_id = %s""", org.id, org.id) == []
    assert service.sql("""SELECT entity_id, term FROM entity_term WHERE organization_id = %s
                          EXCEPT SELECT entity_id, unnest(entity_terms(e)) FROM entity e WHERE organization_id = %s""", org.id, org.id) == []
    assert found(org, "user-0") == []


@pytest.fixture(scope="module")
def crowd(service):
    """Many with the same text inside, straight by SQL, and a few of whom a name begins with it or is it."""
    org = create_organization(service.client())
    service.sql("""WITH made AS (INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state, search_text)
                     SELECT %s, gen_random_uuid(), 'USER', 'u' || n, 'X', 'DISABLED', search_text('u' || n, 'mcommon' || n, 'big' || n)
                     FROM generate_series(1, %s) n RETURNING organization_id, entity_id)
                   INSERT INTO user_detail (organization_id, entity_id, type, quota_mb)
                   SELECT organization_id, entity_id, 'USER', 1000 FROM made""", org.id, COMMON)
    for name in ("common", "common.one", "common.two"):
        org.create_user(name)
    org.create_group("rarecommons")
    return org


def says_incomplete(org, q, **params):
    said = {page["is_incomplete"] for page in org.api.pages(org.path + "/directory", q=q, **params)}
    assert len(said) == 1
    return said.pop()


@pytest.mark.parametrize("q,incomplete", [
    ("common", True), ("big", True), ("u", True), ("u1", True), ("qx", True),  # of two characters only a sample is looked at
    ("recommon", False), ("big2100", False), ("rarecommons", False), ("nobody", False), ("u2099", False)])
def test_pages_say_whether_there_may_be_others(crowd, q, incomplete):
    assert says_incomplete(crowd, q, page_size=1000) == incomplete
    assert says_incomplete(crowd, q, page_size=100, include_total="true") == incomplete


@pytest.mark.parametrize("q", ["meier", "a", "an", "x", "qx", "nobody"])
def test_search_among_few_is_complete(staff, q):
    assert not says_incomplete(staff, q) and not says_incomplete(staff, q, page_size=1)


def test_more_parts_than_are_answered_are_said_to_be_incomplete(service):
    """What is rare in a large organization: the index finds them, and more than 500 are too many."""
    org = create_organization(service.client())
    service.sql("""INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state, search_text)
                   SELECT %s, CASE WHEN n <= 1001 THEN ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid ELSE gen_random_uuid() END,
                     'GROUP', 'n' || n, 'X', 'DISABLED', search_text('n' || n, CASE WHEN n > 1001 THEN 'thinly' || n END)
                   FROM generate_series(1, 1601) n""", org.id)
    service.sql("""INSERT INTO group_detail (organization_id, entity_id, type)
                   SELECT organization_id, entity_id, 'GROUP' FROM entity WHERE organization_id = %s""", org.id)
    for q, count, incomplete in (("hinly", 500, True), ("hinly11", 100, False), ("hinly1600", 1, False)):
        assert (len(search(org, q, page_size=1000)), says_incomplete(org, q)) == (count, incomplete), q


def test_common_text_is_capped_but_its_exact_matches_and_beginnings_are_complete(crowd):
    items = search(crowd, "common", page_size=1000)
    assert [(item["name"], item["match"]) for item in items[:3]] == [("common", "EXACT"), ("common.one", "BEGINNING"), ("common.two", "BEGINNING")]
    assert {item["match"] for item in items[3:]} == {"PART"} and 900 < len(items) <= 1003
    assert items == search(crowd, "common", page_size=100)
    assert ranked(crowd, "recommon") == [("rarecommons", "PART")]


def test_at_most_five_hundred_beginnings_are_answered_in_order(crowd):
    items = search(crowd, "big", page_size=1000)
    terms = sorted(f"big{number}" for number in range(1, COMMON + 1))[:500]
    assert {item["name"] for item in items} == {"u" + term.removeprefix("big") for term in terms}
    assert {item["match"] for item in items} == {"BEGINNING"} and len(items) == 500
    assert ranked(crowd, "big2100") == [("u2100", "EXACT")]


# --- the address book ---

def book(org, **params):
    return org.api.items(org.path + "/address-book", **params)


@pytest.fixture(scope="module")
def company(service):
    org = create_organization(service.client())
    org.create_enabled("b", display_name="Bea", first_name="Bea", job_title="Engineer", telephone="+1", office="3", company="Acme", department="R")
    org.create_enabled("hidden", display_name="Hidden", hidden_from_address_list=True)
    org.create_user("disabled", display_name="Disabled")
    org.create_enabled_group("all", display_name="all of us", description="Everybody")
    org.create_enabled_group("secret", hidden_from_address_list=True)
    org.create_group("disabled-group")
    org.create_resource("room", description="Third floor")
    org.create_resource("car", type="EQUIPMENT", hidden_from_address_list=True)
    org.disable(org.create_resource("closed"))
    org.api.delete(org.of(org.create_resource("gone")))
    return org


def test_address_book_has_what_is_enabled_and_not_hidden_by_display_name(company):
    assert [(entry["kind"], entry["type"], entry["display_name"]) for entry in book(company)] == [
        ("GROUP", "GROUP", "all of us"), ("USER", "USER", "Bea"), ("RESOURCE", "ROOM", "room")]
    assert book(company, page_size=1) == book(company)


def test_entry_of_the_address_book_says_how_to_reach_somebody(company):
    group, user, room = book(company)
    about = company.api.items(company.users, name="b")[0]
    assert user == {"entity_id": about["user_id"], "kind": "USER", **{name: about[name] for name in (
        "type", "name", "display_name", "email", "first_name", "telephone", "job_title", "department", "company", "office")}}
    assert (group["description"], group["email"]) == ("Everybody", f"all@{company.domain}")
    assert (room["entity_id"], room["description"]) == (company.api.items(company.resources, name="room")[0]["resource_id"], "Third floor")


@pytest.mark.parametrize("params,names", [({"kind": "USER"}, ["b"]), ({"kind": "GROUP"}, ["all"]), ({"kind": "RESOURCE"}, ["room"]),
                                          ({"q": "béa"}, ["b"]), ({"q": "room", "kind": "USER"}, []), ({"q": "hidden"}, [])])
def test_address_book_is_filtered(company, params, names):
    assert [entry["name"] for entry in book(company, **params)] == names
    assert company.api.get(company.path + "/address-book", params={"include_total": "true", **params})["total"] == len(names)


@pytest.mark.parametrize("kind", ["user", "group", "resource"])
def test_hiding_showing_disabling_and_enabling_are_seen_in_the_address_book_at_once(org, kind):
    entity = {"user": lambda: org.create_enabled(), "group": lambda: org.create_enabled_group(), "resource": lambda: org.create_resource()}[kind]()
    seen = []
    for change in (lambda: None, lambda: org.api.patch(org.of(entity), json={"hidden_from_address_list": True}),
                   lambda: org.api.patch(org.of(entity), json={"hidden_from_address_list": False}),
                   lambda: org.disable(entity), lambda: org.enable(entity)):
        change()
        seen.append([entry["entity_id"] for entry in book(org)] == [id_of(entity)])
    assert seen == [True, False, True, False, True]
