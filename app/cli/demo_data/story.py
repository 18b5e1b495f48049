"""The demo's running journey and its past.

The past is lived through, night by night, on the road every event takes: the log, identity, enrolment, the engine,
the outbox and its gate, tracking. Only the mail server is missing: what would have gone to it is noted as taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from heapq import heappop, heappush
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture import service as capture
from app.cli.demo_data.draw import chance
from app.cli.demo_data.history import Happening
from app.cli.demo_data.letters import MISS_YOU, REMINDER, letters
from app.cli.demo_data.people import Person
from app.cli.demo_data.places import ORGANISATION, TENANT_ID, USERS
from app.content import service as content
from app.events import log
from app.journeys import lifecycle
from app.journeys import service as journeys
from app.journeys.engine import writes
from app.journeys.engine.advance import advance_batch
from app.journeys.engine.plan import plans_of
from app.journeys.step_type import JourneyFacts, Outcome, Walker
from app.messaging import gate, results, tracking
from app.messaging.compose import compose
from app.messaging.states import Status
from app.messaging.tokens import TrackedLink
from app.road import HANDLERS

TRIGGER = "engagement.dropped"
NAME = "We miss you"
CONDITIONS = [{"field": "score", "operator": "lt", "value": 40}]
NIGHT = time(4, 10)
"""When the club's system works out who has stayed away, UTC."""
NIGHTS = 70
WAIT_DAYS = 5
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
)
ACCEPTED = "250 2.0.0 OK"


@dataclass(frozen=True, slots=True)
class Drop:
    """Somebody found to have stayed away, one night."""

    night: datetime
    person: Person
    score: int


def tell(session: Session, random: Random, happenings: Sequence[Happening], now: datetime) -> None:
    """Write the templates, build and start the journey, and live through its past up to `now`."""
    nights = _nights(now)
    made = {one.name: _template(one.name, one.subject, one.html) for one in letters()}
    journey_id = _build(made, nights[0] - timedelta(days=1))
    _Past(session, random, journey_id).live(nights, _drops(random, happenings, nights))
    _date_back(session, nights[0] - timedelta(days=1))


def _nights(now: datetime) -> list[datetime]:
    last = datetime.combine(now.date(), NIGHT, now.tzinfo)
    if last > now - timedelta(minutes=10):
        last -= timedelta(days=1)
    return [last - timedelta(days=back) for back in reversed(range(NIGHTS))]


def _template(name: str, subject: str, html: str) -> UUID:
    return content.create(tenant_id=TENANT_ID, name=name, subject=subject, html=html).id


def _build(templates: dict[str, UUID], at: datetime) -> UUID:
    actor = next(f"user:{user.id}" for user in USERS if user.role == "marketer")
    journey = journeys.create(
        tenant_id=TENANT_ID,
        actor=actor,
        name=NAME,
        description="Members who have stayed away get a friendly word, and a second one if they did not see the first.",
        trigger_type=TRIGGER,
        trigger_config={"conditions": CONDITIONS},
    )
    journeys.put_steps(tenant_id=TENANT_ID, journey_id=journey.id, actor=actor, steps=_steps(templates))
    lifecycle.activate(tenant_id=TENANT_ID, journey_id=journey.id, actor=actor, now=at)
    return journey.id


def _steps(templates: dict[str, UUID]) -> list[dict[str, Any]]:
    def send(key: str, name: str, next: str) -> dict[str, Any]:
        config = {"channel": "EMAIL", "template_id": str(templates[name])}
        return {"key": key, "type": "SEND", "config": config, "next": next}

    def tag(key: str, value: str, next: str) -> dict[str, Any]:
        config = {"updates": [{"field": "tags", "operation": "add", "value": value}]}
        return {"key": key, "type": "UPDATE", "config": config, "next": next}

    return [
        {
            "key": "trigger",
            "type": "TRIGGER",
            "config": {"event_type": TRIGGER, "conditions": CONDITIONS},
            "next": "first",
        },
        send("first", MISS_YOU.name, "wait"),
        {"key": "wait", "type": "WAIT", "config": {"duration": f"{WAIT_DAYS} days"}, "next": "opened"},
        {
            "key": "opened",
            "type": "CONDITION",
            "name": "Opened our mail",
            "config": {"rules": [{"field": "last_email_open_at", "operator": "isNotNull"}], "combinator": "AND"},
            "next_yes": "back",
            "next_no": "second",
        },
        tag("back", "re-engaged", "end"),
        send("second", REMINDER.name, "end"),
        {"key": "end", "type": "END", "config": {}},
    ]


def _drops(random: Random, happenings: Sequence[Happening], nights: Sequence[datetime]) -> list[Drop]:
    """Return who stayed away: about one in ten, found some weeks after they were last seen."""
    last: dict[UUID, Happening] = {one.person.id: one for one in happenings}
    found = []
    for one in last.values():
        person = one.person
        if person.scl_id is None or person.tier == "Junior" or person.is_in_family or not chance(random, 0.5):
            continue
        away = (nights[0] - one.at).days
        night = random.randrange(NIGHTS) if away > 45 else 46 - away + random.randrange(25)
        if 0 <= night < NIGHTS:
            found.append(Drop(nights[night], person, random.randint(6, 43)))
    return sorted(found, key=lambda one: (one.night, one.person.id))


@dataclass(slots=True)
class _Past:
    """The journey's nights, one after the other; `visits` are opens and clicks still to come."""

    session: Session
    random: Random
    journey_id: UUID
    visits: list[tuple[datetime, int, tracking.Kind, TrackedLink, str]] = field(default_factory=list)
    has_failed: bool = False

    def live(self, nights: Sequence[datetime], drops: Sequence[Drop]) -> None:
        """Let all the nights pass."""
        found: dict[datetime, list[Drop]] = {}
        for one in drops:
            found.setdefault(one.night, []).append(one)
        for number, night in enumerate(nights):
            events = [self._event(one) for one in found.get(night, ())]
            if self._visits_until(night) or events:
                log.append(tenant_id=TENANT_ID, events=events, now=night)
                capture.process_batch(tenant_id=TENANT_ID, now=night + timedelta(seconds=1), handlers=HANDLERS)
            if not self.has_failed and number > NIGHTS // 2:
                self.has_failed = self._fail_one(night + timedelta(seconds=2))
            advance_batch(tenant_id=TENANT_ID, now=night + timedelta(seconds=2))
            self._post(night + timedelta(seconds=3))
        # Those whose consent nobody knew are held for some minutes, and settled after that.
        self._post(nights[-1] + timedelta(minutes=6))

    def _event(self, drop: Drop) -> dict[str, Any]:
        return {
            "id": f"score-{drop.night:%Y%m%d}-{drop.person.scl_id}",
            "type": TRIGGER,
            "source": "club",
            "timestamp": drop.night.isoformat(),
            "identity": {"scl_member_id": drop.person.scl_id},
            "payload": {"club": drop.person.club.name, "score": drop.score},
        }

    def _visits_until(self, moment: datetime) -> int:
        """Record the opens and clicks up to a moment; return how many there were."""
        count = 0
        while self.visits and self.visits[0][0] <= moment:
            at, _, kind, link, browser = heappop(self.visits)
            tracking.record(kind=kind, link=link, visit=tracking.Visit("GET", browser), now=at)
            count += 1
        return count

    def _post(self, now: datetime) -> None:
        """Gate what is due, and note what was let out as taken by a mail server."""
        claimed = gate.claim(tenant_id=TENANT_ID, limit=1000, now=now)
        endings = []
        for row in claimed.letters:
            letter = compose(tenant_id=TENANT_ID, tenant_name=ORGANISATION, row=row).letter
            reader, sent_at = row["reader_id"], now + timedelta(seconds=1)
            endings.append(
                results.Ending(row["id"], Status.SENT, None, ACCEPTED, letter.subject, sent_at, None, reader)
            )
            self._expect_visits(row["id"], sent_at)
        if endings:
            results.record(tenant_id=TENANT_ID, attempt_id=claimed.attempt_id, endings=endings)

    def _expect_visits(self, message_id: UUID, sent_at: datetime) -> None:
        if not chance(self.random, 0.55):
            return
        at = sent_at + timedelta(hours=1 + self.random.expovariate(1 / 20))
        browser = self.random.choice(BROWSERS)
        link = TrackedLink(TENANT_ID, message_id, "")
        heappush(self.visits, (at, len(self.visits), tracking.Kind.OPENED, link, browser))
        if chance(self.random, 0.35):
            link = TrackedLink(TENANT_ID, message_id, f"https://twooceans.example/{MISS_YOU.path}")
            at += timedelta(seconds=self.random.randint(8, 200))
            heappush(self.visits, (at, len(self.visits), tracking.Kind.CLICKED, link, browser))

    def _fail_one(self, now: datetime) -> bool:
        """Let the journey end badly for one person who wakes up now; return whether there was one."""
        values = {"tenant_id": TENANT_ID, "journey_id": self.journey_id, "now": now}
        row = self.session.execute(_WAKING, values).first()
        if row is None:
            return False
        journey = JourneyFacts(self.journey_id, 1, "", chance=self.journey_id)
        plan = plans_of(self.session, TENANT_ID, {self.journey_id: (1, 0)})[self.journey_id]
        walker = Walker(row.id, row.customer_id, row.current_step_number, row.waiting_until, {})
        record = writes.Record()
        rule = {"field": "last_email_open_at", "operator": "isNotNull", "matched": False}
        why = "The template of this step does not exist any more."
        for key, outcome in (
            ("wait", Outcome(exit="next", result={"waiting_until": row.waiting_until.isoformat()})),
            ("opened", Outcome(exit="no", result={"result": False, "evaluated_rules": [rule]})),
            ("second", Outcome(failure=why, result={"error": why})),
        ):
            record.taken(journey, plan[key], [walker], {walker: outcome}, now)
        writes.write(self.session, TENANT_ID, now, record)
        return True


_WAKING = text("""
    SELECT e.id, e.customer_id, e.current_step_number, e.waiting_until
    FROM journey_enrollment e JOIN customer c ON c.tenant_id = e.tenant_id AND c.id = e.customer_id
    WHERE e.tenant_id = :tenant_id AND e.journey_id = :journey_id AND e.status = 'ACTIVE' AND e.waiting_until <= :now
        AND c.last_email_open_at IS NULL
    ORDER BY e.waiting_until, e.id LIMIT 1
""")

# Rows sort by their ids, and ids tell when a row was written. These were written just now about the past, so they get
# ids of the moment they are about, as if the road had been there then: the same for an event and its activity.
_EVENTS_THEN = text("""
    WITH dated AS (
        SELECT id, encode(overlay(uuid_send(id) PLACING substring(int8send(milliseconds) FROM 3) FROM 1 FOR 6),
            'hex')::uuid AS new
        FROM activity, LATERAL (SELECT (extract(epoch FROM occurred_at) * 1000)::bigint AS milliseconds) AS at
        WHERE tenant_id = :tenant_id AND type = ANY(:types)
    ), events AS (
        UPDATE inbound_event e SET id = dated.new, processed_at = e.received_at + interval '1 second'
        FROM dated WHERE e.tenant_id = :tenant_id AND e.id = dated.id
    ), causes AS (
        UPDATE journey_enrollment e SET trigger_event_id = dated.new
        FROM dated WHERE e.tenant_id = :tenant_id AND e.trigger_event_id = dated.id
    )
    UPDATE activity a
    SET id = dated.new, object_id = CASE a.object_type WHEN 'event' THEN dated.new ELSE a.object_id END
    FROM dated WHERE a.tenant_id = :tenant_id AND a.id = dated.id
""")
_WRITTEN_THEN = tuple(
    text(statement)
    for statement in (
        "UPDATE journey SET created_at = :at, updated_at = :at WHERE tenant_id = :tenant_id",
        "UPDATE journey_version SET created_at = :at WHERE tenant_id = :tenant_id",
        "UPDATE journey_draft_edit SET created_at = :at WHERE tenant_id = :tenant_id",
        "UPDATE template SET created_at = :at, updated_at = :at WHERE tenant_id = :tenant_id",
        "UPDATE audit_entry SET at = :at WHERE tenant_id = :tenant_id",
    )
)


def _date_back(session: Session, at: datetime) -> None:
    types = [TRIGGER, "message.sent", "message.opened", "message.clicked"]
    session.execute(_EVENTS_THEN, {"tenant_id": TENANT_ID, "types": types})
    for statement in _WRITTEN_THEN:
        session.execute(statement, {"tenant_id": TENANT_ID, "at": at})
