"""A random walk over identities, policies and keys against a small model: nobody ever does what the model forbids, and what
one identity gives another is never more than it has itself."""
import itertools
import os
import random

import pytest

import iam
from organization import unique

# What is asked after each step: reads that change nothing.
PROBES = {
    "workmail:ListRegions": "/v1/regions", "workmail:ListLimits": "/v1/account/limits",
    "iam:ListIamGroups": iam.GROUPS, "iam:ListIamUsers": iam.USERS, "iam:ListSessions": "/v1/sessions",
}
ACTIONS = ["*", "workmail:*", "iam:*", "workmail:List*", "iam:List*", "workmail:ListRegions", "workmail:ListLimits",
           "iam:ListIamUsers", "*:List*", "iam:*Policy*", "iam:CreateAccessKey", "ses:*"]
# What the model knows of actions: each pattern as the set of those that matter here.
UNIVERSE = [*PROBES, "iam:CreatePolicy", "iam:UpdatePolicy", "iam:AttachPolicy", "iam:DetachPolicy", "iam:CreateIamUser",
            "iam:CreateAccessKey", "iam:AddIamGroupMember", "iam:RemoveIamGroupMember", "workmail:Other", "iam:Other",
            "ses:Other", "ds:Other"]


def matches(pattern, action):
    import fnmatch
    return fnmatch.fnmatchcase(action, pattern)


def meaning(patterns):
    return {action for action in UNIVERSE for pattern in patterns if matches(pattern, action)}


class Model:
    """Who has what. Statements are (allows, patterns, is conditional)."""

    def __init__(self):
        self.policies, self.users, self.groups = {}, {}, {}

    def statements(self, user):
        mine = self.users[user]
        attached = set(mine["policies"])
        for group in mine["groups"]:
            attached |= self.groups[group]
        return [statement for policy in attached for statement in self.policies[policy]]

    def may(self, user, action):
        """The same decision, from sets alone."""
        said = [(allows, action in meaning(patterns)) for allows, patterns, holds in self.statements(user) if holds]
        return (True, True) in said and (False, True) not in said

    def authority(self, user):
        """All that it could ever do: conditions count as met for what it is given."""
        said = self.statements(user)
        allowed = set().union(*(meaning(patterns) for allows, patterns, _ in said if allows))
        return allowed

    def certain(self, user):
        """All that it certainly may do: conditional Allows and whatever a Deny might meet left out."""
        said = self.statements(user)
        sure = set().union(*(meaning(patterns) for allows, patterns, holds in said if allows and holds is True))
        return sure - set().union(*(meaning(patterns) for allows, patterns, _ in said if not allows))


class Walk:
    def __init__(self, service, api, seed):
        self.service, self.api, self.random = service, api, random.Random(seed)
        self.model, self.clients, self.done = Model(), {}, {}
        for _ in range(2):
            self.new_user(api, None)

    # Steps: each as root (None) or as one of the identities.

    def new_user(self, client, actor):
        answer = client.request("POST", iam.USERS, {"name": unique("w")})
        if answer.status == 201:
            user = answer["iam_user_id"]
            self.model.users[user] = {"policies": set(), "groups": set()}
            self.clients[user] = self.service.client(iam.new_key(self.api, answer.body))
        return answer

    def new_group(self, client, actor):
        answer = client.request("POST", iam.GROUPS, {"name": unique("w")})
        if answer.status == 201:
            self.model.groups[answer["iam_group_id"]] = set()
        return answer

    def some_statements(self):
        said, documents = [], []
        for _ in range(self.random.randint(1, 2)):
            allows, patterns = self.random.random() < 0.75, self.random.sample(ACTIONS, self.random.randint(1, 2))
            holds = self.random.choice([True, True, True, "here", False])
            condition = {} if holds is True else {"Condition": {"IpAddress": {
                "aws:SourceIp": "127.0.0.0/8" if holds else "192.0.2.0/24"}}}
            said.append((allows, tuple(patterns), holds))
            documents.append(iam.statement("Allow" if allows else "Deny", patterns, **condition))
        return said, iam.document(*documents)

    def new_policy(self, client, actor):
        said, document = self.some_statements()
        answer = client.request("POST", iam.POLICIES, {"name": unique("w"), "document": document})
        if answer.status == 201:
            self.check_given(actor, said)
            self.model.policies[answer["policy_id"]] = said
        return answer

    def update_policy(self, client, actor):
        policy = self.pick(self.model.policies)
        said, document = self.some_statements()
        answer = policy and client.request("PATCH", f"{iam.POLICIES}/{policy}", {"document": document})
        if answer and answer.status == 200:
            before = self.before()
            self.check_given(actor, said)
            self.model.policies[policy] = said
            self.check_grown(actor, before)
        return answer

    def edge(self, client, actor, method, path, change):
        answer = client.request(method, path)
        if answer.status == 204:
            before = self.before()
            change()
            self.check_grown(actor, before)
        return answer

    def attach(self, client, actor):
        user, policy = self.pick(self.model.users), self.pick(self.model.policies)
        return policy and self.edge(client, actor, "PUT", f"{iam.USERS}/{user}/policies/{policy}",
                                    lambda: self.model.users[user]["policies"].add(policy))

    def detach(self, client, actor):
        user = self.pick(self.model.users)
        policy = self.pick(self.model.users[user]["policies"])
        return policy and self.edge(client, actor, "DELETE", f"{iam.USERS}/{user}/policies/{policy}",
                                    lambda: self.model.users[user]["policies"].discard(policy))

    def attach_group(self, client, actor):
        group, policy = self.pick(self.model.groups), self.pick(self.model.policies)
        return group and policy and self.edge(client, actor, "PUT", f"{iam.GROUPS}/{group}/policies/{policy}",
                                              lambda: self.model.groups[group].add(policy))

    def detach_group(self, client, actor):
        group = self.pick(self.model.groups)
        policy = group and self.pick(self.model.groups[group])
        return policy and self.edge(client, actor, "DELETE", f"{iam.GROUPS}/{group}/policies/{policy}",
                                    lambda: self.model.groups[group].discard(policy))

    def join(self, client, actor):
        group, user = self.pick(self.model.groups), self.pick(self.model.users)
        return group and self.edge(client, actor, "PUT", f"{iam.GROUPS}/{group}/members/{user}",
                                   lambda: self.model.users[user]["groups"].add(group))

    def leave(self, client, actor):
        user = self.pick(self.model.users)
        group = self.pick(self.model.users[user]["groups"])
        return group and self.edge(client, actor, "DELETE", f"{iam.GROUPS}/{group}/members/{user}",
                                   lambda: self.model.users[user]["groups"].discard(group))

    def new_key(self, client, actor):
        user = self.pick(self.model.users)
        answer = client.request("POST", f"{iam.USERS}/{user}/access-keys", {})
        if answer.status == 201:
            assert actor in (None, user) or self.model.authority(user) <= self.model.certain(actor)
        return answer

    def delete_user(self, client, actor):
        if len(self.model.users) < 12:
            return None
        user = self.pick(self.model.users)
        answer = client.request("DELETE", f"{iam.USERS}/{user}")
        if answer.status == 204:
            del self.model.users[user]
            self.clients.pop(user).get("/v1/regions", expect="unauthenticated")
        return answer

    # What must hold

    def pick(self, among):
        return self.random.choice(sorted(among)) if among else None

    def before(self):
        return {user: ({action for action in UNIVERSE if self.model.may(user, action)}, self.model.authority(user))
                for user in self.model.users}

    def check_given(self, actor, said):
        given = set().union(*(meaning(patterns) for allows, patterns, _ in said if allows))
        assert actor is None or given <= self.model.certain(actor)

    def check_grown(self, actor, before):
        """Whatever any identity may do now and could not do before, who made it so may do himself (as he could before)."""
        if actor is None:
            return
        for user, (could, _) in before.items():
            now = {action for action in UNIVERSE if self.model.may(user, action)}
            assert now - could <= before[actor][0], f"{actor} gave {user} {now - could - before[actor][0]}"

    def check_probes(self, users):
        for user, (action, path) in itertools.product(users, PROBES.items()):
            status = self.clients[user].request("GET", path).status
            assert (status == 200) == self.model.may(user, action), f"{user} {action}: {status}, {self.model.statements(user)}"
            self.done[status] = self.done.get(status, 0) + 1

    def run(self, steps):
        kinds = [self.new_user, self.new_group, self.new_policy, self.new_policy, self.update_policy, self.attach, self.attach,
                 self.attach, self.detach, self.attach_group, self.detach_group, self.join, self.leave, self.new_key,
                 self.delete_user]
        for _ in range(steps):
            actor = self.pick(self.model.users) if self.random.random() < 0.6 else None
            step = self.random.choice(kinds)
            answer = step(self.clients[actor] if actor else self.api, actor)
            if answer:
                assert actor or answer.status < 400, answer
                self.done[step.__name__, answer.status] = self.done.get((step.__name__, answer.status), 0) + 1
            self.check_probes(self.random.sample(sorted(self.model.users), 2))
        self.check_probes(self.model.users)


def walk(service, steps):
    seed = int(os.environ.get("POSTREEVE_SEED", random.randrange(10**9)))
    print(f"POSTREEVE_SEED={seed}")
    service.allow_identities(1000000)
    one = Walk(service, service.client(), seed)
    one.run(steps)
    return one.done


def test_random_walk_agrees_with_the_model(fresh_service):
    done = walk(fresh_service, 1000)
    assert done[200] > 100 and done[403] > 100
    # Both were tried: what is held was given, what is not was refused.
    assert any(kind == 403 for _, kind in (key for key in done if isinstance(key, tuple)))


@pytest.mark.long
def test_long_random_walk_agrees_with_the_model(fresh_service):
    walk(fresh_service, 10000)
