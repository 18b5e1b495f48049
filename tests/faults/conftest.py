"""A whole Fairway whose mails go to a peer of the tests' own."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.messaging.sink import Sink, running
from tests.stack import Stack


@pytest.fixture(autouse=True)
def session_tx() -> None:
    """No transaction round these tests: their processes commit."""


@pytest.fixture(autouse=True)
def clean_redis() -> None:
    """These tests have a Redis of their own."""


@pytest.fixture
def peer() -> Iterator[Sink]:
    """The SMTP peer: what it accepted is what was sent, whatever our own tables say."""
    sink = Sink()
    with running(sink):
        yield sink


@pytest.fixture
def stack(peer: Sink) -> Iterator[Stack]:
    """A Fairway of the test's own, to kill."""
    with _started(peer) as made:
        yield made


@pytest.fixture(scope="package")
def busy_peer() -> Iterator[Sink]:
    """The SMTP peer of `shared`, which is too busy to take any letter."""
    sink = Sink(on_recipient=lambda _address, _nth: "451 4.3.2 Busy, come again later")
    with running(sink):
        yield sink


@pytest.fixture(scope="package")
def shared(busy_peer: Sink) -> Iterator[Stack]:
    """One Fairway for all tests that leave its processes alone; each registers an organisation of its own."""
    with _started(busy_peer) as made:
        yield made


@contextmanager
def _started(peer: Sink, **environment: str) -> Iterator[Stack]:
    top = Path(tempfile.mkdtemp(prefix="fairway-faults-"))
    top.chmod(0o755)  # PostgreSQL may run as another account
    made = Stack(top / "var", smtp_url=peer.url)
    made.environment |= environment
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(top)
