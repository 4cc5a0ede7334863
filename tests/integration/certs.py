# SPDX-License-Identifier: Apache-2.0
"""certs - authorities and certificates for the tests of TLS."""
import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """Signs certificates and keeps all files in a folder; one that is there already is used on."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        folder.mkdir(parents=True, exist_ok=True)
        key_file = folder / f"{name}-key.pem"
        self.file = str(folder / f"{name}.pem")
        if key_file.exists():
            self.key = serialization.load_pem_private_key(key_file.read_bytes(), None)
            return
        self.key = self._make_key(key_file)
        self._write(f"{name}.pem", self._sign(name, self.key.public_key(), 3650, is_ca=True))

    @staticmethod
    def _make_key(path):
        key = ec.generate_private_key(ec.SECP256R1())
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM,
                                           serialization.PrivateFormat.TraditionalOpenSSL,
                                           serialization.NoEncryption()))
        return key

    def _sign(self, name, public_key, days, is_ca=False, hosts=(), seconds=0):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(self.name))
                   .public_key(public_key).serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=10))
                   .not_valid_after(now + datetime.timedelta(days=days, seconds=seconds))
                   .add_extension(x509.BasicConstraints(is_ca, None), critical=True))
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address(h)) if h[0].isdigit() else x509.DNSName(h)
                 for h in hosts]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _write(self, name, certificate):
        path = self.folder / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)

    def issue(self, name, hosts=(), days=3650, seconds=0):
        """The files of a certificate and its key, for so long from now; days < 0: it has expired."""
        path = self.folder / f"{name}-key.pem"
        public_key = self._make_key(path).public_key()
        return (self._write(f"{name}-cert.pem", self._sign(name, public_key, days, hosts=hosts, seconds=seconds)),
                str(path))

    def revoke(self, *cert_files):
        """The file of a list that has these certificates."""
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateRevocationListBuilder().issuer_name(_name(self.name))
                   .last_update(now - datetime.timedelta(days=1))
                   .next_update(now + datetime.timedelta(days=30)))
        for file in cert_files:
            with open(file, "rb") as f:
                serial = x509.load_pem_x509_certificate(f.read()).serial_number
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial)
                .revocation_date(now - datetime.timedelta(hours=1)).build())
        path = self.folder / f"{self.name}-crl.pem"
        path.write_bytes(builder.sign(self.key, hashes.SHA256())
                         .public_bytes(serialization.Encoding.PEM))
        return str(path)
