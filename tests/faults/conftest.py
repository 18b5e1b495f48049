"""A whole Fairway whose mails go to a peer of the test's own."""

import shutil
import tempfile
from collections.abc import Iterator
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
    top = Path(tempfile.mkdtemp(prefix="fairway-faults-"))
    top.chmod(0o755)  # PostgreSQL may run as another account
    made = Stack(top / "var", smtp_url=peer.url)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(top)
