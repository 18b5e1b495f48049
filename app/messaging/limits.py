"""What keeps back marketing that its reader agreed to: send windows, quiet hours, caps, one copy an address.

Told for a batch of the gate's at once, in its transaction. Where there are caps, the readers are locked first and then
counted for, so that two senders at work for one person let out no more than the caps allow. In a batch the more
important message goes first (`priority`), so a journey's takes the last place before a campaign's.

What a cap keeps back of a run is skipped: news to many is stale tomorrow. What was meant for one person (a journey's)
waits until the cap allows it, until it expires or at most HELD_AT_MOST from when its send window let it out.

Of the messages of one run, or of one step of a journey within COPY_WITHIN, that would go to one address, the one of
who ranks first goes: the head of the household, before others, before children, then whose profile is the oldest. The
others wait until theirs is settled: if it is skipped, for whatever reason, the next one's goes. While people are still
put into a run, whoever shares an address with somebody who has no message of it waits until all are in.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.infra.ids import first_id_before, new_id
from app.messaging import policy, runs, windows
from app.messaging.channel import channel
from app.messaging.policy import Cap, Policy
from app.messaging.states import Purpose, Reason, Status
from app.messaging.verdict import Verdict
from app.messaging.windows import Window

HELD_AT_MOST = timedelta(days=3)
COPY_WITHIN = timedelta(days=1)
MADE_BEFORE = timedelta(days=31)
"""What was sent is found among what was made so long before: a run that was paused for longer is not counted."""
COPY_RECHECK = timedelta(seconds=2)
FILLED_RECHECK = timedelta(minutes=1)
"""Who waits until all are in a run is looked at as soon as they are (runs.open_), and after so long in any case."""
COPY_LOCKS = 64
_SHARED = ("email", "phone")
_BEFORE_RUN = timedelta(hours=1)
"""A run's messages are younger than the run, by whatever clock gave them their ids."""
GONE_OUT = frozenset((Status.SENDING, Status.SENT, Status.UNKNOWN))

_LOCK_READERS = text("""
    SELECT id FROM customer
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:readers AS uuid[])) AND merged_into_id IS NULL
    ORDER BY id FOR NO KEY UPDATE
""")
# By ix_message_customer: an index by when it was sent would be written twice for each message, caps or none.
_RECEIVED = text("""
    SELECT customer_id, channel, sending_at FROM message
    WHERE tenant_id = :tenant_id AND customer_id = ANY(CAST(:readers AS uuid[])) AND purpose = 'marketing'
        AND status IN ('sending', 'sent', 'unknown') AND sending_at > :since AND id >= :first
    ORDER BY sending_at
""")
# As it was at a moment that is past, and as if one journey had sent nothing then.
_RECEIVED_BY_THEN = text("""
    SELECT customer_id, channel, sending_at FROM message
    WHERE tenant_id = :tenant_id AND customer_id = ANY(CAST(:readers AS uuid[])) AND purpose = 'marketing'
        AND status IN ('sending', 'sent', 'unknown') AND sending_at > :since AND sending_at <= :now
        AND journey_id IS DISTINCT FROM :apart_from
    ORDER BY sending_at
""")
_CLUBS = text("SELECT id, timezone FROM club WHERE tenant_id = :tenant_id")
_LOCK_ADDRESS = text("SELECT pg_advisory_xact_lock(:space, :place)")
RANK = "CASE {member}.role WHEN 'head' THEN 0 WHEN 'child' THEN 2 ELSE 1 END"
# Step by step (OFFSET 0), each asked of what the one before found: where the statistics of the message table are of the
# time when it was empty, the planner began with everybody's contact points, for each batch (4 ms a letter).
_TWINS = text(f"""
    SELECT asked.id AS asked_id, {RANK.format(member="mine")} AS my_rank,
        twin.id, twin.status, twin.due_at, other.id AS reader_id, {RANK.format(member="theirs")} AS rank
    FROM unnest(CAST(:ids AS uuid[]), CAST(:readers AS uuid[]), CAST(:kinds AS text[]), CAST(:keys AS text[]),
                CAST(:channels AS text[]), CAST(:runs AS uuid[]), CAST(:journeys AS uuid[]), CAST(:steps AS text[]),
                CAST(:firsts AS uuid[]))
        AS asked(id, reader, kind, key, channel, run_id, journey_id, step_key, first)
    CROSS JOIN LATERAL (
        SELECT customer_id AS id FROM contact_point
        WHERE tenant_id = :tenant_id AND kind = asked.kind AND key = asked.key AND customer_id <> asked.reader
        OFFSET 0
    ) AS point
    CROSS JOIN LATERAL (
        SELECT id FROM customer
        WHERE tenant_id = :tenant_id AND id = point.id
            AND asked.key = CASE asked.kind WHEN 'email' THEN email ELSE phone END
        OFFSET 0
    ) AS other
    LEFT JOIN LATERAL (
        SELECT id, status, due_at FROM message AS sent
        WHERE sent.tenant_id = :tenant_id AND sent.customer_id = other.id AND sent.id >= asked.first
            AND sent.channel = asked.channel AND sent.status IN ('queued', 'held', 'sending', 'sent', 'unknown')
            AND CASE WHEN asked.run_id IS NOT NULL THEN sent.run_id = asked.run_id
                ELSE sent.journey_id = asked.journey_id AND sent.step_key = asked.step_key AND sent.one_copy
                    AND (sent.status IN ('queued', 'held') OR sent.sending_at > :since) END
        OFFSET 0
    ) AS twin ON true
    LEFT JOIN household_member AS mine ON mine.tenant_id = :tenant_id AND mine.customer_id = asked.reader
    LEFT JOIN household_member AS theirs ON theirs.tenant_id = :tenant_id AND theirs.customer_id = other.id
    WHERE twin.id IS NOT NULL OR asked.run_id = ANY(CAST(:filling AS uuid[]))
""")  # noqa: S608 - the words are ours


@dataclass(frozen=True, slots=True)
class Twin:
    """A message of the same run or step to somebody else at the same address."""

    id: UUID
    status: Status
    due_at: datetime
    ranks: bool
    """Whether it goes before the one that was asked about."""


@dataclass(slots=True)
class Facts:
    """What a batch was told of its readers, and what it let out itself since."""

    policy: Policy
    zone: str
    now: datetime
    clubs: dict[UUID, str] = field(default_factory=dict)
    received: dict[UUID, list[tuple[str, datetime]]] = field(default_factory=dict)
    twins: dict[UUID, list[Twin]] = field(default_factory=dict)
    awaited: set[UUID] = field(default_factory=set)
    """Messages of runs that are being filled to whose address somebody else may still get one."""
    ranks: dict[UUID, tuple[int, UUID]] = field(default_factory=dict)
    gone: set[UUID] = field(default_factory=set)
    """Readers who became somebody else while they were waited for: their messages are looked at next time."""
    apart_from: UUID | None = None
    """The journey whose past is walked again: caps leave out what it really sent, and what was sent after `now`."""
    verdicts: dict[UUID, Verdict] = field(default_factory=dict)
    nights: dict[tuple[str, str], datetime | None] = field(default_factory=dict)
    windows: Mapping[UUID, Window] = field(default_factory=dict)
    """When the journeys send that do so at some hours only."""
    opens: dict[tuple[UUID, str], datetime | None] = field(default_factory=dict)


def hold_back(
    session: Session,
    tenant_id: UUID,
    rows: Sequence[Mapping[str, Any]],
    verdicts: Sequence[Verdict],
    facts: Facts,
    *,
    lock: bool = True,
) -> list[Verdict]:
    """Return the verdicts with those of marketing that would go out put off where something keeps it back.

    `lock`: it is to be sent, and not only asked about.
    """
    told = list(verdicts)
    asleep = any(facts.policy.quiet_hours(name) is not None for name in {row["channel"] for row in rows})
    of_journeys = any(row["journey_id"] is not None for row in rows)
    if not (asleep or of_journeys or facts.policy.caps or any(row["one_copy"] for row in rows)):
        return told
    places = [
        place
        for place, (row, verdict) in enumerate(zip(rows, verdicts, strict=True))
        if verdict.status is Status.SENDING and row["purpose"] == Purpose.MARKETING and row["reader_id"] is not None
    ]
    learn(session, tenant_id, [(rows[place], told[place]) for place in places], facts, lock=lock)
    if not (asleep or facts.windows or facts.policy.caps or facts.twins or facts.awaited):
        # Each of them has an address of their own, and nothing else is asked for.
        return told
    facts.verdicts = {row["id"]: verdict for row, verdict in zip(rows, told, strict=True)}
    if facts.policy.caps or facts.twins:
        last = (1, UUID(int=0))
        places.sort(key=lambda at: (-rows[at]["priority"], facts.ranks.get(rows[at]["id"], last), at))
    for place in places:
        verdict = _limited(rows[place], told[place], facts)
        told[place] = facts.verdicts[rows[place]["id"]] = verdict
    return told


def learn(
    session: Session,
    tenant_id: UUID,
    wanted: Sequence[tuple[Mapping[str, Any], Verdict]],
    facts: Facts,
    *,
    lock: bool,
) -> None:
    """Ask what the verdicts need to know: in a statement each, and none for what nobody asks for."""
    journeys = {row["journey_id"] for row, _ in wanted} - {None}
    if journeys:
        facts.windows = windows.of_journeys(session, tenant_id, journeys)
    asleep = any(facts.policy.quiet_hours(name) is not None for name in {row["channel"] for row, _ in wanted})
    if asleep or facts.windows:
        facts.clubs = {row.id: row.timezone for row in session.execute(_CLUBS, {"tenant_id": tenant_id})}
    # A device is one person's.
    shared = [
        row
        for row, verdict in wanted
        if row["one_copy"] and not verdict.instead_of and channel(row["channel"]).customer_field in _SHARED
    ]
    if shared:
        if lock:
            _lock_addresses(session, tenant_id, shared)
        _ask_twins(session, tenant_id, shared, facts)
    if facts.policy.caps:
        readers = sorted({row["reader_id"] for row, _ in wanted})
        values: dict[str, Any] = {"tenant_id": tenant_id, "readers": array(readers)}
        if lock:
            facts.gone = set(readers) - set(session.scalars(_LOCK_READERS, values))
        window = max(cap.window for cap in facts.policy.caps)
        asked = values | {"since": facts.now - window, "first": first_counted(window)}
        past = {"now": facts.now, "apart_from": facts.apart_from}
        received = (_RECEIVED_BY_THEN, asked | past) if facts.apart_from else (_RECEIVED, asked)
        for one in session.execute(*received):
            facts.received.setdefault(one.customer_id, []).append((one.channel, one.sending_at))


def first_counted(window: timedelta) -> UUID:
    """Return the smallest id of what may have been sent within a cap's time: made MADE_BEFORE that at most."""
    return first_id_before(new_id(), window + MADE_BEFORE)


def _address(row: Mapping[str, Any]) -> str:
    address: str = row[channel(row["channel"]).customer_field]
    return address.strip()


def _lock_addresses(session: Session, tenant_id: UUID, rows: Iterable[Mapping[str, Any]]) -> None:
    """Let one sender at a time look at an address of a journey's step.

    A run's messages are all there beforehand, or it is known that others may come (`Facts.awaited`).
    """
    named = (f"{row['journey_id']}:{row['step_key']}:{_address(row)}" for row in rows if row["run_id"] is None)
    for place in sorted({zlib.crc32(one.encode()) % COPY_LOCKS for one in named}):
        session.execute(_LOCK_ADDRESS, {"space": zlib.crc32(tenant_id.bytes) - 2**31, "place": place})


def _ask_twins(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]], facts: Facts) -> None:
    kinds = {name: channel(name).customer_field for name in {row["channel"] for row in rows}}
    of_runs = {row["run_id"] for row in rows} - {None}
    firsts = {run_id: first_id_before(run_id, _BEFORE_RUN) for run_id in of_runs}
    values = {
        "ids": array([row["id"] for row in rows]),
        "readers": array([row["reader_id"] for row in rows]),
        "kinds": array([kinds[row["channel"]] for row in rows]),
        "keys": array([row[kinds[row["channel"]]].strip() for row in rows]),
        "channels": array([row["channel"] for row in rows]),
        "runs": array([row["run_id"] for row in rows]),
        "journeys": array([row["journey_id"] for row in rows]),
        "steps": array([row["step_key"] for row in rows]),
        "firsts": array([firsts.get(row["run_id"]) or _oldest_twin(row["id"]) for row in rows]),
        "since": facts.now - COPY_WITHIN,
        "filling": array(runs.filling(session, tenant_id, of_runs)),
    }
    readers = {row["id"]: row["reader_id"] for row in rows}
    for one in session.execute(_TWINS, values | {"tenant_id": tenant_id}):
        mine = (one.my_rank, readers[one.asked_id])
        facts.ranks[one.asked_id] = mine
        if one.id is None:
            facts.awaited.add(one.asked_id)
            continue
        twin = Twin(one.id, Status(one.status), one.due_at, (one.rank, one.reader_id) < mine)
        facts.twins.setdefault(one.asked_id, []).append(twin)


def _oldest_twin(message_id: UUID) -> UUID:
    """Return the smallest id of a step's message that may have gone out, or wait, when this one is looked at.

    It was held until its send window opened, then by a cap, then until the window opened again, and went out since.
    """
    return first_id_before(message_id, 2 * windows.CLOSED_AT_MOST + HELD_AT_MOST + COPY_WITHIN)


def _limited(row: Mapping[str, Any], verdict: Verdict, facts: Facts) -> Verdict:
    if row["reader_id"] in facts.gone:
        return replace(verdict, status=Status.QUEUED, due_at=facts.now)
    for _, check in CHECKS:
        kept_back = check(row, verdict, facts)
        if kept_back is not None:
            return kept_back
    if row["variant"] == runs.HELD_OUT:
        # So that the address they share is not held out with them.
        return replace(verdict, status=Status.SKIPPED, reason=Reason.HOLDOUT, due_at=facts.now)
    facts.received.setdefault(row["reader_id"], []).append((row["channel"], facts.now))
    return verdict


def facts_of_night(session: Session, tenant_id: UUID, now: datetime) -> Facts:
    """Return what must be known to tell for whom it is night: what the organisation says, and where its clubs are."""
    said = session.execute(policy.OF_TENANT, {"tenant_id": tenant_id}).one()
    clubs = {row.id: row.timezone for row in session.execute(_CLUBS, {"tenant_id": tenant_id})}
    return Facts(policy.read(said.caps, said.quiet), said.timezone, now, clubs)


def quiet_until(channel_name: str, reader_zone: str | None, club_id: UUID | None, facts: Facts) -> datetime | None:
    """Return when the quiet hours that a reader is in on a channel are over, None where they are in none."""
    quiet = facts.policy.quiet_hours(channel_name)
    if quiet is None:
        return None
    zone = zone_of({"reader_zone": reader_zone, "club_id": club_id}, facts)
    asked = (zone.key, channel_name)
    if asked not in facts.nights:
        facts.nights[asked] = quiet.until(facts.now, zone)
    return facts.nights[asked]


def _quiet(row: Mapping[str, Any], verdict: Verdict, facts: Facts) -> Verdict | None:
    quiet = facts.policy.quiet_hours(row["channel"])
    if quiet is None:
        return None
    until = quiet_until(row["channel"], row["reader_zone"], row["club_id"], facts)
    if until is None:
        return None
    saw = {"zone": zone_of(row, facts).key, "from": f"{quiet.starts:%H:%M}", "to": f"{quiet.ends:%H:%M}"}
    if row["expires_at"] is not None and until >= row["expires_at"]:
        return replace(verdict, status=Status.SKIPPED, reason=Reason.EXPIRED, saw={"quiet": saw})
    return replace(verdict, status=Status.HELD, reason=Reason.QUIET_HOURS, due_at=until, saw={"quiet": saw})


def _outside(row: Mapping[str, Any], verdict: Verdict, facts: Facts) -> Verdict | None:
    """Hold what a journey sends at other hours, or on other days, than it is where its reader is."""
    window = facts.windows.get(row["journey_id"])
    if window is None:
        return None
    zone = window_zone(window, row, facts)
    asked = (row["journey_id"], zone.key)
    if asked not in facts.opens:
        facts.opens[asked] = window.opens(facts.now, zone)
    until = facts.opens[asked]
    if until is None:
        return None
    saw = {"window": {"zone": zone.key, "words": window.words}}
    if row["expires_at"] is not None and until >= row["expires_at"]:
        return replace(verdict, status=Status.SKIPPED, reason=Reason.EXPIRED, saw=saw)
    return replace(verdict, status=Status.HELD, reason=Reason.SEND_WINDOW, due_at=until, saw=saw)


def window_zone(window: Window, row: Mapping[str, Any], facts: Facts) -> ZoneInfo:
    """Return the zone in which a window is open or not for a reader: their own, else the journey's."""
    own = _zone(row["reader_zone"]) if row["reader_zone"] and not window.for_all else None
    return own or (_zone(window.zone) if window.zone else None) or zone_of(row, facts)


def zone_of(row: Mapping[str, Any], facts: Facts) -> ZoneInfo:
    """Return the zone of a reader: their own, else their club's, else the organisation's."""
    for name in (row["reader_zone"], facts.clubs.get(row["club_id"]), facts.zone):
        if name and (zone := _zone(name)) is not None:
            return zone
    return ZoneInfo("UTC")


@cache
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _capped(row: Mapping[str, Any], verdict: Verdict, facts: Facts) -> Verdict | None:
    full = [
        (opens, cap)
        for cap in facts.policy.caps_of(row["channel"])
        if (opens := _opens(cap, facts.received.get(row["reader_id"], ()), facts.now)) is not None
    ]
    if not full:
        return None
    opens, cap = max(full, key=lambda one: one[0])
    seen = {"channel": cap.channel, "most": cap.most, "hours": cap.hours, "opens_at": opens.isoformat()}
    kept_back = replace(verdict, reason=Reason.FREQUENCY_CAP, saw={"cap": seen})
    too_late = _let_out(row, facts) + HELD_AT_MOST
    if row["expires_at"] is not None:
        too_late = min(too_late, row["expires_at"])
    if row["run_id"] is not None or opens >= too_late:
        return replace(kept_back, status=Status.SKIPPED)
    return replace(kept_back, status=Status.HELD, due_at=opens)


def _let_out(row: Mapping[str, Any], facts: Facts) -> datetime:
    """Return when the send window of a message's journey, if it has one, was open first since the message was made."""
    made: datetime = row["created_at"]
    window = facts.windows.get(row["journey_id"])
    return (window.opens(made, window_zone(window, row, facts)) if window else None) or made


def _opens(cap: Cap, received: Sequence[tuple[str, datetime]], now: datetime) -> datetime | None:
    """Return when a cap lets out the next message, if it lets out none now. What is received stands in its order."""
    since = now - cap.window
    counted = [at for name, at in received if at > since and cap.channel in (None, name)]
    return counted[-cap.most] + cap.window if len(counted) >= cap.most else None


def _copied(row: Mapping[str, Any], verdict: Verdict, facts: Facts) -> Verdict | None:
    waits: list[datetime] = []
    for twin in facts.twins.get(row["id"], ()):
        told = facts.verdicts.get(twin.id)
        # Of this batch only what comes before it is settled.
        status = told.status if told is not None and twin.ranks else twin.status
        if status in GONE_OUT:
            saw = {"copy": {"message_id": str(twin.id)}}
            return replace(verdict, status=Status.SKIPPED, reason=Reason.HOUSEHOLD_COPY, saw=saw)
        if twin.ranks and status in (Status.QUEUED, Status.HELD):
            waits.append((told.due_at if told is not None else None) or twin.due_at)
    if row["id"] in facts.awaited:
        waits.append(facts.now + FILLED_RECHECK)
    if not waits:
        return None
    until = max(*waits, facts.now) + COPY_RECHECK
    return replace(verdict, status=Status.HELD, reason=Reason.COPY_PENDING, due_at=until)


CHECKS: tuple[tuple[str, Callable[[Mapping[str, Any], Verdict, Facts], Verdict | None]], ...] = (
    ("window", _outside),
    ("quiet", _quiet),
    ("cap", _capped),
    ("copy", _copied),
)
