"""The service, the directory server and their connections end at random while the directory changes: in the end both have the
same."""
import random
import threading
import time

import pytest

from checks import check_consistency
from directories import attach, create_directory, described, here, there, wait_following
from service import wait_until
from slapd_bed import GROUPS, PEOPLE, Slapd
from ldap_client import line, lines


def change(randomness, users, groups, number):
    """An LDIF of one change; what is there is kept in users and groups."""
    kind = randomness.choices(("add", "modify", "rename", "delete", "member"), (4, 4, 2, 2, 4))[0]
    if kind == "add" or not users:
        uid = f"r{number}"
        users.append(uid)
        return [line("dn", f"uid={uid},{PEOPLE}"), "changetype: add",
                *lines({"objectClass": "inetOrgPerson", "uid": uid, "cn": uid, "sn": f"S{number}", "mail": f"{uid}@acme.test"})]
    uid = randomness.choice(users)
    if kind == "modify":
        return [line("dn", f"uid={uid},{PEOPLE}"), "changetype: modify", "replace: sn", line("sn", f"S{number}"), "-"]
    if kind == "rename":
        users[users.index(uid)] = f"n{number}"
        return [line("dn", f"uid={uid},{PEOPLE}"), "changetype: modrdn", line("newrdn", f"uid=n{number}"), "deleteoldrdn: 1"]
    if kind == "delete":
        users.remove(uid)
        return [line("dn", f"uid={uid},{PEOPLE}"), "changetype: delete"]
    group = randomness.choice(groups)
    members = sorted({f"uid={randomness.choice(users)},{PEOPLE}" for _ in range(4)})
    return [line("dn", f"cn={group},{GROUPS}"), "changetype: modify", "replace: member", *lines({"member": members}), "-"]


@pytest.mark.parametrize("count", [600, pytest.param(10000, marks=pytest.mark.long)])
def test_both_are_equal_in_the_end(make_service, count):
    service = make_service()
    api = service.client()
    randomness = random.Random(count)
    with Slapd() as slapd:
        directory_id = create_directory(api, slapd)["directory_id"]
        org = attach(api, directory_id)
        wait_following(api, directory_id)
        groups, users = [f"g{i}" for i in range(5)], []
        for group in groups:
            slapd.add_group(group)
        kept = slapd.add_user("kept")
        user = wait_until(lambda: [u for u in api.items(org.users) if u["name"] == "kept"], 20)[0]
        mailbox = api.post(f"{org.users}/{user['user_id']}/enable", json={"email": "kept"}, expect=200)["mailbox"]["mailbox_id"]
        ended = threading.Event()
        service_ended = 0

        def disturb():
            nonlocal service_ended
            while not ended.is_set():
                time.sleep(randomness.uniform(0.3, 1))
                service.kill9()
                service.start()
                service_ended += 1
        disturber = threading.Thread(target=disturb)
        disturber.start()
        number = 0
        try:
            while number < count:
                batch = [change(randomness, users, groups, number + i) for i in range(20)]
                number += len(batch)
                slapd.admin.ldif("\n\n".join("\n".join(lines_of) for lines_of in batch) + "\n")
                if number % 200 == 0:
                    slapd.kill9()
                    time.sleep(randomness.uniform(0, 0.5))
                    slapd.start()
                time.sleep(0.02)
            slapd.admin.rename(kept, "uid=still")
        finally:
            ended.set()
            disturber.join()
        assert service_ended >= 2
        api = service.client()
        wait_following(api, directory_id, 60)
        wait_until(lambda: there(slapd, PEOPLE, GROUPS) == here(service, org), 60, 0.5, "both to be equal")
        found = api.get(f"{org.users}/{user['user_id']}").body
        assert (found["name"], found["state"], found["mailbox"]["mailbox_id"]) == ("still", "ENABLED", mailbox)
        about = described(api, directory_id)["sync"]
        assert about["errors"] == 0 and about["users"] == len(there(slapd, PEOPLE, GROUPS)[0])
        check_consistency(service)
