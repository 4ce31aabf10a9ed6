"""Changes of LDAP servers for tests, by the programs of ldap-utils."""
import base64
import os
import pathlib
import socket
import subprocess
import tempfile


def free_ports(count, address="127.0.0.1"):
    """Ports that were free a moment ago, all at once."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind((address, 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def line(name, value):
    raw = value if isinstance(value, bytes) else str(value).encode()
    return f"{name}:: {base64.b64encode(raw).decode()}"


def lines(attributes):
    """Attributes of an entry: each one value, or a list of them."""
    return [line(name, value) for name, values in attributes.items()
            for value in (values if isinstance(values, (list, tuple)) else [values])]


class LdapClient:
    """Who changes things in a directory as its administrator."""

    def __init__(self, url, dn, password, ca=None, start_tls=False):
        self.url, self.dn, self.password, self.start_tls = url, dn, password, start_tls
        self.environment = dict(os.environ, LDAPNOINIT="1") if ca is None else dict(os.environ, LDAPTLS_CACERT=str(ca))

    def run(self, program, *arguments, text=None, expect=0):
        with tempfile.NamedTemporaryFile("w") as secret:
            secret.write(self.password)
            secret.flush()
            command = [program, "-x", "-H", self.url, "-D", self.dn, "-y", secret.name, *arguments]
            if self.start_tls:
                command.insert(1, "-ZZ")
            done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False,
                                  env=self.environment)
        assert expect is None or done.returncode == expect, f"{program}: {done.returncode} {done.stderr}\n{(text or '')[:2000]}"
        return done

    def ldif(self, text, expect=0):
        """Changes as in RFC 2849."""
        return self.run("ldapmodify", text=text, expect=expect)

    def add(self, dn, expect=0, **attributes):
        return self.ldif("\n".join([line("dn", dn), "changetype: add", *lines(attributes)]) + "\n", expect)

    def modify(self, dn, expect=0, **attributes):
        """Replaces each of them; [] takes it away."""
        text = [line("dn", dn), "changetype: modify"]
        for name, values in attributes.items():
            text += [f"replace: {name}", *lines({name: values}), "-"]
        return self.ldif("\n".join(text) + "\n", expect)

    def change_values(self, dn, verb, name, *values, expect=0):
        """verb: add or delete some values of one attribute."""
        return self.ldif("\n".join([line("dn", dn), "changetype: modify", f"{verb}: {name}",
                                    *lines({name: values}), "-"]) + "\n", expect)

    def rename(self, dn, rdn, parent=None, expect=0):
        text = [line("dn", dn), "changetype: modrdn", line("newrdn", rdn), "deleteoldrdn: 1"]
        if parent:
            text.append(line("newsuperior", parent))
        return self.ldif("\n".join(text) + "\n", expect)

    def delete(self, dn, expect=0):
        return self.ldif("\n".join([line("dn", dn), "changetype: delete"]) + "\n", expect)

    def search(self, base, filter_text="(objectClass=*)", *attributes, scope="sub"):
        """[(dn, {attribute: [bytes]})]"""
        done = self.run("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-E", "pr=1000/noprompt", "-s", scope, "-b", base,
                        filter_text, *attributes)
        found = []
        for block in done.stdout.split("\n\n"):
            entry, dn = {}, None
            for text in block.splitlines():
                if not text or text.startswith("#"):
                    continue
                name, _, value = text.partition(":")
                raw = base64.b64decode(value[1:]) if value.startswith(":") else value.strip().encode()
                if name == "dn":
                    dn = raw.decode()
                else:
                    entry.setdefault(name, []).append(raw)
            if dn is not None:
                found.append((dn, entry))
        return found


def write_file(folder, name, data, mode=0o600):
    path = pathlib.Path(folder) / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    path.chmod(mode)
    return path
