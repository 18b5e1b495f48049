"""What comes back on a message: once on the timeline, on the message, and what it means for the address."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.capture import service as capture
from app.infra.db import transaction
from app.infra.ids import new_id
from app.messaging.feedback import SOFT_LIMIT, Bounce, Kind, record, tidy
from app.messaging.states import Reason, Status
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.sink import Sink

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def sent(mailer: Mailer, customer: MakeCustomer, sink: Sink) -> UUID:
    """A message that was sent at noon."""
    [message] = mailer.put(customer())
    mailer.send()
    return message


def events(tenant_id: UUID) -> list[Any]:
    with transaction(tenant_id) as session:
        return list(session.execute(text("SELECT * FROM inbound_event ORDER BY occurred_at, event_id")))


def suppressed(tenant_id: UUID) -> Sequence[Any]:
    with transaction(tenant_id) as session:
        return session.execute(text("SELECT address_key, reason, detail FROM suppression ORDER BY address_key")).all()


def apply(tenant_id: UUID) -> None:
    while capture.process_batch(tenant_id=tenant_id, now=LATER + timedelta(minutes=1), handlers=()):
        pass


def came_back(tenant_id: UUID, message_id: UUID, kind: Kind, **more: Any) -> bool:
    return record(tenant_id=tenant_id, message_id=message_id, kind=kind, **({"at": LATER, "now": LATER} | more))


def test_a_hard_bounce_is_told_once_and_ends_the_address(tenant: Any, sent: UUID, mailer: Mailer) -> None:
    told = {"bounce": Bounce.HARD, "detail": "550 5.1.1 no such user"}
    assert came_back(tenant.id, sent, Kind.BOUNCED, **told) is True
    assert came_back(tenant.id, sent, Kind.BOUNCED, **told) is False
    row = mailer.row(sent)
    assert (row.status, row.bounced_at, row.bounce_kind) == ("sent", LATER, "hard")
    [event] = events(tenant.id)
    assert (event.type, event.source) == ("message.bounced", "fairway")
    assert event.payload["reason"] == "550 5.1.1 no such user"
    assert event.payload["channel"] == "EMAIL"
    assert suppressed(tenant.id) == [(row.to_address, "hard_bounce", "550 5.1.1 no such user")]
    apply(tenant.id)
    title = mailer.one("SELECT title FROM activity WHERE type = 'message.bounced'")
    assert title == "E-mail bounced for good: Welcome, Ann"
    [again] = mailer.put(row.customer_id, key="again")
    mailer.send(timedelta(hours=2))
    assert mailer.fate(again) == (Status.SKIPPED, Reason.SUPPRESSED)


def test_for_now_may_become_for_good(tenant: Any, sent: UUID, mailer: Mailer) -> None:
    assert came_back(tenant.id, sent, Kind.BOUNCED, bounce=Bounce.SOFT)
    assert suppressed(tenant.id) == []
    assert came_back(tenant.id, sent, Kind.BOUNCED, bounce=Bounce.HARD)
    assert mailer.row(sent).bounce_kind == "hard"
    assert not came_back(tenant.id, sent, Kind.BOUNCED, bounce=Bounce.SOFT)
    assert mailer.row(sent).bounce_kind == "hard"


def test_what_is_our_own_fault_says_nothing_of_the_address(tenant: Any, sent: UUID, mailer: Mailer) -> None:
    assert came_back(tenant.id, sent, Kind.BOUNCED, bounce=Bounce.BLOCKED, detail="5.7.1 listed")
    assert suppressed(tenant.id) == []
    assert mailer.row(sent).bounce_kind == "blocked"


@pytest.mark.parametrize("read_between", [False, True])
def test_many_bounces_for_now_end_the_address_unless_something_was_read(
    tenant: Any, mailer: Mailer, customer: MakeCustomer, sink: Sink, read_between: bool
) -> None:
    reader = customer()
    messages = [mailer.put(reader, key=f"letter {number}")[0] for number in range(SOFT_LIMIT)]
    mailer.send()
    for number, message in enumerate(messages):
        at = LATER + timedelta(minutes=number)
        if read_between and number == SOFT_LIMIT - 1:
            with transaction(tenant.id) as session:
                session.execute(
                    text("UPDATE message SET first_open_at = :at WHERE id = :id"), {"at": at, "id": message}
                )
        assert record(
            tenant_id=tenant.id, message_id=message, kind=Kind.BOUNCED, bounce=Bounce.SOFT, at=at, now=at, detail="full"
        )
        if number < SOFT_LIMIT - 1:
            assert suppressed(tenant.id) == []
    assert [one.reason for one in suppressed(tenant.id)] == ([] if read_between else ["hard_bounce"])


def test_a_complaint_stops_marketing_and_takes_the_consent(tenant: Any, sent: UUID, mailer: Mailer) -> None:
    assert came_back(tenant.id, sent, Kind.COMPLAINED) is True
    assert came_back(tenant.id, sent, Kind.COMPLAINED) is False
    row = mailer.row(sent)
    assert row.complained_at == LATER
    assert [(one.address_key, one.reason) for one in suppressed(tenant.id)] == [(row.to_address, "complaint")]
    apply(tenant.id)
    assert mailer.one("SELECT email_opt_in FROM customer") is False


def test_each_reply_is_told_and_the_first_one_marks_the_message(tenant: Any, sent: UUID, mailer: Mailer) -> None:
    assert came_back(tenant.id, sent, Kind.REPLIED, detail="Yes,\r\nplease", mark="<1@example.com>")
    assert not came_back(tenant.id, sent, Kind.REPLIED, detail="Yes, please", mark="<1@example.com>")
    second = LATER + timedelta(minutes=3)
    assert came_back(
        tenant.id, sent, Kind.REPLIED, detail="And two guests", mark="<2@example.com>", at=second, now=second
    )
    assert mailer.row(sent).replied_at == LATER
    assert [one.payload["excerpt"] for one in events(tenant.id)] == ["Yes, please", "And two guests"]
    apply(tenant.id)
    assert mailer.one("SELECT min(title) FROM activity WHERE type = 'message.replied'").startswith(
        "Replied to an e-mail"
    )
    assert suppressed(tenant.id) == []


def test_a_delivery_is_told_once_and_never_before_now(tenant: Any, sent: UUID, mailer: Mailer) -> None:
    future = LATER + timedelta(days=900)
    assert came_back(tenant.id, sent, Kind.DELIVERED, at=future)
    assert not came_back(tenant.id, sent, Kind.DELIVERED)
    assert mailer.row(sent).delivered_at == LATER


def test_what_is_not_there_or_not_sent_is_passed_over(
    tenant: Any, mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    [queued] = mailer.put(customer())
    for message in (new_id(), queued):
        assert not came_back(tenant.id, message, Kind.BOUNCED, bounce=Bounce.HARD)
    assert events(tenant.id) == []
    assert suppressed(tenant.id) == []


def test_a_message_of_somebody_who_was_erased_marks_and_tells_nobody(tenant: Any, sent: UUID, mailer: Mailer) -> None:
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE message SET customer_id = NULL, to_address = NULL"))
    assert came_back(tenant.id, sent, Kind.BOUNCED, bounce=Bounce.HARD)
    assert not came_back(tenant.id, sent, Kind.BOUNCED, bounce=Bounce.HARD)
    assert events(tenant.id) == []
    assert suppressed(tenant.id) == []


def test_a_bounce_and_nothing_else_says_of_which_kind_it_is(tenant: Any, sent: UUID) -> None:
    with pytest.raises(ValueError, match="of which kind"):
        came_back(tenant.id, sent, Kind.BOUNCED)
    with pytest.raises(ValueError, match="of which kind"):
        came_back(tenant.id, sent, Kind.DELIVERED, bounce=Bounce.SOFT)


def test_no_tenant_is_told_of_another_s_message(tenant: Any, other_tenant: Any, sent: UUID, mailer: Mailer) -> None:
    assert not came_back(other_tenant.id, sent, Kind.BOUNCED, bounce=Bounce.HARD)
    assert mailer.row(sent).bounced_at is None


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (None, None),
        (" \r\n\t ", None),
        ("a\x00b\ud800c\u202ed", "a b?c d"),
        ("x" * 9_000, "x" * 500),
        ("one\r\n two", "one two"),
    ],
)
def test_what_others_say_is_kept_as_a_line(said: str | None, kept: str | None) -> None:
    assert tidy(said) == kept
