"""Email flow rules: CRUD, what is said of overlaps, and which rule applies to a sender. tests/unit/test_flow_match.c has the
table of cases for the last."""
import concurrent.futures
import statistics
import threading
import time
import uuid

import pytest

from organization import create_organization, unique
from test_concurrency import all_at_once
from together import Together

SPAM = "Mail of these senders reaches mailboxes even when it is spam: this could expose users to high-risk content."


def create(org, *patterns, expect=201, **members):
    body = {"name": unique("rule"), "sender_patterns": list(patterns) or ["spam.test"], "action": "DROP", **members}
    return org.api.post(org.flow_rules, expect=expect, json=body)


def path(org, rule):
    return f"{org.flow_rules}/{rule['flow_rule_id']}"


def look(org, rule):
    return org.api.get(path(org, rule)).body


def change(org, rule, expect=200, **members):
    return org.api.patch(path(org, rule), expect=expect, json=members)


def ask(org, expect=200, api=None, **members):
    return (api or org.api).post(org.flow_rules + "/test", expect=expect, json=members)


def winner(answer):
    return answer.body.get("matched", {}).get("name"), answer["action"]


def test_rule_is_created_described_listed_changed_and_removed(api, org):
    answer = create(org, "*.Spam.test", "Offers@Shop.test", name="Unwanted", description="Nobody reads it")
    rule = answer.body
    assert answer.headers["Location"] == path(org, rule)
    assert rule["sender_patterns"] == ["*.spam.test", "offers@shop.test"] and rule["action"] == "DROP" and rule["warnings"] == []
    assert rule["name"] == "Unwanted" and rule["description"] == "Nobody reads it"
    assert look(org, rule) == rule and list(api.items(org.flow_rules)) == [rule]
    assert api.get(path(org, rule)).headers["ETag"] == answer.headers["ETag"]

    changed = change(org, rule, action="MOVE_TO_JUNK", description=None).body
    assert changed["action"] == "MOVE_TO_JUNK" and "description" not in changed
    assert changed["sender_patterns"] == rule["sender_patterns"] and changed["name"] == "Unwanted"
    changed = change(org, rule, sender_patterns=["b.test"], name="Other").body
    assert changed["sender_patterns"] == ["b.test"] and changed["name"] == "Other" and look(org, rule) == changed

    api.delete(path(org, rule))
    api.get(path(org, rule), expect="flow_rule_not_found")
    api.delete(path(org, rule), expect="flow_rule_not_found")
    change(org, rule, expect="flow_rule_not_found", action="DROP")
    assert list(api.items(org.flow_rules)) == []


@pytest.mark.parametrize("action", ["DROP", "BOUNCE", "MOVE_TO_JUNK", "NORMAL_DELIVERY", "BYPASS_SPAM_CHECK"])
def test_each_action_of_the_guide(org, action):
    rule = create(org, "a.test", action=action).body
    assert rule["action"] == action and winner(ask(org, sender="x@a.test")) == (rule["name"], action)


@pytest.mark.parametrize("pattern,kept", [
    ("mailbox@domain.com", "mailbox@domain.com"), ("domain.com", "domain.com"), ("*.domain.com", "*.domain.com"),
    ("*.BÜCHER.example", "*.xn--bcher-kva.example"), ("{x,y}@domain.com", "{x,y}@domain.com"), ("o'neil@domain.com", "o'neil@domain.com")])
def test_each_form_of_pattern(org, pattern, kept):
    if "," in pattern:
        create(org, pattern, expect="validation_failed")  # no atom has a comma
        return
    assert look(org, create(org, pattern).body)["sender_patterns"] == [kept]


@pytest.mark.parametrize("members,faults", [
    ({"sender_patterns": []}, {"/sender_patterns too_short"}),
    ({"sender_patterns": ["a.test", "*", "domain.*", "b.test"]}, {"/sender_patterns/1 invalid_format", "/sender_patterns/2 invalid_format"}),
    ({"sender_patterns": ["a\nb.test"]}, {"/sender_patterns invalid_format"}),
    ({"sender_patterns": "a.test"}, {"/sender_patterns wrong_type"}), ({"sender_patterns": [1]}, {"/sender_patterns wrong_type"}),
    ({"action": "REJECT"}, {"/action invalid_value"}), ({"action": None}, {"/action not_nullable"}),
    ({"name": ""}, {"/name too_short"}), ({"name": "x" * 129}, {"/name too_long"}), ({"name": " x"}, {"/name invalid_format"}),
    ({"description": "x" * 257, "warnings": []}, {"/description too_long", "/warnings read_only"}),
    ({"flow_rule_id": "x"}, {"/flow_rule_id read_only"}), ({"colour": 1}, {"/colour unknown_member"}),
])
def test_faults_are_named(org, members, faults):
    assert create(org, expect="validation_failed", **members).faults == faults
    rule = create(org).body
    assert change(org, rule, expect="validation_failed", **members).faults == faults
    assert look(org, rule) == rule


def test_what_is_needed_is_named(org):
    assert org.api.post(org.flow_rules, expect="validation_failed", json={}).faults == {
        "/name required", "/sender_patterns required", "/action required"}


def test_name_is_unique_in_any_case(org):
    create(org, name="Straße")
    create(org, name="STRAßE", expect="name_taken")
    other = create(org, name="Other").body
    change(org, other, expect="name_taken", name="straße")
    assert change(org, other, name="OTHER")["name"] == "OTHER"
    create(create_organization(org.api), name="Straße")


def test_list_is_ordered_filtered_and_paged(api, org):
    names = ["beta", "Alpha", "gamma", "Épsilon", "delta"]
    rules = {name: create(org, f"{number}.test", name=name, action="DROP" if number % 2 else "BOUNCE").body for number, name in enumerate(names)}

    def listed(**params):
        return [rule["name"] for rule in api.items(org.flow_rules, **params)]
    in_order = ["Alpha", "beta", "delta", "gamma", "Épsilon"]
    assert listed() == in_order and listed(page_size=2) == in_order and listed(order_by="-name") == in_order[::-1]
    assert listed(order_by="created_at") == names and listed(action="DROP") == ["Alpha", "Épsilon"]
    assert listed(q="3.TEST") == ["Épsilon"] and listed(q="éPSI") == ["Épsilon"] and listed(q="nothing") == []
    assert api.get(org.flow_rules, params={"include_total": "true", "page_size": 1})["total"] == 5
    assert api.get(org.flow_rules, params={"q": "gamma"})["items"] == [rules["gamma"]]


# --- limits ---

def test_rule_has_at_most_250_patterns(org):
    patterns = [f"u{number}@a.test" for number in range(251)]
    assert "250 for each email flow rule" in create(org, *patterns, expect="limit_exceeded")["detail"]
    rule = create(org, *patterns[:250]).body
    assert "You have reached the maximum number of sender patterns" in change(org, rule, expect="limit_exceeded", sender_patterns=patterns)["detail"]
    assert look(org, rule) == rule


def test_organization_has_at_most_1000_patterns(api, org):
    rules = [create(org, *[f"u{number}@{part}.a.test" for number in range(250)]).body for part in range(4)]
    assert "1000 for each organization" in create(org, "b.test", expect="limit_exceeded")["detail"]
    change(org, rules[0], sender_patterns=["b.test"])
    create(org, "c.test")
    api.delete(path(org, rules[1]))
    create(org, *[f"u{number}@c.test" for number in range(250)])
    assert winner(ask(org, sender="u249@3.a.test"))[0] == rules[3]["name"]


def test_operator_raises_the_limits(fresh_service):
    org = create_organization(fresh_service.client())
    for limit in ("sender_patterns_per_rule", "sender_patterns_per_organization"):
        fresh_service.admin("set-limit", "--limit", limit, "--value", "3000")
    rule = create(org, *[f"u{number}@a.test" for number in range(3000)]).body
    assert len(look(org, rule)["sender_patterns"]) == 3000
    create(org, "b.test", expect="limit_exceeded")
    assert winner(ask(org, sender="u2999@a.test"))[0] == rule["name"]


def test_creations_at_once_do_not_pass_the_limit_together(service, api, org):
    for part in range(3):
        create(org, *[f"u{number}@{part}.a.test" for number in range(250)])
    patterns = [f"u{number}@b.test" for number in range(50)]
    outcomes = all_at_once(20, lambda number: api.request("POST", org.flow_rules, {
        "name": f"rule {number}", "sender_patterns": patterns, "action": "DROP"}))
    assert outcomes == {(201, None): 5, (409, "limit_exceeded"): 15}
    assert service.sql("SELECT sum(cardinality(sender_patterns)) FROM flow_rule WHERE organization_id = %s", org.id) == [(1000,)]


# --- warnings ---

def test_pattern_that_is_twice_in_a_rule(org):
    rule = create(org, "a.test", "A.test", "b.test", "a.test").body
    assert rule["warnings"] == ["The pattern a.test is in this rule more than once."]
    assert change(org, rule, sender_patterns=["a.test"])["warnings"] == []


def test_bypassing_the_spam_check(org):
    assert create(org, action="BYPASS_SPAM_CHECK")["warnings"] == [SPAM]


def test_pattern_of_two_rules_is_told_to_both(api, org):
    loser = create(org, "a.test", "c.test", name="Zeta", action="NORMAL_DELIVERY").body
    assert loser["warnings"] == []
    first = create(org, "a.test", name="Mu", action="DROP").body
    assert first["warnings"] == ['The rule "Zeta" has the pattern a.test, too, and never applies to it.']
    assert look(org, loser)["warnings"] == [
        'This rule never applies to a.test, because the rule "Mu" has the same pattern with the more restrictive action DROP.']
    change(org, first, action="NORMAL_DELIVERY")
    assert look(org, loser)["warnings"] == [
        'This rule never applies to a.test, because the rule "Mu" has the same pattern with the same action, and a name that comes first.']
    api.delete(path(org, first))
    assert look(org, loser)["warnings"] == []


def test_overlap_with_a_rule_that_loses_mail_is_told_to_both(org):
    wide = create(org, "*.a.test", name="Wide", action="BOUNCE").body
    narrow = create(org, "ann@b.a.test", name="Narrow", action="NORMAL_DELIVERY").body
    assert narrow["warnings"] == ['This rule applies to ann@b.a.test in place of the rule "Wide" (BOUNCE), whose pattern *.a.test is less specific.']
    assert look(org, wide)["warnings"] == [
        'This rule never applies to ann@b.a.test, because the rule "Narrow" (NORMAL_DELIVERY) has this pattern, which is more specific than *.a.test.']
    change(org, wide, action="MOVE_TO_JUNK")
    assert look(org, narrow)["warnings"] == [] == look(org, wide)["warnings"]


def test_warnings_change_the_version_of_what_they_are_about(api, org):
    rule, other = create(org, "a.test", name="Zeta").body, create(org, "b.test").body
    tags = [api.get(path(org, one)).headers["ETag"] for one in (rule, other)]
    made = create(org, "a.test", name="Alpha")
    assert made.headers["ETag"] == '"v1"'
    after = [api.get(path(org, one)).headers["ETag"] for one in (rule, other)]
    assert after[0] != tags[0] and after[1] == tags[1]
    api.patch(path(org, rule), expect="precondition_failed", json={"action": "BOUNCE"}, headers={"If-Match": tags[0]})


def test_warnings_are_no_more_than_can_be_read(org):
    create(org, *[f"u{number}@a.test" for number in range(100)], name="Exceptions", action="NORMAL_DELIVERY")
    warnings = create(org, "a.test", name="Wide").body["warnings"]
    assert len(warnings) == 21 and warnings[-1] == "There are 80 more warnings like these."


def test_dry_run_shows_the_warnings_and_leaves_the_others_alone(api, org):
    rule = create(org, "a.test", name="Zeta").body
    answer = api.post(org.flow_rules, expect=200, params={"validate_only": "true"},
                      json={"name": "Alpha", "sender_patterns": ["a.test"], "action": "DROP"})
    assert len(answer["warnings"]) == 1 and look(org, rule) == rule
    assert winner(ask(org, sender="x@a.test"))[0] == "Zeta"


# --- testing ---

def test_every_match_that_loses_says_why(org):
    ids = {name: create(org, *patterns, name=name, action=action).body["flow_rule_id"] for name, action, patterns in [
        ("Alpha", "NORMAL_DELIVERY", ["*.a.test"]), ("Beta", "DROP", ["*.test.test", "*.b.a.test"]),
        ("Gamma", "BOUNCE", ["ann@b.a.test", "b.a.test"]), ("Delta", "BOUNCE", ["ann@b.a.test"]),
        ("Epsilon", "NORMAL_DELIVERY", ["ann@b.a.test"]), ("From", "DROP", ["boss@c.test"])]}
    answer = ask(org, sender="Ann@B.a.test", **{"from": "boss@c.test"})
    assert answer["sender"] == "Ann@B.a.test" and answer["from"] == "boss@c.test" and answer["action"] == "BOUNCE"
    assert answer["matched"] == {"flow_rule_id": ids["Delta"], "name": "Delta", "pattern": "ann@b.a.test", "header": "SENDER"}
    assert [(loser["name"], loser["pattern"], loser["header"], loser["action"], loser["reason"]) for loser in answer["losing"]] == [
        ("Gamma", "ann@b.a.test", "SENDER", "BOUNCE", 'Patterns and actions are the same, and the name "Delta" comes first.'),
        ("Epsilon", "ann@b.a.test", "SENDER", "NORMAL_DELIVERY", "The patterns are the same, and BOUNCE is more restrictive than NORMAL_DELIVERY."),
        ("Gamma", "b.a.test", "SENDER", "BOUNCE", "ann@b.a.test is an address, which is more specific than a domain."),
        ("Beta", "*.b.a.test", "SENDER", "DROP", "ann@b.a.test is an address, which is more specific than a wildcard."),
        ("Alpha", "*.a.test", "SENDER", "NORMAL_DELIVERY", "ann@b.a.test is an address, which is more specific than a wildcard."),
        ("From", "boss@c.test", "FROM", "DROP", "A rule matches the Sender header: the From header is not looked at.")]
    assert answer["losing_count"] == 6 and all(loser["flow_rule_id"] == ids[loser["name"]] for loser in answer["losing"])

    answer = ask(org, sender="x@z.b.a.test")
    assert [(loser["name"], loser["reason"]) for loser in answer["losing"]] == [
        ("Alpha", "*.b.a.test is a wildcard for a longer domain, which is more specific.")]
    answer = ask(org, sender="bob@b.a.test")
    assert winner(answer) == ("Gamma", "BOUNCE") and answer["losing_count"] == 2


def test_other_pattern_of_the_same_rule_is_no_rival(org):
    rule = create(org, "a.test", "*.a.test").body
    loser, = ask(org, sender="x@a.test")["losing"]
    assert loser["flow_rule_id"] == rule["flow_rule_id"] and loser["pattern"] == "*.a.test"
    assert loser["reason"] == "It is the same rule, which matches by its more specific pattern a.test."


def test_sender_comes_before_from(org):
    create(org, "*.weak.test", name="Weak", action="BYPASS_SPAM_CHECK")
    create(org, "boss@exact.test", name="Exact", action="DROP")
    both = {"sender": "x@a.weak.test", "from": "boss@exact.test"}
    assert winner(ask(org, **both)) == ("Weak", "BYPASS_SPAM_CHECK")
    answer = ask(org, **{**both, "sender": "x@other.test"})
    assert winner(answer) == ("Exact", "DROP") and answer["matched"]["header"] == "FROM"
    assert winner(ask(org, **{"from": "boss@exact.test"})) == ("Exact", "DROP")
    assert winner(ask(org, sender="x@other.test")) == (None, "NORMAL_DELIVERY")


@pytest.mark.parametrize("sender", ["root@localhost", "x@[192.0.2.1]", "x@[IPv6:2001:db8::1]"])
def test_sender_that_no_pattern_can_name_does_not_hide_from(org, sender):
    create(org, "spam.test", name="One")
    assert winner(ask(org, sender=sender)) == (None, "NORMAL_DELIVERY")
    assert winner(ask(org, sender=sender, **{"from": "x@spam.test"})) == ("One", "DROP")


@pytest.mark.parametrize("sender", ["x@my_host.spam.test", "x@r3---sn.spam.test", "x@xn--.spam.test", "x@-.spam.test", "x@☃.spam.test",
                                    "x@spam.test.", '""@spam.test', '"X"@SPAM.test', 200 * "l" + "@spam.test"])
def test_nobody_escapes_a_wildcard_by_an_odd_address(org, sender):
    create(org, "*.spam.test", name="One")
    assert winner(ask(org, sender=sender)) == ("One", "DROP")
    assert ask(org, senders=[sender])["items"][0]["action"] == "DROP"


def test_without_a_match_mail_is_handled_as_usual(org):
    answer = ask(org, sender="x@a.test")
    assert answer.body == {"sender": "x@a.test", "action": "NORMAL_DELIVERY", "losing": [], "losing_count": 0}


def test_several_senders_at_once(org):
    rules = [create(org, "a.test", name=f"rule {number:02}").body for number in range(15)]
    items = ask(org, senders=["x@a.test", "X@B.test", "x@a.test"])["items"]
    assert [item["sender"] for item in items] == ["x@a.test", "X@B.test", "x@a.test"]
    assert items[0]["matched"]["flow_rule_id"] == rules[0]["flow_rule_id"] and items[2] == items[0]
    assert "matched" not in items[1] and items[1]["action"] == "NORMAL_DELIVERY"
    assert len(items[0]["losing"]) == 10 and items[0]["losing_count"] == 14
    assert len(ask(org, sender="x@a.test")["losing"]) == 14


@pytest.mark.parametrize("members,faults", [
    ({}, {"/sender required"}), ({"sender": "x@a.test", "senders": ["x@a.test"]}, {"/senders contradiction"}),
    ({"sender": "a.test", "from": "@a.test"}, {"/sender invalid_format", "/from invalid_format"}),
    ({"sender": "Ann <ann@a.test>"}, {"/sender invalid_format"}), ({"from": "x@a..test"}, {"/from invalid_format"}),
    ({"sender": ""}, {"/sender too_short"}), ({"sender": "x" * 321}, {"/sender too_long"}),
    ({"senders": []}, {"/senders too_short"}), ({"senders": 101 * ["x@a.test"]}, {"/senders too_long"}),
    ({"senders": ["x@a.test", "x", "x@b.test", "y"]}, {"/senders/1 invalid_format", "/senders/3 invalid_format"}),
    ({"recipient": "x@a.test"}, {"/recipient unknown_member"}),
])
def test_faults_of_a_test_are_named(org, members, faults):
    assert ask(org, expect="validation_failed", **members).faults == faults


def test_rules_apply_at_once(api, org):
    rule = create(org, "a.test", name="One").body
    for number in range(20):
        action = ["DROP", "BOUNCE"][number % 2]
        change(org, rule, action=action)
        assert winner(ask(org, sender="x@a.test")) == ("One", action)
    api.delete(path(org, rule))
    assert winner(ask(org, sender="x@a.test")) == (None, "NORMAL_DELIVERY")


def test_rules_of_another_organization_do_not_apply(org):
    other = create_organization(org.api)
    create(org, "a.test")
    assert winner(ask(other, sender="x@a.test"))[0] is None


def test_root_of_another_account_asks_for_no_rules_also_when_they_are_kept(service, org):
    create(org, "a.test")
    stranger = service.client(service.admin("create-account", "--name", unique("account")))
    for _ in range(2):
        ask(org, sender="x@a.test")
        ask(org, api=stranger, sender="x@a.test", expect="organization_not_found")
        ask(org, api=stranger, senders=["x@a.test"], expect="organization_not_found")


def test_rules_of_an_organization_that_is_gone_are_gone(service, api, org):
    create(org, "a.test")
    ask(org, sender="x@a.test")
    api.post(org.path + "/deactivate", expect=200)
    ask(org, sender="x@a.test", expect="organization_state")
    create(org, "b.test", expect="organization_state")
    org.remove()
    ask(org, sender="x@a.test", expect="organization_state")
    assert service.sql("SELECT count(*) FROM flow_rule WHERE organization_id = %s", org.id) == [(0,)]


def test_testing_needs_no_statement_while_nothing_changes(service, org):
    create(org, "a.test", name="One")
    time.sleep(0.5)  # the notice of it comes to its own process, too
    ask(org, sender="x@a.test")
    with service.db() as database, database.transaction():
        database.execute("LOCK TABLE flow_rule, organization IN ACCESS EXCLUSIVE MODE")
        for _ in range(20):
            assert winner(ask(org, sender="x@a.test"))[0] == "One"


def test_what_was_changed_past_the_service_is_seen_soon(service, org):
    rule = create(org, "a.test", name="One").body
    assert winner(ask(org, sender="x@a.test")) == ("One", "DROP")
    service.sql("UPDATE flow_rule SET action = 'BOUNCE' WHERE flow_rule_id = %s", rule["flow_rule_id"])
    time.sleep(0.05)
    assert winner(ask(org, sender="x@a.test")) == ("One", "BOUNCE")


# --- several at once ---

def test_one_of_many_creations_of_the_same_name_succeeds(api, org):
    outcomes = all_at_once(40, lambda number: api.request("POST", org.flow_rules, {
        "name": "Same" if number % 2 else "same", "sender_patterns": [f"{number}.test"], "action": "DROP"}))
    assert outcomes == {(201, None): 1, (409, "name_taken"): 39}


def test_warnings_are_right_after_changes_at_once(api, org):
    """Each sees all the others: of rules with the same pattern all but the first are told so, and the first of all."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: create(org, "a.test", name=f"rule {number:02}"), range(16)))
    first, *rest = api.items(org.flow_rules)
    assert len(first["warnings"]) == 15
    for rule in rest:
        assert rule["warnings"] == [f'This rule never applies to a.test, because the rule "{first["name"]}" has the same pattern with the'
                                    ' same action, and a name that comes first.']


def test_rule_is_there_or_gone_while_it_is_asked_for(api, org):
    stop, seen = threading.Event(), set()

    def watch():
        while not stop.is_set():
            answer = api.request("POST", org.flow_rules + "/test", {"sender": "x@a.test"})
            assert answer.status == 200, answer
            seen.add((answer.body.get("matched", {}).get("name"), answer["action"]))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        watchers = [pool.submit(watch) for _ in range(4)]
        for _ in range(30):
            rule = create(org, "a.test", name="Now and then", action="BOUNCE").body
            api.delete(path(org, rule))
        stop.set()
        for watcher in watchers:
            watcher.result()
    assert seen <= {("Now and then", "BOUNCE"), (None, "NORMAL_DELIVERY")} and seen
    assert winner(ask(org, sender="x@a.test"))[0] is None


# --- several processes: the pair is made once ---

@pytest.fixture(name="pair")
def fixture_pair(make_service):
    return Together(make_service, 2)


def test_change_is_seen_by_another_process_within_50_ms(pair):
    one, two = pair.clients()
    org = create_organization(one)
    rule = create(org, "a.test", name="One").body
    late = []
    for number in range(40):
        action = ["DROP", "BOUNCE"][number % 2]
        ask(org, api=two, sender="x@a.test")  # so that it keeps what was
        change(org, rule, action=action)
        changed, stale = time.monotonic(), 0
        while True:
            asked = time.monotonic()
            if ask(org, api=two, sender="x@a.test")["action"] == action:
                break
            stale = asked - changed
            assert stale < 2
        late.append(stale)
    late.sort()
    # When the last question was asked that was answered as before. The machine may be busy with other tests for a moment.
    assert late[35] <= 0.05, late
    print(f"{1000 * statistics.median(late):.1f} ms, at most {1000 * late[-1]:.1f} ms")


def test_nothing_is_kept_while_changes_cannot_be_heard(pair):
    one, two = pair.clients()
    org = create_organization(one)
    rule = create(org, "a.test", name="One").body
    with concurrent.futures.ThreadPoolExecutor(32) as pool:  # all threads have their connections
        list(pool.map(lambda number: (one, two)[number % 2].get(path(org, rule)), range(400)))
    for client in (one, two):
        ask(org, api=client, sender="x@a.test")
    notifiers = "FROM pg_stat_activity WHERE datname = 'shared' AND application_name = 'postreeve notifier'"
    pair.sql("SELECT 1")  # this one, too
    pair.host.sql("ALTER DATABASE shared ALLOW_CONNECTIONS false")
    assert pair.sql(f"SELECT pg_terminate_backend(pid) {notifiers}") == 2 * [(True,)]
    deadline = time.monotonic() + 10
    while pair.sql(f"SELECT count(*) {notifiers}") != [(0,)]:
        assert time.monotonic() < deadline
    time.sleep(0.1)
    for action in ["BOUNCE", "DROP"] * 5:
        pair.sql("UPDATE flow_rule SET action = %s WHERE flow_rule_id = %s", action, uuid.UUID(rule["flow_rule_id"]))
        for client in (one, two):
            assert ask(org, api=client, sender="x@a.test")["action"] == action
    pair.host.sql("ALTER DATABASE shared ALLOW_CONNECTIONS true")
