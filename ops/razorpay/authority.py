"""The front's certificate authority: made on the first start, kept in the run directory, never installed anywhere.

    authority.pem, authority.key     30 days; may sign only for the two host names (name constraints)
    leaf of each host                7 days, new at every start
    truststore.p12                   the authority in Java's format
    sitecustomize.py                 the authority for Python programs, by PYTHONPATH

A thief of the key can only impersonate these two hosts, to programs that are configured to trust it.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS, LEAF_DAYS = 30, 7
RENEWED_BEFORE = timedelta(days=LEAF_DAYS + 1)
"""A leaf must not outlive its authority."""
CLOCK_SKEW = timedelta(hours=1)
STORE_PASSWORD = "changeit"
"""Java's customary one: the file holds a certificate and no secret."""
PYTHON = '''"""Lets Python programs trust the authority of `gateway razorpay`, whatever CA bundle they bring."""
import ssl

_load = ssl.SSLContext.load_verify_locations


def _load_with_ours(context, *arguments, **named):
    _load(context, *arguments, **named)
    _load(context, cafile={path!r})


ssl.SSLContext.load_verify_locations = _load_with_ours
'''


@dataclass(frozen=True, slots=True)
class Authority:
    """What is on disk: `certificate` and `truststore` are for programs, `python` is a directory for PYTHONPATH."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "authority.pem"

    @property
    def key(self) -> Path:
        return self.folder / "authority.key"

    @property
    def truststore(self) -> Path:
        return self.folder / "truststore.p12"

    @property
    def python(self) -> Path:
        return self.folder / "python"


def open_authority(folder: Path, hosts: tuple[str, ...], at: datetime) -> Authority:
    """The authority of this run directory; a new one if there is none or it is about to expire."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = Authority(folder)
    if not _is_usable(authority, at):
        _make(authority, hosts, at)
    _write(authority.python / "sitecustomize.py", PYTHON.format(path=str(authority.certificate)).encode(), 0o644)
    return authority


def context_for(authority: Authority, host: str, at: datetime) -> ssl.SSLContext:
    """A TLS server's context with a new leaf for `host`."""
    issuer = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    issuer_key = load_pem_private_key(authority.key.read_bytes(), password=None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        _builder(_name(host), issuer.subject, key, at, LEAF_DAYS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    pem = leaf.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = authority.folder / f"{host}.pem"
    _write(path, pem, 0o600)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _is_usable(authority: Authority, at: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    except (OSError, ValueError):
        return False
    return (
        authority.key.exists()
        and authority.truststore.exists()
        and certificate.not_valid_after_utc > at + RENEWED_BEFORE
    )


def _make(authority: Authority, hosts: tuple[str, ...], at: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Payment gateway test authority (razorpay double)")
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, key, at, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.NameConstraints([x509.DNSName(host) for host in hosts], None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    store = serialize_java_truststore(
        [PKCS12Certificate(certificate, b"gateway razorpay")], BestAvailableEncryption(STORE_PASSWORD.encode())
    )
    _write(authority.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    _write(authority.truststore, store, 0o644)
    _write(authority.certificate, certificate.public_bytes(Encoding.PEM), 0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, at: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - CLOCK_SKEW)
        .not_valid_after(at + timedelta(days=days))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
