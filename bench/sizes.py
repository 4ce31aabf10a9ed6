"""What size costs: one organization of many users, many organizations, searches, large groups."""
import random
import statistics
import time
import urllib.parse

BIG, GROUPS, MANY, EACH = 100000, 1000, 1000, 1000
DEPTH, MEMBERS = 5, 5000
FIRST_NAMES = ("Anna Ben Chloé David Emma Félix Greta Hannah Ivan Joanna John Karin Łukasz Maria Noël Olga Peter Quentin Renée Søren"
               " Thomas Ümit Vera Walter Xenia Yara Zoë Björn Alexander Alexandra Elena Jürgen Laura Max Nina Paul Rosa Stefan Ursula Émile").split()
LAST_STARTS = "Ab Ber Cas Del Er Fro Gar Hol Ing Jan Kal Lem Mor Nor Ost Per Quin Ros Sten Tor Ul Van Wes Yar Zim".split()
LAST_ENDS = [middle + end for middle in "e a i o u er an el".split() for end in "son mann berg stein ton ley wood sen ski dt".split()]
# Names that many have, that few have, beginnings, ends, addresses, words that all have, what nobody has.
SEARCHES = ("john", "JOHN", "anna", "soren", "zoe", "emile", "alexand", "maria", "lukasz", "hannah", "berson", "delerberg", "zimelski",
            "peter ab", "anna quin", "son", "mann", "erg", "ann", "van", "ost", "example", "postreeve", "user0", "user05", "user012345",
            "user099999@", "12345", "group 1", "sales 77", "team", "nobody here", "xyzzy", "ül", "örn", "ski", "olga wes", "ine")


def make_people(bench):
    """Into bench.people: who is in the organizations. What is frequent is so by far: the nth name has 1/(n + 3) of all."""
    chosen = random.Random(1)
    lasts = [start + end for start in LAST_STARTS for end in LAST_ENDS]
    firsts = chosen.choices(FIRST_NAMES, [1 / (n + 3) for n in range(len(FIRST_NAMES))], k=BIG)
    lasts = chosen.choices(lasts, [1 / (n + 10) for n in range(len(lasts))], k=BIG)
    with bench.service.database() as database, database.transaction():
        database.execute("CREATE TABLE bench.people (n integer PRIMARY KEY, first_name text, last_name text)")
        with database.cursor().copy("COPY bench.people FROM STDIN") as copy:
            for number, names in enumerate(zip(firsts, lasts)):
                copy.write_row((number, *names))


def fill_organizations(bench, ids, users, groups):
    """Straight by SQL, without foreign keys and triggers, which would take a quarter of an hour for a million."""
    with bench.service.database() as database, database.transaction():
        database.execute("SET LOCAL session_replication_role = replica")
        database.execute("CREATE TEMPORARY TABLE new ON COMMIT DROP AS SELECT o.organization_id, o.default_domain AS domain,"
                         " gen_random_uuid() AS entity_id, 'user' || lpad(n::text, 6, '0') AS name, first_name, last_name"
                         " FROM organization o, bench.people WHERE o.organization_id = ANY (%s) AND n < %s", [ids, users])
        database.execute("CREATE TEMPORARY TABLE new_group ON COMMIT DROP AS SELECT o.organization_id, n,"
                         " gen_random_uuid() AS entity_id, 'group ' || n AS name FROM organization o, generate_series(1, %s) AS n"
                         " WHERE o.organization_id = ANY (%s)", [groups, ids])
        for statement in (
                "INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state, enabled_at, search_text)"
                " SELECT organization_id, entity_id, 'USER', name, first_name || ' ' || last_name, 'ENABLED', now(),"
                "  search_text(name, first_name || ' ' || last_name, first_name, last_name, name || '@' || domain) FROM new"
                " ORDER BY random()",
                "INSERT INTO user_detail (organization_id, entity_id, type, first_name, last_name, city, job_title, quota_mb)"
                " SELECT organization_id, entity_id, 'USER', first_name, last_name, 'Example City', 'Engineer', 51200 FROM new",
                "INSERT INTO mailbox (organization_id, mailbox_id, entity_id)"
                " SELECT organization_id, gen_random_uuid(), entity_id FROM new",
                "INSERT INTO email_address (organization_id, entity_id, email, is_primary)"
                " SELECT organization_id, entity_id, name || '@' || domain, true FROM new",
                "INSERT INTO address_registry (email, organization_id, entity_id)"
                " SELECT name || '@' || domain, organization_id, entity_id FROM new",
                "INSERT INTO active_period (organization_id, entity_id) SELECT organization_id, entity_id FROM new",
                "INSERT INTO entity (organization_id, entity_id, kind, name, display_name, state, search_text)"
                " SELECT organization_id, entity_id, 'GROUP', name, 'Sales ' || n || ' team', 'DISABLED',"
                "  search_text(name, 'Sales ' || n || ' team') FROM new_group",
                "INSERT INTO group_detail (organization_id, entity_id, type) SELECT organization_id, entity_id, 'GROUP' FROM new_group",
                # The first groups are a tree: two in each, five levels deep. Its leaves have the members, each two of them.
                "INSERT INTO entity_edge (organization_id, relation, owner_id, member_id, member_kind)"
                " SELECT o.organization_id, 'MEMBER', o.entity_id, m.entity_id, 'GROUP' FROM new_group o JOIN new_group m"
                f"  ON m.organization_id = o.organization_id AND m.n / 2 = o.n WHERE m.n BETWEEN 2 AND {2 ** DEPTH - 1}",
                "INSERT INTO entity_edge (organization_id, relation, owner_id, member_id, member_kind)"
                " SELECT g.organization_id, 'MEMBER', g.entity_id, u.entity_id, 'USER' FROM (SELECT *, substr(name, 5)::integer AS number"
                f"  FROM new) u, generate_series(0, 1) AS turn, new_group g WHERE u.number < {MEMBERS} AND u.organization_id ="
                f"  g.organization_id AND g.n = {2 ** (DEPTH - 1)} + (u.number + turn * 7) % {2 ** (DEPTH - 1)}",
                "INSERT INTO entity_term (organization_id, term, entity_id) SELECT e.organization_id, unnest(entity_terms(e)),"
                " e.entity_id FROM entity e WHERE organization_id IN (SELECT organization_id FROM new)"):
            database.execute(statement)


def add_organizations(bench):
    """Further ones beside a set-up one, as its set-up would leave them."""
    columns = "account_id, region, setup, state, is_serving, completed_at"
    with bench.service.database() as database:
        return [row[0] for row in database.execute(
            f"INSERT INTO organization (organization_id, alias, test_domain, default_domain, {columns})"
            f" SELECT 'm-' || lpad(to_hex(n), 32, '0'), 'bench-many-' || n, 'bench-many-' || n || '.postreeve.test',"
            f"  'bench-many-' || n || '.postreeve.test', {columns} FROM organization, generate_series(1, %s) AS n"
            " WHERE organization_id = %s RETURNING organization_id", [MANY, bench.organization_id])]


def in_turn(requests, rounds):
    """The median milliseconds of each of these calls, made in turn, so that what the machine does falls on all."""
    taken = [[] for _ in requests]
    for number in range(rounds + 5):
        for index, request in enumerate(requests):
            begun = time.perf_counter()
            request()
            if number >= 5:  # connections made, statements prepared
                taken[index].append((time.perf_counter() - begun) * 1000)
    return [statistics.median(times) for times in taken]


def page_after(request, path, rows):
    """The token of the page that starts behind so many."""
    token, mark = "", "&" if "?" in path else "?"
    while rows > 0:
        page = request("GET", f"{path}{mark}page_size={min(rows, 1000)}{token}")
        token, rows = f"&page_token={page['next_page_token']}", rows - len(page["items"])
    return token


def measure_search(bench, table, request, organization_id, what):
    root = f"/v1/organizations/{organization_id}"
    rounds = 20 * bench.seconds
    times = in_turn([lambda q=q: request("GET", f"{root}/directory?q={urllib.parse.quote(q)}") for q in SEARCHES], rounds)
    slowest = max(zip(times, SEARCHES))
    table.add("sizes", f"{what}: SearchDirectory, median of {len(SEARCHES)} texts", statistics.median(times), "ms", at_most=5)
    table.add("sizes", f'{what}: ... the slowest ("{slowest[1]}")', slowest[0], "ms")
    table.add("sizes", f"{what}: SearchDirectory, texts above 5 ms", sum(t > 5 for t in times), "")


def measure(bench, table, request, big):
    """`big` is the organization to fill."""
    make_people(bench)
    fill_organizations(bench, [big], BIG, GROUPS)
    with bench.service.database() as database:
        database.execute("VACUUM ANALYZE")
    users, groups = (f"/v1/organizations/{big}/{kind}" for kind in ("users", "groups"))
    what = f"{BIG:,} users"
    rounds = 100 * bench.seconds

    for path, size, name in ((users, 50, "users"), (groups, 1, "groups")):
        token = page_after(request, path, 999 * size)
        first, last = in_turn([lambda: request("GET", f"{path}?page_size={size}"),
                               lambda: request("GET", f"{path}?page_size={size}{token}")], rounds)
        table.add("sizes", f"{what}: page 1 of {size} {name}", first, "ms", at_most=5)
        table.add("sizes", f"{what}: page 1,000 beside page 1 of {name}", last / first, "", at_most=1.1)
    measure_search(bench, table, request, big, what)
    with bench.service.database() as database:
        [group] = database.execute("SELECT entity_id FROM entity WHERE organization_id = %s AND name = 'group 1'", [big]).fetchone()
        one = database.execute("SELECT entity_id FROM entity WHERE organization_id = %s AND kind = 'USER' LIMIT 1", [big]).fetchone()[0]
    members = f"{groups}/{group}/members?effective=true"
    token = page_after(request, members, 2500)
    for name, path in (("first page", members), ("a middle page", members + token), ("with total", members + "&include_total=true")):
        table.add("sizes", f"{MEMBERS:,} members in {DEPTH} levels: {name}",
                  in_turn([lambda path=path: request("GET", path)], rounds)[0], "ms", at_most=20)

    alone = [f"{bench.users}/{bench.user_ids[0]}", f"{users}/{one}"]
    before = in_turn([lambda path=path: request("GET", path) for path in alone], 10 * rounds)
    many = add_organizations(bench)
    for start in range(0, MANY, 100):
        fill_organizations(bench, many[start:start + 100], EACH, 0)
    with bench.service.database() as database:
        database.execute("VACUUM ANALYZE")
        [total] = database.execute("SELECT count(*) FROM user_detail").fetchone()
        other = database.execute("SELECT entity_id FROM entity WHERE organization_id = %s AND kind = 'USER' LIMIT 1", [many[5]]).fetchone()[0]
    after = in_turn([lambda path=path: request("GET", path) for path in alone], 10 * rounds)
    table.add("sizes", f"GET of one user among {BIG:,} beside {len(bench.user_ids):,}", before[1] / before[0], "", at_most=1.1)
    table.add("sizes", f"GET of one user with {total:,} beside {BIG + len(bench.user_ids):,} users in all", after[1] / before[1], "", at_most=1.1)
    measure_search(bench, table, request, big, f"{what} of {total:,}")
    measure_search(bench, table, request, many[5], f"{EACH:,} users of {total:,}")
    path = f"/v1/organizations/{many[5]}/users"
    token = page_after(request, path, 999)
    first, last = in_turn([lambda: request("GET", f"{path}?page_size=1"),
                           lambda: request("GET", f"{path}?page_size=1{token}")], rounds)
    table.add("sizes", f"{MANY:,} x {EACH:,} users: page 1,000 beside page 1", last / first, "", at_most=1.1)
    ratio = in_turn([lambda: request("GET", f"{path}/{other}"), lambda: request("GET", alone[1])], 10 * rounds)
    table.add("sizes", f"GET of one user among {BIG:,} beside {EACH:,}", ratio[1] / ratio[0], "", at_most=1.1)

    begun = time.monotonic()
    request("DELETE", f"/v1/organizations/{big}?confirm=bench-big&force=true&delete_directory=true")
    while request("GET", f"/v1/organizations/{big}")["state"] != "DELETED":
        time.sleep(0.05)
    table.add("sizes", f"Removal of an organization of {BIG:,} users", time.monotonic() - begun, "s")
