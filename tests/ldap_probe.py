"""The program that speaks LDAP as the service does (tests/unit/ldap_probe.c)."""
import json
import os
import pathlib
import queue
import subprocess
import threading
import time

from service import BINARY

PROBE = os.environ.get("LDAP_PROBE") or pathlib.Path(BINARY).parent / "tests/unit/ldap_probe"


def environment(**changes):
    return {**os.environ, **changes}


def ask(connection, *arguments, kind="LDAP", timeout=60, **changes):
    """What it says in its one line."""
    done = subprocess.run([PROBE, kind, *arguments], input=json.dumps(connection) + "\n", text=True, capture_output=True,
                          timeout=timeout, check=False, env=environment(**changes))
    assert done.returncode == 0 and not done.stderr, done.stderr
    return json.loads(done.stdout)


def test_connection(connection, **options):
    return ask(connection, "test", **options)


test_connection.__test__ = False


def check_password(connection, dn, password, **options):
    return ask(connection, "password", dn, password, **options)


class Writer:
    """Changes a directory, one command after the other."""

    def __init__(self, connection, kind="SIMPLE_AD"):
        self.connection, self.kind = connection, kind

    def __call__(self, verb, **members):
        done = subprocess.run([PROBE, self.kind, "write"], text=True, capture_output=True, timeout=60, check=False,
                              input=json.dumps(self.connection) + "\n" + json.dumps({"do": verb, **members}) + "\n")
        assert done.returncode == 0 and not done.stderr, done.stderr
        return json.loads(done.stdout)


class Follower:
    """Follows a directory and keeps what it has, as the service does: applied in the order of the batches."""

    def __init__(self, connection, cookie=None, kind="LDAP", entries=None):
        self.entries = dict(entries or {})  # by external id
        self.cookie, self.fault, self.method = cookie, None, None
        self.batches, self.full_loads, self.seen = 0, 0, None
        self.changes = queue.Queue()
        self.process = subprocess.Popen([PROBE, kind, "follow", *([cookie] if cookie else [])], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.process.stdin.write(json.dumps(connection) + "\n")
        self.process.stdin.flush()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for text in self.process.stdout:
            batch = json.loads(text)
            if "code" in batch:
                self.fault = batch
                continue
            self.apply(batch)
            self.changes.put(time.monotonic())

    def apply(self, batch):
        self.batches += 1
        self.method = batch["method"]
        ids = [entry["external_id"] for entry in batch["changed"]] + batch["deleted"]
        assert len(ids) == len(set(ids)), "an id is in a batch once"
        assert len(batch["changed"]) <= 1000
        if batch["starts_full"]:
            self.seen = set()
        entries = dict(self.entries)
        for entry in batch["changed"]:
            entries[entry["external_id"]] = entry
            if self.seen is not None:
                self.seen.add(entry["external_id"])
        for external_id in batch["deleted"]:
            entries.pop(external_id, None)
        if batch["ends_full"]:
            entries = {key: entry for key, entry in entries.items() if key in self.seen}
            self.seen = None
            self.full_loads += 1
        self.entries = entries
        if batch.get("cookie"):
            self.cookie = batch["cookie"]

    def until(self, condition, seconds=15):
        """Waits for what condition(self) says; how long that took."""
        began = time.monotonic()
        while not condition(self):
            assert self.fault is None, self.fault
            assert time.monotonic() < began + seconds, f"not within {seconds} s; {len(self.entries)} entries"
            time.sleep(0.002)
        return time.monotonic() - began

    def loaded(self, seconds=60):
        self.until(lambda self: self.full_loads > 0, seconds)
        return self

    def named(self, name):
        """The entry of this name; None: there is none."""
        return next((entry for entry in self.entries.values() if entry["name"] == name), None)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.thread.join(20)
        errors = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        assert not errors, errors
        return self.cookie

    def kill9(self):
        self.process.kill()
        self.process.wait(20)
        self.thread.join(20)
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.kill9() if error[0] else self.stop()
