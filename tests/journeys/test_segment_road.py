"""The whole road through a segment: an event comes in, its customer enters, a journey begins, a mail arrives."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.capture import merging
from app.capture.service import process_batch
from app.events import log
from app.infra.db import transaction
from app.journeys import lifecycle
from app.journeys.engine import circles
from app.journeys.engine.advance import advance_batch
from app.messaging import sender
from app.road import HANDLERS, SEGMENT_TELLERS
from app.segments import service as segments
from app.segments import work
from tests.journeys.helpers import journey, people, rows, send, step, tag, template
from tests.messaging.sink import Sink

# Noon of the club: no quiet hours.
NOW = datetime.fromisoformat("2026-11-20T10:00:00+00:00")
ACTOR = "system:tests"
GOLD = {"combinator": "AND", "rules": [{"field": "membership_tier", "operator": "eq", "value": "Gold"}]}


def gold(tenant: Any, name: str = "Gold") -> UUID:
    made = segments.create(tenant_id=tenant.id, actor=ACTOR, name=name, criteria=GOLD, now=NOW)
    go_on(tenant, NOW)
    return made.id


def tier(tenant: Any, number: int, name: str, at: datetime, member: str = "M1") -> None:
    """Have the club's system say that a member has another tier now."""
    said = {
        "contactPreference.updated": {"email_opt_in": True},
        "scl.member.updated": {"membership_tier": name, "first_name": f"Name {member}"},
    }
    events = [
        {
            "id": f"{type_}-{member}-{number}",
            "type": type_,
            "source": "scl",
            "timestamp": at.isoformat(),
            "identity": {"scl_member_id": member, "email": f"{member.lower()}@example.com"},
            "payload": payload,
        }
        for type_, payload in said.items()
    ]
    answers = log.append(tenant_id=tenant.id, events=events, now=at)
    assert {one.status for one in answers} == {log.Status.ACCEPTED}, answers


def go_on(tenant: Any, now: datetime) -> None:
    """Do what the workers do until nothing is left to do."""
    busy = True
    while busy:
        done = [
            process_batch(tenant_id=tenant.id, now=now, handlers=HANDLERS),
            work.run_step(tenant_id=tenant.id, now=now, tellers=SEGMENT_TELLERS),
            advance_batch(tenant_id=tenant.id, now=now),
            sender.send_batch(tenant_id=tenant.id, now=now),
        ]
        busy = any(done)


def welcome(tenant: Any, segment: UUID, trigger: str = "segment.entered", **settings: Any) -> UUID:
    return journey(
        tenant.id,
        [send("mail", None, template(tenant.id))],
        trigger_type=trigger,
        trigger_config={"segment_id": str(segment)},
        **settings,
    ).id


def walks(tenant: Any) -> list[Any]:
    return rows(tenant.id, "SELECT customer_id, entry, trigger_data FROM journey_enrollment ORDER BY enrolled_at, id")


def moves(tenant: Any) -> list[Any]:
    return rows(
        tenant.id,
        "SELECT type, customer_id, source, status, payload FROM inbound_event WHERE type LIKE 'segment.%' ORDER BY id",
    )


def test_an_event_moves_somebody_into_a_segment_and_a_mail_arrives_once(tenant: Any, sink: Sink) -> None:
    segment = gold(tenant)
    welcome(tenant, segment)
    tier(tenant, 1, "Gold", NOW)
    tier(tenant, 1, "Silver", NOW, "M2")
    go_on(tenant, NOW)
    assert [letter.recipient for letter in sink.letters] == ["m1@example.com"]
    (told,) = moves(tenant)
    assert (told.type, told.source, told.status) == ("segment.entered", "fairway", "processed")
    assert told.payload == {"segment_id": str(segment), "segment": "Gold"}
    (walk,) = walks(tenant)
    assert walk.customer_id == told.customer_id
    # Said again, looked at again, refreshed again: they are in it already.
    tier(tenant, 2, "Gold", NOW + timedelta(minutes=1))
    go_on(tenant, NOW + timedelta(minutes=1))
    go_on(tenant, NOW + timedelta(days=2))
    assert len(sink.letters) == len(moves(tenant)) == 1


def test_who_is_in_it_when_it_is_made_is_told_to_nobody(tenant: Any, sink: Sink) -> None:
    people(tenant.id, 3, membership_tier="Gold")
    segment = segments.create(tenant_id=tenant.id, actor=ACTOR, name="Gold", criteria=GOLD, now=NOW).id
    welcome(tenant, segment)
    go_on(tenant, NOW)
    assert rows(tenant.id, "SELECT member_count FROM segment")[0].member_count == 3
    assert (moves(tenant), walks(tenant), sink.letters) == ([], [], [])


def test_two_of_one_batch_enter_each_once(tenant: Any, sink: Sink) -> None:
    welcome(tenant, gold(tenant))
    for member in ("M1", "M2"):
        tier(tenant, 1, "Silver", NOW, member)
        tier(tenant, 2, "Gold", NOW + timedelta(seconds=1), member)
    go_on(tenant, NOW + timedelta(seconds=2))
    assert sorted(letter.recipient for letter in sink.letters) == ["m1@example.com", "m2@example.com"]


def test_who_leaves_and_comes_back_enters_again_where_the_journey_allows_it(tenant: Any, sink: Sink) -> None:
    segment = gold(tenant)
    welcome(tenant, segment, name="Each time", allow_reentry=True)
    goodbye = journey(
        tenant.id,
        [tag("mark", None, "lost")],
        name="Once",
        trigger_type="segment.left",
        trigger_config={"segment_id": str(segment)},
    ).id
    for number, name in enumerate(("Gold", "Silver", "Gold", "Silver", "Gold")):
        tier(tenant, number, name, NOW + timedelta(minutes=number))
        go_on(tenant, NOW + timedelta(minutes=number))
    assert [one.type for one in moves(tenant)] == [
        f"segment.{move}" for move in ("entered", "left", "entered", "left", "entered")
    ]
    assert len(sink.letters) == 3
    assert len([one for one in walks(tenant) if one.entry]) == 3
    (left,) = rows(tenant.id, "SELECT customer_id FROM journey_enrollment WHERE journey_id = :id", id=goodbye)
    assert left.customer_id == walks(tenant)[0].customer_id


def test_only_what_somebody_listens_to_is_told(tenant: Any, other_tenant: Any) -> None:
    segment, other = gold(tenant), gold(tenant, "Gold too")
    made = welcome(tenant, segment)
    tier(tenant, 1, "Gold", NOW)
    go_on(tenant, NOW)
    assert [one.payload["segment_id"] for one in moves(tenant)] == [str(segment)]
    assert str(other) != str(segment)
    lifecycle.pause(tenant_id=tenant.id, journey_id=made, actor=ACTOR, now=NOW)
    tier(tenant, 1, "Gold", NOW, "M2")
    go_on(tenant, NOW)
    assert len(moves(tenant)) == 1
    assert moves(other_tenant) == []


def test_a_journey_of_a_club_takes_the_clubs_own(tenant: Any) -> None:
    segment = gold(tenant)
    (club,) = rows(tenant.id, "SELECT id, name FROM club")
    journey(
        tenant.id,
        [tag("mark", None, "seen")],
        trigger_type="segment.entered",
        trigger_config={"segment_id": str(segment)},
        club_id=club.id,
    )
    (here,) = people(tenant.id, club_id=club.id)
    (there,) = people(tenant.id)
    rows(tenant.id, "UPDATE customer SET membership_tier = 'Gold' RETURNING id")
    go_on(tenant, NOW)
    assert len(moves(tenant)) == 2
    assert [one.customer_id for one in walks(tenant)] == [here] != [there]


def test_the_event_is_that_very_customers_though_they_share_an_address(tenant: Any) -> None:
    """A couple on one mailbox: whoever enters is known by id, not by hints."""
    welcome(tenant, gold(tenant))
    ann, ben = (people(tenant.id, first_name=name, email="home@example.com")[0] for name in ("Ann", "Ben"))
    rows(tenant.id, "UPDATE customer SET membership_tier = 'Gold' WHERE id = :id RETURNING id", id=ben)
    go_on(tenant, NOW)
    assert [one.customer_id for one in moves(tenant)] == [ben] != [ann]


def test_who_was_merged_before_their_event_is_applied_is_followed(tenant: Any) -> None:
    welcome(tenant, gold(tenant))
    keeps, goes = people(tenant.id, 2)
    rows(tenant.id, "UPDATE customer SET membership_tier = 'Gold' WHERE id = :id RETURNING id", id=goes)
    work.run_step(tenant_id=tenant.id, now=NOW, tellers=SEGMENT_TELLERS)
    merging.merge_customers(tenant_id=tenant.id, winner_id=keeps, loser_id=goes, actor=ACTOR)
    go_on(tenant, NOW + timedelta(minutes=1))
    assert {one.customer_id for one in walks(tenant)} == {keeps}
    assert {one.status for one in moves(tenant)} == {"processed"}
    assert [one.type for one in moves(tenant)].count("segment.left") == 0


def test_entering_a_segment_is_nothing_the_customer_did(tenant: Any) -> None:
    """Else a segment that asks for the last thing somebody did would let them in and out for ever."""
    segment = gold(tenant)
    welcome(tenant, segment)
    tier(tenant, 1, "Gold", NOW)
    go_on(tenant, NOW)
    (person,) = rows(tenant.id, "SELECT last_activity_type FROM customer")
    assert person.last_activity_type == "scl.member.updated"
    lines = rows(tenant.id, "SELECT title FROM activity WHERE type = 'segment.entered'")
    assert [line.title for line in lines] == ["Entered the segment “Gold”"]


def test_a_renamed_segment_goes_on_letting_people_in(tenant: Any) -> None:
    segment = gold(tenant)
    welcome(tenant, segment)
    with transaction(tenant.id):
        rows(tenant.id, "UPDATE segment SET name = 'Golden' RETURNING id")
    tier(tenant, 1, "Gold", NOW)
    go_on(tenant, NOW)
    assert [one.payload["segment"] for one in moves(tenant)] == ["Golden"]
    assert len(walks(tenant)) == 1


def test_a_journey_that_moves_its_own_people_in_and_out_comes_to_an_end(tenant: Any, client: Any, sign_in: Any) -> None:
    """Whoever leaves the segment is let in by the journey, which puts them out again, each time anew."""
    asked = {"combinator": "AND", "rules": [{"field": "tags", "operator": "contains", "value": "in"}]}
    segment = segments.create(tenant_id=tenant.id, actor=ACTOR, name="In", criteria=asked, now=NOW).id
    go_on(tenant, NOW)
    for name, trigger, operation in (("Out", "segment.entered", "remove"), ("Back", "segment.left", "add")):
        change = {"updates": [{"field": "tags", "operation": operation, "value": "in"}]}
        journey(
            tenant.id,
            [step("move", "UPDATE", None, change)],
            name=name,
            allow_reentry=True,
            trigger_type=trigger,
            trigger_config={"segment_id": str(segment)},
        )
    (one, other) = people(tenant.id, 2, tags=["in"])
    rows(tenant.id, "UPDATE customer SET tags = '{}' WHERE id = :id RETURNING id", id=other)
    # Each round is a little later, as it would be; if it went on for ever, so would this.
    later = NOW
    for _ in range(100):
        later += timedelta(seconds=2)
        go_on_once(tenant, later)
    walked = rows(
        tenant.id,
        "SELECT j.name, e.customer_id, count(*) AS often FROM journey_enrollment e"
        " JOIN journey j ON j.id = e.journey_id GROUP BY 1, 2",
    )
    assert {(row.name, row.customer_id): row.often for row in walked} == {
        ("Out", one): circles.MOST,
        ("Back", one): circles.MOST,
    }
    told = rows(tenant.id, "SELECT customer_id, title, payload FROM activity WHERE type = 'journey.refused'")
    assert [(row.customer_id, row.title) for row in told] == [(one, "Was not let into the journey “Out” again")]
    assert told[0].payload["reason"] == circles.REASON
    (person,) = rows(tenant.id, "SELECT last_activity_type FROM customer WHERE id = :id", id=one)
    assert person.last_activity_type is None
    sign_in("marketer")
    walk = rows(tenant.id, "SELECT e.id, journey_id FROM journey_enrollment e JOIN journey j ON j.id = e.journey_id"
        " WHERE j.name = 'Out' LIMIT 1")[0]  # fmt: skip
    page = client.get(f"/journeys/{walk.journey_id}/people/{walk.id}").get_data(as_text=True)
    assert "Not let in again" in page
    assert circles.REASON in page
    # A day later they may again.
    rows(tenant.id, "UPDATE customer SET tags = '{}' WHERE id = :id RETURNING id", id=one)
    go_on_once(tenant, later + timedelta(days=1))
    rows(tenant.id, "UPDATE customer SET tags = '{in}' WHERE id = :id RETURNING id", id=one)
    go_on_once(tenant, later + timedelta(days=1, seconds=2))
    go_on_once(tenant, later + timedelta(days=1, seconds=4))
    assert len(walks(tenant)) > 2 * circles.MOST


def go_on_once(tenant: Any, now: datetime) -> None:
    """Do what the workers do once each."""
    process_batch(tenant_id=tenant.id, now=now, handlers=HANDLERS)
    advance_batch(tenant_id=tenant.id, now=now)
    work.run_step(tenant_id=tenant.id, now=now, tellers=SEGMENT_TELLERS)
