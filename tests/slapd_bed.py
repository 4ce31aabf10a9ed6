"""A real OpenLDAP server on free ports of 127.0.0.1, with TLS, that tells of changes (RFC 4533)."""
import shutil
import signal
import socket
import subprocess

from ldap_client import LdapClient, free_ports, line, lines, write_file
from service import new_folder, wait_until
from tls_files import Authority

SLAPD = "/usr/sbin/slapd"
BASE = "dc=acme,dc=test"
PEOPLE, GROUPS = f"ou=People,{BASE}", f"ou=Groups,{BASE}"
ADMIN, SYNC = f"cn=admin,{BASE}", f"cn=sync,{BASE}"
PASSWORD = "Secret-of-the-directory-1"

CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
moduleload ppolicy
pidfile {folder}/slapd.pid
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
TLSCACertificateFile {folder}/ca.pem
sizelimit {size_limit}
database mdb
directory {folder}/data
suffix "{base}"
rootdn "{admin}"
rootpw {password}
maxsize {max_size}
dbnosync
index objectClass,entryUUID,entryCSN,uid,cn,member eq
limits dn.exact="{sync}" size=unlimited time=unlimited
access to attrs=userPassword by self write by anonymous auth by * none
access to dn.subtree="ou=Hidden,{base}" by * disclose
access to * by dn.exact="{sync}" read by self read by * {others}
overlay ppolicy
{syncprov}
"""
SYNCPROV = """
overlay syncprov
syncprov-checkpoint 100 1
"""


class Slapd:
    """`sync_provider` False: the server has no news, and is asked again and again. `session_log`: how many deletions it
    remembers for who was away."""

    def __init__(self, sync_provider=True, session_log=10000, size_limit=500, others="read", max_size=1 << 30, start=True):
        self.folder = new_folder()
        self.process = None
        (self.folder / "data").mkdir()
        self.authority = Authority(name="Directory authority")
        self.ca = self.authority.pem.decode()
        self.ca_file = write_file(self.folder, "ca.pem", self.authority.pem)
        self.sign()
        self.port, self.tls_port = free_ports(2)
        self.conf(sync_provider, session_log, size_limit, others, max_size)
        self.load([(BASE, {"objectClass": ["dcObject", "organization"], "dc": "acme", "o": "Acme"}),
                   *[(f"ou={name},{BASE}", {"objectClass": "organizationalUnit", "ou": name})
                     for name in ("People", "Groups", "Hidden", "Elsewhere")],
                   (SYNC, {"objectClass": ["organizationalRole", "simpleSecurityObject"], "cn": "sync",
                           "userPassword": PASSWORD})])
        if start:
            try:
                self.start()
            except BaseException:
                self.remove()
                raise

    def conf(self, sync_provider=True, session_log=10000, size_limit=500, others="read", max_size=1 << 30):
        """Its settings from the next start on."""
        syncprov = SYNCPROV + (f"syncprov-sessionlog {session_log}\n" if session_log else "") if sync_provider else ""
        write_file(self.folder, "slapd.conf", CONF.format(
            folder=self.folder, base=BASE, admin=ADMIN, sync=SYNC, password=PASSWORD, syncprov=syncprov,
            size_limit=size_limit, others=others, max_size=max_size))

    def sign(self, authority=None, **options):
        """Another certificate from the next start on: options as of Authority.sign."""
        chain, key = (authority or self.authority).sign(**options)
        write_file(self.folder, "server.pem", chain)
        write_file(self.folder, "server.key", key)

    def load(self, entries):
        """Puts entries into its database while it does not run: [(dn, attributes)]."""
        text = "\n\n".join("\n".join([line("dn", dn), *lines(attributes)]) for dn, attributes in entries) + "\n"
        done = subprocess.run(["/usr/sbin/slapadd", "-q", "-f", self.folder / "slapd.conf"], input=text, text=True,
                              capture_output=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr

    @property
    def url(self):
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_url(self):
        return f"ldaps://127.0.0.1:{self.tls_port}"

    @property
    def admin(self):
        return LdapClient(self.url, ADMIN, PASSWORD)

    def connection(self, **changes):
        """The member `connection` of a directory that is this server; None takes a member away."""
        connection = {"uris": [self.tls_url], "tls_mode": "LDAPS", "ca_certificate": self.ca, "preset": "OPENLDAP",
                      "user_base_dn": PEOPLE, "group_base_dn": GROUPS, "bind_dn": SYNC, "bind_password": PASSWORD, **changes}
        return {name: value for name, value in connection.items() if value is not None}

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([SLAPD, "-d", "0", "-f", self.folder / "slapd.conf", "-h", f"{self.url}/ {self.tls_url}/"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.tls_port)) == 0
        wait_until(answers, 20, what="slapd to listen")
        return self

    def end(self, how):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def stop(self):
        self.end(signal.SIGTERM)

    def kill9(self):
        self.end(signal.SIGKILL)

    def pause(self):
        """It does not answer any more, though the kernel still takes connections for it."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def remove(self):
        self.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    # --- what tests do with it ---

    def add_user(self, uid, parent=PEOPLE, **attributes):
        dn = f"uid={uid},{parent}"
        self.admin.add(dn, **{"objectClass": "inetOrgPerson", "uid": uid, "cn": uid.title(), "sn": uid.title(), **attributes})
        return dn

    def add_group(self, name, *members, **attributes):
        dn = f"cn={name},{GROUPS}"
        self.admin.add(dn, **{"objectClass": "groupOfNames", "cn": name, "member": list(members) or [ADMIN], **attributes})
        return dn

    def id_of(self, dn):
        """Its entryUUID."""
        (_, entry), = self.admin.search(dn, "(objectClass=*)", "entryUUID", scope="base")
        return entry["entryUUID"][0].decode()


def people(count, groups=0, members=20):
    """Entries for Slapd.load: users u0 …, groups g0 …"""
    for i in range(count):
        yield f"uid=u{i},{PEOPLE}", {"objectClass": "inetOrgPerson", "uid": f"u{i}", "cn": f"User {i}", "sn": f"Of {i}",
                                     "givenName": "User", "mail": f"u{i}@acme.test", "title": "Clerk", "l": "Town"}
    for i in range(groups):
        yield f"cn=g{i},{GROUPS}", {"objectClass": "groupOfNames", "cn": f"g{i}",
                                    "member": [f"uid=u{(i * members + j) % count},{PEOPLE}" for j in range(members)]}
