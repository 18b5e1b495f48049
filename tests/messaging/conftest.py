"""What the tests of sending share: customers, a template, and an SMTP peer to count at."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.content import service as content
from app.customers.models import Customer
from app.infra import config
from app.infra.db import transaction
from app.infra.ids import new_id
from app.messaging import outbox, sender, smtp_pool
from tests.messaging.provider import LONG, set_up
from tests.messaging.sink import Sink, running
from tests.segments.receiver import Receiver, receiving

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MakeCustomer = Callable[..., UUID]


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """A well-behaved SMTP server, set as SMTP_URL; tests change its `on_recipient` and `on_letter`."""
    with running(Sink()) as server:
        monkeypatch.setenv("SMTP_URL", server.url)
        config.load.cache_clear()
        yield server
        smtp_pool.pool(server.url, config.load().mail_domain).close()
    monkeypatch.undo()
    config.load.cache_clear()


@pytest.fixture
def customer(tenant: Any) -> MakeCustomer:
    """Return a function that makes a customer (reachable and consenting unless told otherwise) and returns its id."""

    def make(**fields: Any) -> UUID:
        identity = new_id()
        fields = {"first_name": "Ann", "email": f"ann-{identity.hex[-8:]}@example.com", "email_opt_in": True} | fields
        with transaction(tenant.id) as session:
            session.add(Customer(tenant_id=tenant.id, id=identity, **fields))
        return identity

    return make


@pytest.fixture
def template(tenant: Any) -> UUID:
    return content.create(
        tenant_id=tenant.id,
        name="Welcome",
        subject="Welcome, {{ customer.first_name | default: 'friend' }}",
        html='<html><body><p>Hello {{ customer.first_name }}, <a href="https://club.example/book?a=1&amp;b=2">book</a>'
        "</p></body></html>",
        text=None,
    ).id


class Mailer:
    """Puts messages out and sends them, at moments the test chooses."""

    def __init__(self, tenant_id: UUID, template_id: UUID) -> None:
        self.tenant_id = tenant_id
        self.template_id = template_id

    def put(self, *customer_ids: UUID, key: str = "welcome", **more: Any) -> list[UUID]:
        keys = [f"{key}:{one}" for one in customer_ids]
        made = outbox.put(
            tenant_id=self.tenant_id,
            template_id=more.pop("template_id", self.template_id),
            customer_ids=list(customer_ids),
            dedupe_keys=keys,
            now=more.pop("now", NOON),
            **more,
        )
        return [made[one] for one in keys]

    def send(self, after: timedelta = timedelta(0)) -> int:
        """Send all that is due `after` noon; return how many messages were dealt with."""
        total = 0
        while done := sender.send_batch(tenant_id=self.tenant_id, now=NOON + after):
            total += done
        return total

    def row(self, message_id: UUID) -> Any:
        with transaction(self.tenant_id) as session:
            return session.execute(text("SELECT * FROM message WHERE id = :id"), {"id": message_id}).one()

    def fate(self, message_id: UUID) -> tuple[str, str | None]:
        row = self.row(message_id)
        return row.status, row.reason

    def one(self, query: str, **values: Any) -> Any:
        with transaction(self.tenant_id) as session:
            return session.execute(text(query), values).scalar_one()


@pytest.fixture
def mailer(tenant: Any, template: UUID) -> Mailer:
    return Mailer(tenant.id, template)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, tenant: Any) -> Iterator[Receiver]:
    """A provider that carries the organisation's texts."""
    with receiving(monkeypatch) as found:
        set_up(tenant.id, found)
        yield found


@pytest.fixture
def texter(tenant: Any) -> Mailer:
    """As `mailer`, of a text."""
    words = f"Hi {{{{ customer.first_name }}}}, book at {LONG} now."
    return Mailer(tenant.id, content.create(tenant_id=tenant.id, name="Text", channel="SMS", text=words).id)
