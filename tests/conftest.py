"""Fixtures of the tests that talk to a running service."""
import os
import shutil

import pytest

from checks import check_no_open_transaction, error_lines, settled_descriptors
from organization import create_organization, unique
from service import BINARY, ROOT, Service, new_folder
from shared_service import shared_service


@pytest.fixture(scope="session", autouse=True)
def binary():
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"{BINARY} is missing: run ./dev build", 2)
    return BINARY


@pytest.fixture(scope="session")
def contract():
    """Holds an exchange against openapi.yaml."""
    from contract.openapi_check import Contract
    return Contract(ROOT / "openapi.yaml")


@pytest.fixture(scope="session")
def check(contract):
    """The check each exchange of a client goes through."""
    def check_exchange(answer, body):
        contract.check_exchange(answer.method, answer.target, None, answer.sent, body, answer.status,
                                list(answer.headers.items()), answer.raw)
    return check_exchange


@pytest.fixture(scope="session")
def template(binary):
    """A state folder after its first start: copying it is quicker than initdb."""
    service = Service()
    try:
        service.start()
        service.stop()
        yield service.state
    finally:
        service.remove()


@pytest.fixture(scope="session")
def service(template, check):
    """The service that the tests of one worker share."""
    with shared_service(template, check) as shared:
        yield shared


@pytest.fixture
def api(service):
    """The root identity of the shared service's account."""
    client = service.client()
    yield client
    client.close()


@pytest.fixture
def org(api):
    """An ACTIVE organization that belongs to this test alone."""
    return create_organization(api, unique())


@pytest.fixture
def make_service(template, check, request):
    """Makes services that belong to this test alone; all are gone when it ends."""
    made = []

    def make(*options, start=True, fresh=False, env=None):
        service = Service(*options, template=None if fresh else template, env=env, check=check)
        made.append(service)
        return service.start() if start else service
    yield make
    try:
        for service in reversed(made):
            if service.process and service.process.poll() is None:
                service.stop()
            if service.log_path.exists():
                service.check_sanitizers()
                if not request.node.get_closest_marker("expect_errors"):
                    assert not error_lines(service)
    finally:
        for service in made:
            service.remove()


@pytest.fixture
def folder():
    """An empty folder that the service's user can reach."""
    made = new_folder()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def fresh_service(make_service):
    return make_service()


@pytest.fixture
def leak_check(service):
    """Looks for a secret in every row of the database and in the log."""
    def look(secret):
        for (table,) in service.sql("""SELECT quote_ident(table_name) FROM information_schema.tables
                                       WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"""):
            for form in (secret, secret.encode().hex()):
                assert service.sql(f"SELECT count(*) FROM {table} t WHERE strpos(t::text, %s) > 0", form) == [(0,)]
        assert secret not in service.log()
    return look


@pytest.fixture(autouse=True)
def tidy(request):
    """After a test on the shared service: no descriptor leaked, no error logged, no transaction open."""
    if "service" not in request.fixturenames:
        yield
        return
    service = request.getfixturevalue("service")
    offset = service.log_path.stat().st_size
    yield
    for client in service.clients:
        client.close()
    assert service.process.poll() is None, service.log()[-8000:]
    service.check_sanitizers()
    check_no_open_transaction(service)
    limit = service.baseline
    service.baseline = max(limit, count := settled_descriptors(service, limit))
    assert count <= limit, f"{count} descriptors are open, there were {limit}"
    if not request.node.get_closest_marker("expect_errors"):
        assert not error_lines(service, offset)
