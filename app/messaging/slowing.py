"""Who asks us to slow down is left alone for a while, and nobody else waits for it.

A channel may have many who take its messages: mail providers, push services (`Channel.taker`). One that answers that it
wants less (a mail provider's 421, 4.7.x or words of too much, a push service's 503), or is not there, stands in
Postgres, so that all workers know. While it does, the gate holds what would go there, and no attempt is used up (one is
by what is left of the batch it stopped); each time it asks again it is left alone for twice as long. Then a few
messages are tried, and if they are taken four times as many, until it takes whatever there is. Transactional messages
are tried all the same. Who is not asked for this pays nothing for it.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.infra.db import again_after_deadlock, transaction
from app.messaging.channel import Outcome, channel, installed
from app.messaging.states import Purpose, Reason, Status
from app.messaging.verdict import Verdict

FIRST = timedelta(minutes=1)
LONGEST = timedelta(hours=1)
MOST_ASKED = timedelta(hours=6)
"""Who asks to be left alone for longer is asked again after so long."""
TURN = timedelta(seconds=5)
"""So long nobody else tries after a few were let out: what becomes of them is not known yet."""
GROWS = 4
ENOUGH = 1_000
"""Who took so many at once is asked for no more patience."""
FORGOTTEN = timedelta(hours=12)
MAX_SAID = 500
MANY = 1_000
"""Where so many are held they come due over SPREAD: each is judged anew then, before what is newer."""
SPREAD = timedelta(minutes=10)

_LOCKED = text("""
    SELECT channel, taker, strikes, since, said, until, room FROM slowing
    WHERE tenant_id = :tenant_id AND until > :forgotten ORDER BY channel, taker FOR UPDATE
""")
_TURN = text("""
    UPDATE slowing SET until = :until
    FROM unnest(CAST(:channels AS text[]), CAST(:takers AS text[])) AS tried(channel, taker)
    WHERE slowing.tenant_id = :tenant_id AND slowing.channel = tried.channel AND slowing.taker = tried.taker
""")
# What was on its way when it first asked tells nothing more: it counts again once it was tried again. Who takes some of
# what it is offered is not left alone for longer, but offered less.
_STRIKE = text("""
    INSERT INTO slowing AS known (tenant_id, channel, taker, strikes, since, said, until, room)
    SELECT :tenant_id, :channel, asking.taker, 1, :now, asking.said, greatest(asking.until, :now + :first), 1
    FROM unnest(CAST(:takers AS text[]), CAST(:said AS text[]), CAST(:asked AS timestamptz[]))
        AS asking(taker, said, until)
    ON CONFLICT (tenant_id, channel, taker) DO UPDATE
    SET strikes = CASE WHEN known.until <= :forgotten THEN 1
            WHEN excluded.taker = ANY(CAST(:took AS text[])) THEN known.strikes ELSE known.strikes + 1 END,
        since = CASE WHEN known.until <= :forgotten THEN excluded.since ELSE known.since END,
        said = excluded.said,
        room = CASE WHEN excluded.taker = ANY(CAST(:took AS text[])) THEN greatest(known.room / 2, 1) ELSE 1 END,
        until = greatest(excluded.until, :now + CASE
            WHEN known.until <= :forgotten OR excluded.taker = ANY(CAST(:took AS text[])) THEN :first
            ELSE least(:first * power(2, least(known.strikes, 10)), :longest) END)
    WHERE known.until <= :now + :turn
""")
_TAKEN = text("""
    UPDATE slowing SET room = room * :grows, until = :now
    FROM unnest(CAST(:takers AS text[])) AS took(taker)
    WHERE tenant_id = :tenant_id AND channel = :channel AND slowing.taker = took.taker AND until <= :now + :turn
""")
_ENOUGH = text("""
    DELETE FROM slowing WHERE tenant_id = :tenant_id AND (room >= :enough OR until <= :forgotten)
""")
_HELD = """
    SELECT channel, taker, count(*) AS number FROM (
        SELECT channel, saw -> 'slow' ->> 'taker' AS taker FROM message
        WHERE tenant_id = :tenant_id AND status = 'held' AND reason = :slowed LIMIT :counted
    ) AS one GROUP BY channel, taker
"""
_WAITING = text(_HELD)
_KNOWN = text(f"""
    WITH held AS MATERIALIZED ({_HELD})
    SELECT s.channel, s.taker, s.since, s.said, s.until, coalesce(held.number, 0) AS waiting,
        coalesce((SELECT sum(number) FROM held), 0) >= :counted AS more
    FROM slowing s
    LEFT JOIN held ON held.channel = s.channel AND held.taker = s.taker
    WHERE s.tenant_id = :tenant_id AND s.until > :forgotten ORDER BY s.channel, s.taker
""")  # noqa: S608 - the statement is ours
_OF_TAKER = text("""
    SELECT taker, since, said, until FROM slowing
    WHERE tenant_id = :tenant_id AND channel = :channel AND taker = :taker AND until > :now
""")


@dataclass(frozen=True, slots=True)
class Slow:
    """Who asks for less: since when, what was said last, until when nothing goes there, and how much waits for it.

    `more`: no more were counted, and more may wait.
    """

    channel: str
    label: str
    taker: str
    since: datetime
    said: str
    until: datetime
    waiting: int
    more: bool = False


def hold_back(
    session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]], verdicts: Sequence[Verdict], now: datetime
) -> list[Verdict]:
    """Return the verdicts with those of messages put off that would go where less is asked for. For the gate: who asks
    is locked until its transaction ends."""
    told = list(verdicts)
    locked = session.execute(_LOCKED, {"tenant_id": tenant_id, "forgotten": now - FORGOTTEN})
    slow = {(row.channel, row.taker): row for row in locked}
    room = {key: row.room for key, row in slow.items() if row.until <= now}
    tried = set()
    held: list[tuple[int, Any]] = []
    for place in sorted(range(len(rows)), key=lambda one: -rows[one]["priority"]):
        row, verdict = rows[place], told[place]
        if verdict.status is not Status.SENDING or row["purpose"] == Purpose.TRANSACTIONAL:
            continue
        key = (row["channel"], taker_of(row["channel"], verdict.address))
        asking = slow.get(key)
        if asking is None:
            continue
        if room.get(key, 0) > 0:
            room[key] -= 1
            tried.add(key)
            continue
        held.append((place, asking))
    longest = _longest_waits(session, tenant_id) if held else {}
    for place, asking in held:
        # Not all at the same moment; behind those that are tried there are some turns to come.
        most = longest.get((asking.channel, asking.taker), TURN * GROWS)
        wait = TURN + (most - TURN) * random.random()  # noqa: S311 - spreads load, guards nothing
        saw = {"slow": {"taker": asking.taker, "said": asking.said}}
        due_at = max(asking.until, now) + wait
        told[place] = replace(told[place], status=Status.HELD, reason=Reason.SLOWED, due_at=due_at, saw=saw)
    if tried:
        names = {"channels": array(one for one, _ in tried), "takers": array(one for _, one in tried)}
        session.execute(_TURN, {"tenant_id": tenant_id, "until": now + TURN, **names})
    return told


def _longest_waits(session: Session, tenant_id: UUID) -> dict[tuple[str, str], timedelta]:
    """Return for how long those held wait at most, by who takes them, where many are: as its share of them is."""
    rows = session.execute(_WAITING, {"tenant_id": tenant_id, "slowed": Reason.SLOWED, "counted": MANY}).all()
    if sum(row.number for row in rows) < MANY:
        return {}
    return {(row.channel, row.taker): max(SPREAD * row.number / MANY, TURN * GROWS) for row in rows}


def taker_of(channel_name: str, address: str | None) -> str | None:
    """Return who takes messages to an address, where a channel has several who do."""
    return channel(channel_name).taker(address) if address and channel_name in installed() else None


@again_after_deadlock
def learn(
    *,
    tenant_id: UUID,
    name: str,
    addresses: Sequence[str],
    outcomes: Sequence[Outcome],
    slowed: bool,
    now: datetime,
) -> None:
    """Take note of what became of a channel's batch. `slowed`: somebody was known to ask for less."""
    asking: dict[str, Outcome] = {}
    if not slowed and not any(outcome.slow for outcome in outcomes):
        return
    took: set[str] = set()
    for address, outcome in zip(addresses, outcomes, strict=True):
        taker = taker_of(name, address)
        if taker is not None and outcome.slow:
            asking.setdefault(taker, outcome)
        elif taker is not None and outcome.result.value in ("sent", "failed"):
            took.add(taker)
    # Who asks is locked in the same order by the gate.
    asking = dict(sorted(asking.items()))
    values = {"tenant_id": tenant_id, "channel": name, "now": now, "turn": TURN, "forgotten": now - FORGOTTEN}
    with transaction(tenant_id) as session:
        if asking:
            said = [one.response.replace("\x00", "").encode("utf-8", "replace").decode() for one in asking.values()]
            asked = [now + min(one.retry_after or timedelta(0), MOST_ASKED) for one in asking.values()]
            session.execute(
                _STRIKE,
                {
                    **values,
                    "takers": array(asking),
                    "said": array(one[:MAX_SAID] for one in said),
                    "asked": array(asked),
                    "took": array(sorted(took)),
                    "first": FIRST,
                    "longest": LONGEST,
                },
            )
        if slowed and took - asking.keys():
            session.execute(_TAKEN, {**values, "takers": array(sorted(took - asking.keys())), "grows": GROWS})
            session.execute(_ENOUGH, {**values, "enough": ENOUGH})


def known(*, tenant_id: UUID, now: datetime, counted: int = 10_000) -> list[Slow]:
    """Return who asks for less, and how many messages wait for each; `counted` at most are counted in all."""
    values = {"tenant_id": tenant_id, "slowed": Reason.SLOWED, "forgotten": now - FORGOTTEN, "counted": counted}
    with transaction(tenant_id) as session:
        return [
            Slow(
                channel=row.channel,
                label=channel(row.channel).label,
                taker=row.taker,
                since=row.since,
                said=row.said,
                until=row.until,
                waiting=row.waiting,
                more=row.more,
            )
            for row in session.execute(_KNOWN, values)
            if row.until > now or row.waiting
        ]


def of_address(
    session: Session, *, tenant_id: UUID, channel_name: str, address: str | None, now: datetime
) -> Slow | None:
    """Return who takes messages to an address if it asks for less just now."""
    values = {
        "tenant_id": tenant_id, "channel": channel_name, "taker": taker_of(channel_name, address), "now": now
    }  # fmt: skip
    row = session.execute(_OF_TAKER, values).one_or_none()
    if row is None:
        return None
    return Slow(channel_name, channel(channel_name).label, row.taker, row.since, row.said, row.until, 0)
