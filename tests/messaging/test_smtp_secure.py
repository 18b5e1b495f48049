"""The SMTP client over TLS and signed in, against a real peer with a certificate of its own."""

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.messaging import smtp
from app.messaging.channel import Outcome, Result
from app.messaging.smtp import Server
from app.messaging.smtp_pool import Pool

BODY = b"Subject: x\r\n\r\nhello\r\n"


class Peer:
    """Takes letters from those who sign in with the right word, and notes how each came."""

    def __init__(self) -> None:
        self.letters: list[tuple[bool, str | None]] = []
        self.mechanisms: list[str] = []

    # aiosmtpd calls it so.
    async def handle_DATA(self, _server: SMTP, session: Session, _envelope: Envelope) -> str:  # noqa: N802
        word = session.auth_data
        self.letters.append((session.ssl is not None, word.login.decode() if word else None))
        return "250 taken"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, word: Any
    ) -> AuthResult:
        self.mechanisms.append(mechanism)
        right = isinstance(word, LoginPassword) and word.password == "p@ss wörd".encode()
        return AuthResult(success=right, handled=False, auth_data=word if right else None)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and the certificate of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "mail.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@contextmanager
def serving(certificate: Path, *, implicit: bool = False, without: tuple[str, ...] = ()) -> Iterator[tuple[Peer, int]]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    peer = Peer()
    loop = asyncio.new_event_loop()
    controller = UnthreadedController(
        peer,
        hostname="127.0.0.1",
        port=0,
        loop=loop,
        ssl_context=context if implicit else None,
        tls_context=None if implicit else context,
        authenticator=peer.authenticate,
        auth_required=True,
        auth_require_tls=not implicit,
        auth_exclude_mechanism=without,
    )
    ready = threading.Event()

    def serve() -> None:
        # Not in the tests' own thread, in which the browser tests' loop may be running.
        controller.begin()
        ready.set()
        loop.run_forever()

    thread = threading.Thread(target=serve)
    thread.start()
    ready.wait(10)
    try:
        yield peer, controller.server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(controller.finalize(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def send(url: str) -> Outcome:
    pool = Pool(Server.from_url(url, "me.example"))
    try:
        [outcome] = pool.deliver([smtp.Envelope("no-reply@club.example", "ann@example.com", BODY)])
        return outcome
    finally:
        pool.close()


@pytest.fixture
def believed(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine believe the certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.mark.usefixtures("believed")
@pytest.mark.parametrize("without", [(), ("PLAIN",)])
def test_a_letter_goes_by_starttls_and_signed_in(certificate: Path, without: tuple[str, ...]) -> None:
    with serving(certificate, without=without) as (peer, port):
        outcome = send(f"smtp://club:p%40ss%20w%C3%B6rd@127.0.0.1:{port}?starttls=required")
        assert outcome.result is Result.SENT, outcome.response
        assert peer.letters == [(True, "club")]
        assert peer.mechanisms == ["LOGIN" if without else "PLAIN"]


# The peer does not know that all of its connections are encrypted.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.usefixtures("believed")
def test_a_letter_goes_over_tls_from_the_first_byte(certificate: Path) -> None:
    with serving(certificate, implicit=True) as (peer, port):
        outcome = send(f"smtps://club:p%40ss%20w%C3%B6rd@127.0.0.1:{port}")
        assert outcome.result is Result.SENT, outcome.response
        assert peer.mechanisms == ["PLAIN"]


@pytest.mark.usefixtures("believed")
def test_a_wrong_password_keeps_the_letter_and_says_so(certificate: Path) -> None:
    with serving(certificate) as (peer, port):
        outcome = send(f"smtp://club:wrong@127.0.0.1:{port}?starttls=required")
        assert outcome.result is Result.RETRY
        assert outcome.no_connection
        assert "535" in outcome.response
        assert peer.letters == []


@pytest.mark.parametrize("how", ["smtp://club:x@127.0.0.1:{}?starttls=required", "smtps://club:x@127.0.0.1:{}"])
def test_a_certificate_nobody_vouches_for_gets_no_password(certificate: Path, how: str) -> None:
    with serving(certificate, implicit=how.startswith("smtps")) as (peer, port):
        outcome = send(how.format(port))
        assert outcome.result is Result.RETRY
        assert "certificate" in outcome.response
        assert peer.mechanisms == []


def test_without_a_name_any_encryption_is_taken(certificate: Path) -> None:
    with serving(certificate) as (peer, port):
        outcome = send(f"smtp://club:p%40ss%20w%C3%B6rd@127.0.0.1:{port}?starttls=if_offered")
        assert outcome.result is Result.SENT, outcome.response
        assert peer.letters == [(True, "club")]
