"""Certificates for tests: an authority of our own, and what it has signed."""
import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

DAY = datetime.timedelta(days=1)


def new_key(kind="ec"):
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)


def key_pem(key, passphrase=None):
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    """Signs for 127.0.0.1, or for the hosts that are named."""

    def __init__(self, above=None, name="Test authority"):
        self.key, self.above = new_key(), above
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key, above or self, -DAY, 3650 * DAY, authority=True)
        self.pem = _pem(self.certificate)

    def _sign(self, subject, key, by, begin, end, authority=False, hosts=()):
        now = datetime.datetime.utcnow()
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(by.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now + begin).not_valid_after(now + end)
                .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
                .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts] or
                                                            [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
                .sign(by.key, hashes.SHA256()))

    def sign(self, name="leaf", begin=-DAY, end=90 * DAY, kind="ec", hosts=()):
        """Certificate (with those between it and the root) and key, both in PEM form."""
        key = new_key(kind)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        chain, above = _pem(self._sign(subject, key, self, begin, end, hosts=hosts)), self
        while above.above is not None:
            chain, above = chain + above.pem, above.above
        return chain, key_pem(key)
