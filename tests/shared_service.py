"""A service that many tests share, with everything open that it opens once it is needed."""
import concurrent.futures
import contextlib

from checks import check_no_open_transaction, descriptors, settled_descriptors
from organization import PASSWORD, create_organization
from service import Service


@contextlib.contextmanager
def shared_service(template, check):
    shared = Service(template=template, check=check)
    try:
        shared.start()
        shared.allow_organizations(1000000)
        shared.allow_identities(1000000)
        warm_up(shared)
        yield shared
        shared.stop()
    finally:
        shared.remove()


def warm_up(service):
    """Makes it open what it opens lazily, and notes how many descriptors that is."""
    api = service.client()
    organization = create_organization(api)
    user = organization.create_enabled()
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for _ in range(4):
            # Changes: reads that come together are taken by one thread.
            list(pool.map(lambda _: api.patch(organization.user(user), json={"initials": "W"}), range(64)))
            list(pool.map(lambda _: api.get(organization.users, params={"q": "no"}), range(64)))
        list(pool.map(lambda _: api.post(organization.user(user, "reset-password"), expect=204,
                                         json={"password": PASSWORD}), range(16)))
        availability = organization.path + "/availability-configurations"
        api.post(availability, params={"skip_test": "true"}, json={"domain": "none.test", "ews_url": "https://127.0.0.1/", "username": "a@none.test",
                                                                   "password": PASSWORD})
        for _ in range(4):  # no more than 16 wait there; that address is not asked
            list(pool.map(lambda _: api.post(availability + "/none.test/test", expect=200), range(16)))
    api.get("/metrics")
    api.close()
    check_no_open_transaction(service)
    settled_descriptors(service, 0, 1)
    service.baseline = descriptors(service)
