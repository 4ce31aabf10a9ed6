"""A real Active Directory: Samba's domain controller on an address of loopback that is its own. Root only."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest

from ldap_client import LdapClient, write_file
from service import new_folder, wait_until
from tls_files import Authority

REALM, DOMAIN = "AD.TEST", "AD"
BASE = "DC=ad,DC=test"
USERS = f"CN=Users,{BASE}"
ADMIN = f"CN=Administrator,{USERS}"
PASSWORD = "Secret-of-the-domain-1"

CONF = """
[global]
netbios name = DC1
realm = {realm}
workgroup = {domain}
server role = active directory domain controller
server services = ldap, cldap, kdc, rpc
interfaces = {address}/8
bind interfaces only = yes
private dir = {folder}/private
state directory = {folder}/state
cache directory = {folder}/cache
lock directory = {folder}/lock
pid directory = {folder}/pid
ncalrpc dir = {folder}/ncalrpc
log file = {folder}/log.%m
max log size = 0
ldap server require strong auth = allow_sasl_over_tls
tls enabled = yes
tls keyfile = {folder}/server.key
tls certfile = {folder}/server.pem
tls cafile = {folder}/ca.pem
[netlogon]
path = {folder}/sysvol/scripts
[sysvol]
path = {folder}/sysvol
"""


def need_root():
    """Outside of CI the tests that need it are skipped, and say so; in CI they fail."""
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("Samba's domain controller needs root: run the tests as root to have Active Directory tested")


def free_address():
    """One of 127.0.2.0/24 on whose port of LDAP nothing listens: several test processes run at once."""
    for number in range(1 + os.getpid() % 100, 255):
        address = f"127.0.2.{number}"
        with socket.socket() as probe:
            try:
                probe.bind((address, 389))
            except OSError:
                continue
        return address
    raise AssertionError("no address of 127.0.2.0/24 is free")


class Samba:
    def __init__(self):
        self.folder = new_folder()
        self.address = free_address()
        self.process = None
        self.url, self.tls_url = f"ldap://{self.address}", f"ldaps://{self.address}"
        try:
            self.provision()
            self.start()
        except BaseException:
            self.remove()
            raise

    def provision(self):
        self.authority = Authority(name="Domain authority", address=self.address)
        self.ca = self.authority.pem.decode()
        self.ca_file = write_file(self.folder, "ca.pem", self.authority.pem)
        chain, key = self.authority.sign(kind="rsa")
        write_file(self.folder, "server.pem", chain)
        write_file(self.folder, "server.key", key)
        for name in ("private", "state", "cache", "lock", "pid", "ncalrpc", "sysvol", "sysvol/scripts"):
            (self.folder / name).mkdir()
        conf = write_file(self.folder, "smb.conf", CONF.format(
            realm=REALM, domain=DOMAIN, address=self.address, folder=self.folder))
        done = subprocess.run(
            ["samba-tool", "domain", "provision", "--configfile", conf, "--realm", REALM, "--domain", DOMAIN,
             "--server-role=dc", "--dns-backend=NONE", "--adminpass", PASSWORD, "--host-name=DC1",
             f"--host-ip={self.address}", "--use-rfc2307"],
            capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        self.conf = conf

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(["/usr/sbin/samba", "-F", "--no-process-group", "-s", self.conf],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

        def answers():
            assert self.process.poll() is None, (self.folder / "log").read_text(errors="replace")[-3000:]
            return self.admin.run("ldapsearch", "-b", BASE, "-s", "base", expect=None).returncode == 0
        wait_until(answers, 60, 0.2, what="Samba to answer")
        return self

    def end(self, how):
        """It is several processes, which are its group."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, how)
        except ProcessLookupError:
            pass
        try:
            self.process.wait(20)
        finally:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process = None
        shutil.rmtree(self.folder / "pid", ignore_errors=True)
        (self.folder / "pid").mkdir(exist_ok=True)

    def stop(self):
        self.end(signal.SIGTERM)

    def kill9(self):
        self.end(signal.SIGKILL)

    def remove(self):
        self.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    @property
    def admin(self):
        return LdapClient(self.tls_url, ADMIN, PASSWORD, ca=pathlib.Path(self.ca_file))

    def connection(self, **changes):
        connection = {"uris": [self.tls_url], "tls_mode": "LDAPS", "ca_certificate": self.ca, "user_base_dn": BASE,
                      "bind_dn": ADMIN, "bind_password": PASSWORD, **changes}
        return {name: value for name, value in connection.items() if value is not None}

    def add_unit(self, name):
        dn = f"OU={name},{BASE}"
        self.admin.add(dn, objectClass="organizationalUnit")
        return dn

    def add_user(self, name, parent=USERS, password=None, **attributes):
        dn = f"CN={name},{parent}"
        secret = {} if password is None else {"unicodePwd": f'"{password}"'.encode("utf-16-le")}
        self.admin.add(dn, objectClass="user", sAMAccountName=name, userAccountControl="512" if password else "514",
                       **secret, **attributes)
        return dn

    def add_group(self, name, *members, parent=USERS, **attributes):
        dn = f"CN={name},{parent}"
        self.admin.add(dn, objectClass="group", sAMAccountName=name, **({"member": list(members)} if members else {}), **attributes)
        return dn
