"""Midgrey on a laboratory's own network: its addresses there, and certificates for them.

Browsers decode video exactly, keep files and stay awake only on pages that come over https. No
public authority certifies a machine without a public name, so Midgrey brings an authority of its
own, which devices of the laboratory are told to trust once. It can vouch for private addresses and
this machine's names alone: whoever stole its key could not pose as anybody else's site.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import os
import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from qa_portal import environment

PRIVATE = [IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                        "169.254.0.0/16", "127.0.0.0/8")]  # fmt: skip
PRIVATE_6 = [IPv6Network(net) for net in ("fc00::/7", "fe80::/10", "::1/128")]
LOCAL_DOMAINS = ("localhost", "local", "lan", "internal", "home.arpa")
AUTHORITY_DAYS = 3650
SERVER_DAYS = 397  # browsers refuse longer ones


def addresses() -> list[str]:
    """By which other machines reach this one, private ones first."""
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    found = {
        IPv4Address(entry.address)
        for name, entries in psutil.net_if_addrs().items()
        if name in up
        for entry in entries
        if entry.family == socket.AF_INET
    }
    usable = [each for each in found if not (each.is_loopback or each.is_link_local)]
    return [str(each) for each in sorted(usable, key=lambda each: (not each.is_private, each))]


def names() -> list[str]:
    """This machine's names, as far as they can be asked for on a network."""
    host = socket.gethostname().lower().rstrip(".")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", host):
        return []
    return [host] if "." in host else [host, f"{host}.local"]


def hosts() -> list[str]:
    return [*addresses(), *names()]


class Authority:
    """Keeps its key and the server's in a folder that only the owner may enter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate_file = folder / "authority.crt"
        self.server_file, self.server_key_file = folder / "server.crt", folder / "server.key"
        self._key_file = folder / "authority.key"

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate_file.read_bytes())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as devices show it before they trust it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def server_pin(self) -> str:
        """Of the server's public key, by which a browser can be started to trust it alone."""
        key = _key(self.server_key_file).public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        der = key.public_bytes(serialization.Encoding.DER, form)
        return base64.b64encode(hashlib.sha256(der).digest()).decode()

    def certify(self, hosts: list[str], now: datetime.datetime | None = None) -> list[str]:
        """A new certificate of this machine for those of the hosts that the authority may vouch
        for, which are returned. The authority is made if there is none yet, or a spent one."""
        now = now or datetime.datetime.now(datetime.UTC)
        environment.private_folder(self.folder)
        if not self._is_good(now):
            self._found(hosts, now)
        vouched = [host for host in hosts if self._may_vouch_for(host)]
        own = [*vouched, "localhost", "127.0.0.1"]
        end = min(now + datetime.timedelta(days=SERVER_DAYS), self.certificate.not_valid_after_utc)
        authority, key = self.certificate, _key(self.server_key_file)
        certificate = (
            _builder(f"Midgrey on {socket.gethostname()[:40]}", authority.subject, now, end)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_name(host) for host in own]), False)
            .add_extension(_identifier_of(authority), critical=False)
            .sign(_key(self._key_file), hashes.SHA256())
        )
        _write(self.server_file, certificate.public_bytes(serialization.Encoding.PEM))
        return vouched

    def _is_good(self, now: datetime.datetime) -> bool:
        if not (self.certificate_file.exists() and self._key_file.exists()):
            return False
        return self.certificate.not_valid_after_utc > now + datetime.timedelta(days=30)

    def _found(self, hosts: list[str], now: datetime.datetime) -> None:
        key = _key(self._key_file)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _authority_name())])
        public = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _builder(_authority_name(), name, now, now + datetime.timedelta(days=AUTHORITY_DAYS))
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_signs_certificates(), critical=True)
            .add_extension(x509.NameConstraints(_permitted(hosts), None), critical=True)
            .add_extension(public, critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(self.certificate_file, certificate.public_bytes(serialization.Encoding.PEM))

    def _may_vouch_for(self, host: str) -> bool:
        limits = self.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        permitted = [each.value for each in limits.permitted_subtrees or []]
        try:
            address = ip_address(host)
        except ValueError:
            domains = [each for each in permitted if isinstance(each, str)]
            return any(host == each or host.endswith(f".{each}") for each in domains)
        nets = [each for each in permitted if isinstance(each, IPv4Network | IPv6Network)]
        return any(address in net for net in nets if net.version == address.version)


def _authority_name() -> str:
    return f"Midgrey of {socket.gethostname()[:40]}"


def _permitted(hosts: list[str]) -> list[x509.GeneralName]:
    """Private addresses and local names; beside them only what this machine goes by now."""
    nets: list[IPv4Network | IPv6Network] = [*PRIVATE, *PRIVATE_6]
    domains = list(LOCAL_DOMAINS)
    for host in hosts:
        try:
            address = IPv4Address(host)
        except ValueError:
            if not any(host == each or host.endswith(f".{each}") for each in domains):
                domains.append(host)
        else:
            if not any(address in net for net in PRIVATE):
                nets.append(IPv4Network(address))
    return [*(x509.IPAddress(net) for net in nets), *(x509.DNSName(each) for each in domains)]


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    common_name: str, issuer: x509.Name, now: datetime.datetime, end: datetime.datetime
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    begin = now - datetime.timedelta(days=1)  # clocks of tablets may be behind
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _identifier_of(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _signs_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in that file, made when it is missing."""
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PrivateFormat.PKCS8
        pem = serialization.Encoding.PEM
        _write(path, key.private_bytes(pem, form, serialization.NoEncryption()))
    found = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(found, ec.EllipticCurvePrivateKey)
    return found


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, for its owner alone."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    draft.replace(path)
