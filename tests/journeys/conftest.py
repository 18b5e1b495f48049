"""What the tests of journeys share: an SMTP peer to count at, and a journey."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.infra import config
from app.journeys.models import Journey
from app.messaging import smtp_pool
from tests.journeys.helpers import voucher_journey
from tests.messaging.sink import Sink, running


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """A well-behaved SMTP server, set as SMTP_URL."""
    with running(Sink()) as server:
        monkeypatch.setenv("SMTP_URL", server.url)
        config.load.cache_clear()
        yield server
        smtp_pool.pool(server.url, config.load().mail_domain).close()
    monkeypatch.undo()
    config.load.cache_clear()


@pytest.fixture
def voucher(tenant: Any) -> Journey:
    """A journey whose people get a voucher after two days."""
    return voucher_journey(tenant.id)
