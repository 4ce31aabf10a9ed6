"""The audit log's format, written a second time from docs/audit.md alone: for checking what the service writes."""
import datetime
import hashlib

FIRST_HASH = 64 * "0"
MEMBERS = ("organization_id", "actor", "access_key_id", "source_address", "request_id", "action", "target", "outcome",
           "reason", "omitted", "changes")
COLUMNS = ("sequence", "hash", "chain", "at", *MEMBERS)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def microseconds(time):
    return (time - EPOCH) // datetime.timedelta(microseconds=1)


def netstring(value):
    if value is None:
        return b"-"
    text = str(value).encode()
    return b"%d:%s," % (len(text), text)


def hash_of(previous, row):
    """Of a row as a mapping of its columns."""
    values = [previous, row["sequence"], row["chain"], microseconds(row["at"]), *(row[name] for name in MEMBERS)]
    return hashlib.sha256(b"".join(map(netstring, values))).hexdigest()


def statement(chain, sequence, hash_, signed_at):
    """What the signature of a head is of."""
    return f"postreeve audit head\n{chain}\n{sequence}\n{hash_}\n{microseconds(signed_at)}\n".encode()


def rows(service, chain):
    return [dict(zip(COLUMNS, row)) for row in service.sql(
        f"SELECT {', '.join(COLUMNS)} FROM audit_event WHERE chain = %s ORDER BY sequence", chain)]


def check_chain(service, chain, begins=(0, FIRST_HASH)):
    """Without a gap behind the event where it begins, each hash as the format says, and the head is the last one."""
    first, previous = begins
    found = rows(service, chain)
    assert [row["sequence"] for row in found] == list(range(first + 1, first + len(found) + 1))
    for row in found:
        assert hash_of(previous, row) == row["hash"], row
        previous = row["hash"]
    heads = service.sql("SELECT sequence, hash FROM audit_head WHERE chain = %s", chain)
    assert heads == ([(first + len(found), previous)] if found else [])
    return found


def export_hash(previous, event):
    """Of a line of an export."""
    values = [previous, event["sequence"], event["chain"], event["at_us"], *(event.get(name) for name in MEMBERS)]
    return hashlib.sha256(b"".join(map(netstring, values))).hexdigest()
