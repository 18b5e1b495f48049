"""Rehearsing a draft: a dated storyboard of what would happen, of which nothing stays."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.accounts.models import Club
from app.content.models import Template
from app.infra.db import transaction
from app.infra.ids import new_id
from app.journeys import rehearsal, service
from app.journeys.queries import NoSuchJourney
from app.messaging import compose, policy, rehearsing
from app.messaging.states import Reason, Status
from tests.journeys.helpers import NOW, asks, journey, people, rows, send, step, tag, tags, template, wait

DAY = timedelta(days=1)
# 22:30 in Johannesburg.
NIGHT = datetime(2026, 11, 20, 20, 30, tzinfo=UTC)
TABLES = ("message", "journey", "journey_version", "journey_enrollment", "journey_enrollment_step", "activity",
          "journey_step_count", "journey_cohort")  # fmt: skip


def counted(tenant_id: UUID) -> list[int]:
    return [rows(tenant_id, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES]


def rehearsed(tenant_id: UUID, journey_id: UUID, *customer_ids: UUID, **more: Any) -> Any:
    found = rehearsal.rehearse(
        tenant_id=tenant_id, journey_id=journey_id, customer_ids=customer_ids, **{"at": NOW, **more}
    )
    assert not found.broken_off
    return found.boards


def way(board: rehearsal.Storyboard) -> list[tuple[str, timedelta]]:
    return [(one.key, one.entered_at - board.entered_at) for one in board.steps]


def test_a_storyboard_of_days_and_letters_of_which_nothing_stays(tenant: Any) -> None:
    with transaction(tenant.id) as session:
        letter = Template(
            tenant_id=tenant.id, name="Hi", channel="EMAIL", subject="Welcome {{ customer.first_name }}",
            html="<p>You play {{ event.course }}</p>", text="You play {{ event.course }}",
        )  # fmt: skip
        session.add(letter)
        session.flush()
    made = journey(
        tenant.id,
        [
            step("t", "TRIGGER", "hello", {"event_type": "MANUAL"}),
            send("hello", "rest", letter.id),
            wait("rest", "mark", "3 days"),
            tag("mark", "ask", "welcomed"),
            asks("ask", "again", None, {"field": "tags", "operator": "contains", "value": "welcomed"}),
            send("again", None, letter.id),
        ],
        active=False,
    )
    (thandi,) = people(tenant.id, first_name="Thandi")
    before = counted(tenant.id)
    (board,) = rehearsed(tenant.id, made.id, thandi, payload={"course": "East"})
    assert way(board) == [
        ("t", 0 * DAY), ("hello", 0 * DAY), ("rest", 0 * DAY), ("mark", 3 * DAY), ("ask", 3 * DAY), ("again", 3 * DAY)
    ]  # fmt: skip
    assert (board.status, board.left_at) == ("COMPLETED", NOW + 3 * DAY)
    first, second = [one.letters[0] for one in board.steps if one.letters]
    assert (first.status, first.at, second.at) == (Status.SENT, NOW, NOW + 3 * DAY)
    assert first.letter is not None
    assert first.letter.subject == "Welcome Thandi"
    assert "You play East" in str(first.letter.html)
    # The step before it saw what the one before that changed; and yet nothing is changed.
    assert board.steps[4].result["result"] is True
    assert tags(tenant.id, thandi) == []
    assert counted(tenant.id) == before


def test_quiet_hours_and_consent_hold_and_skip(tenant: Any) -> None:
    made = journey(
        tenant.id, [step("t", "TRIGGER", "s", {"event_type": "MANUAL"}), send("s", None, template(tenant.id))]
    )
    policy.save(tenant_id=tenant.id, actor="system", changes={"quiet": {"EMAIL": {"from": "21:00", "to": "08:00"}}})
    yes, no = *people(tenant.id), *people(tenant.id, email_opt_in=False)
    willing, unwilling = rehearsed(tenant.id, made.id, yes, no, at=NIGHT)
    (held,) = willing.steps[1].letters
    assert held.held == [(NIGHT, Reason.QUIET_HOURS)]
    assert (held.status, held.at) == (Status.SENT, datetime(2026, 11, 21, 6, 0, tzinfo=UTC))
    (skipped,) = unwilling.steps[1].letters
    assert (skipped.status, skipped.reason) == (Status.SKIPPED, Reason.OPTED_OUT)


def test_anybody_is_taken_from_a_part_of_many(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same ones under the same seed, and all of a club however few they are."""
    many = set(people(tenant.id, 300))
    with transaction(tenant.id) as session:
        club = Club(tenant_id=tenant.id, name="East", country="ZA", timezone="UTC", locale="en", currency="ZAR")
        session.add(club)
        session.flush()
    few = set(people(tenant.id, 3, club_id=club.id))
    monkeypatch.setattr(rehearsal, "READ_ALL", 100)
    monkeypatch.setattr(rehearsal, "_HOW_MANY", text("SELECT 400"))
    monkeypatch.setattr(rehearsal, "TIMES", 2)
    drawn = [rehearsal.anybody(tenant_id=tenant.id, count=20, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(set(one)) == 20 and set(one) <= many | few for one in drawn)
    assert set(rehearsal.anybody(tenant_id=tenant.id, count=20, club_id=club.id)) == few


def test_the_draft_is_rehearsed_not_the_live_version(tenant: Any) -> None:
    made = journey(tenant.id, [step("t", "TRIGGER", "w", {"event_type": "MANUAL"}), wait("w", None, "1 day")])
    service.configure_step(
        tenant_id=tenant.id, journey_id=made.id, actor="system", key="w", config={"duration": "2 days"}
    )
    (board,) = rehearsed(tenant.id, made.id, *people(tenant.id))
    assert board.left_at == NOW + 2 * DAY


def test_settings_that_are_missing_fail_at_their_step(tenant: Any) -> None:
    made = journey(
        tenant.id, [step("t", "TRIGGER", "w", {"event_type": "MANUAL"}), step("w", "WAIT", None, {})], active=False
    )
    (board,) = rehearsed(tenant.id, made.id, *people(tenant.id))
    assert (board.status, board.error) == ("FAILED", "The settings of this step are not valid.")


def test_who_is_nobody_has_no_storyboard(tenant: Any, other_tenant: Any) -> None:
    made = journey(tenant.id, [step("t", "TRIGGER", "w", {"event_type": "MANUAL"}), wait("w", None, "1 day")])
    assert rehearsed(tenant.id, made.id, new_id(), *people(other_tenant.id)) == []
    with pytest.raises(NoSuchJourney):
        rehearsed(other_tenant.id, made.id, *people(other_tenant.id))


def test_a_draft_without_a_beginning_is_refused_in_words(tenant: Any) -> None:
    made = service.create(tenant_id=tenant.id, actor="system", name="Empty")
    with pytest.raises(rehearsal.CannotRehearse, match="Add a trigger"):
        rehearsed(tenant.id, made.id, *people(tenant.id))


def test_it_is_broken_off_where_it_takes_too_long(tenant: Any) -> None:
    made = journey(tenant.id, [step("t", "TRIGGER", "w", {"event_type": "MANUAL"}), wait("w", None, "1 day")])
    found = rehearsal.rehearse(
        tenant_id=tenant.id, journey_id=made.id, customer_ids=people(tenant.id), at=NOW, seconds=0.0
    )
    assert found.broken_off
    assert [one.standing_at for one in found.boards] == ["t"]


def test_nobody_is_called_and_nobody_enters_another_journey(tenant: Any) -> None:
    """What would be done outside is passed by, and the other journey is not even locked."""
    other = journey(tenant.id, [wait("w", None, "1 day")], name="Other")
    call = {"url": "https://hooks.example.com/in", "secret": "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
    made = journey(
        tenant.id,
        [
            step("t", "TRIGGER", "call", {"event_type": "MANUAL"}),
            step("call", "WEBHOOK", "start", call),
            step("start", "START_JOURNEY", None, {"journey_id": str(other.id)}),
        ],
        active=False,
    )
    (board,) = rehearsed(tenant.id, made.id, *people(tenant.id))
    assert (board.status, board.left_at) == ("COMPLETED", NOW)
    assert [dict(one.result) for one in board.steps[1:]] == [{"rehearsed": True}] * 2


def test_a_letter_that_can_not_be_made_fails_alone_as_it_would_when_sent(
    tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = journey(
        tenant.id,
        [step("t", "TRIGGER", "hello", {"event_type": "MANUAL"}), send("hello", None, template(tenant.id))],
        active=False,
    )
    [person] = people(tenant.id, 1)

    def fail(*_: Any) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(compose, "render_letter", fail)
    [board] = rehearsed(tenant.id, made.id, person)
    [letter] = [letter for one in board.steps for letter in one.letters]
    assert (letter.status, letter.reason) == (Status.FAILED, Reason.RENDER_ERROR)
    assert letter.problem == "RuntimeError: no such thing"


def test_what_has_no_subject_is_called_by_how_it_begins(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction(tenant.id) as session:
        letter = Template(tenant_id=tenant.id, name="Hi", channel="EMAIL", subject="", text="Tee off at ten")
        session.add(letter)
        session.flush()
    made = journey(
        tenant.id,
        [step("t", "TRIGGER", "hello", {"event_type": "MANUAL"}), send("hello", None, letter.id)],
        active=False,
    )
    [person] = people(tenant.id, 1)
    subjects: list[str | None] = []
    record = rehearsing.record

    def noted(**given: Any) -> None:
        subjects.extend(one.subject for one in given["endings"])
        record(**given)

    monkeypatch.setattr(rehearsing, "record", noted)
    rehearsed(tenant.id, made.id, person)
    assert [str(one)[:14] for one in subjects] == ["Tee off at ten"]
