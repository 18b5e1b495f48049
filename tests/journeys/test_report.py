"""The report of a journey says what the log, the outbox and its readers say."""

from datetime import date, timedelta
from typing import Any

import pytest

from app.infra.db import transaction
from app.journeys.engine import exits
from app.journeys.queries import NoSuchJourney
from app.journeys.report import report
from app.messaging import tally
from app.messaging.tally import Did, Kind
from tests.journeys.helpers import NOW, admit, journey, people, rows, run, send, step, template, wait

WEEK = timedelta(days=7)


def split(key: str, one: str, other: str | None) -> dict[str, Any]:
    variants = [{"key": "a", "name": "Early", "weight": 50}, {"key": "b", "name": "Late", "weight": 50}]
    return step(key, "SPLIT", None, {"variants": variants}, next_a=one, next_b=other)


def test_it_tells_weeks_steps_messages_and_ways(tenant: Any) -> None:
    made = journey(
        tenant.id,
        [
            step("t", "TRIGGER", "split", {"event_type": "MANUAL"}),
            split("split", "mail", "rest"),
            send("mail", "rest", template(tenant.id)),
            wait("rest", None, "2 days"),
        ],
        timezone="Europe/London",
    )
    first = admit(tenant.id, made.id, people(tenant.id, 30), now=NOW)
    run(tenant.id, NOW)
    run(tenant.id, NOW + 2 * WEEK / 7)
    later = admit(tenant.id, made.id, people(tenant.id, 10), now=NOW + WEEK)
    run(tenant.id, NOW + WEEK)
    exits.exit_enrollments(tenant_id=tenant.id, enrollment_ids=list(later.values())[:4], now=NOW + WEEK)
    written = rows(tenant.id, "SELECT id, enrollment_id FROM message ORDER BY id")
    rows(tenant.id, "UPDATE message SET status = 'sent', sent_at = now() RETURNING id")
    early = [one for one in written if one.enrollment_id in set(first.values())]
    did = [Did(one.id, Kind.OPENED, NOW) for one in early[:5]] + [Did(early[0].id, Kind.CLICKED, NOW)]
    with transaction(tenant.id) as session:
        tally.note(session, tenant.id, [*did, *did, Did(early[6].id, Kind.MACHINE_OPENED, NOW)])
    found = report(tenant_id=tenant.id, journey_id=made.id)
    assert [(one.week, one.entered, one.completed, one.left, one.inside, one.median) for one in found.cohorts] == [
        (date(2026, 11, 23), 10, 0, 4, 6, None),
        (date(2026, 11, 16), 30, 30, 0, 0, timedelta(days=2)),
    ]
    steps = {one.numbers.key: one for one in found.steps}
    letters = steps["mail"].letters
    assert letters is not None
    assert (letters.sent, letters.opened, letters.clicked, letters.by_machines) == (len(written), 5, 1, 1)
    assert steps["rest"].letters is None
    arms = {one.exit: one for one in steps["split"].arms}
    assert sum(one.people for one in arms.values()) == 40
    assert arms["a"].people == len(written)
    assert arms["a"].clicked.value == 1 / len(written)
    assert arms["b"].clicked.value == 0.0
    assert arms["a"].completed.low < arms["a"].completed.value < arms["a"].completed.high


def test_what_machines_and_others_did_with_campaigns_is_not_a_journeys(tenant: Any) -> None:
    made = journey(tenant.id, [step("t", "TRIGGER", "rest", {"event_type": "MANUAL"}), wait("rest", None, "2 days")])
    found = report(tenant_id=tenant.id, journey_id=made.id)
    assert (list(found.cohorts), [one.letters for one in found.steps]) == ([], [None, None])


def test_another_organisation_sees_nothing(tenant: Any, other_tenant: Any) -> None:
    made = journey(tenant.id, [step("t", "TRIGGER", "rest", {"event_type": "MANUAL"}), wait("rest", None, "2 days")])
    with pytest.raises(NoSuchJourney):
        report(tenant_id=other_tenant.id, journey_id=made.id)


def test_the_page_shows_it_and_its_numbers_lead_to_people(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("viewer")
    made = journey(tenant.id, [step("t", "TRIGGER", "rest", {"event_type": "MANUAL"}), wait("rest", None, "2 days")])
    url = f"/journeys/{made.id}/report"
    assert url in client.get(f"/journeys/{made.id}").text
    assert "Nobody has entered yet" in client.get(url).text
    admit(tenant.id, made.id, people(tenant.id, 3))
    run(tenant.id)
    text = client.get(url).text
    assert f'<a href="/journeys/{made.id}/steps/rest/people?which=here">3</a>' in text
    assert "16 Nov 2026" in text
