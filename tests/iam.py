"""Identities to test with: IAM users with policies and access keys, made over HTTP by root."""
from organization import PASSWORD, unique

USERS, GROUPS, POLICIES = "/v1/iam/users", "/v1/iam/groups", "/v1/iam/policies"
FULL_ACCESS = "00000000-0000-4000-8000-000000000001"
READ_ONLY = "00000000-0000-4000-8000-000000000002"


def statement(effect="Allow", action="*", resource="*", **members):
    return {"Effect": effect, "Action": action, "Resource": resource, **members}


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def arn(organization_id, account_id="*", region="*"):
    return f"arn:aws:workmail:{region}:{account_id}:organization/{organization_id}"


def iam_arn(kind, identity, account_id="*"):
    return f"arn:aws:iam::{account_id}:{kind}/{identity}"


def new_user(api, name=None):
    return api.post(USERS, json={"name": name or unique("iam")}).body


def new_group(api):
    return api.post(GROUPS, json={"name": unique("group")}).body


def new_policy(api, *statements, expect=None):
    return api.post(POLICIES, expect, json={"name": unique("policy"), "document": document(*statements)}).body


def new_key(api, user, expect=None, **members):
    return api.post(f"{USERS}/{user['iam_user_id']}/access-keys", expect, json=members).body


def attachment(user, policy):
    policy_id = policy if isinstance(policy, str) else policy["policy_id"]
    if "iam_user_id" in user:
        return f"{USERS}/{user['iam_user_id']}/policies/{policy_id}"
    return f"{GROUPS}/{user['iam_group_id']}/policies/{policy_id}"


def membership(group, user):
    return f"{GROUPS}/{group['iam_group_id']}/members/{user['iam_user_id']}"


def attach(api, user, policy, expect=204):
    return api.put(attachment(user, policy), expect=expect)


def detach(api, user, policy, expect=204):
    return api.delete(attachment(user, policy), expect=expect)


class Identity:
    """An IAM user of its own, what it may do, and a client with its access key."""

    def __init__(self, service, api, *statements, **key):
        self.api, self.user = api, new_user(api)
        self.policy = new_policy(api, *statements) if statements else None
        if self.policy:
            attach(api, self.user, self.policy)
        self.key = new_key(api, self.user, **key)
        self.client = service.client(self.key)
        self.id = self.user["iam_user_id"]

    def path(self, *parts):
        return "/".join((USERS, self.id) + parts)

    def set_password(self, password=PASSWORD):
        self.api.put(self.path("password"), expect=204, json={"password": password})


def sign_in(service, user, account_id, password=PASSWORD, expect=None):
    """A client with the session's cookie; its changes bring the token along."""
    anonymous = service.anonymous()
    answer = anonymous.post("/v1/sessions", expect,
                            json={"account_id": account_id, "name": user["name"], "password": password})
    if answer.status != 201:
        return answer
    anonymous.cookie = answer.headers["Set-Cookie"].split(";")[0]
    anonymous.csrf_token = answer["csrf_token"]
    anonymous.session = answer.body
    return anonymous
