"""Users in bulk: an import beside COPY of the same rows, and what the service needs for files of any length."""
import http.client
import io
import json
import pathlib
import statistics
import sys
import time

LINES, LONG = 10000, 200000
ROUNDS = 3
HASH = "$6$c2FsdHNhbHQ$" + 86 * "a"
# In an order that foreign keys allow. entity_term is kept by triggers, on both sides.
TABLES = ("entity", "user_detail", "mailbox", "active_period", "address_registry", "email_address")


def line(number):
    name = f"user{number:07}"
    return json.dumps({
        "name": name, "display_name": f"User Number {number}", "first_name": "User", "last_name": f"Number {number}",
        "email": name, "aliases": [f"{name}.alias"], "city": "Example City", "job_title": "Engineer",
        "department": f"Department {number % 50}", "company": "Example Company", "password_hash": HASH}).encode() + b"\n"


def send(bench, organization_id, lines):
    """The id of its operation. The file is made while it is sent."""
    def pieces():
        for first in range(0, lines, 1000):
            yield b"".join(map(line, range(first, min(first + 1000, lines))))
    connection = http.client.HTTPConnection("127.0.0.1", bench.service.port)
    connection.request("POST", f"/v1/organizations/{organization_id}/users/import", pieces(), {
        "Authorization": bench.service.authorization, "Content-Type": "application/x-ndjson"}, encode_chunked=True)
    answer = connection.getresponse()
    operation = json.loads(answer.read())
    if answer.status != 202:
        sys.exit(f"The import was refused: {operation}")
    return operation["operation_id"]


def load(bench, request, organization_id, lines, outcome):
    """Seconds from the first byte of the upload until the last line is applied."""
    begun = time.monotonic()
    operation_id = send(bench, organization_id, lines)
    while (operation := request("GET", f"/v1/operations/{operation_id}"))["status"] in ("PENDING", "RUNNING"):
        time.sleep(0.01)
    seconds = time.monotonic() - begun
    with bench.service.database() as database:
        found = database.execute("SELECT outcome, count(*) FROM import_result WHERE import_id = %s GROUP BY 1", [operation_id]).fetchall()
    if operation["status"] != "SUCCEEDED" or found != [(outcome, lines)]:
        sys.exit(f"The import ended otherwise: {operation} {found}")
    return seconds


def empty(database, organization_id):
    with database.transaction():
        for table in reversed(TABLES):
            database.execute(f"DELETE FROM {table} WHERE organization_id = %s", [organization_id])
    database.execute("VACUUM ANALYZE")


def columns_of(database, table):
    return ", ".join(row[0] for row in database.execute(
        "SELECT quote_ident(column_name) FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s"
        " AND is_generated = 'NEVER' AND is_identity = 'NO' ORDER BY ordinal_position", [table]).fetchall())


def copy_out(database, organization_id):
    """The rows of an organization, as COPY takes them, by table."""
    rows = {}
    for table in TABLES:
        out, columns = io.BytesIO(), columns_of(database, table)
        with database.cursor().copy(f"COPY (SELECT {columns} FROM {table} WHERE organization_id = '{organization_id}') TO STDOUT") as copy:
            for data in copy:
                out.write(data)
        rows[f"{table} ({columns})"] = out.getvalue()
    return rows


def copy_in(database, rows):
    begun = time.monotonic()
    with database.transaction():
        for table, data in rows.items():
            with database.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(data)
    return time.monotonic() - begun


def peak_mb(bench, work):
    """The most memory that the service has had while it is done."""
    process = pathlib.Path(f"/proc/{bench.service.process.pid}")
    (process / "clear_refs").write_text("5")
    work()
    row = next(row for row in (process / "status").read_text().splitlines() if row.startswith("VmHWM"))
    return int(row.split()[1]) / 1024


def measure(bench, table, request, organization_id):
    with bench.service.database() as database:
        database.execute("UPDATE account SET is_trial = false")
        taken, copied, peaks = [], [], []
        for _ in range(ROUNDS):
            peaks.append(peak_mb(bench, lambda: taken.append(load(bench, request, organization_id, LINES, "CREATED"))))
            rows = copy_out(database, organization_id)
            empty(database, organization_id)
            copied.append(copy_in(database, rows))
            empty(database, organization_id)
        ratios = [theirs / ours for ours, theirs in zip(taken, copied)]
        table.add("import", f"Import of {LINES:,} users with hashes", LINES / statistics.median(taken), "lines/s")
        table.add("import", "COPY of the same rows", LINES / statistics.median(copied), "lines/s")
        table.add("import", f"Import: ratio ({min(ratios):.2f} to {max(ratios):.2f})", statistics.median(ratios), "", at_least=0.4)

        long = peak_mb(bench, lambda: taken.append(load(bench, request, organization_id, LONG, "CREATED")))
        table.add("import", f"Import of {LONG:,} users", LONG / taken[-1], "lines/s")
        table.add("import", f"Import: peak memory with {LINES:,} lines", statistics.median(peaks), "MB")
        table.add("import", f"Import: ... with {LONG:,} beside it", long / statistics.median(peaks), "", at_most=1.1)
        again = load(bench, request, organization_id, LINES, "UNCHANGED")
        table.add("import", f"Import of {LINES:,} among {LONG:,} that changes nothing", LINES / again, "lines/s")
        empty(database, organization_id)
