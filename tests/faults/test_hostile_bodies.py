"""Bodies made to break whoever reads them, at every endpoint of the API that takes one: each is answered, none with a
failure, and the processes of the server stay, and stay as small as they were."""

import gzip
import http.client
import json
import re
from collections.abc import Iterator

import psutil
import pytest

from tests.stack import Organisation, Stack

MB = 1024 * 1024
GROWTH = 50 * MB
BODIES = {
    "10 MB": b'{"name":"' + b"x" * (10 * MB) + b'"}',
    "200,000 deep": b"[" * 200_000 + b"]" * 200_000,
    "200,000 deep, of objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "NaN": b'{"name":NaN,"payload":{"a":NaN}}',
    "Infinity": b'[{"a":Infinity},{"a":-Infinity}]',
    "1e400": b'{"name":1e400,"payload":{"a":-1e400}}',
    "100,000 keys": json.dumps({f"key{number}": number for number in range(100_000)}).encode(),
    "100,000 keys, nested": json.dumps({"payload": {f"key{number}": [] for number in range(100_000)}}).encode(),
    "a million lists": b"[" + b"[]," * 1_000_000 + b"[]]",
    "a list of many that do not fit": json.dumps({"members": ["x"] * 50_000, "name": ["x"] * 50_000}).encode(),
}


@pytest.fixture(scope="module")
def organisation(shared: Stack) -> Organisation:
    return shared.register()


def endpoints(organisation: Organisation) -> list[tuple[str, str]]:
    """Return method and path of all that takes a body, but of what would end the session."""
    paths = organisation.call("GET", "/openapi.json")["paths"]
    return [
        (method.upper(), re.sub(r"{\w+}", "01a1fd50-0b05-7112-8394-2351d72d76ed", path))
        for path, methods in paths.items()
        for method in methods
        if method in ("post", "put", "patch") and not path.endswith("/auth/logout")
    ]


def send(organisation: Organisation, method: str, path: str, body: bytes, **headers: str) -> tuple[int, int]:
    """Return the status and length of the answer."""
    connection = http.client.HTTPConnection("localhost", organisation.stack.port, timeout=60)
    signed_in = {"Authorization": f"Bearer {organisation.token}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, body, signed_in | headers)
        response = connection.getresponse()
        return response.status, len(response.read())
    finally:
        connection.close()


def servers(stack: Stack) -> dict[int, int]:
    """Return the memory each process of the web server holds."""
    return {
        one.pid: one.memory_info().rss for one in stack.processes("wsgi:app") if one.status() != psutil.STATUS_ZOMBIE
    }


def everywhere(organisation: Organisation, body: bytes, **headers: str) -> Iterator[tuple[str, int, int]]:
    for method, path in endpoints(organisation):
        yield f"{method} {path}", *send(organisation, method, path, body, **headers)


def test_no_body_breaks_the_server_or_fattens_it(organisation: Organisation) -> None:
    for _ in range(3):
        assert len(list(everywhere(organisation, b"{}"))) > 40
    before = servers(organisation.stack)
    peak = dict(before)
    failed, long = [], []
    for name, body in BODIES.items():
        for where, status, length in everywhere(organisation, body):
            if status >= 500:
                failed.append((name, where, status))
            if length > 20_000:
                long.append((name, where, length))
        peak = {pid: max(size, peak.get(pid, 0)) for pid, size in servers(organisation.stack).items()}
    bomb = gzip.compress(b"[" * (50 * MB))
    failed += [
        ("gzip", where, status)
        for where, status, _ in everywhere(organisation, bomb, **{"Content-Encoding": "gzip"})
        if status >= 500
    ]
    now = servers(organisation.stack)
    assert failed == []
    assert long == [], "no answer is as long as the question"
    assert now.keys() == before.keys(), "nobody died"
    grown = {pid: (max(size, now[pid]) - before[pid]) // MB for pid, size in peak.items()}
    assert all(size <= GROWTH // MB for size in grown.values()), grown


def test_whoever_is_refused_hears_why(organisation: Organisation) -> None:
    """The answer arrives though the body was not read: to a server that hangs up one would send for ever."""
    body = b"[" + b'{"id":"x"},' * 300_000 + b"{}]"
    stranger = {"Authorization": "Bearer nobody"}
    assert send(organisation, "POST", "/api/v1/events", body, **stranger)[0] == 401
    assert send(organisation, "POST", "/api/v1/customers", b"x" * 12 * MB)[0] == 413
    assert send(organisation, "POST", "/api/v1/nowhere", b"x" * 12 * MB)[0] == 404
    assert send(organisation, "POST", "/api/v1/events", b"[" + b"1," * 400_000 + b"1]")[0] == 400
