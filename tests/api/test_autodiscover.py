"""Mail clients find their servers: Autodiscover, as the guide and Exchange's clients speak it."""
import base64
import contextlib
import http.client
import json
import os
import pathlib
import socket
import ssl
import statistics
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import pytest

from directories import attach, create_directory, names, wait_following
from organization import PASSWORD, create_organization, wait_operation
from service import wait_until
from slapd_bed import Slapd
from tls_files import Authority

PATH = "/autodiscover/autodiscover.xml"
SCHEMAS = "http://schemas.microsoft.com/exchange/autodiscover/"
FRAME = SCHEMAS + "responseschema/2006"
MOBILE, OUTLOOK = SCHEMAS + "mobilesync/responseschema/2006", SCHEMAS + "outlook/responseschema/2006a"
REQUESTS = {MOBILE: SCHEMAS + "mobilesync/requestschema/2006", OUTLOOK: SCHEMAS + "outlook/requestschema/2006"}
# The guide's, "AutoDiscover Phase 2 Troubleshooting", as it is printed.
GUIDE_REQUEST = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/mobilesync/
requestschema/2006">
  <Request>
    <EmailAddress>{}</EmailAddress>
    <AcceptableResponseSchema>
      http://schemas.microsoft.com/exchange/autodiscover/mobilesync/
      responseschema/2006
    </AcceptableResponseSchema>
  </Request>
</Autodiscover>
"""


def request_for(email, response=MOBILE, request=None, name="EMailAddress"):
    return (f'<Autodiscover xmlns="{request or REQUESTS.get(response, REQUESTS[MOBILE])}"><Request><{name}>{email}</{name}>'
            f"<AcceptableResponseSchema>{response}</AcceptableResponseSchema></Request></Autodiscover>")


def basic(login, password=PASSWORD, encoding="utf-8"):
    return "Basic " + base64.b64encode(f"{login}:{password}".encode(encoding)).decode()


def ask(service, login, body, password=PASSWORD, expect=200, path=PATH, authorization=None):
    client = service.anonymous()
    try:
        answer = client.request("POST", path, body=body.encode() if isinstance(body, str) else body, headers={
            "Content-Type": "text/xml", "Authorization": authorization or basic(login, password)})
    finally:
        client.close()
    if isinstance(expect, str):
        return answer.check_problem(expect)
    assert answer.status == expect, answer
    return answer


def settings(answer):
    """The answer as a tree; what it says of errors, if it is one."""
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    root = ElementTree.fromstring(answer.raw)
    assert root.tag == f"{{{FRAME}}}Autodiscover"
    return root


def error_of(answer):
    error = settings(answer).find(f"{{{FRAME}}}Response/{{{FRAME}}}Error")
    assert error is not None, answer
    assert error.get("Time").count(":") == 2 and error.get("Id") == answer.headers["Request-Id"]
    return error.findtext(f"{{{FRAME}}}ErrorCode")


def text(answer, schema, path):
    return settings(answer).findtext("/".join(f"{{{schema}}}{name}" for name in ("Response/" + path).split("/")))


@pytest.fixture
def user(org):
    return org.create_enabled()


@pytest.fixture
def mobile_host(org):
    return org.describe()["endpoints"]["mobile"]


# --- what is answered ---


@pytest.mark.parametrize("name", ["EMailAddress", "EmailAddress"])
def test_mobile_device_finds_its_server(service, org, mobile_host, name):
    user = org.create_user(display_name='Ünsal & <Söhne> "✉"', password=PASSWORD)
    answer = ask(service, user["email"], request_for(user["email"], name=name))
    url = f"https://{mobile_host}/Microsoft-Server-ActiveSync"
    assert text(answer, MOBILE, "Culture") == "en:us"
    assert text(answer, MOBILE, "User/DisplayName") == user["display_name"]
    assert text(answer, MOBILE, "User/EmailAddress") == user["email"]
    server = "Action/Settings/Server/"
    assert [text(answer, MOBILE, server + name) for name in ("Type", "Url", "Name")] == ["MobileSync", url, url]


def test_outlook_finds_its_server(service, org, user):
    ews = org.describe()["endpoints"]["ews"]
    answer = ask(service, user["email"], request_for(user["email"], OUTLOOK))
    assert text(answer, OUTLOOK, "User/AutoDiscoverSMTPAddress") == user["email"]
    assert text(answer, OUTLOOK, "User/DisplayName") == user["display_name"]
    assert text(answer, OUTLOOK, "Account/Action") == "settings"
    protocols = settings(answer).findall(f".//{{{OUTLOOK}}}Protocol")
    assert [(row.findtext(f"{{{OUTLOOK}}}Type"), row.findtext(f"{{{OUTLOOK}}}EwsUrl")) for row in protocols] == [
        ("EXCH", ews), ("EXPR", ews)]


def test_servers_are_those_of_the_region(service, api):
    org = create_organization(api, region="eu-west-1")
    user = org.create_enabled()
    assert "mobile.mail.eu-west-1." in text(ask(service, user["email"], request_for(user["email"])), MOBILE,
                                            "Action/Settings/Server/Url")


def test_guides_request_works_by_curl_as_it_is_printed(service, org, user, tmp_path, mobile_host):
    """curl -d takes the ends of lines out of the file, and sends it as a form."""
    (tmp_path / "request.xml").write_text(GUIDE_REQUEST.format(user["email"]))
    url = f"{service.url}{PATH}"
    for data in ("-d", "--data-binary"):
        done = subprocess.run(["curl", "-sS", data, "@request.xml", "-u", f"{user['email']}:{PASSWORD}", "-v", url],
                              cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30)
        assert f"<Url>https://{mobile_host}/Microsoft-Server-ActiveSync</Url>" in done.stdout
        assert f"<EmailAddress>{user['email']}</EmailAddress>" in done.stdout
    unauthorized = subprocess.run(["curl", "-sS", "-X", "POST", "-v", url], capture_output=True, text=True, check=True, timeout=30)
    assert "HTTP/1.1 401 Unauthorized" in unauthorized.stderr and 'Basic realm="postreeve"' in unauthorized.stderr


def test_case_of_the_path_does_not_matter(service, user):
    for path in ("/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.XML", "/AUTODISCOVER/autodiscover.xml"):
        connection = http.client.HTTPConnection(*service.anonymous().address, timeout=20)
        connection.request("POST", path, request_for(user["email"]), {"Authorization": basic(user["email"])})
        assert b"MobileSync" in connection.getresponse().read(), path
        connection.close()
    service.anonymous().get("/V1/regions", expect="route_not_found")


def test_request_for_an_alias_is_answered_with_the_primary_address(service, org, user):
    org.api.post(org.user(user, "aliases"), json={"email": "also." + user["name"]})
    answer = ask(service, user["email"], request_for(f"ALSO.{user['name']}@{org.domain}"))
    assert text(answer, MOBILE, "User/EmailAddress") == user["email"]


def test_what_cannot_be_answered_has_its_code(service, org, user):
    other = org.create_enabled()
    for body, code in ((request_for(other["email"]), "500"), (request_for(f"nobody@{org.domain}"), "500"), (request_for("?"), "500"),
                       (" ", "600"), ("<", "600"), ("plain", "600"), ("<Other/>", "600"), (request_for(""), "600"),
                       (request_for(user["email"], name="LegacyDN"), "600"),
                       (request_for(user["email"], OUTLOOK + "x"), "601"), (request_for(user["email"], request=SCHEMAS + "x"), "601"),
                       (request_for(user["email"]).replace(f' xmlns="{REQUESTS[MOBILE]}"', ""), "601")):
        assert error_of(ask(service, user["email"], body)) == code, body


# --- who asks ---


@pytest.mark.parametrize("login", ["{email}", "{EMAIL}", "{domain}\\{name}", "{DOMAIN}\\{NAME}"])
def test_log_in_name_is_the_primary_address_or_the_user_name_in_the_test_domain(service, org, user, login):
    login = login.format(email=user["email"], EMAIL=user["email"].upper(), domain=org.domain, DOMAIN=org.domain.upper(),
                         name=user["name"], NAME=user["name"].upper())
    ask(service, login, request_for(user["email"]))


def test_aliases_receive_only(service, org, user):
    org.api.post(org.user(user, "aliases"), json={"email": "also." + user["name"]})
    ask(service, f"also.{user['name']}@{org.domain}", request_for(user["email"]), expect="unauthenticated")


def test_nobody_else_is_let_in(service, org, user):
    disabled, plain = org.create_enabled(), org.create_user()
    org.disable(disabled)
    group = org.create_enabled_group()
    for login in (disabled["email"], f"{org.domain}\\{plain['name']}", group["email"], f"nobody@{org.domain}", user["name"], "",
                  f"{org.domain}\\", "\\", "@", f"x{org.domain}\\{user['name']}", "a" * 500, user["email"] + "\0", "ü@" + org.domain):
        ask(service, login, request_for(user["email"]), expect="unauthenticated")
    for password in ("", PASSWORD + "x", PASSWORD.lower(), "x" * 900):
        ask(service, user["email"], request_for(user["email"]), password, expect="unauthenticated")
    for header in ("Basic", "Basic ====", "Basic !!!!", "Basic " + base64.b64encode(b"nocolon").decode(), "Bearer x.y",
                   "Basic " + "QUJD" * 600):
        ask(service, None, request_for(user["email"]), authorization=header, expect="unauthenticated")


def test_answer_does_not_tell_who_there_is(service, org, user):
    """Neither by its text nor by its time: of each several, in turns."""
    told, times = set(), {"there": [], "not there": []}
    for _ in range(10):  # no more are looked at, of either
        for kind, login in (("there", user["email"]), ("not there", f"nobody@{org.domain}")):
            begun = time.monotonic()
            answer = ask(service, login, request_for(user["email"]), "Wrong-horse-7", expect="unauthenticated")
            times[kind].append(time.monotonic() - begun)
            told.add((answer["detail"], answer["title"], answer.headers["WWW-Authenticate"]))
    assert len(told) == 1
    there, absent = (statistics.median(times[kind]) for kind in ("there", "not there"))
    assert 0.5 < there / absent < 2, times


def test_password_in_latin_1_is_understood(service, org):
    password = "Grün-Söhne-7é"
    user = org.create_user(password=password)
    for encoding in ("utf-8", "latin-1"):
        ask(service, None, request_for(user["email"]), authorization=basic(user["email"], password, encoding))


@pytest.mark.parametrize("password_hash", [
    "$2y$05$abcdefghijklmnopqrstuuFAKRAH04u6Xw79ex7hAKlkJe/GeWyTm", "$6$saltsalt$B.Jo0ry5vc9EqWhay6Slrl.e3IkeJEf5CtDxnKDqXf1CvnnxfpQFSeAGwNsSzFvaerLx9wibjNa1PM2Osekn81", "$argon2id$v=19$m=4096,t=3,p=2$MDEyMzQ1Njc4OWFiY2RlZg$hJ5+ENXYANi8nynX9zwiHTDGGLuxTYZGYG4OQV7gxKI"], ids=["bcrypt", "SHA512-CRYPT", "Argon2id"])
def test_user_whose_hash_was_imported_is_let_in(org, service, password_hash):
    line = {"name": "moved", "display_name": "Moved", "email": "moved", "password_hash": password_hash}
    asked = org.api.post(org.users + "/import", expect=202, body=json.dumps(line).encode(), headers={"Content-Type": "application/x-ndjson"})
    assert wait_operation(org.api, asked["operation_id"])["status"] == "SUCCEEDED"
    email = f"moved@{org.domain}"
    ask(service, email, request_for(email), "Passw0rd!")
    for wrong in ("Passw0rd", "", "x" * 900, password_hash):
        ask(service, email, request_for(email), wrong, expect="unauthenticated")


def test_user_of_an_external_directory_is_let_in_by_the_password_there(make_service):
    service = make_service()
    api = service.client()
    with Slapd() as slapd:
        slapd.add_user("ann", userPassword=PASSWORD)
        directory_id = create_directory(api, slapd)["directory_id"]
        org = attach(api, directory_id)
        wait_following(api, directory_id)
        ann = org.enable(names(api, org.users)["ann"])
        assert text(ask(service, ann["email"], request_for(ann["email"])), MOBILE, "User/EmailAddress") == ann["email"]
        told = [ask(service, login, request_for(ann["email"]), password, expect="unauthenticated")["detail"] for login, password in (
            (ann["email"], "wrong"), (ann["email"], ""), (ann["email"], "x" * 900), (f"nobody@{org.domain}", PASSWORD))]
        assert len(set(told)) == 1
        slapd.stop()
        # Not 401, after which clients forget the password; and where the directory is, is for its administrators.
        detail = ask(service, ann["email"], request_for(ann["email"]), expect="directory_unreachable")["detail"]
        assert not any(part in detail for part in ("127.0.0.1", "port", "ldap", "refuse")), detail


def test_access_key_is_no_password(service, user):
    root = service.root
    ask(service, None, request_for(user["email"]), authorization=basic(root["access_key_id"], root["secret_access_key"]),
        expect="unauthenticated")


def test_user_of_an_organization_that_does_not_serve_is_not_let_in(service, org, user):
    org.api.post(org.path + "/deactivate", expect=200)
    ask(service, user["email"], request_for(user["email"]), expect="unauthenticated")
    org.api.post(org.path + "/activate", expect=202)
    org.wait_state("ACTIVE")
    ask(service, user["email"], request_for(user["email"]))


def test_failures_are_limited_and_told_to_the_account(make_service):
    service = make_service()
    api = service.client()
    org = create_organization(api)
    user = org.create_enabled()
    nobody = service.anonymous()
    other = org.create_enabled()
    def guess(login):
        return nobody.request("POST", PATH, body=b"<x/>", headers={"Authorization": basic(login, "wrong")}).status
    ask(service, user["email"], request_for(user["email"]))
    assert [guess(user["email"]) for _ in range(12)] == 10 * [401] + 2 * [429]
    assert guess(user["email"].upper()) == 429
    assert [guess("nobody@" + org.domain) for _ in range(12)] == 10 * [401] + 2 * [429]  # as for one that is there
    ask(service, user["email"], request_for(user["email"]), expect="rate_limited")
    ask(service, other["email"], request_for(other["email"]))  # who shares the address is not held up
    event = wait_until(lambda: api.items(org.path + "/audit-events", action="workmail:Autodiscover"), what="the event")[0]
    assert event["target"] == org.user(user) and event["outcome"] == "DENIED"


def test_one_address_has_few_passwords_hashed_at_once(make_service):
    service = make_service("--password-guesses", 0)
    org = create_organization(service.client())
    user = org.create_enabled()
    sockets = []
    body = request_for(user["email"]).encode()
    head = (f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(user['email'], 'wrong')}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode()
    try:
        for _ in range(40):
            sockets.append(socket.create_connection(service.anonymous().address, 20))
        for one in sockets:
            one.sendall(head + body)
        answers = [one.makefile("rb").read().split(b" ", 2)[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
    assert set(answers) == {b"401", b"429"}


# --- attacks ---


def bomb():
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE x [<!ENTITY e0 "lol">{entities}]><Autodiscover>&e9;</Autodiscover>'


def resident_kib(service):
    status = pathlib.Path(f"/proc/{service.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def test_hostile_documents_are_refused_in_bounded_memory(service, user, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("do not tell")
    external = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">]>' + request_for("&e;")
    parameter = f'<!DOCTYPE x [<!ENTITY % e SYSTEM "http://127.0.0.1:{service.anonymous().address[1]}/healthz"> %e;]>' + request_for("x@y")
    attacks = {
        "expansion": bomb(), "external entity": external, "parameter entity": parameter,
        "external document type": '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">' + request_for(user["email"]),
        "undeclared entity": request_for("&x;"), "deep": "<a>" * 10000, "deep and closed": "<a>" * 4000 + "</a>" * 4000,
        "attributes": "<a " + " ".join(f'a{n}=""' for n in range(3000)) + "/>", "long text": request_for("a" * 20000),
        "many elements": "<a>" + "<b/>" * 7000 + "</a>", "cut": request_for(user["email"])[:-5], "NUL": request_for("a\0b"),
        "UTF-16": request_for(user["email"]).encode("utf-16")[:-7], "no UTF-8": b"<a>\xff\xfe</a>",
        "two roots": "<a/><b/>", "inclusion": '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>',
    }
    before = resident_kib(service)
    for name, body in attacks.items():
        answer = ask(service, user["email"], body)
        assert error_of(answer) == "600", name
        assert b"do not tell" not in answer.raw and b"root:" not in answer.raw
    assert resident_kib(service) - before < 64 * 1024


def test_large_bodies_are_refused_before_they_are_read(service, user):
    before = resident_kib(service)
    for size in (33 * 1024, 10 * 1024 * 1024):
        announced = socket.create_connection(service.anonymous().address, 20)
        announced.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(user['email'])}\r\n"
                          f"Content-Length: {size}\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            announced.sendall(b" " * size)
        assert announced.recv(4096).startswith(b"HTTP/1.1 413 "), size
        announced.close()
    ask(service, user["email"], request_for(user["email"]) + " " * 31 * 1024)
    chunked = http.client.HTTPConnection(*service.anonymous().address, timeout=20)
    with contextlib.suppress(OSError):
        chunked.request("POST", PATH, iter([b"x" * 65536] * 160), {"Authorization": basic(user["email"])}, encode_chunked=True)
        assert chunked.getresponse().status == 413
    chunked.close()
    assert resident_kib(service) - before < 64 * 1024


def test_body_of_who_shows_no_credential_is_not_read(service):
    connection = socket.create_connection(service.anonymous().address, 20)
    connection.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode())
    assert connection.recv(4096).startswith(b"HTTP/1.1 401 ")
    connection.close()


# --- phase 3 ---


def redirect(service, host, headers=None):
    connection = http.client.HTTPConnection(*service.anonymous().address, timeout=20)
    connection.request("GET", PATH, headers={"Host": host, **(headers or {})})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_get_leads_to_the_endpoint_of_the_region(service, api):
    org = create_organization(api, region="eu-west-1")
    for host in (org.domain, f"autodiscover.{org.domain}", f"AutoDiscover.{org.domain.upper()}:80"):
        answer = redirect(service, host)
        assert answer.status == 302 and answer.headers["Location"] == org.describe()["endpoints"]["autodiscover"]
    for host in ("nowhere.test", "", "?", "autodiscover.", "[::1]:80"):
        answer = redirect(service, host)
        assert (answer.status, answer.headers["Location"]) == (302, "https://autodiscover.mail.us-east-1.postreeve.test" + PATH)
    service.anonymous().request("GET", PATH)  # held against openapi.yaml


def test_get_at_the_endpoint_goes_nowhere(make_service):
    service = make_service("--trusted-proxies", "127.0.0.0/8")
    host = "autodiscover.mail.us-east-1.postreeve.test"
    assert redirect(service, host).status == 302
    answer = redirect(service, host, {"X-Forwarded-Proto": "https"})
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


# --- a real client ---

EXCHANGELIB = """
import os, sys
import dns.resolver, urllib3.util.connection
from exchangelib import Credentials
from exchangelib.autodiscover.discovery.pox import PoxAutodiscovery

# Only where names lead to, and on which port: {host:port} -> port on 127.0.0.1.
places = dict(place.rsplit("=", 1) for place in sys.argv[3:])
plain = urllib3.util.connection.create_connection
def create_connection(address, *args, **kwargs):
    place = places.get("%s:%d" % address)
    if place is None:
        raise ConnectionRefusedError("nothing is there: %s:%d" % address)
    return plain(("127.0.0.1", int(place)), *args, **kwargs)
urllib3.util.connection.create_connection = create_connection
class Resolver:
    def resolve(self, name, kind, lifetime=None):
        if kind == "A" and any(place.startswith(name.rstrip(".").split(":")[0] + ":") for place in places):
            return []
        raise dns.resolver.NXDOMAIN
PoxAutodiscovery.resolver = Resolver()

found, protocol = PoxAutodiscovery(email=sys.argv[1], credentials=Credentials(sys.argv[2], os.environ["PASSWORD"])).discover()
print(found.autodiscover_smtp_address, found.user.display_name, protocol.service_endpoint, protocol.auth_type, sep="|")
"""


@pytest.fixture
def secure(make_service, tmp_path):
    """A service with TLS for the names of one organization, and the authority that a client trusts."""
    authority = Authority()
    service = make_service("--tls-cert", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem", start=False)
    region, domain = "autodiscover.mail.us-east-1.postreeve.test", "autodiscover.acme.postreeve.test"
    certificate, key = authority.sign(hosts=(region, domain))
    for name, pem in (("cert.pem", certificate), ("key.pem", key), ("authority.pem", authority.pem)):
        (tmp_path / name).write_bytes(pem)
        (tmp_path / name).chmod(0o644)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    service.start()
    return service, region, domain, authority


def run_exchangelib(tmp_path, email, login, *places):
    script = tmp_path / "client.py"
    script.write_text(EXCHANGELIB)
    return subprocess.run(["/usr/bin/python3", "-W", "ignore", script, email, login, *places], capture_output=True, text=True, timeout=120, check=False,
                          env={**os.environ, "REQUESTS_CA_BUNDLE": str(tmp_path / "authority.pem"), "PASSWORD": PASSWORD,
                               "TMPDIR": str(tmp_path)})  # where it remembers what it found


@pytest.mark.parametrize("phase", [2, 3])
def test_exchangelib_completes_autodiscover(secure, make_service, tmp_path, phase):
    service, region, domain, authority = secure
    port = int(service.url.rsplit(":", 1)[1])
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.check_hostname = False
    organization, user = make_mailbox(service, context)
    if phase == 2:
        places = [f"{domain}:443={port}"]
    else:
        places = [f"{domain}:80={int(make_service().url.rsplit(':', 1)[1])}", f"{region}:443={port}"]
    login = user["email"] if phase == 2 else f"{organization['test_domain']}\\{user['name']}"
    done = run_exchangelib(tmp_path, user["email"], login, *places)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().split("|") == [user["email"], "Ada Lovelace", organization["endpoints"]["ews"], "basic"]


def make_mailbox(service, context):
    """An organization acme with a user ada, by HTTPS."""
    key = service.root
    headers = {"Authorization": f"Bearer {key['access_key_id']}.{key['secret_access_key']}", "Content-Type": "application/json",
               "Prefer": "wait=20"}

    def call(method, path, body=None):
        connection = http.client.HTTPSConnection("127.0.0.1", int(service.url.rsplit(":", 1)[1]), context=context, timeout=60)
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        found = json.loads(answer.read())
        connection.close()
        assert answer.status < 300, found
        return found
    path = "/v1/organizations/" + call("POST", "/v1/organizations", {"alias": "acme", "setup": "QUICK"})["organization_id"]
    user = call("POST", path + "/users", {"name": "ada", "display_name": "Ada Lovelace", "password": PASSWORD})
    return call("GET", path), user
