"""How long a directory of 50,000 users and 2,000 groups takes to be loaded, and a single change to be seen. Prints the rates."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))

from directories import attach, create_directory, described, wait_following
from service import Service, wait_until
from slapd_bed import PEOPLE, Slapd, people


def resident_kb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0])


def main(users=50000, groups=2000):
    service = Service().start()
    try:
        api = service.client()
        with Slapd(start=False) as slapd:
            slapd.load(people(users, groups))
            slapd.start()
            directory_id = create_directory(api, slapd)["directory_id"]
            begun, peak = time.monotonic(), 0
            org = attach(api, directory_id)
            while described(api, directory_id)["sync"]["status"] != "FOLLOWING":
                peak = max(peak, resident_kb(service.process.pid))
                time.sleep(0.1)
            took = time.monotonic() - begun
            about = wait_following(api, directory_id)["sync"]
            assert (about["users"], about["groups"]) == (users, groups), about
            print(f"load: {users + groups} entries in {took:.1f} s, {(users + groups) / took:.0f}/s; memory at most {peak / 1024:.0f} MiB")
            begun = time.monotonic()
            wait = api.post(f"/v1/directories/{directory_id}/sync", expect=202)["operation_id"]
            wait_until(lambda: api.get(f"/v1/operations/{wait}")["status"] == "SUCCEEDED", 600, 0.1)
            print(f"comparison without a difference: {time.monotonic() - begun:.1f} s")
            times = []
            for i in range(20):
                slapd.admin.modify(f"uid=u{i},{PEOPLE}", title=f"Chief {i}")
                begun = time.monotonic()
                wait_until(lambda: any(u.get("job_title") == f"Chief {i}" for u in api.get(org.users, params={"name": f"u{i}"})["items"]), 10, 0.002)
                times.append(time.monotonic() - begun)
            print(f"a change seen over HTTP: median {1000 * sorted(times)[10]:.0f} ms, at most {1000 * max(times):.0f} ms")
        service.stop()
    finally:
        service.remove()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
