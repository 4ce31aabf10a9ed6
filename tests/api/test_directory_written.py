"""A directory that is written to (SIMPLE_AD): what is changed here is changed there, in a real Active Directory."""
import pytest

from directories import attach, create_directory, described, names, wait_following
from ldap_client import LdapClient
from organization import PASSWORD
from samba_bed import BASE, Samba
from service import wait_until


@pytest.fixture(scope="module")
def samba():
    with Samba() as server:
        yield server


def test_users_are_made_changed_and_given_passwords_in_the_directory(make_service, samba):
    service = make_service()
    api = service.client()
    directory_id = create_directory(api, samba, type="SIMPLE_AD")["directory_id"]
    org = attach(api, directory_id)
    wait_following(api, directory_id, 60)
    made = api.post(org.users, expect=201, json={"name": "ada", "display_name": "Ada Lovelace", "first_name": "Ada",
                                                 "last_name": "Lovelace", "password": PASSWORD, "email": "ada"}).body
    path = f"{org.users}/{made['user_id']}"
    assert (made["state"], made["email"], made["read_only"]) == ("ENABLED", f"ada@{org.domain}", False)
    assert api.patch(path, json={"job_title": "Countess", "quota_mb": 77})["job_title"] == "Countess"
    wait_until(lambda: described(api, directory_id)["sync"]["errors"] == 0, 10)
    assert api.get(path)["quota_mb"] == 77 and list(names(api, org.users)).count("ada") == 1
    api.post(path + "/reset-password", expect=204, json={"password": "Another-horse-8"})
    samba.admin.modify(BASE, minPwdLength=20)
    api.post(path + "/reset-password", expect="directory_password_policy", json={"password": "Short-horse-9"})
    dn = api.get(path)["external"]["dn"]
    LdapClient(samba.url, dn, "Another-horse-8", ca=samba.ca_file, start_tls=True).search(dn, scope="base")
    api.post(org.users, expect="name_taken", json={"name": "ada", "display_name": "Ada"})
    api.delete(path, expect="directory_read_only")
