"""What the tests of journeys share: an SMTP peer to count at."""

from collections.abc import Iterator

import pytest

from app.infra import config
from app.messaging import smtp
from tests.messaging.sink import Sink, running


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """A well-behaved SMTP server, set as SMTP_URL."""
    with running(Sink()) as server:
        monkeypatch.setenv("SMTP_URL", server.url)
        config.load.cache_clear()
        yield server
        smtp.pool(server.url, config.load().mail_domain).close()
    monkeypatch.undo()
    config.load.cache_clear()
