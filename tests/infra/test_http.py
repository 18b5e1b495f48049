"""The way out: URLs people typed lead outside, to the address that was looked at, and have an end."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.infra import config, http
from app.infra.http import RefusedUrl, Unreachable, check_url, request

GOOD = {
    "DATABASE_URL": "postgresql://fairway@db.example/fairway",
    "REDIS_URL": "redis://cache.example",
    "SECRET_KEY": "s" * 32,
    "ENCRYPTION_KEYS": "new,old",
    "PUBLIC_URL": "https://crm.example.com/",
    "SMTP_URL": "smtp://mail.example.com",
}
HOSTILE_URLS = """
    http://example.com/ ftp://example.com/ file:///etc/passwd gopher://example.com/ //example.com/ https:// https:///x
    example.com javascript:alert(1) https://user:pass@example.com/ https://example.com@127.0.0.1/
    https://127.0.0.1/ https://127.1/ https://127.0.1/ https://0177.0.0.1/ https://0x7f.0.0.1/ https://0x7f000001/
    https://2130706433/ https://017700000001/ https://127.0.0.1./ https://0/ https://0.0.0.0/ https://127.255.255.254/
    https://１２７.０.０.１/ https://127。0。0。1/ https://①②⑦.0.0.1/ https://%31%32%37.0.0.1/ https://127.0.0.1%00.example.com/
    https://10.0.0.5/ https://172.16.0.1/ https://172.31.255.255/ https://192.168.1.1/ https://100.64.0.1/
    https://100.127.255.255/ https://169.254.169.254/latest/meta-data/ https://168.63.129.16/ https://100.100.100.200/
    https://192.0.0.192/ https://192.0.2.1/ https://198.18.0.1/ https://224.0.0.1/ https://255.255.255.255/
    https://240.0.0.1/ https://[::]/ https://[::1]/ https://[0:0:0:0:0:0:0:1]/ https://[::ffff:127.0.0.1]/
    https://[::ffff:7f00:1]/ https://[::ffff:10.0.0.1]/ https://[::127.0.0.1]/ https://[64:ff9b::7f00:1]/
    https://[64:ff9b:1::1]/ https://[2002:7f00:1::]/ https://[2001:0:53aa:64c::1]/ https://[fc00::1]/ https://[fd00:ec2::254]/
    https://[fe80::1]/ https://[fe80::1%25eth0]/ https://[fec0::1]/ https://[ff02::1]/ https://[2001:db8::1]/
    https://[5f00::1]/ https://[4000::1]/ https://[3fff::1]/ https://[::1/ https://[v1.x]/
    https://localhost/ https://LOCALHOST/ https://localhost./ https://app.localhost/ https://printer.local/
    https://metadata.google.internal/ https://router.lan/ https://redis/ https://db.corp/
    https://example.com:22/ https://example.com:25/ https://example.com:6379/ https://example.com:0/
    https://example.com:99999/ https://example.com:-1/ https://example..com/ https://-x.example.com/ https://ex_-.example/
    https://example.com\\@127.0.0.1/ https://exam<ple.com/
"""


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody is trusted unless a test says so."""
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("OUTBOUND_TRUSTED", raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    config.load.cache_clear()
    yield
    config.load.cache_clear()


def trust(monkeypatch: pytest.MonkeyPatch, *origins: str) -> None:
    monkeypatch.setenv("OUTBOUND_TRUSTED", ",".join(origins))
    config.load.cache_clear()


class Server:
    """A listener that gives each connection to `serve`, and keeps what was sent to it."""

    def __init__(self, serve: Callable[[socket.socket, bytes], None], context: ssl.SSLContext | None = None) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0
        self.serve = serve
        self.context = context
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while True:
            try:
                taken, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            taken.settimeout(20)
            try:
                one = self.context.wrap_socket(taken, server_side=True) if self.context else taken
                with one:
                    asked = _read(one)
                    self.requests.append(asked)
                    self.serve(one, asked)
            except OSError:
                taken.close()

    def end(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join()


def _read(one: socket.socket) -> bytes:
    told = b""
    while b"\r\n\r\n" not in told:
        if not (more := one.recv(65536)):
            return told
        told += more
    head, _, body = told.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += one.recv(65536)
    return head + b"\r\n\r\n" + body


def says(answer: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda one, _: one.sendall(answer)


@contextmanager
def serving(serve: Callable[[socket.socket, bytes], None], context: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(serve, context)
    try:
        yield server
    finally:
        server.end()


OK = says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Kind: Test\r\n\r\nok")


@pytest.mark.parametrize("url", HOSTILE_URLS.split())
def test_an_url_that_leads_inside_or_is_oddly_written_is_refused_before_any_name_is_resolved(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "resolve", lambda *_: pytest.fail("nothing is resolved"))
    with pytest.raises(RefusedUrl) as refused:
        request("GET", url)
    assert refused.value.errors["url"].endswith(".")


@pytest.mark.parametrize("sign", ["\r", "\n", "\t", " ", "\x00", "\x7f", "\u00a0", "\u2028"])
def test_signs_that_no_address_has_are_refused(sign: str) -> None:
    for url in (f"https://example.com/{sign}x", f"https://exa{sign}mple.com/", f"{sign}https://example.com/"):
        with pytest.raises(RefusedUrl):
            check_url(url)


def test_an_address_outside_is_taken_apart() -> None:
    assert check_url("https://Hooks.Example.com/a/b?c=d%20e#part") == http.Target(
        "https", "hooks.example.com", 443, "/a/b?c=d%20e", False
    )
    assert check_url("https://hooks.example.com:8443").authority == "hooks.example.com:8443"
    assert check_url("https://bücher.example/größe").host == "xn--bcher-kva.example"
    assert check_url("https://bücher.example/größe").path == "/gr%C3%B6%C3%9Fe"
    assert check_url("https://[2606:4700::1111]:8443/").authority == "[2606:4700::1111]:8443"
    assert check_url("https://93.184.215.14/").host == "93.184.215.14"


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["93.184.215.14", "127.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::a00:1"],
        ["fe80::1%eth0"],
        ["2606:4700::1111", "fd00::1"],
    ],
)
def test_a_name_that_leads_inside_is_refused_and_nobody_inside_hears_of_it(
    found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(OK) as server:
        monkeypatch.setenv("OUTBOUND_PORTS", str(server.port))
        config.load.cache_clear()
        monkeypatch.setattr(http, "resolve", lambda *_: found)
        with pytest.raises(RefusedUrl):
            request("POST", f"https://hooks.example.com:{server.port}/")
        assert server.connections == 0


def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that leads outside the first time and inside the second gains nothing."""
    answers = [["93.184.215.14"], ["127.0.0.1"]]
    asked: list[object] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(http, "resolve", lambda *_: answers.pop(0))
    monkeypatch.setattr(http.socket, "create_connection", connect)
    with pytest.raises(Unreachable, match="connection refused"):
        request("POST", "https://hooks.example.com/")
    assert asked == [("93.184.215.14", 443)]
    assert len(answers) == 1


def test_a_trusted_receiver_inside_is_reached_as_it_was_named_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(OK) as server:
        trust(monkeypatch, f"http://127.0.0.1:{server.port}")
        answer = request(
            "POST", f"http://127.0.0.1:{server.port}/in?x=1", body=b'{"a": 1}', headers={"Content-Type": "a/json"}
        )
        assert (answer.status, answer.body, answer.whole, answer.ok) == (200, b"ok", True, True)
        assert answer.headers["x-kind"] == "Test"
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        assert head.split(b"\r\n")[0] == b"POST /in?x=1 HTTP/1.1"
        assert f"Host: 127.0.0.1:{server.port}".encode() in head
        assert b"Content-Type: a/json" in head
        assert body == b'{"a": 1}'
        for other in (f"https://127.0.0.1:{server.port}/", f"http://localhost:{server.port}/", "http://127.0.0.1/"):
            with pytest.raises(RefusedUrl):
                request("POST", other)


def test_not_even_a_trusted_name_leads_to_a_metadata_service(monkeypatch: pytest.MonkeyPatch) -> None:
    trust(monkeypatch, "http://metadata.internal", "http://169.254.169.254")
    for found in ("169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "2002:a9fe:a9fe::1"):
        monkeypatch.setattr(http, "resolve", lambda *_, one=found: [one])
        with pytest.raises(RefusedUrl):
            request("GET", "http://metadata.internal/")
    with pytest.raises(RefusedUrl):
        request("GET", "http://169.254.169.254/")


def test_a_redirect_is_an_answer_and_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(OK) as inside:
        away = f"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:{inside.port}/\r\nContent-Length: 0\r\n\r\n"
        with serving(says(away.encode())) as server:
            trust(monkeypatch, f"http://127.0.0.1:{server.port}", f"http://127.0.0.1:{inside.port}")
            answer = request("POST", f"http://127.0.0.1:{server.port}/")
        assert (answer.status, answer.ok) == (307, False)
        assert inside.connections == 0


def test_of_an_endless_answer_only_so_much_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(one: socket.socket, _: bytes) -> None:
        one.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            one.sendall(b"x" * 65536)

    with serving(endless) as server:
        trust(monkeypatch, f"http://127.0.0.1:{server.port}")
        answer = request("GET", f"http://127.0.0.1:{server.port}/", max_bytes=1000)
        assert (len(answer.body), answer.whole) == (1000, False)


def test_an_answer_that_drips_ends_with_the_time_that_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes soon enough for a limit on silence; all of them never end."""
    stop = threading.Event()

    def drip(one: socket.socket, _: bytes) -> None:
        one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not stop.wait(0.05):
            one.sendall(b"x")

    with serving(drip) as server:
        trust(monkeypatch, f"http://127.0.0.1:{server.port}")
        try:
            with pytest.raises(Unreachable, match=r"took longer than 1 second|in time"):
                request("GET", f"http://127.0.0.1:{server.port}/", timeout=1.0)
        finally:
            stop.set()


@pytest.mark.parametrize("nonsense", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500])
def test_what_is_no_answer_is_told_in_words(nonsense: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(says(nonsense)) as server:
        trust(monkeypatch, f"http://127.0.0.1:{server.port}")
        with pytest.raises(Unreachable, match="not HTTP"):
            request("GET", f"http://127.0.0.1:{server.port}/")


def test_nobody_listening_and_no_such_name_are_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    trust(monkeypatch, f"http://127.0.0.1:{port}")
    with pytest.raises(Unreachable, match="could not be reached: connection refused"):
        request("GET", f"http://127.0.0.1:{port}/")
    monkeypatch.setattr(http, "resolve", lambda *_: [])
    with pytest.raises(Unreachable, match=r"no host called hooks\.example\.com"):
        request("GET", "https://hooks.example.com/")


def test_a_resolver_that_does_not_answer_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def slow(*_: object, **__: object) -> list[object]:
        answered.wait(20)
        return []

    monkeypatch.setattr(http.socket, "getaddrinfo", slow)
    with pytest.raises(Unreachable, match="could not be resolved in time"):
        request("GET", "https://hooks.example.com/", timeout=0.2)
    answered.set()


def test_the_certificate_must_be_valid_and_name_the_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    context = _certificate(tmp_path, "hooks.example.com")
    with serving(OK, context) as server:
        trust(monkeypatch, f"https://hooks.example.com:{server.port}", f"https://other.example.com:{server.port}")
        monkeypatch.setattr(http, "resolve", lambda *_: ["127.0.0.1"])
        with pytest.raises(Unreachable, match="no valid certificate"):
            request("GET", f"https://hooks.example.com:{server.port}/")
        believing = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
        monkeypatch.setattr(http, "_certificates", lambda: believing)
        assert request("GET", f"https://hooks.example.com:{server.port}/").body == b"ok"
        with pytest.raises(Unreachable, match="no valid certificate"):
            request("GET", f"https://other.example.com:{server.port}/")
        assert len(server.requests) == 1


def _certificate(folder: Path, host: str) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def test_every_address_of_the_private_networks_lies_inside() -> None:
    from app.infra.networks import why_inside

    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"):
        first, last = ipaddress.ip_network(network)[0], ipaddress.ip_network(network)[-1]
        assert why_inside(first)
        assert why_inside(last)
        assert why_inside(ipaddress.ip_address(f"::ffff:{first}"))
    for outside in ("9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "100.63.255.255", "2606:4700::1111"):
        assert why_inside(ipaddress.ip_address(outside)) is None
