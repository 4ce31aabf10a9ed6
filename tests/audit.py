"""Asking for the audit log."""
import iam
from organization import unique

EVENTS = "/v1/audit-events"
VERIFY = EVENTS + "/verify"


def events(api, **filters):
    """What is in the log, oldest first."""
    return api.items(EVENTS, order_by="at", **filters)


def only_event(api, request_id):
    event, = events(api, request_id=request_id)
    return event


def own_id():
    return {"Request-Id": unique("request")}


def new_identity(service, *policies):
    options = [word for policy in policies for word in ("--policy", policy)]
    return service.admin("create-iam-user", "--account", service.root["account_id"], "--name", unique("iam"), *options)


def new_administrator(service):
    """Who may do everything, identities included, without being root."""
    identity = iam.Identity(service, service.client(), iam.statement())
    return {"iam_user_id": identity.id, **identity.key}
