"""Which of a person's addresses a message goes to: the preferred one, unless nobody is reached there any more."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.customers.models import ContactPoint
from app.infra.db import transaction
from app.messaging import outbox
from app.messaging.states import Purpose
from app.messaging.suppression import SuppressedBecause, lift, page, suppress
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.sink import Sink

BOUNCED, COMPLAINED = SuppressedBecause.HARD_BOUNCE, SuppressedBecause.COMPLAINT


def give(mailer: Mailer, customer_id: UUID, address: str, *, days_ago: int, verified: bool = False) -> None:
    """Let a customer have one more address."""
    then = NOON - timedelta(days=days_ago)
    with transaction(mailer.tenant_id) as session:
        session.add(
            ContactPoint(
                tenant_id=mailer.tenant_id,
                customer_id=customer_id,
                kind="email",
                key=address,
                value=address,
                created_at=then,
                verified_at=then if verified else None,
                verified_how="staff" if verified else None,
            )
        )


def stop(mailer: Mailer, address: str, because: SuppressedBecause = BOUNCED) -> None:
    suppress(tenant_id=mailer.tenant_id, addresses=[address], because=because)


def went(mailer: Mailer, message_id: UUID) -> tuple[str, str | None, str | None]:
    row = mailer.row(message_id)
    return row.status, row.to_address, row.instead_of


@pytest.fixture
def ann(mailer: Mailer, customer: MakeCustomer) -> UUID:
    """Somebody who prefers one of three addresses; a fourth is a mailbox she shares."""
    ann, bob = customer(email="ann@example.com"), customer()
    give(mailer, ann, "ann@example.com", days_ago=1)
    give(mailer, ann, "ann@work.example", days_ago=30, verified=True)
    give(mailer, ann, "ann@new.example", days_ago=10)
    for one in (ann, bob):
        give(mailer, one, "desk@club.example", days_ago=2)
    return ann


def test_mail_goes_to_the_preferred_address_as_long_as_it_can(mailer: Mailer, ann: UUID, sink: Sink) -> None:
    [message] = mailer.put(ann)
    mailer.send()
    assert went(mailer, message) == ("sent", "ann@example.com", None)


def test_where_it_is_dead_mail_goes_to_a_verified_one_and_says_so(
    mailer: Mailer, ann: UUID, sink: Sink, client: Any, sign_in: Any, api: Any
) -> None:
    stop(mailer, "ann@example.com")
    [message] = mailer.put(ann)
    mailer.send()
    assert went(mailer, message) == ("sent", "ann@work.example", "ann@example.com")
    assert [letter.recipient for letter in sink.letters] == ["ann@work.example"]
    sign_in()
    said = "because mail can’t reach them at ann@example.com"
    assert said in client.get(f"/messages/{message}").text
    assert said in client.get(f"/customers/{ann}/messages").text
    assert api.get(f"/messages/{message}").get_json()["instead_of"] == "ann@example.com"


def test_next_comes_the_newest_but_never_one_that_others_share(mailer: Mailer, ann: UUID, sink: Sink) -> None:
    stop(mailer, "ann@example.com")
    stop(mailer, "ann@work.example", COMPLAINED)
    [first] = mailer.put(ann)
    mailer.send()
    assert went(mailer, first) == ("sent", "ann@new.example", "ann@example.com")
    stop(mailer, "ann@new.example")
    [second] = mailer.put(ann, key="again")
    mailer.send()
    assert went(mailer, second) == ("skipped", "ann@example.com", None)
    assert mailer.fate(second) == ("skipped", "suppressed")


def test_who_complained_is_not_written_to_elsewhere(mailer: Mailer, ann: UUID, sink: Sink) -> None:
    for because in (COMPLAINED, SuppressedBecause.MANUAL):
        stop(mailer, "ann@example.com", because)
        [message] = mailer.put(ann, key=because)
        mailer.send()
        assert mailer.fate(message) == ("skipped", "suppressed")
        (entry,) = page(tenant_id=mailer.tenant_id).items
        lift(tenant_id=mailer.tenant_id, suppression_id=entry.id, reason="A slip.", actor="system")
    assert not sink.letters


def test_what_is_asked_for_goes_where_marketing_may_not(mailer: Mailer, ann: UUID, sink: Sink) -> None:
    stop(mailer, "ann@example.com")
    stop(mailer, "ann@work.example", COMPLAINED)
    [message] = mailer.put(ann, purpose=Purpose.TRANSACTIONAL)
    mailer.send()
    assert went(mailer, message) == ("sent", "ann@work.example", "ann@example.com")


def test_a_no_holds_at_every_address(mailer: Mailer, ann: UUID, sink: Sink) -> None:
    stop(mailer, "ann@example.com")
    with transaction(mailer.tenant_id) as session:
        session.execute(text("UPDATE customer SET email_opt_in = false WHERE id = :id"), {"id": ann})
    [message] = mailer.put(ann)
    mailer.send()
    assert mailer.fate(message) == ("skipped", "opted_out")


def test_a_link_that_speaks_for_a_mailbox_goes_to_that_mailbox_only(mailer: Mailer, ann: UUID, sink: Sink) -> None:
    stop(mailer, "ann@example.com")
    message = outbox.put_one(
        tenant_id=mailer.tenant_id,
        to_address="ann@example.com",
        dedupe_key="confirm:1",
        builtin="confirm_consent",
        customer_id=ann,
        now=NOON,
    )
    mailer.send()
    assert mailer.fate(message) == ("skipped", "suppressed")


def test_an_address_that_is_none_is_passed_over_too(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
    wrong, none = customer(email="not an address"), customer(email=None)
    give(mailer, wrong, "wrong@example.com", days_ago=1)
    give(mailer, none, "none@example.com", days_ago=1)
    first, second = mailer.put(wrong, none)
    mailer.send()
    assert went(mailer, first) == ("sent", "wrong@example.com", "not an address")
    assert went(mailer, second) == ("sent", "none@example.com", None)
