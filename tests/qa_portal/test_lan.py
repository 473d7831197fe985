"""On a laboratory's network: certificates that devices can trust, and what may come unencrypted."""

from __future__ import annotations

import datetime
import ssl
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from django.core.management import CommandError, call_command
from django.test import Client

from qa_portal import lan
from qa_portal.management.commands import display

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
def authority(tmp_path: Path) -> lan.Authority:
    return lan.Authority(tmp_path / "lan")


@contextmanager
def served(certificate: Path, key: Path) -> Iterator[int]:
    """A real server with that certificate on 127.0.0.1."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def connect(authority: lan.Authority, port: int, name: str) -> None:
    """As a device that trusts the authority alone."""
    import socket

    context = ssl.create_default_context(cafile=str(authority.certificate_file))
    with (
        socket.create_connection(("127.0.0.1", port), 5) as link,
        context.wrap_socket(link, server_hostname=name),
    ):
        pass


def signed_for(authority: lan.Authority, host: str) -> Path:
    """What a thief of the authority's key could make."""
    key = lan._key(authority.server_key_file)
    ca = authority.certificate
    end = NOW + datetime.timedelta(days=9)
    stolen = (
        lan._builder("stolen", ca.subject, NOW, end)
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName([lan._name(host)]), False)
        .sign(lan._key(authority._key_file), hashes.SHA256())
    )
    path = authority.folder / "stolen.crt"
    path.write_bytes(stolen.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_device_that_trusts_the_authority_trusts_this_machine_by_all_its_names(
    authority: lan.Authority,
) -> None:
    vouched = authority.certify(["192.168.7.20", "10.0.0.5", "labserver", "labserver.local"])
    assert vouched == ["192.168.7.20", "10.0.0.5", "labserver", "labserver.local"]
    with served(authority.server_file, authority.server_key_file) as port:
        for name in [*vouched, "localhost", "127.0.0.1"]:
            connect(authority, port, name)
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(authority, port, "192.168.7.21")


@pytest.mark.parametrize("host", ["www.bank.example", "8.8.8.8"])
def test_nobody_can_pose_as_a_site_of_the_internet_with_its_key(
    authority: lan.Authority, host: str
) -> None:
    authority.certify(["192.168.7.20"])
    stolen = signed_for(authority, host)
    with (
        served(stolen, authority.server_key_file) as port,
        pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"),
    ):
        connect(authority, port, host)


def test_another_start_keeps_what_devices_were_told_to_trust(authority: lan.Authority) -> None:
    authority.certify(["192.168.7.20"])
    before = authority.fingerprint, authority.server_pin
    assert authority.certify(["192.168.9.9"]) == ["192.168.9.9"]
    assert (authority.fingerprint, authority.server_pin) == before


def test_a_public_address_is_vouched_for_only_if_the_machine_had_it_from_the_start(
    authority: lan.Authority,
) -> None:
    assert authority.certify(["141.2.3.4", "video.uni.example"]) == [
        "141.2.3.4", "video.uni.example"
    ]  # fmt: skip
    assert authority.certify(["141.2.3.5", "video.uni.example"]) == ["video.uni.example"]


def test_a_certificate_lasts_no_longer_than_browsers_accept_and_a_spent_authority_is_renewed(
    authority: lan.Authority,
) -> None:
    authority.certify(["192.168.7.20"])
    server = x509.load_pem_x509_certificate(authority.server_file.read_bytes())
    lasts = server.not_valid_after_utc - server.not_valid_before_utc
    assert lasts <= datetime.timedelta(days=398)
    before = authority.fingerprint
    authority.certify(["192.168.7.20"], NOW + datetime.timedelta(days=3640))
    assert authority.fingerprint != before


def test_keys_are_for_their_owner_alone(authority: lan.Authority) -> None:
    authority.certify(["192.168.7.20"])
    assert stat.S_IMODE(authority.folder.stat().st_mode) == 0o700
    for path in authority.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


# ---- pages --------------------------------------------------------------------------------------

HOST = "192.168.7.20:8000"


@pytest.fixture
def on_the_network(settings, authority: lan.Authority) -> None:  # type: ignore[no-untyped-def]
    authority.certify(["192.168.7.20"])
    settings.LAN_PORT, settings.AUTHORITY = 8443, authority
    settings.ALLOWED_HOSTS = ["192.168.7.20", "localhost", "127.0.0.1"]


@pytest.mark.django_db
@pytest.mark.usefixtures("on_the_network")
def test_only_seats_come_over_plain_http() -> None:
    client = Client()
    for path in ("/login/?next=/", "/sessions/1/console/", "/show/abc/"):
        answer = client.get(path, headers={"host": HOST})
        assert answer.status_code == 302
        assert answer["Location"] == f"https://192.168.7.20:8443{path}"
    for path in ("/join/", "/lan/", "/lan/midgrey.crt"):
        assert client.get(path, headers={"host": HOST}).status_code == 200
    assert client.get("/seat/no-such-seat/", headers={"host": HOST}).status_code == 404
    assert client.get("/login/", headers={"host": "localhost:8000"}).status_code == 200
    assert client.get("/login/", headers={"host": HOST}, secure=True).status_code == 200
    assert client.get("/login/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.django_db
@pytest.mark.usefixtures("on_the_network")
def test_a_code_can_be_given_without_a_cookie() -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/join/", {"code": "ZZZZZZ"}, headers={"host": HOST})
    assert answer.status_code == 404 and b"No seat has this code" in answer.content


@pytest.mark.usefixtures("on_the_network")
def test_the_page_shows_what_to_compare_before_trusting(authority: lan.Authority) -> None:
    page = Client().get("/lan/", headers={"host": HOST}).content.decode()
    assert authority.fingerprint in page and "https://192.168.7.20:8443/" in page
    given = Client().get("/lan/midgrey.crt", headers={"host": HOST})
    assert given["Content-Type"] == "application/x-x509-ca-cert"
    certificate = x509.load_pem_x509_certificate(given.content)
    assert certificate.fingerprint(hashes.SHA256()).hex(":").upper() == authority.fingerprint


@pytest.mark.parametrize("path", ["/lan/", "/lan/midgrey.crt"])
def test_there_is_nothing_to_trust_where_midgrey_serves_one_computer(
    client: Client, path: str
) -> None:
    assert client.get(path).status_code == 404


# ---- the browser of the display machine ---------------------------------------------------------


def test_the_display_is_not_started_against_a_server_with_another_key(
    authority: lan.Authority,
) -> None:
    authority.certify(["192.168.7.20"])
    with served(authority.server_file, authority.server_key_file) as port:
        url = f"https://127.0.0.1:{port}/show/abc/"
        assert "key is the one" in display.server_state(url, authority.server_pin)
        with pytest.raises(CommandError, match="has another key"):
            display.server_state(url, "x" * 43 + "=")
        with pytest.raises(CommandError, match="does not trust the server's certificate"):
            display.server_state(url, None)


@pytest.mark.parametrize(
    ("url", "words"),
    [("http://192.168.7.20:8000/", "Over http"), ("midgrey", "is not an address"),
     ("https://127.0.0.1:9/", "Nothing answers")],
)  # fmt: skip
def test_an_address_that_cannot_work_is_refused_with_advice(url: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        display.server_state(url, None)


def test_the_browser_is_started_alone_in_srgb_and_trusts_one_key(tmp_path: Path) -> None:
    command = display.arguments(
        browser="chromium", url="https://x/", profile=tmp_path, trust="PIN", windowed=False,
        flags=["--window-position=1920,0"],
    )  # fmt: skip
    assert command[0] == "chromium" and command[-1] == "https://x/"
    assert "--kiosk" in command and "--force-color-profile=srgb" in command
    assert "--disable-background-networking" in command and "--window-position=1920,0" in command
    assert f"--user-data-dir={tmp_path}" in command
    assert "--ignore-certificate-errors-spki-list=PIN" in command


def test_a_missing_browser_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no program on this machine"):
        call_command("display", "https://x/", browser=str(tmp_path / "none"))
