"""Runs the product: one process, its state folder, its log and its database."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import psycopg

from client import Client

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.path.abspath(os.environ.get("POSTREEVE_BINARY", ROOT / "build/dev/postreeve"))
SANITIZER_WORDS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer")
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "exitcode=99:detect_leaks=1",
    "UBSAN_OPTIONS": "exitcode=99:print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "exitcode=99:halt_on_error=0",
}
READY_SECONDS = 60
STOP_SECONDS = 30


def wait_until(condition, seconds=10, pause=0.02, what="the condition"):
    """Polls until the condition gives something true, and gives that back."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"{what} did not come in {seconds} s"
        time.sleep(pause)


def new_folder():
    """A folder with a short path (a socket's has 107 bytes) that every user can pass through."""
    memory = pathlib.Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pr-", dir=memory if roomy else "/tmp"))
    folder.chmod(0o755)
    return folder


def environment(extra=None):
    """The environment of the product: settings of the caller's own do not count."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POSTREEVE_")}
    return {**SANITIZER_OPTIONS, **kept, **(extra or {})}


def run_binary(*arguments, env=None, timeout=60):
    """Runs the binary to its end."""
    return subprocess.run([BINARY, *map(str, arguments)], env=environment(env), cwd="/", timeout=timeout,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Service:
    """A service on a state folder of its own, or a copy of a prepared one."""

    def __init__(self, *options, template=None, env=None, check=None):
        if os.geteuid() == 0:
            pwd.getpwnam("postreeve")  # the system user that ./dev build makes
        self.folder = new_folder()
        self.state = self.folder / "s"
        if template:
            subprocess.run(["cp", "-a", template, self.state], check=True)
        self.options, self.env, self.check = [str(option) for option in options], env, check
        self.log_path = self.folder / "log"
        self.process, self.url, self.metrics_url, self.connection, self.clients = None, None, None, None, []
        self.exit_code, self.stop_seconds = None, None

    # Life

    def launch(self, env=None):
        """Starts the process without waiting for it to be ready. By itself it changes no row, and tests may guess."""
        command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--state-dir", str(self.state),
                   "--log-format", "json", "--failed-auth-limit", "1000", "--cleaning-interval", "86400",
                   "--dns-resolvers", "127.0.0.1:1",
                   *self.options]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                            env=environment({**(self.env or {}), **(env or {})}))
        return self

    def start(self, env=None):
        self.launch(env)
        self.url = wait_until(self.ready_url, READY_SECONDS, 0.01, "service.json of this process")
        return self

    def ready_url(self):
        assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log()[-4000:]}"
        try:
            about = json.loads((self.state / "service.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        if about["pid"] != self.process.pid:
            return None
        self.metrics_url = about.get("metrics_url")
        return about["url"]

    def stop(self):
        """Ends it as an operator does, and insists on a clean end."""
        self.disconnect()
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.exit_code = self.process.wait(STOP_SECONDS)
        self.stop_seconds = time.monotonic() - begun
        self.process = None
        self.check_sanitizers()
        assert self.exit_code == 0, f"it ended with {self.exit_code}:\n{self.log()[-4000:]}"

    def kill9(self):
        self.disconnect()
        self.process.kill()
        self.process.wait(STOP_SECONDS)
        self.process = None

    def wait_killed(self, seconds=30):
        """Waits for the end that a fault point makes."""
        assert self.process.wait(seconds) == -signal.SIGKILL, self.log()[-4000:]
        self.disconnect()
        self.process = None

    def restart(self, env=None):
        if self.process:
            self.stop()
        return self.start(env)

    def remove(self):
        """Leaves nothing behind, whatever happened before."""
        self.disconnect()
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
        self.process = None
        self.end_postmaster()
        if os.environ.get("POSTREEVE_KEEP"):
            print(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    # The database server that belongs to it

    @property
    def data_folder(self):
        return self.state / "postgresql/data"

    def postmaster(self):
        """The pid of the running database server of this state folder, or None."""
        try:
            pid = int((self.data_folder / "postmaster.pid").read_text().split()[0])
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, IndexError, ValueError):
            return None
        return pid if str(self.data_folder).encode() in command and is_running(pid) else None

    def end_postmaster(self):
        pid = self.postmaster()
        for number in (None, signal.SIGQUIT, signal.SIGKILL):
            if pid and number:
                os.kill(pid, number)
            deadline = time.monotonic() + 5
            while pid and is_running(pid) and time.monotonic() < deadline:
                time.sleep(0.02)

    @property
    def database_uri(self):
        return f"host={self.state}/postgresql/run user=postreeve"

    def db(self):
        """A connection to its database, one for all who ask; each statement is its own transaction."""
        if self.connection is None or self.connection.closed:
            self.connection = psycopg.connect(f"{self.database_uri} dbname=postreeve", autocommit=True,
                                              application_name="tests")
        return self.connection

    def sql(self, statement, *parameters):
        """The rows of a statement, as tuples."""
        cursor = self.db().execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []

    # Callers and commands

    @property
    def root(self):
        return json.loads((self.state / "root-access-key.json").read_text())

    def client(self, credential=None, **options):
        client = Client(self.url, credential or self.root, self.check, **options)
        self.clients.append(client)
        return client

    def anonymous(self):
        client = Client(self.url, None, self.check)
        self.clients.append(client)
        return client

    def disconnect(self):
        for client in self.clients:
            client.close()
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def admin(self, *arguments, expect=0):
        """Runs an admin command beside the service; what it prints, decoded when it is JSON."""
        result = run_binary("admin", *arguments, *self.options_for_admin())
        assert result.returncode == expect, f"{arguments}: {result}"
        try:
            return json.loads(result.stdout)
        except json.JSONDecodeError:
            return result.stdout

    def options_for_admin(self):
        yield from ("--state-dir", str(self.state))
        for name, value in zip(self.options, self.options[1:]):
            if name in ("--database", "--root-key-file"):
                yield from (name, value)

    def allow_organizations(self, count, account=None):
        for limit in ("quick_setup_organizations", "directories_per_type"):
            self.admin("set-limit", "--account", account or self.root["account_id"], "--limit", limit, "--value", count)

    def allow_identities(self, count):
        for limit in ("iam_users", "iam_groups", "policies", "access_keys_per_user", "policies_per_identity", "groups_per_user"):
            self.admin("set-limit", "--account", self.root["account_id"], "--limit", limit, "--value", count)

    # What it left in its log

    def log(self, offset=0):
        with open(self.log_path, "rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")

    def events(self, offset=0):
        """The log's lines as objects; lines that are no JSON (the database server's) are left out."""
        for line in self.log(offset).splitlines():
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(event, dict):
                yield event

    def check_sanitizers(self):
        log = self.log()
        for word in SANITIZER_WORDS:
            assert word not in log, log[max(0, log.index(word) - 500):][:8000]
