"""What was sent, opened and clicked, as conditions ask of it: by template, topic, link; people apart from machines."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.capture import service as capture
from app.conditions import compile_sql, dependencies, explain, parse
from app.customers import custom_fields, topics
from app.customers.models import Customer
from app.infra.db import transaction
from app.messaging import tracking
from app.messaging.tokens import TrackedLink
from app.messaging.tracking import Kind, Visit
from app.road import condition_names
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.sink import Sink

LATER = NOON + timedelta(hours=2)
READER = Visit("GET", "Mozilla/5.0 (X11; Linux x86_64) Firefox/143.0")
MACHINE = Visit("GET", "SafeLinks scanner")


def did(event: str, *where: Any, operator: str = "gte", value: int = 1, within: str = "14 days") -> dict[str, Any]:
    asked = {"where": {"rules": list(where)}} if where else {}
    return {"event": event, "operator": operator, "value": value, "within": within, **asked}


def rule(name: str, value: Any, operator: str = "eq") -> dict[str, Any]:
    return {"field": name, "operator": operator, "value": value}


HUMAN = rule("is_machine", False)


def yes(tenant_id: UUID, *rules: Any) -> set[UUID]:
    """Return who is found by conditions two hours after the mails went out."""
    tree = parse(list(rules), custom_fields.catalogue(tenant_id=tenant_id))
    with transaction(tenant_id) as session:
        return set(session.scalars(select(Customer.id).where(compile_sql(tree, now=LATER).is_(True))))


def test_who_was_sent_what_opened_it_and_clicked(
    tenant: Any, mailer: Mailer, customer: MakeCustomer, sink: Sink, template: UUID
) -> None:
    golf = topics.create(tenant_id=tenant.id, name="Golf trips", actor="system")
    opens, clicks, scanned, other = (customer(email=f"{name}@example.com") for name in ("o", "c", "s", "x"))
    first = mailer.put(opens, clicks, scanned, topic_id=golf.id)
    (second,) = mailer.put(other, key="other")
    mailer.send()
    at = NOON + timedelta(hours=1)
    book = "https://club.example/book?a=1"
    for kind, message, url, visit in (
        (Kind.OPENED, first[0], "", READER),
        (Kind.CLICKED, first[1], book, READER),
        (Kind.CLICKED, first[2], book, MACHINE),
        (Kind.OPENED, second, "", READER),
    ):
        link = TrackedLink(tenant.id, message, url)
        assert tracking.record(kind=kind, link=link, visit=visit, now=at)
    while capture.process_batch(tenant_id=tenant.id):
        pass
    about, letter = rule("topic_id", str(golf.id)), rule("template_id", str(template))
    assert yes(tenant.id, did("message.sent")) == {opens, clicks, scanned, other}
    assert yes(tenant.id, did("message.sent", about)) == {opens, clicks, scanned}
    assert yes(tenant.id, did("message.sent", letter, rule("journey_id", str(golf.id)))) == set()
    assert yes(tenant.id, did("message.clicked")) == {clicks, scanned}
    assert yes(tenant.id, did("message.clicked", HUMAN)) == {clicks}
    assert yes(tenant.id, did("message.clicked", rule("is_machine", True))) == {scanned}
    assert yes(tenant.id, did("message.clicked", HUMAN, rule("url", "/book", "contains"))) == {clicks}
    assert yes(tenant.id, did("message.opened", HUMAN, letter)) == {opens, other}
    assert yes(tenant.id, did("message.opened", HUMAN, about)) == {opens}
    assert yes(tenant.id, did("message.opened", HUMAN, within="30 minutes")) == set()
    assert yes(tenant.id, did("message.opened", HUMAN, operator="eq", value=0)) == {clicks, scanned}


def test_it_reads_well_and_says_what_it_depends_on(tenant: Any, template: UUID) -> None:
    tree = parse(
        [did("message.opened", rule("template_id", str(template)))], custom_fields.catalogue(tenant_id=tenant.id)
    )
    names = {field: dict(some) for field, some in condition_names(tenant.id).items()}
    told = explain(tree, names=names)
    assert "Welcome" in told
    assert str(template) not in told
    assert dependencies(tree) == {"activity:message.opened"}
