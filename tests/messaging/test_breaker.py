"""A channel whose other side is down is left alone, and goes on when it is back. Counted at the SMTP peer."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from app.infra import config
from app.infra.db import db
from app.messaging import breaker, sender
from app.messaging.channel import Outcome, Outgoing, Result
from app.messaging.channels.email_smtp import EmailChannel
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.sink import Sink
from tests.page_client import PageClient

SECOND = timedelta(seconds=1)
OPEN_AFTER = timedelta(hours=1)
"""By then every message that failed twice is due again."""


def step(mailer: Mailer, after: timedelta) -> int:
    return sender.send_batch(tenant_id=mailer.tenant_id, now=NOON + after, limit=10)


class Down:
    """The mail server, which can be away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        self.monkeypatch = monkeypatch
        self.url = url

    def be(self, away: bool) -> None:
        self.monkeypatch.setenv("SMTP_URL", "smtp://127.0.0.1:1" if away else self.url)
        config.load.cache_clear()


@pytest.fixture
def server(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Down:
    return Down(monkeypatch, sink.url)


def test_it_opens_after_three_batches_and_tries_one_letter(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, server: Down
) -> None:
    messages = mailer.put(*(customer() for _ in range(5)))
    server.be(away=True)
    for number in range(breaker.AFTER):
        assert breaker.opened(tenant_id=mailer.tenant_id) == []
        step(mailer, number * OPEN_AFTER)
    [left] = breaker.opened(tenant_id=mailer.tenant_id)
    assert (left.channel, left.label, left.failures) == ("EMAIL", "E-mail", breaker.AFTER)
    assert "can't be reached" in left.said
    attempts = [mailer.row(one).attempts for one in messages]
    assert attempts == [3] * 5

    # While it is open nothing is tried, however due, and no attempt is used up.
    assert step(mailer, 2 * OPEN_AFTER + 20 * SECOND) == 0
    later = 10 * OPEN_AFTER
    assert step(mailer, later) == 0
    assert sorted(mailer.row(one).attempts for one in messages) == [3, 3, 3, 3, 4]
    [left] = breaker.opened(tenant_id=mailer.tenant_id)
    assert left.until - (NOON + later) >= 2 * breaker.FIRST - SECOND
    assert step(mailer, later + breaker.FIRST) == 0

    server.be(away=False)
    assert step(mailer, 20 * OPEN_AFTER) == 1
    assert len(sink.letters) == 1
    assert breaker.opened(tenant_id=mailer.tenant_id) == []
    while step(mailer, 21 * OPEN_AFTER):
        pass
    assert [mailer.fate(one)[0] for one in messages] == ["sent"] * 5
    assert len(sink.letters) == 5


def test_one_letter_that_is_refused_opens_nothing(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    sink.on_recipient = lambda _address, _nth: "451 later"
    mailer.put(*(customer() for _ in range(3)))
    for number in range(5):
        step(mailer, number * OPEN_AFTER)
    assert breaker.opened(tenant_id=mailer.tenant_id) == []


def test_failures_that_are_not_in_a_row_open_nothing(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, server: Down
) -> None:
    for number in range(4):
        mailer.put(customer(), key=f"again-{number}")
        server.be(away=number != 2)
        step(mailer, number * OPEN_AFTER)
    assert breaker.opened(tenant_id=mailer.tenant_id) == []


def test_who_asks_for_peace_gets_it_at_once(
    mailer: Mailer, customer: MakeCustomer, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def busy(self: EmailChannel, batch: Sequence[Outgoing]) -> list[Outcome]:
        calls.append(len(batch))
        return [Outcome(Result.RETRY, "429 slow down", 429, retry_after=timedelta(minutes=20)) for _ in batch]

    mailer.put(*(customer() for _ in range(3)))
    with monkeypatch.context() as changed:
        changed.setattr(EmailChannel, "deliver", busy)
        step(mailer, timedelta(0))
        mailer.put(customer(), key="another")
        assert step(mailer, timedelta(minutes=19)) == 0
        assert calls == [3]
    assert step(mailer, timedelta(minutes=21)) == 1
    while step(mailer, OPEN_AFTER):
        pass
    assert len(sink.letters) == 4


def test_the_ops_page_says_so(
    mailer: Mailer, customer: MakeCustomer, server: Down, client: PageClient, sign_in: Any
) -> None:
    sign_in()
    assert "waits for its server" not in client.get("/ops/queues").text
    mailer.put(customer())
    server.be(away=True)
    for number in range(breaker.AFTER):
        step(mailer, number * OPEN_AFTER)
    assert "E-mail waits for its server" in client.get("/ops/queues").text


@pytest.mark.committed
def test_no_connection_to_the_database_is_held_while_a_server_is_slow(
    mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    held: list[int] = []

    pool: Any = db.engine.pool

    def asked(_address: str, _nth: int) -> None:
        held.append(pool.checkedout())

    sink.on_recipient = asked
    mailer.put(*(customer() for _ in range(5)))
    while sender.send_batch(tenant_id=mailer.tenant_id, now=NOON, limit=10):
        pass
    assert held == [0] * 5
