"""For each route that the API has, a request that succeeds: for tests that hold for all of them."""
import iam
from devices import Device
from dkim_keys import dkim_rests, dkim_settled
from organization import PASSWORD, create_organization, id_of, unique, unique_domain, wait_operation, work_beside_exchange
from routes import arguments_of, closed_routes, is_mutation, of_identities

# They make something new, or change several at once: there is no one version that they could be held against.
WITHOUT_VERSION = {"CreateAvailabilityConfiguration", "CreateOrganization", "ImportUsers", "CreateUser", "CreateGroup", "CreateResource", "CreateFlowRule", "DeleteResources", "CancelOperation",
                    "SyncMobileDevice", "RegisterMailDomain", "CreateIamUser", "CreateIamGroup", "CreatePolicy", "CreateAccessKey", "CreateKey", "CreateDirectory", "SignOut", "DeleteSession",
                   "RegisterToWorkMailForUsers", "DeregisterFromWorkMailForUsers",
                   "RegisterToWorkMailForGroups", "DeregisterFromWorkMailForGroups"}
NEED_ENABLED = ("DeregisterFromWorkMail", "CreateAlias", "DeleteAlias", "UpdatePrimaryEmailAddress")


class Request:
    """A request that is ready to be sent, as often as wanted."""

    def __init__(self, route, target, arguments, entity=None, resource=None, caller=None):
        self.route, self.method, self.target, self.entity = route, route["method"], target, entity
        self.resource, self.caller = resource, caller
        self.params, self.json = arguments.get("params"), arguments.get("json")
        self.body = arguments.get("body")  # of what is no JSON

    def send(self, api, *, headers=None, **params):
        body = {} if self.json is None else {"json_body": self.json}
        if self.body:
            body = self.raw(headers)
            headers = body.pop("headers")
        return (self.caller or api).request(self.method, self.target, headers=headers, params={**(self.params or {}), **params}, **body)

    def raw(self, headers=None):
        """What is no JSON, as arguments of a client."""
        return {"body": self.body, "headers": {"Content-Type": self.route["uploads"][0], **(headers or {})}} if self.body else {}

    def versioned(self, org):
        """The path of what the change changes; None when it makes something new."""
        if self.route["operation"] in WITHOUT_VERSION:
            return None
        if self.resource:
            return self.resource
        if self.target == "/v1/account" or self.target.startswith("/v1/keys/") or "{directory_id}" in self.route["path"]:
            return self.target
        return org.of(self.entity) if self.entity else org.path

    def is_gone(self):
        """Whether what it changed is not there any more."""
        return self.route["operation"] in ("DeleteDirectory", "DeleteIamUser", "DeleteIamGroup", "DeletePolicy", "DeleteAccessKey",
                                           "RemoveMobileDevice", "DeleteFlowRule", "DeregisterMailDomain", "DeleteAvailabilityConfiguration")


# After these nobody can send anything any more; test_accounts.py has what holds for all changes.
ENDS_ITS_CALLER = {"CloseAccount"}


def changes():
    return [route for route in closed_routes() if is_mutation(route) and route["operation"] not in ENDS_ITS_CALLER]


def fail(service, org):
    """As after a set-up that did not succeed."""
    service.sql("""INSERT INTO organization_transition (organization_id, from_state, to_state, actor)
                   VALUES (%s, 'ACTIVE', 'FAILED', 'service')""", org.id)
    service.sql("UPDATE organization SET state = 'FAILED' WHERE organization_id = %s", org.id)


def begin_setup(service, org):
    """As in the midst of a set-up that waits to be tried again; the operation that stands for it."""
    service.sql("""INSERT INTO organization_transition (organization_id, from_state, to_state, actor)
                   VALUES (%s, 'ACTIVE', 'CREATING', 'service')""", org.id)
    service.sql("UPDATE organization SET state = 'CREATING', is_serving = false WHERE organization_id = %s", org.id)
    (operation,), = service.sql("""
        INSERT INTO operation (operation_id, account_id, organization_id, operation, target, steps)
        SELECT gen_random_uuid(), account_id, organization_id, 'CreateOrganization',
               '/v1/organizations/' || organization_id,
               '[{"name": "activate", "status": "PENDING", "attempts": 0}]'
        FROM organization WHERE organization_id = %s RETURNING operation_id::text""", org.id)
    service.sql("""INSERT INTO job (kind, organization_id, operation_id, step, run_at)
                   VALUES ('organization_setup', %s, %s, 3, now() + interval '1 hour')""", org.id, operation)
    return operation


def import_of(org):
    answer = org.api.post(org.users + "/import", expect=202, body=b"\n", headers={"Content-Type": "application/x-ndjson"})
    return wait_operation(org.api, answer["operation_id"])["operation_id"]


def operation_of(org):
    return org.api.get("/v1/operations", params={"organization_id": org.id})["items"][0]["operation_id"]


def alias_of(org, entity):
    return org.api.post(org.of(entity, "aliases"), json={"email": "other"})["email"]


def make_entity(org, route):
    """What the path is about; None when it names nothing."""
    needs_enabled = route["operation"].startswith(NEED_ENABLED) or "{device_id}" in route["path"]
    if "{user_id}" in route["path"]:
        return org.create_enabled() if needs_enabled else org.create_user()
    if "{group_id}" in route["path"]:
        return org.create_enabled_group() if needs_enabled or route["operation"] == "UpdateGroup" else org.create_group()
    if "{resource_id}" in route["path"]:
        resource = org.create_resource(booking_options={"auto_accept_requests": False})
        return org.disable(resource).body if operation_enables(route["operation"]) else resource
    return None


def operation_enables(operation):
    return operation.startswith("RegisterToWorkMail")


def make_device(org, user, route):
    """The path of a device that the operation changes."""
    device = Device(org, user)
    if route["operation"] != "SyncMobileDevice":
        device.sync()
    if route["operation"] == "ProvisionMobileDevice":
        device.provision()
    elif route["operation"] == "CancelMobileDeviceWipe":
        device.wipe()
    return device


def make_member(org, entity, operation):
    """The id of a user that is to be put in, or is in."""
    member, part = org.create_user(), "delegates" if "Delegate" in operation else "members"
    if operation.startswith("Disassociate"):
        org.api.put(org.of(entity, part, id_of(member)))
    return id_of(member)


def make_several(org, operation):
    """Ids of two that the operation changes."""
    enabled = operation.startswith("Deregister")
    make = {(False, False): org.create_user, (False, True): org.create_enabled,
            (True, False): org.create_group, (True, True): org.create_enabled_group}
    if operation == "DeleteResources":
        return [id_of(org.create_resource()) for _ in range(2)]
    return [id_of(make[operation.endswith("Groups"), enabled]()) for _ in range(2)]


def kept_directory(org):
    """The directory of another organization, which is removed."""
    other = create_organization(org.api)
    other.create_user()
    other.remove()
    return other.describe()["directory_id"]


def followed_directory(service, org):
    """An external directory as if an organization used it, which is not due for a while."""
    directory_id = org.api.post("/v1/directories", json={"type": "LDAP", "name": unique("directory"), "connection": {
        "uris": ["ldap://127.0.0.1:1"], "tls_mode": "NONE", "user_base_dn": "dc=acme,dc=test"}})["directory_id"]
    user = create_organization(org.api)
    service.sql("UPDATE directory SET organization_id = NULL WHERE organization_id = %s", user.id)
    service.sql("""UPDATE directory SET organization_id = %s, sync_due_at = now() + interval '1 day'
                   WHERE directory_id = %s""", user.id, directory_id)
    service.sql("UPDATE organization SET directory_id = %s WHERE organization_id = %s", directory_id, user.id)
    return directory_id


def prepare_sign_in(service, api, route):
    user = iam.new_user(api)
    api.put(f"{iam.USERS}/{user['iam_user_id']}/password", expect=204, json={"password": PASSWORD})
    sent = {"account_id": service.root["account_id"], "name": user["name"], "password": PASSWORD}
    return Request(route, route["path"], {"json": sent})


def prepare_identities(service, api, route):
    """The same for a change of identities. Policies are not attached yet where that is what is to be done."""
    arguments, operation = arguments_of(route), route["operation"]
    user, group, policy = iam.new_user(api), iam.new_group(api), iam.new_policy(api, iam.statement(action="ses:Get*"))
    ids = {**user, **group, **policy}
    if "{access_key_id}" in route["path"]:
        ids |= iam.new_key(api, user)
    caller = None
    if operation in ("SignOut", "DeleteSession"):
        api.put(f"{iam.USERS}/{user['iam_user_id']}/password", expect=204, json={"password": PASSWORD})
        caller = iam.sign_in(service, user, service.root["account_id"])
        ids |= caller.session
        caller = caller if operation == "SignOut" else None
    elif operation == "DetachPolicy":
        iam.attach(api, user, policy)
    elif operation == "DetachPolicyForGroup":
        iam.attach(api, group, policy)
    elif operation == "RemoveIamGroupMember":
        api.put(iam.membership(group, user), expect=204)
    elif operation in ("CreateIamUser", "CreateIamGroup", "CreatePolicy"):
        arguments["json"]["name"] = unique()
    names = [name for name in ("access_key_id", "iam_group_id", "iam_user_id", "policy_id") if "{%s}" % name in route["path"]]
    if len(names) == 2 and "policy_id" in names:
        names.remove("policy_id")
    resource = None
    if names and not operation.startswith("Create"):
        end = "{%s}" % names[0]
        resource = route["path"].split(end)[0] + end
    return Request(route, route["path"].format(**ids), arguments, resource=resource and resource.format(**ids), caller=caller)


def prepare_availability(org, route, target, arguments):
    """No test of it leaves this machine: the address is one that is not asked."""
    path = org.path + "/availability-configurations"
    made = {"domain": unique() + ".test", "ews_url": "https://127.0.0.1/EWS/Exchange.asmx", "username": "EXAMPLE\\reader", "password": PASSWORD}
    if route["operation"] == "CreateAvailabilityConfiguration":
        return target, {"params": {"skip_test": "true"}, "json": made}, None
    org.api.post(path, params={"skip_test": "true"}, json=made)
    if route["method"] == "PATCH":
        arguments = {"params": {"skip_test": "true"}, "json": {"username": "EXAMPLE\\other"}}
    return target.replace("{domain}", made["domain"]), arguments, f"{path}/{made['domain']}" if route["changes"] else None


def prepare(service, org, route):
    """The request, once everything is there that it needs."""
    if route["operation"] == "CreateSession":
        return prepare_sign_in(service, org.api, route)
    if of_identities(route):
        return prepare_identities(service, org.api, route)
    arguments, operation = arguments_of(route), route["operation"]
    if operation in ("SyncDirectory", "TestDirectory"):
        followed = followed_directory(service, org)
        return Request(route, route["path"].replace("{directory_id}", followed), arguments, resource=f"/v1/directories/{followed}")
    if operation == "UpdateDirectory":
        arguments["json"] = {"name": unique("directory")}
    if "{directory_id}" in route["path"]:
        return Request(route, route["path"].replace("{directory_id}", kept_directory(org)), arguments, None)
    entity = make_entity(org, route)
    target = route["path"].replace("{organization_id}", org.id).replace("{file}", "page.css")
    for name in ("user_id", "group_id", "resource_id"):
        target = target.replace("{%s}" % name, entity.get(name, "") if entity else "")
    for name in ("member_id", "entity_id"):
        if "{%s}" % name in target:
            target = target.replace("{%s}" % name, make_member(org, entity, operation))
    rule = org.create_flow_rule() if "{flow_rule_id}" in target else None
    if rule:
        target = target.replace("{flow_rule_id}", rule["flow_rule_id"])
    device = make_device(org, entity, route) if "{device_id}" in target else None
    if device:
        target = target.replace("{device_id}", device.id)
    if operation == "AcknowledgeMobileDevice":
        arguments["json"] = device.acknowledgement()
    domain = availability = None
    if "AvailabilityConfiguration" in operation:
        target, arguments, availability = prepare_availability(org, route, target, arguments)
    elif "{domain}" in target:
        domain = dkim_settled(org, org.own_domain(service) if "/dkim" in target else org.register_domain())
        dkim_rests(service, org)
        target = target.replace("{domain}", domain)
    if "{key_id}" in target:
        target = target.replace("{key_id}", org.describe()["key_id"])
    if "{email}" in target:
        target = target.replace("{email}", alias_of(org, entity))
    if operation == "CancelOperation":
        target = target.replace("{operation_id}", begin_setup(service, org))
    elif operation == "ListOperationResults":
        target = target.replace("{operation_id}", import_of(org))
    elif "{operation_id}" in target:
        target = target.replace("{operation_id}", operation_of(org))
    target = target.replace("{code}", "name_taken")
    assert "{" not in target, f"say in changes.py what to put into {target}"
    if operation == "CreateOrganization":
        arguments["json"]["alias"] = unique()
    elif operation == "UpdateKey":
        arguments["json"] = {"description": unique()}
    elif operation == "CreateKey":
        arguments["json"] = {"alias": unique("key")}
    elif operation == "UpdateAccount":
        arguments["json"] = {"name": unique("account")}
    elif operation == "RegisterMailDomain":
        arguments["json"] = {"domain": unique_domain()}
    elif operation == "DeregisterMailDomain":
        arguments["params"] = {"confirm": domain}
    elif operation == "UpdateDefaultMailDomain":
        arguments["json"] = {"domain": org.own_domain(service)}
    elif operation == "DeleteOrganization":
        arguments["params"] = {"confirm": org.alias}
    elif operation == "RetryOrganization":
        fail(service, org)
    elif operation == "ActivateOrganization":
        org.api.post(org.path + "/deactivate", expect=200)
    elif operation.startswith(("CreateAlias", "UpdatePrimaryEmailAddress")):
        arguments["json"] = {"email": "boss"}
    elif operation == "PutMigration":
        arguments["json"] = {"migration_admin": org.create_enabled()["user_id"]}
    elif "ids" in arguments.get("json", {}):
        arguments["json"] = {"ids": make_several(org, operation)}
    if operation == "DisableInteroperability":
        work_beside_exchange(service, org)
        arguments["params"] = {"confirm": org.alias}
    is_setting = operation in ("PutMobilePolicy", "PutJournaling", "PutMigration")
    resource = availability if availability else device.path if device else target if rule or is_setting else None
    if domain:
        resource = org.domain_path(domain, *(["dkim"] if "/dkim" in target else []))
    return Request(route, target, arguments, entity, resource=resource)
