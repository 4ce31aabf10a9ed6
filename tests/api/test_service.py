"""What the service says about itself, and how each answer looks."""
import json
import os
import pathlib
import re

import pytest

from service import ROOT

OPEN = ["/healthz", "/readyz", "/version", "/openapi.yaml"]


@pytest.fixture
def anonymous(service):
    return service.anonymous()


def test_health_readiness_and_version_need_no_credential(anonymous):
    assert anonymous.get("/healthz").body == {"status": "ok"}
    assert anonymous.get("/readyz").body == {"status": "ready"}
    about = anonymous.get("/version").body
    assert about["name"] == "postreeve" and re.fullmatch(r"\d+\.\d+\.\d+", about["version"])


def test_openapi_yaml_is_the_file_of_the_repository(anonymous):
    answer = anonymous.get("/openapi.yaml")
    assert answer.headers.get_content_type() == "application/yaml"
    assert answer.raw == (ROOT / "openapi.yaml").read_bytes()


@pytest.mark.parametrize("path", OPEN + ["/v1/regions", "/v1/organizations?page_size=1"])
def test_head_is_get_without_the_body(api, path):
    got, head = api.get(path), api.head(path)
    assert head.raw == b""
    for name in ("Content-Type", "Content-Length", "Cache-Control"):
        assert head.headers[name] == got.headers[name]


def test_head_of_something_missing_has_no_body(api):
    assert api.head("/v1/nothing", expect=404).raw == b""


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/regions", "/v1/nothing", "/healthz/more", "/HEALTHZ",
                                  "/v1/organizations/m-00000000000000000000000000000000/nothing"])
def test_unknown_path_is_route_not_found(api, path):
    api.get(path, expect="route_not_found")


@pytest.mark.parametrize("method,path,allowed", [
    ("DELETE", "/v1/regions", {"GET", "HEAD"}),
    ("POST", "/healthz", {"GET", "HEAD"}),
    ("PATCH", "/v1/organizations", {"GET", "HEAD", "POST"}),
    ("PUT", "/v1/organizations/{org}", {"GET", "HEAD", "DELETE"}),
    ("POST", "/v1/organizations/{org}/users/x", {"GET", "HEAD", "PATCH", "DELETE"}),
    ("GET", "/v1/organizations/{org}/users/x/enable", {"POST"}),
])
def test_wrong_method_says_which_are_allowed(api, method, path, allowed):
    answer = api.request(method, path.format(org="m-" + 32 * "0"))
    answer.check_problem("method_not_allowed")
    said = {name.strip() for name in answer.headers["Allow"].split(",")}
    assert said - {"OPTIONS"} == allowed


@pytest.mark.parametrize("sent", ["a", "abc-DEF_1.2", "x" * 64])
def test_request_id_of_the_caller_is_kept(api, sent):
    assert api.get("/healthz", headers={"Request-Id": sent}).headers["Request-Id"] == sent
    problem = api.get("/v1/nothing", expect="route_not_found", headers={"Request-Id": sent})
    assert problem["instance"] == sent


@pytest.mark.parametrize("sent", [None, "", "x" * 65, "a b", "a;b", "\xe4"])
def test_request_id_is_made_when_missing_or_unfit(api, sent):
    made = [api.get("/healthz", headers={"Request-Id": sent}).headers["Request-Id"] for _ in range(2)]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name) for name in made)
    assert made[0] != made[1] and sent not in made


@pytest.mark.parametrize("path,status", [("/v1/regions", 200), ("/v1/organizations", 200), ("/v1/nothing", 404)])
def test_nothing_under_v1_may_be_stored_by_a_cache(api, path, status):
    assert api.get(path, expect=status).headers["Cache-Control"] == "no-store"


def test_service_json_names_this_process_and_its_address(service, anonymous):
    about = json.loads((service.state / "service.json").read_text())
    assert about["pid"] == service.process.pid and about["version"] == anonymous.get("/version")["version"]
    assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*", about["url"])


def test_root_access_key_file_is_private_and_complete(service):
    path = service.state / "root-access-key.json"
    assert path.stat().st_mode & 0o777 == 0o600
    key = service.root
    assert re.fullmatch(r"PRAK[A-Z0-9]{16}", key["access_key_id"])
    assert len(key["secret_access_key"]) == 40 and re.fullmatch(r"\d{12}", key["account_id"])


def test_it_listens_on_one_port_of_loopback_only(service):
    pids = [service.process.pid, service.postmaster()]
    inodes = {match.group(1) for pid in pids for name in os.listdir(f"/proc/{pid}/fd")
              if (match := re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{name}")))}
    listening = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in pathlib.Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and (fields[3] == "0A" or table.startswith("udp")):
                listening.append((table, fields[1].split(":")[0]))
    assert listening == [("tcp", "0100007F")]


def test_as_root_it_runs_as_the_unprivileged_user(service):
    if os.geteuid() != 0:
        pytest.skip("not root")
    for pid in (service.process.pid, service.postmaster()):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        ids = set(re.search(r"^Uid:(.*)$", status, re.M).group(1).split())
        assert "0" not in ids and len(ids) == 1


def test_access_log_line_has_what_an_operator_needs(service, api):
    offset = service.log_path.stat().st_size
    sent = api.get("/v1/regions?", headers={"Request-Id": "seen-in-log"})
    line, = [event for event in service.events(offset) if event.get("request_id") == "seen-in-log"]
    assert sent.status == 200
    assert (line["event"], line["method"], line["status"]) == ("request", "GET", 200)
    assert line["operation"] == "ListRegions" and line["path"].startswith("/v1/regions")
    assert line["duration_us"] > 0 and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["time"])


def test_regions_and_limits_are_lists_of_few_rows(api):
    regions = {region["name"]: region for region in api.get("/v1/regions")["items"]}
    assert set(regions) == {"us-east-1", "us-west-2", "eu-west-1"}
    for name, region in regions.items():
        for host in ("inbound_mail_host", "autodiscover_host", "mobile_host", "web_host", "ews_host"):
            assert name in region[host] and region[host].endswith("postreeve.test")
    limits = {limit["code"]: limit for limit in api.get("/v1/account/limits")["items"]}
    assert limits["quick_setup_organizations"]["default"] == 2
    assert limits["aliases_per_user"]["default"] == limits["aliases_per_user"]["value"] == 100
