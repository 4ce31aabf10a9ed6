"""Each diagnosis of a domain is produced by a real zone, and its help, followed literally, leads to VERIFIED."""
import json
import pathlib
import re
import socket
import struct
import subprocess
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from dns_bed import LIAR, NS1, NS2, RESOLVER, Bed, quoted
from service import BINARY, ROOT

TOOL = pathlib.Path(BINARY).parent / "tests/unit/dns_check"
TOKEN = "k8Hq3yJ0b1nX5c7V9m2L4p6R8t0W2z4Y6u8A1s3D5f7="
HERE = "inbound-smtp.us-east-1.service.test"
AUTODISCOVER = "autodiscover.mail.us-east-1.service.test"
DKIM = "sel1.dkim.service.test"
SPF = "v=spf1 include:spf.service.test ~all"
DMARC = "v=DMARC1; p=quarantine"


@pytest.fixture(scope="module")
def bed():
    made = Bed()
    yield made
    made.stop()


def expected(domain):
    return [{"purpose": "OWNERSHIP", "type": "TXT", "name": f"_amazonses.{domain}", "value": TOKEN},
            {"purpose": "MX", "type": "MX", "name": domain, "value": f"10 {HERE}"},
            {"purpose": "AUTODISCOVER", "type": "CNAME", "name": f"autodiscover.{domain}", "value": AUTODISCOVER},
            {"purpose": "DKIM", "type": "CNAME", "name": f"sel1._domainkey.{domain}", "value": DKIM},
            {"purpose": "SPF", "type": "TXT", "name": domain, "value": SPF},
            {"purpose": "DMARC", "type": "TXT", "name": f"_dmarc.{domain}", "value": DMARC}]


def run(bed, *inputs, in_flight=1000, resolvers=None, timeout=60):
    """What the engine says of each domain, in the order in which it knew."""
    made = subprocess.run([TOOL, resolvers or bed.resolvers, str(bed.port), str(in_flight)], check=False, text=True,
                          input="".join(json.dumps(item) + "\n" for item in inputs), capture_output=True, timeout=timeout)
    assert made.returncode == 0 and not made.stderr, (made.returncode, made.stderr[-4000:])
    return [json.loads(line) for line in made.stdout.splitlines()]


def check(bed, domain, **options):
    """The findings of a domain by purpose."""
    (result,) = run(bed, {"domain": domain, "records": expected(domain), "urgent": True, **options})
    return {record["purpose"]: record for record in result["records"]} | {"proof": result["proof"]}


LINE = re.compile(r"^(Publish|Remove): (\S+)\. (?:\d+ )?IN (\S+) (.*)$", re.MULTILINE)


def follow(zone, finding):
    """Does what the help says, line by line."""
    lines = LINE.findall(finding["help"])
    assert lines, finding
    for verb, name, kind, value in lines:
        if verb == "Remove":
            zone.remove(name, kind, value)
        else:
            zone.add(name, kind, value)


def finding_of(bed, domain, purpose, status, code, **options):
    finding = check(bed, domain, **options)[purpose]
    assert (finding["status"], finding.get("code")) == (status, code), finding
    return finding


# purpose, code, status, what is published: [(name, type, value)]
CASES = [
    ("OWNERSHIP", "not_published", "PENDING", []),
    ("OWNERSHIP", "wrong_value", "PENDING", [("_amazonses", "TXT", quoted("another"))]),
    ("OWNERSHIP", "wrong_value", "PENDING", [("_amazonses", "TXT", quoted(TOKEN.lower()))]),
    ("OWNERSHIP", "txt_truncated", "PENDING", [("_amazonses", "TXT", quoted(TOKEN[:-1]))]),
    ("OWNERSHIP", "txt_truncated", "PENDING", [("_amazonses", "TXT", quoted(TOKEN[:20]))]),
    ("OWNERSHIP", "txt_quoted", "PENDING", [("_amazonses", "TXT", quoted(f'"{TOKEN}"'))]),
    ("OWNERSHIP", "txt_quoted", "PENDING", [("_amazonses", "TXT", quoted(f"{TOKEN[:9]} {TOKEN[9:]}"))]),
    ("OWNERSHIP", "txt_quoted", "PENDING", [("_amazonses", "TXT", quoted(f'\\"{TOKEN}\\" '))]),
    ("OWNERSHIP", "txt_split", "PENDING", [("_amazonses", "TXT", quoted(TOKEN[:22])), ("_amazonses", "TXT", quoted(TOKEN[22:]))]),
    ("OWNERSHIP", "doubled_name", "PENDING", [("_amazonses.{domain}.{domain}", "TXT", quoted(TOKEN))]),
    ("OWNERSHIP", "cname_in_the_way", "PENDING", [("_amazonses", "CNAME", "ns1.test.")]),
    ("OWNERSHIP", "cname_loop", "PENDING", [("_amazonses", "CNAME", "loop"), ("loop", "CNAME", "_amazonses")]),
    ("OWNERSHIP", "cname_chain_too_long", "PENDING",
     [("_amazonses", "CNAME", "a0")] + [(f"a{i}", "CNAME", f"a{i + 1}") for i in range(9)]),
    ("MX", "mx_missing", "MISSING", []),
    ("MX", "mx_elsewhere", "INCONSISTENT", [("@", "MX", "10 mail.elsewhere.test."), ("@", "MX", "5 other.elsewhere.test.")]),
    ("MX", "mx_additional", "INCONSISTENT", [("@", "MX", f"10 {HERE}."), ("@", "MX", "20 mail.elsewhere.test.")]),
    ("MX", "mx_preference", "VERIFIED", [("@", "MX", f"5 {HERE}.")]),
    ("MX", "doubled_target", "INCONSISTENT", [("@", "MX", f"10 {HERE}.{{domain}}.")]),
    ("AUTODISCOVER", "autodiscover_missing", "MISSING", []),
    ("AUTODISCOVER", "autodiscover_elsewhere", "INCONSISTENT", [("autodiscover", "CNAME", "autodiscover.elsewhere.test.")]),
    ("AUTODISCOVER", "not_a_cname", "INCONSISTENT", [("autodiscover", "A", "192.0.2.1"), ("autodiscover", "A", "192.0.2.2")]),
    ("AUTODISCOVER", "doubled_target", "INCONSISTENT", [("autodiscover", "CNAME", f"{AUTODISCOVER}.{{domain}}.")]),
    ("AUTODISCOVER", "doubled_name", "INCONSISTENT", [("autodiscover.{domain}.{domain}", "CNAME", AUTODISCOVER + ".")]),
    ("AUTODISCOVER", "cname_loop", "INCONSISTENT", [("autodiscover", "CNAME", "autodiscover")]),
    ("DKIM", "dkim_missing", "MISSING", []),
    ("DKIM", "dkim_elsewhere", "INCONSISTENT", [("sel1._domainkey", "CNAME", "sel1.dkim.elsewhere.test.")]),
    ("DKIM", "not_a_cname", "INCONSISTENT", [("sel1._domainkey", "TXT", quoted("v=DKIM1; p=" + "A" * 400))]),
    ("DKIM", "doubled_name", "INCONSISTENT", [("sel1._domainkey.{domain}.{domain}", "CNAME", DKIM + ".")]),
    ("SPF", "spf_missing", "MISSING", [("@", "TXT", quoted("v=spf10 is none"))]),
    ("SPF", "spf_without_include", "INCONSISTENT", [("@", "TXT", quoted("v=spf1 mx ip4:192.0.2.0/24 -all"))]),
    ("SPF", "spf_several", "INCONSISTENT", [("@", "TXT", quoted(SPF)), ("@", "TXT", quoted("v=spf1 mx -all"))]),
    ("SPF", "spf_too_many_lookups", "INCONSISTENT",
     [("@", "TXT", quoted("v=spf1 include:spf.service.test " + " ".join(f"include:x{i}.test" for i in range(10)) + " -all"))]),
    ("DMARC", "dmarc_missing", "MISSING", []),
    ("DMARC", "dmarc_invalid", "INCONSISTENT", [("_dmarc", "TXT", quoted("v=DMARC1; p=perhaps"))]),
    ("DMARC", "dmarc_several", "INCONSISTENT",
     [("_dmarc", "TXT", quoted("v=DMARC1; p=none")), ("_dmarc", "TXT", quoted("v=DMARC1; p=reject"))]),
    ("DMARC", "cname_in_the_way", "INCONSISTENT", [("_dmarc", "CNAME", "ns1.test.")]),
]


@pytest.mark.parametrize("purpose,code,status,published", CASES, ids=[f"{case[0]}-{case[1]}-{i}" for i, case in enumerate(CASES)])
def test_help_followed_literally_leads_to_verified(bed, purpose, code, status, published):
    zone = bed.zone()
    for name, kind, value in published:
        zone.add(name.format(domain=zone.name), kind, value.format(domain=zone.name))
    finding = finding_of(bed, zone.name, purpose, status, code)
    assert [seen["server"] for seen in finding["observed"]] == [f"ns1.test ({NS1})", f"ns2.test ({NS2})"]
    follow(zone, finding)
    finding_of(bed, zone.name, purpose, "VERIFIED", None)


def test_every_record_published_as_it_is_shown_is_verified(bed):
    zone = bed.zone()
    for finding in list(check(bed, zone.name).values())[:-1]:
        follow(zone, finding)
    found = check(bed, zone.name)
    assert found.pop("proof") == "PROVEN"
    assert {(one["status"], one.get("code"), one.get("help")) for one in found.values()} == {("VERIFIED", None, None)}
    assert found["OWNERSHIP"]["observed"][0] == {"server": f"ns1.test ({NS1})", "outcome": "ANSWERED", "values": [TOKEN], "ttl": 1}


@pytest.mark.parametrize("values", [
    [quoted("v=spf1 -all"), quoted(TOKEN), quoted("another")],
    [" ".join(quoted(TOKEN[at:at + 5]) for at in range(0, len(TOKEN), 5))],
])
def test_one_of_several_values_in_one_or_several_strings_is_enough(bed, values):
    zone = bed.zone()
    zone.add("_amazonses", "TXT", *values)
    finding_of(bed, zone.name, "OWNERSHIP", "VERIFIED", None)


def test_the_bare_name_is_enough(bed):
    zone = bed.zone()
    zone.add("@", "TXT", quoted(TOKEN))
    finding = finding_of(bed, zone.name, "OWNERSHIP", "VERIFIED", "found_at_bare_name")
    assert finding["observed"][0]["values"] == [TOKEN]


def test_an_alias_that_leads_to_the_value_is_enough(bed):
    zone, other = bed.zone(), bed.zone()
    other.add("proof", "TXT", quoted(TOKEN))
    zone.add("_amazonses", "CNAME", f"proof.{other.name}.")
    finding = finding_of(bed, zone.name, "OWNERSHIP", "VERIFIED", None)
    assert finding["observed"][0]["values"] == [f"CNAME proof.{other.name}", TOKEN]


def test_a_text_of_many_strings_comes_over_tcp(bed):
    zone = bed.zone()
    zone.add("_amazonses", "TXT", quoted(TOKEN), *[quoted(f"{i}" + "x" * 2000) for i in range(8)])
    finding = finding_of(bed, zone.name, "OWNERSHIP", "VERIFIED", None)
    assert max(len(value) for value in finding["observed"][0]["values"]) == 501


def test_a_domain_below_the_zone_needs_no_zone_of_its_own(bed):
    zone = bed.zone()
    domain = f"mail.{zone.name}"
    finding = finding_of(bed, domain, "OWNERSHIP", "PENDING", "domain_not_found")
    assert zone.name in finding["help"]
    follow(zone, finding)
    finding_of(bed, domain, "OWNERSHIP", "VERIFIED", None)
    zone.remove(f"_amazonses.{domain}")
    zone.add(f"_amazonses.{domain}.{zone.name}", "TXT", quoted(TOKEN))
    follow(zone, finding_of(bed, domain, "OWNERSHIP", "PENDING", "doubled_name"))
    finding_of(bed, domain, "OWNERSHIP", "VERIFIED", None)


def test_a_domain_that_is_not_registered(bed):
    zone = bed.zone()
    bed.delegate(zone.name)
    finding_of(bed, zone.name, "MX", "MISSING", "domain_not_found")
    finding = finding_of(bed, zone.name, "OWNERSHIP", "PENDING", "domain_not_found")
    bed.delegate(zone.name, "ns1.test", "ns2.test")
    follow(zone, finding)
    finding_of(bed, zone.name, "OWNERSHIP", "VERIFIED", None)


def test_name_servers_without_an_address(bed):
    zone = bed.zone()
    zone.add("_amazonses", "TXT", quoted(TOKEN))
    bed.delegate(zone.name, "ns1.nowhere.test")
    finding = finding_of(bed, zone.name, "OWNERSHIP", "PENDING", "no_delegation")
    assert "ns1.nowhere.test" in finding["help"] and finding["observed"] == []
    bed.delegate(zone.name, "ns1.test", "ns2.test")
    finding_of(bed, zone.name, "OWNERSHIP", "VERIFIED", None)


def test_name_servers_that_differ(bed):
    zone = bed.zone()
    zone.add("_amazonses", "TXT", quoted(TOKEN), on=[NS1])
    found = check(bed, zone.name)
    assert found["proof"] == "NOT_PROVEN"
    finding = found["OWNERSHIP"]
    assert (finding["status"], finding["code"]) == ("PENDING", "name_servers_differ") and f"ns2.test ({NS2})" in finding["help"]
    follow(zone, finding)
    finding_of(bed, zone.name, "OWNERSHIP", "VERIFIED", None)


def test_a_lame_name_server(bed):
    zone = bed.zone("ns1.test", "ns.test")  # the registry's, which does not have the zone: it refers to others
    zone.add("_amazonses", "TXT", quoted(TOKEN))
    finding = finding_of(bed, zone.name, "OWNERSHIP", "VERIFIED", "name_server_lame")
    assert "ns.test (127.0.1.2)" in finding["help"]
    zone.served_by("ns1.test", "ns2.test")
    finding_of(bed, zone.name, "OWNERSHIP", "VERIFIED", None)


def test_only_lame_name_servers(bed):
    domain = f"lame-{time.monotonic_ns()}.test"
    bed.delegate(domain, "ns1.test", "ns2.test")
    finding = finding_of(bed, domain, "OWNERSHIP", "PENDING", "name_server_lame")
    assert {seen["outcome"] for seen in finding["observed"]} == {"LAME"}


def test_a_dead_name_server_beside_another(bed):
    zone = bed.zone("ns1.test", "ns.dead.test")
    zone.add("_amazonses", "TXT", quoted(TOKEN))
    finding = finding_of(bed, zone.name, "OWNERSHIP", "VERIFIED", "name_server_unreachable")
    assert "ns.dead.test (127.0.1.9)" in finding["help"]
    zone.served_by("ns1.test")
    finding_of(bed, zone.name, "OWNERSHIP", "VERIFIED", None)


def test_only_a_dead_name_server(bed):
    zone = bed.zone("ns.dead.test")
    begun = time.monotonic()
    finding = finding_of(bed, zone.name, "OWNERSHIP", "PENDING", "name_server_unreachable")
    assert time.monotonic() - begun < 11
    assert [seen["outcome"] for seen in finding["observed"]] == ["UNREACHABLE"]
    zone.served_by("ns1.test", "ns2.test")
    follow(zone, finding_of(bed, zone.name, "OWNERSHIP", "PENDING", "not_published"))
    finding_of(bed, zone.name, "OWNERSHIP", "VERIFIED", None)


@pytest.mark.parametrize("resolvers", ["127.0.1.9:{port}", "127.0.1.77:1"])
def test_a_resolver_that_cannot_be_reached(bed, resolvers):
    zone = bed.zone()
    zone.add("_amazonses", "TXT", quoted(TOKEN))
    (result,) = run(bed, {"domain": zone.name, "records": expected(zone.name)}, resolvers=resolvers.format(port=bed.port))
    assert result["proof"] == "UNKNOWN"
    assert {(one["status"], one["code"]) for one in result["records"]} == {("PENDING", "resolver_unreachable")}
    finding_of(bed, zone.name, "OWNERSHIP", "VERIFIED", None)


def test_interoperability_expects_neither_mail_nor_clients_here(bed):
    zone = bed.zone()
    for purpose in ("MX", "AUTODISCOVER"):
        finding_of(bed, zone.name, purpose, "NOT_EXPECTED", None, interoperable=True)
    zone.add("@", "MX", f"10 {HERE}.", "20 mail.elsewhere.test.")
    zone.add("autodiscover", "CNAME", AUTODISCOVER + ".")
    for purpose, code in (("MX", "mx_points_here"), ("AUTODISCOVER", "autodiscover_points_here")):
        follow(zone, finding_of(bed, zone.name, purpose, "NOT_EXPECTED", code, interoperable=True))
        finding = finding_of(bed, zone.name, purpose, "NOT_EXPECTED", None, interoperable=True)
    assert finding["observed"][0]["values"] == []


# --- servers that answer nonsense ---

def truth(message, *answers):
    made = dns.message.make_response(message)
    made.flags |= dns.flags.AA
    made.answer.extend(answers)
    return made


def says_token(message, _is_tcp):
    question = message.question[0]
    values = [dns.rrset.from_text(question.name, 1, "IN", "TXT", quoted(TOKEN))] if question.rdtype == dns.rdatatype.TXT else []
    return truth(message, *values).to_wire()


def garbage(message, is_tcp):
    return says_token(message, is_tcp)[:-7] + b"\xff" * 7


def cut_short(message, is_tcp):
    return says_token(message, is_tcp)[:-5]


def wrong_id(message, is_tcp):
    wire = says_token(message, is_tcp)
    return struct.pack("!H", message.id ^ 1) + wire[2:]


def wrong_question(message, is_tcp):
    other = dns.message.make_query("other.test.", "TXT", id=message.id)
    return says_token(other, is_tcp)


def no_question(message, _is_tcp):
    return struct.pack("!HHHHHH", message.id, 0x8400, 0, 0, 0, 0)


def only_noise(_message, _is_tcp):
    return b"\x17" * 40


def the_question_itself(message, _is_tcp):
    return message.to_wire()


def nothing_at_all(_message, _is_tcp):
    return b""


def truncated_everywhere(message, _is_tcp):
    made = truth(message)
    made.flags |= dns.flags.TC
    return made.to_wire()


def fails(message, _is_tcp):
    made = dns.message.make_response(message)
    made.set_rcode(dns.rcode.SERVFAIL)
    return made.to_wire()


def endless_aliases(message, _is_tcp):
    name = message.question[0].name
    label = int(name.labels[0]) + 1 if name.labels[0].isdigit() else 0
    zone = ".".join(part.decode() for part in name.labels[-3:-1])
    return truth(message, dns.rrset.from_text(name, 1, "IN", "CNAME", f"{label}.{zone}.")).to_wire()


def huge_text(message, is_tcp):
    if not is_tcp:
        return truncated_everywhere(message, is_tcp)
    name = message.question[0].name
    text = " ".join(quoted("x" * 250) for _ in range(255))
    return truth(message, dns.rrset.from_text(name, 1, "IN", "TXT", text)).to_wire(max_size=65535)


LIES = [(garbage, "malformed_answer"), (cut_short, "malformed_answer"), (wrong_id, "mismatched_answer"),
        (wrong_question, "mismatched_answer"), (no_question, "mismatched_answer"), (only_noise, "malformed_answer"),
        (the_question_itself, "malformed_answer"), (nothing_at_all, "malformed_answer"), (truncated_everywhere, "malformed_answer"), (fails, "name_server_failed"),
        (endless_aliases, "cname_chain_too_long"), (huge_text, "wrong_value")]


@pytest.mark.parametrize("lie,code", LIES, ids=[lie.__name__ for lie, _ in LIES])
def test_a_server_that_lies_gets_a_code(bed, lie, code):
    domain = bed.lie(lie)
    finding = finding_of(bed, domain, "OWNERSHIP", "PENDING", code)
    assert LIAR in finding["observed"][0]["server"] and len(json.dumps(finding)) < 20000
    bed.liar.rules[domain] = says_token
    finding_of(bed, domain, "OWNERSHIP", "VERIFIED", None)


def test_forged_answers_do_not_count(bed):
    """Neither with another id or question, nor from another port; and they do not keep the true one away."""
    forged = []

    def rule(message, is_tcp):
        with socket.socket(type=socket.SOCK_DGRAM) as elsewhere:
            elsewhere.bind((LIAR, 0))
            elsewhere.sendto(says_token(message, is_tcp), bed.liar.peer)
        for lie in (wrong_id, wrong_question, only_noise, nothing_at_all):
            bed.liar.udp.sendto(lie(message, is_tcp), bed.liar.peer)
        forged.append(message.id)
        return truth(message).to_wire()

    domain = bed.lie(rule)
    finding = finding_of(bed, domain, "OWNERSHIP", "PENDING", "not_published")
    assert finding["observed"][0]["outcome"] == "ANSWERED" and finding["observed"][0]["values"] == []
    assert len(set(forged)) > 5, "each query has an id of its own"


def test_a_server_that_answers_something_else_is_told_of_while_it_is_not_asked(bed):
    """Of many domains at once, once it seems dead."""
    domains = [bed.lie(wrong_id) for _ in range(8)]
    results = run(bed, *[{"domain": domain, "records": expected(domain)} for domain in domains], in_flight=4)
    assert {result["records"][0]["code"] for result in results} == {"mismatched_answer"} and len(results) == 8
    took = sorted(result["ms"] for result in results)  # the resolver, whom it answers no better, takes as long for each
    assert took[0] < took[-1] - 1000, took


# --- resolvers ---

@pytest.mark.parametrize("is_replaced", [False, True])
def test_resolvers_are_read_again_when_their_file_changes(bed, tmp_path, is_replaced):
    """While the service runs: the file is written anew, or replaced by another one. When it is gone, those that were there stay."""
    file, new, zone = tmp_path / "resolv.conf", tmp_path / "new", bed.zone()
    file.write_text("nameserver 127.0.0.77\n")
    with subprocess.Popen([TOOL, file, str(bed.port), "1"], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tool:
        def code():
            tool.stdin.write(json.dumps({"domain": zone.name, "records": expected(zone.name), "urgent": True}) + "\n")
            tool.stdin.flush()
            return json.loads(tool.stdout.readline())["records"][0]["code"]

        assert code() == "resolver_unreachable"
        (new if is_replaced else file).write_text(f"nameserver {RESOLVER}\n")
        if is_replaced:
            new.rename(file)
        time.sleep(1.1)  # it is looked at twice a second; that nobody answered is kept for a second
        assert code() == "not_published"
        file.unlink()
        time.sleep(1.1)
        assert code() == "not_published"
        tool.stdin.close()


# --- that none is forgotten ---

def test_every_code_is_documented_and_tested():
    source = (ROOT / "model/domain_codes.c").read_text()
    codes = set(re.findall(r'\{"([a-z_]+)", ', source))
    assert len(codes) > 30
    section = (ROOT / "docs/domains.md").read_text().split("## Diagnosis")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)
    assert sorted(documented) == sorted(codes)
    tested = set(re.findall(r'"([a-z_]+)"', pathlib.Path(__file__).read_text()))
    assert codes <= tested, codes - tested


@pytest.mark.load
def test_ten_thousand_domains_with_dead_servers():
    """500 domains a second on one thread, a fifth of them with a dead server; one that somebody waits for is not delayed."""
    made = Bed(10000, dead_every=5)
    try:
        inputs = [{"domain": name, "records": expected(name)} for name in made.names]
        late = made.names[-1]
        inputs[-1]["urgent"] = True
        begun = time.monotonic()
        results = run(made, *inputs, timeout=240)
        took = time.monotonic() - begun
    finally:
        made.stop()
    codes = {name: "name_server_unreachable" if name in made.dead else "not_published" for name in made.names}
    assert {result["domain"]: result["records"][0]["code"] for result in results} == codes
    (fresh,) = [result for result in results if result["domain"] == late]
    print(f"{len(results) / took:.0f} domains/s; one in a hurry took {fresh['ms']} ms")
    assert len(results) / took > 500 and fresh["ms"] < 1000
