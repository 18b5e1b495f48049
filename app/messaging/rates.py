"""How many messages go out in a time, of a channel or to the addresses of one domain: what those who take them allow.

The count is a moment in Postgres that every message let out moves on (`ready_at`), so any number of senders keep to it,
and nothing that Redis forgets matters. After a rest up to BURST's worth go at once. What is one too many is held behind
what of its kind is held already: journeys' messages (`journey_at`) and campaigns' (`queue_at`) apart, so that those of
journeys go first, and no more than about HORIZON ahead, so that what is called off keeps nobody waiting for long.
Transactional messages are counted and never held; however many there are, others wait for them no longer than HORIZON,
or the time the rate counts over if that is longer.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.figures import figure
from app.messaging.channel import EMAIL
from app.messaging.models import SendingRate
from app.messaging.states import Priority, Purpose, Reason, Status
from app.messaging.verdict import Verdict

BURST = timedelta(seconds=5)
HORIZON = timedelta(minutes=30)
MOST_RATES = 20
MOST_MESSAGES = 1_000_000
SPANS = {1: "second", 60: "minute", 3600: "hour", 86400: "day"}
"""The times that can be counted over, in seconds."""
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]", re.ASCII)

_MOVE = text("""
    UPDATE sending_rate AS rate
    SET ready_at = moved.ready_at, journey_at = moved.journey_at, queue_at = moved.queue_at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:ready AS timestamptz[]), CAST(:journeys AS timestamptz[]),
                CAST(:queue AS timestamptz[])) AS moved(id, ready_at, journey_at, queue_at)
    WHERE rate.tenant_id = :tenant_id AND rate.id = moved.id
""")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many messages of a channel in so many seconds: all of them, or those to one domain."""

    channel: str
    domain: str | None
    most: int
    seconds: int

    @property
    def words(self) -> str:
        """Return it in words: "60 a minute to gmail.com"."""
        span = SPANS.get(self.seconds, f"{self.seconds} seconds")
        to = f" to {self.domain}" if self.domain else ""
        return f"{figure(self.most)} {'an' if span == 'hour' else 'a'} {span}{to}"


class Clock:
    """A rate while a batch is judged: when its next place is, and when those behind all that is held."""

    def __init__(self, row: SendingRate, now: datetime) -> None:
        self.row, self.rate = row, Rate(row.channel, row.domain, row.most, row.seconds)
        self.step = timedelta(seconds=row.seconds) / row.most
        # No place is given out further ahead than HORIZON and the time the rate counts over; senders' clocks may be a
        # HORIZON apart. What lies beyond that is of a clock that ran ahead and was put right.
        furthest = now + 2 * HORIZON + timedelta(seconds=row.seconds)
        places = (row.ready_at, row.journey_at, row.queue_at)
        ready, of_journeys, others = (now if one > furthest else one for one in places)
        self.ready = max(ready, now - BURST)
        self.behind = {True: of_journeys, False: others}

    def counts(self, channel: str, domain: str) -> bool:
        """Return whether a message falls under it."""
        return self.rate.channel == channel and self.rate.domain in (None, domain)

    def take(self, now: datetime) -> None:
        """Let one out."""
        furthest = now + max(HORIZON, timedelta(seconds=self.row.seconds))
        self.ready = max(self.ready, min(self.ready + self.step, furthest))

    def next(self, now: datetime, *, of_journey: bool) -> datetime:
        """Return when the place behind what of a kind is held already is."""
        return max(self.behind[of_journey], self.ready, now)


def hold_back(
    session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]], verdicts: Sequence[Verdict], now: datetime
) -> list[Verdict]:
    """Return the verdicts with those of messages that are one too many put off; what is let out is counted.

    For the gate: the rates are locked until its transaction ends.
    """
    wanted = select(SendingRate).where(SendingRate.tenant_id == tenant_id).order_by(SendingRate.id)
    locked = session.scalars(wanted.with_for_update(key_share=True).execution_options(populate_existing=True))
    clocks = [Clock(row, now) for row in locked]
    told = spread(clocks, rows, verdicts, now)
    session.execute(
        _MOVE,
        {
            "tenant_id": tenant_id,
            "ids": array(clock.row.id for clock in clocks),
            "ready": array(clock.ready.isoformat() for clock in clocks),
            "journeys": array(clock.behind[True].isoformat() for clock in clocks),
            "queue": array(clock.behind[False].isoformat() for clock in clocks),
        },
    )
    return told


def spread(
    clocks: Sequence[Clock], rows: Sequence[Mapping[str, Any]], verdicts: Sequence[Verdict], now: datetime
) -> list[Verdict]:
    """Return the verdicts with those of messages that are one too many under these rates put off."""
    told = list(verdicts)
    going = [
        (place, _counting(clocks, rows[place], verdict))
        for place, verdict in enumerate(told)
        if verdict.status is Status.SENDING
    ]
    # Who has to keep to more rates goes first: any other can take a place that one leaves, and not the other way round.
    going.sort(key=lambda one: (-rows[one[0]]["priority"], -len(one[1])))
    for place, counting in going:
        row = rows[place]
        if row["purpose"] == Purpose.TRANSACTIONAL or all(clock.ready <= now for clock in counting):
            for clock in counting:
                clock.take(now)
            continue
        last, due_at = _put_off(counting, now, of_journey=row["priority"] >= Priority.JOURNEY)
        saw = {"rate": asdict(last.rate)}
        told[place] = replace(told[place], status=Status.HELD, reason=Reason.RATE_LIMIT, due_at=due_at, saw=saw)
    return told


def _counting(clocks: Sequence[Clock], row: Mapping[str, Any], verdict: Verdict) -> list[Clock]:
    domain = (verdict.address or "").rpartition("@")[2].lower() if row["channel"] == EMAIL else ""
    return [clock for clock in clocks if clock.counts(row["channel"], domain)]


def _put_off(counting: Sequence[Clock], now: datetime, *, of_journey: bool) -> tuple[Clock, datetime]:
    """Return the rate that a message waits for longest, and its place under it, which is taken.

    The place is taken under the domain's rate too, or another of the domain might have the turn, and this one lose its
    place. Under that of the channel others have use for what lies before it.
    """
    last = max(counting, key=lambda clock: clock.next(now, of_journey=of_journey))
    at = last.next(now, of_journey=of_journey)
    if at - now >= HORIZON:
        return last, now + HORIZON * (1 + random.random())  # noqa: S311 - spreads load, guards nothing
    for clock in counting:
        if clock is last or clock.rate.domain is not None:
            clock.behind[of_journey] = at + clock.step
    return last, at


def of(*, tenant_id: UUID) -> list[Rate]:
    """Return the rates of a tenant, those of whole channels first."""
    with transaction(tenant_id) as session:
        return _of(session, tenant_id)


def _of(session: Session, tenant_id: UUID) -> list[Rate]:
    wanted = select(SendingRate).where(SendingRate.tenant_id == tenant_id)
    found = session.scalars(wanted.order_by(SendingRate.channel, SendingRate.domain.nulls_first()))
    return [Rate(row.channel, row.domain, row.most, row.seconds) for row in found]


def put(session: Session, tenant_id: UUID, wanted: Sequence[Rate], now: datetime) -> None:
    """Put these rates in the place of a tenant's; one that was there as it is goes on counting where it was.

    Places are given out anew under each: what was held back is to be looked at again. Whoever locks messages in the
    same transaction does so before, as the gate does.
    """
    known = {
        (row.channel, row.domain): row
        for row in session.scalars(
            select(SendingRate).where(SendingRate.tenant_id == tenant_id).order_by(SendingRate.id).with_for_update()
        )
    }
    kept_keys = {(one.channel, one.domain) for one in wanted}
    for key, row in known.items():
        if key not in kept_keys:
            session.execute(delete(SendingRate).where(SendingRate.tenant_id == tenant_id, SendingRate.id == row.id))
    for one in wanted:
        kept = known.get((one.channel, one.domain))
        if kept is None:
            kept = SendingRate(tenant_id=tenant_id, channel=one.channel, domain=one.domain)
            session.add(kept)
        kept.journey_at = kept.queue_at = now
        if (kept.most, kept.seconds) != (one.most, one.seconds):
            kept.most, kept.seconds, kept.ready_at = one.most, one.seconds, now
    session.flush()


def read(given: Sequence[Mapping[str, Any]], channels: Sequence[str], errors: dict[str, str]) -> list[Rate]:
    """Return rates as they are kept; what is wrong is added to `errors` by `rates.<place>`."""
    found: dict[tuple[str, str | None], Rate] = {}
    if len(given) > MOST_RATES:
        errors["rates"] = f"Give at most {MOST_RATES} rates."
    for place, one in enumerate(given[:MOST_RATES]):
        channel, most, seconds = one.get("channel"), one.get("most"), one.get("seconds")
        domain = str(one.get("domain") or "").strip().lower().lstrip("@") or None
        wrong = []
        if not isinstance(most, int) or isinstance(most, bool) or not 1 <= most <= MOST_MESSAGES:
            wrong.append(f"Allow from 1 to {figure(MOST_MESSAGES)} messages.")
        if channel not in channels:
            wrong.append("Choose a channel.")
        elif domain is not None and channel != EMAIL:
            wrong.append("Only addresses of e-mail have a domain.")
        elif domain is not None and not _DOMAIN.fullmatch(domain):
            wrong.append("Give a domain such as gmail.com, or none for all.")
        if seconds not in SPANS:
            wrong.append("Count over a second, a minute, an hour or a day.")
        if not wrong and (channel, domain) in found:
            wrong.append("There is a rate of this channel and domain already.")
        if wrong:
            errors[f"rates.{place}"] = " ".join(wrong)
        else:
            found[str(channel), domain] = Rate(str(channel), domain, int(str(most)), int(str(seconds)))
    return list(found.values())
