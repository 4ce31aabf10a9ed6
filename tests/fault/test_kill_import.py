"""The service is killed at every point of an import; the upload sent again and the worker after a restart go on, once each."""
import json

import pytest

from checks import check_consistency
from organization import create_organization, unique, wait_operation
from test_kill import CONTINUED_WITHIN, doomed, revive, send

SHA512 = "$6$c2FsdHNhbHQ$" + 86 * "a"
LINES = 2500
BODY = b"".join(json.dumps({"name": f"user{n}", "display_name": "U", "email": f"user{n}", "password_hash": SHA512}).encode() + b"\n"
                for n in range(LINES))
UPLOAD = [f"import.chunk.{moment}_commit:{time}" for moment in ("before", "after") for time in (1, 2, 3)]
APPLY = ["import.claimed", "import.claimed:2"] + [f"import.apply.{moment}_commit:{time}" for moment in ("before", "after") for time in (1, 2, 3, 4)]


def outcome(organization, operation_id):
    operation = wait_operation(organization.api, operation_id, CONTINUED_WITHIN)
    assert operation["status"] == "SUCCEEDED", operation
    return [result["outcome"] for result in
            organization.api.items(f"/v1/operations/{operation_id}/results", page_size=1000)]


@pytest.mark.parametrize("point", UPLOAD + ["import.finish.before_commit", "request.after_commit:2"] + APPLY)
def test_import_is_done_once(doomed, point):
    service = doomed(point)
    organization = create_organization(service.client())
    service.sql("UPDATE account SET is_trial = false")
    headers = {"Idempotency-Key": unique("key"), "Content-Type": "application/x-ndjson"}
    target = organization.users + "/import"
    send(service, "POST", target, expect=202, body=BODY, headers=headers)
    organization.api = revive(service)
    again = organization.api.post(target, expect=202, body=BODY, headers=headers)
    assert outcome(organization, again["operation_id"]) == LINES * ["CREATED"]
    for table in ("entity", "user_detail", "mailbox", "email_address", "active_period"):
        assert service.sql(f"SELECT count(*) FROM {table}") == [(LINES,)], table
    assert service.sql("SELECT count(*) FROM import") == [(1,)] and service.sql("SELECT count(*) FROM import_chunk") == [(0,)]
    assert service.sql("SELECT count(*), count(DISTINCT target) FROM audit_log WHERE action = 'workmail:ImportUsers'"
                       " AND target LIKE '%%/users/%%'") == [(LINES, LINES)]
    check_consistency(service)
