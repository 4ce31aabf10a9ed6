"""External directories in tests: made, attached to an organization, waited for, compared with what is here."""
from organization import Organization, unique, wait_operation
from service import wait_until


def create_directory(api, server, expect=201, connection=None, **members):
    return api.post("/v1/directories", expect=expect, json={
        "type": "LDAP", "name": "acme.test", "connection": server.connection(**(connection or {})), **members})


def attach(api, directory_id, **members):
    """A new organization on that directory, ACTIVE."""
    begun = api.post("/v1/organizations", expect=202, json={
        "alias": unique(), "setup": "STANDARD", "directory_id": directory_id, **members})
    operation = wait_operation(api, begun["operation_id"])
    assert operation["status"] == "SUCCEEDED", operation
    return Organization(api, begun["organization_id"])


def described(api, directory_id):
    return api.get(f"/v1/directories/{directory_id}").body


def wait_following(api, directory_id, seconds=30):
    def follows():
        about = described(api, directory_id)
        return about["sync"]["status"] == "FOLLOWING" and about
    return wait_until(follows, seconds, what=f"directory {directory_id} to be followed")


def names(api, path):
    """By name, those that are not deleted."""
    return {item["name"]: item for item in api.items(path, page_size=1000)}


def there(server, base_users, base_groups):
    """What the directory has: users by id, and members of groups by name as ids, as far as they are users or groups of it."""
    admin = server.admin
    entries = admin.search(base_users, "(objectClass=inetOrgPerson)", "entryUUID", "uid", "sn", "mail")
    groups = admin.search(base_groups, "(objectClass=groupOfNames)", "entryUUID", "cn", "member")
    ids = {dn.lower(): entry["entryUUID"][0].decode() for dn, entry in entries + groups}
    users = {ids[dn.lower()]: (entry["uid"][0].decode(), entry["sn"][0].decode(), entry.get("mail", [b""])[0].decode())
             for dn, entry in entries}
    return users, {ids[dn.lower()]: (entry["cn"][0].decode(), frozenset(
        ids[member.decode().lower()] for member in entry["member"] if member.decode().lower() in ids)) for dn, entry in groups}


def here(service, org):
    """The same, as it is here."""
    users = {external: (name, last or "", proposed or "") for external, name, last, proposed in service.sql(
        """SELECT x.external_id, e.name, d.last_name, x.proposed_email FROM external_entry x
           JOIN entity e USING (organization_id, entity_id) JOIN user_detail d USING (organization_id, entity_id)
           WHERE x.organization_id = %s AND e.state <> 'DELETED'""", org.id)}
    groups = {external: (name, frozenset(members)) for external, name, members in service.sql(
        """SELECT x.external_id, e.name, ARRAY(SELECT y.external_id FROM entity_edge m JOIN external_entry y
             ON y.organization_id = m.organization_id AND y.entity_id = m.member_id
             WHERE m.organization_id = e.organization_id AND m.owner_id = e.entity_id AND m.relation = 'MEMBER')
           FROM external_entry x JOIN entity e USING (organization_id, entity_id)
           JOIN group_detail d USING (organization_id, entity_id)
           WHERE x.organization_id = %s AND e.state <> 'DELETED'""", org.id)}
    return users, groups
