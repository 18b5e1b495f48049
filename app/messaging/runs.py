"""Runs: messages that go out together, and can be kept back together.

Who makes a run (a campaign) is of no concern here. A run begins `paused`, people are put into it, then it is opened.
Those of one that is `filling` go out while others are still put in; whoever shares an address with somebody who may
still come in waits (limits.py). A sender that takes messages of a run holds its row until it has committed them as
`sending`: after `pause` has returned, no more than what was committed before goes out. Nothing is written to any
message for it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.ids import new_ids
from app.infra.queue import Work, wake
from app.messaging import tally
from app.messaging.channel import channel
from app.messaging.states import Priority, Purpose, Reason

HELD_OUT = "holdout"
"""The variant of those who are kept out of a run on purpose."""
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When those are due that wait for something else than the time."""
MOST_AT_ONCE = 8
"""So many runs share a batch; which ones is left to chance, so that all get their turn."""
BURST = timedelta(seconds=5)
"""A run with a limit that could not send for a while makes up for so much of it, and no more."""
_HOUR = timedelta(hours=1)
READY = "(run.ready_at <= :now OR run.ready_at > :now + interval '2 hours')"
"""Whether a run with a limit has a place: the next one is an hour away at most, and what lies further off is of a clock
that ran ahead and was put right."""


class RunStatus(StrEnum):
    """Whether the messages of a run go out. One that is closed is over: none of it is looked at again."""

    OPEN = "open"
    FILLING = "filling"
    PAUSED = "paused"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Content:
    """What a run says on one channel: a version of a template, so that saving it again changes nothing."""

    channel: str
    template_id: UUID
    template_version: int
    topic_id: UUID | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen for the letters of a variant: whom they are from, and what they are called."""

    sender_id: UUID | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Fates:
    """What became of the messages of a run; `skipped` by reason, and so with `failed` and `unknown`."""

    queued: int
    held: Mapping[str, int]
    sending: int
    sent: int
    skipped: Mapping[str, int]
    failed: Mapping[str, int]
    unknown: Mapping[str, int]

    @property
    def total(self) -> int:
        """Return how many there are."""
        return self.waiting + self.sending + self.done

    @property
    def waiting(self) -> int:
        """Return how many are still to go out."""
        return self.queued + sum(self.held.values())

    @property
    def done(self) -> int:
        """Return how many are settled."""
        return self.sent + sum(sum(one.values()) for one in (self.skipped, self.failed, self.unknown))


_MAKE = text("""
    INSERT INTO message_run (tenant_id, id, status, senders, subjects, created_at)
    VALUES (:tenant_id, :id, 'paused', CAST(:senders AS jsonb), CAST(:subjects AS jsonb), :now)
    ON CONFLICT DO NOTHING
""")
_CHOSEN = text("""
    SELECT id, senders, subjects FROM message_run
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:runs AS uuid[])) AND (senders IS NOT NULL OR subjects IS NOT NULL)
""")
_SET_CHOSEN = text("""
    UPDATE message_run SET senders = CAST(:senders AS jsonb), subjects = CAST(:subjects AS jsonb)
    WHERE tenant_id = :tenant_id AND id = :id
""")
_SET = text("""
    UPDATE message_run SET status = :status WHERE tenant_id = :tenant_id AND id = :id AND status <> 'closed'
""")
_FILL = text("""
    UPDATE message_run SET status = 'filling' WHERE tenant_id = :tenant_id AND id = :id AND status = 'paused'
""")
_FILLING = text("""
    SELECT id FROM message_run
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:runs AS uuid[])) AND status = 'filling'
""")
_OPEN = text("""
    UPDATE message_run SET status = 'open', per_hour = :per_hour, ready_at = CASE WHEN :limited THEN :now END
    WHERE tenant_id = :tenant_id AND id = :id AND status <> 'closed'
""")
# A row that somebody pauses at this moment is left alone: what they write decides. One with a limit is one sender's.
_DUE = """
    SELECT id, per_hour, ready_at FROM message_run AS run
    WHERE tenant_id = :tenant_id AND status IN ('open', 'filling') AND {limit}
        AND EXISTS (SELECT FROM message WHERE tenant_id = :tenant_id AND run_id = run.id
            AND status IN ('queued', 'held') AND due_at <= :now)
    ORDER BY random() LIMIT :most FOR {lock} OF run SKIP LOCKED
"""
_FREE = text(_DUE.format(limit="per_hour IS NULL", lock="SHARE"))
_LIMITED = text(_DUE.format(limit=f"per_hour IS NOT NULL AND {READY}", lock="NO KEY UPDATE"))
_ANY = text("""
    SELECT EXISTS (SELECT FROM message_run WHERE tenant_id = :tenant_id AND status IN ('open', 'filling'))
""")
_COUNT_OUT = text("""
    UPDATE message_run AS run
    SET ready_at = greatest(least(run.ready_at, :now), :earliest)
        + make_interval(secs => 3600.0 * counted.out / run.per_hour)
    FROM unnest(CAST(:runs AS uuid[]), CAST(:outs AS integer[])) AS counted(id, out)
    WHERE run.tenant_id = :tenant_id AND run.id = counted.id AND run.per_hour IS NOT NULL
""")
# Who has no zone has that of their club.
_ZONE = """coalesce(customer.timezone,
            (SELECT timezone FROM club WHERE tenant_id = :tenant_id AND id = customer.club_id))"""
# People are taken in the order of their ids, each into one message a channel; who was put in already stays.
_PUT = text(f"""
    INSERT INTO message (tenant_id, id, channel, purpose, customer_id, to_address, template_id, template_version,
                         topic_id, campaign_id, run_id, variant, priority, one_copy, dedupe_key, status, reason, due_at,
                         expires_at, created_at)
    SELECT :tenant_id, chosen.message_id, :channel, :purpose, customer.id,
           CASE CAST(:field AS text) WHEN 'email' THEN customer.email WHEN 'phone' THEN customer.phone END,
           :template_id, :template_version, :topic_id, :campaign_id, :run_id, :variant, :priority, :one_copy,
           concat_ws(':', 'run', CAST(:run_id AS text), customer.id, CAST(:channel AS text)),
           CASE WHEN CAST(:waits AS boolean) THEN 'held' ELSE 'queued' END,
           CASE WHEN CAST(:waits AS boolean) THEN CAST(:awaiting AS text) END,
           CASE WHEN CAST(:waits AS boolean) THEN :never ELSE coalesce(chosen.due_at, local.due_at, :due_at) END,
           CASE WHEN NOT CAST(:waits AS boolean) THEN coalesce(chosen.due_at, local.due_at, :due_at)
               + make_interval(hours => CAST(:expires_hours AS integer)) END,
           :now
    FROM unnest(CAST(:customers AS uuid[]), CAST(:ids AS uuid[]), CAST(:own_moments AS timestamptz[]))
        AS chosen(id, message_id, due_at)
    JOIN customer ON customer.tenant_id = :tenant_id AND customer.id = chosen.id
    LEFT JOIN unnest(CAST(:zones AS text[]), CAST(:moments AS timestamptz[])) AS local(zone, due_at)
        ON local.zone = {_ZONE}
    ON CONFLICT (tenant_id, dedupe_key) DO NOTHING
""")  # noqa: S608 - the words are ours
_LEFT = text("""
    SELECT EXISTS (SELECT FROM message WHERE tenant_id = :tenant_id AND run_id = :id
        AND status IN ('queued', 'held', 'sending'))
""")
# From either end of ix_message_run_due: what is held to one moment is not read as a whole.
_HELD_UNTIL = text("""
    SELECT min(first.due_at) AS first, max(last.due_at) AS last
    FROM unnest(CAST(:run_ids AS uuid[])) AS run(id)
    CROSS JOIN LATERAL (
        SELECT due_at FROM message WHERE tenant_id = :tenant_id AND run_id = run.id AND status IN ('queued', 'held')
            AND status = 'held' AND reason = :reason ORDER BY due_at LIMIT 1
    ) AS first
    CROSS JOIN LATERAL (
        SELECT due_at FROM message WHERE tenant_id = :tenant_id AND run_id = run.id AND status IN ('queued', 'held')
            AND status = 'held' AND reason = :reason ORDER BY due_at DESC LIMIT 1
    ) AS last
""")
_LET_GO = text(f"""
    WITH waiting AS (
        SELECT id, customer_id FROM message
        WHERE tenant_id = :tenant_id AND run_id = :id AND status = 'held' AND reason = :awaiting AND channel = :channel
        LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE message SET status = 'queued', reason = NULL, due_at = whose.due_at, variant = :variant,
        expires_at = whose.due_at + make_interval(hours => CAST(:expires_hours AS integer)),
        template_id = :template_id, template_version = :template_version, topic_id = :topic_id
    FROM (
        SELECT waiting.id, greatest(coalesce(local.due_at, :due_at), :now) AS due_at
        FROM waiting
        LEFT JOIN customer ON customer.tenant_id = :tenant_id AND customer.id = waiting.customer_id
        LEFT JOIN unnest(CAST(:zones AS text[]), CAST(:moments AS timestamptz[])) AS local(zone, due_at)
            ON local.zone = {_ZONE}
    ) AS whose
    WHERE message.tenant_id = :tenant_id AND message.id = whose.id
""")  # noqa: S608
# Whose housemate waited looks again at once.
_LOOK_AGAIN = text("""
    UPDATE message SET due_at = :now
    WHERE tenant_id = :tenant_id AND run_id = :id AND status = 'held' AND reason = :pending AND due_at >= :since
""")
_CANCEL = text("""
    WITH left_over AS (
        SELECT id FROM message WHERE tenant_id = :tenant_id AND run_id = :id AND status IN ('queued', 'held')
        LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE message SET status = 'skipped', reason = :reason FROM left_over
    WHERE message.tenant_id = :tenant_id AND message.id = left_over.id
""")


def held_until(*, tenant_id: UUID, run_ids: Collection[UUID], reason: Reason) -> tuple[datetime, datetime] | None:
    """Return until when messages of these runs are held for a reason: the first and the last; None if none is."""
    with transaction(tenant_id) as session:
        values = {"tenant_id": tenant_id, "run_ids": array(run_ids), "reason": reason}
        row = session.execute(_HELD_UNTIL, values).one()
    return (row.first, row.last) if row.first is not None else None


def make(*, tenant_id: UUID, run_id: UUID, chosen: Mapping[str, Chosen] | None = None, now: datetime) -> None:
    """Make a run of this id, which sends nothing before it is opened; one that is there stays as it is.

    `chosen`: what was chosen for the letters of a variant ('' for those of none); else they are from the sender of the
    reader's club, and called what their template says.
    """
    with transaction(tenant_id) as session:
        session.execute(_MAKE, {"tenant_id": tenant_id, "id": run_id, **_to_json(chosen or {}), "now": now})


def set_chosen(*, tenant_id: UUID, run_id: UUID, chosen: Mapping[str, Chosen]) -> None:
    """Let the letters of a run be from others, and be called something else."""
    with transaction(tenant_id) as session:
        session.execute(_SET_CHOSEN, {"tenant_id": tenant_id, "id": run_id, **_to_json(chosen)})


def _to_json(chosen: Mapping[str, Chosen]) -> dict[str, str | None]:
    senders = {variant: str(one.sender_id) for variant, one in chosen.items() if one.sender_id is not None}
    subjects = {variant: one.subject for variant, one in chosen.items() if one.subject is not None}
    kept = {"senders": senders, "subjects": subjects}
    return {name: orjson.dumps(values).decode() if values else None for name, values in kept.items()}


def chosen_of(*, tenant_id: UUID, run_ids: Collection[UUID]) -> dict[tuple[UUID, str], Chosen]:
    """Return what was chosen for the letters of these runs, by run and variant."""
    if not run_ids:
        return {}
    with transaction(tenant_id) as session:
        rows = session.execute(_CHOSEN, {"tenant_id": tenant_id, "runs": array(run_ids)}).all()
    found: dict[tuple[UUID, str], Chosen] = {}
    for row in rows:
        senders, subjects = row.senders or {}, row.subjects or {}
        for variant in {*senders, *subjects}:
            sender = senders.get(variant)
            found[row.id, variant] = Chosen(UUID(sender) if sender else None, subjects.get(variant))
    return found


def put(
    *,
    tenant_id: UUID,
    run_id: UUID,
    campaign_id: UUID | None,
    content: Content,
    customers: Collection[UUID],
    due_at: datetime,
    moments: Mapping[str, datetime] | None = None,
    own_moments: Mapping[UUID, datetime] | None = None,
    expires_hours: int | None = None,
    one_copy: bool = False,
    purpose: Purpose = Purpose.MARKETING,
    variant: str | None = None,
    waits: bool = False,
    now: datetime,
) -> int:
    """Put a message for each customer into a run and return how many are new: a repeat adds none.

    Those of the variant HELD_OUT are looked at like all others, and are skipped where they would go out. It is due at
    `due_at`, for those whose zone, or their club's, is among `moments` at that moment, for those among `own_moments` at
    theirs, and not worth sending any more `expires_hours` later; or, if it `waits`, not before `let_go` says what it
    is. With `one_copy` an address gets one of them, whoever shares it.
    """
    if not customers:
        return 0
    local = moments or {}
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "run_id": run_id,
        "campaign_id": campaign_id,
        "channel": content.channel,
        "field": channel(content.channel).customer_field,
        "purpose": purpose,
        "template_id": content.template_id,
        "template_version": content.template_version,
        "topic_id": content.topic_id,
        "priority": Priority.CAMPAIGN,
        "variant": variant,
        "expires_hours": expires_hours,
        "one_copy": one_copy,
        "waits": waits,
        "awaiting": Reason.AWAITING_WINNER,
        "never": NEVER,
        "customers": array(customers),
        "ids": array(new_ids(len(customers))),
        "own_moments": array(own_moments[one].isoformat() if one in own_moments else None for one in customers)
        if own_moments
        else array(()),
        "zones": array(local.keys()),
        "moments": array(one.isoformat() for one in local.values()),
        "due_at": due_at,
        "now": now,
    }
    with transaction(tenant_id) as session:
        made = session.execute(_PUT, values)
        return int(made.rowcount)  # type: ignore[attr-defined]


def let_go(
    *,
    tenant_id: UUID,
    run_id: UUID,
    content: Content,
    variant: str,
    due_at: datetime,
    moments: Mapping[str, datetime] | None = None,
    expires_hours: int | None = None,
    now: datetime,
    limit: int,
) -> int:
    """Make up to `limit` messages of a run that wait into messages of a variant and return how many.

    They are due at `due_at`, those whose zone is among `moments` at their own; now where that has passed.
    """
    local = moments or {}
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "id": run_id,
        "channel": content.channel,
        "template_id": content.template_id,
        "template_version": content.template_version,
        "topic_id": content.topic_id,
        "variant": variant,
        "expires_hours": expires_hours,
        "zones": array(local.keys()),
        "moments": array(one.isoformat() for one in local.values()),
        "awaiting": Reason.AWAITING_WINNER,
        "due_at": due_at,
        "now": now,
        "limit": limit,
    }
    with transaction(tenant_id) as session:
        done = int(session.execute(_LET_GO, values).rowcount)  # type: ignore[attr-defined]
        # What they were held until was never.
        session.execute(_LOOK_AGAIN, {**values, "pending": Reason.COPY_PENDING, "since": NEVER})
        if done:
            wake(Work.SEND_MESSAGES, tenant_id)
        return done


def fill(*, tenant_id: UUID, run_id: UUID) -> None:
    """Let the messages that are in a run go out while others are still put in. An open or closed one stays as it is."""
    with transaction(tenant_id) as session:
        session.execute(_FILL, {"tenant_id": tenant_id, "id": run_id})
        wake(Work.SEND_MESSAGES, tenant_id)


def filling(session: Session, tenant_id: UUID, run_ids: Collection[UUID]) -> Sequence[UUID]:
    """Return which of these runs people are still put into while their messages go out. For the gate."""
    if not run_ids:
        return []
    return session.scalars(_FILLING, {"tenant_id": tenant_id, "runs": array(run_ids)}).all()


def open_(*, tenant_id: UUID, run_id: UUID, per_hour: int | None, now: datetime) -> None:
    """Let the messages of a run that everybody is in go out, at most `per_hour` an hour if that is given.

    A closed one stays closed.
    """
    values = {"tenant_id": tenant_id, "id": run_id, "now": now}
    with transaction(tenant_id) as session:
        session.execute(_OPEN, {**values, "per_hour": per_hour, "limited": per_hour is not None})
        session.execute(_LOOK_AGAIN, {**values, "pending": Reason.COPY_PENDING, "since": now})
        wake(Work.SEND_MESSAGES, tenant_id)


def pause(*, tenant_id: UUID, run_id: UUID) -> None:
    """Let no more messages of a run go out. What a sender has in hand still does."""
    _set(tenant_id, run_id, RunStatus.PAUSED)


def close(*, tenant_id: UUID, run_id: UUID) -> None:
    """End a run for good."""
    _set(tenant_id, run_id, RunStatus.CLOSED)


def _set(tenant_id: UUID, run_id: UUID, status: RunStatus) -> None:
    with transaction(tenant_id) as session:
        session.execute(_SET, {"tenant_id": tenant_id, "id": run_id, "status": status})


def is_left(*, tenant_id: UUID, run_id: UUID) -> bool:
    """Return whether messages of a run are waiting or in the air."""
    with transaction(tenant_id) as session:
        return bool(session.scalar(_LEFT, {"tenant_id": tenant_id, "id": run_id}))


def call_off(*, tenant_id: UUID, run_id: UUID, limit: int) -> int:
    """Skip up to `limit` messages of a run that have not gone out, and return how many."""
    values = {"tenant_id": tenant_id, "id": run_id, "reason": Reason.CANCELLED, "limit": limit}
    with transaction(tenant_id) as session:
        return int(session.execute(_CANCEL, values).rowcount)  # type: ignore[attr-defined]


def fates(*, tenant_id: UUID, run_ids: Collection[UUID]) -> dict[UUID, Fates]:
    """Return what became of the messages of each of these runs."""
    found = tally.counts(tenant_id=tenant_id, run_ids=run_ids)
    return {one: fates_of(count for count in found if count.run_id == one) for one in run_ids}


def fates_of(counts: Iterable[tally.Count]) -> Fates:
    """Return what became of messages, by what was counted of them."""
    found: dict[str, Counter[str]] = {}
    for one in counts:
        found.setdefault(one.what, Counter())[one.reason] += one.number

    def by_reason(status: str) -> Mapping[str, int]:
        return dict(sorted(found.get(status, Counter()).items()))

    def number(status: str) -> int:
        return found.get(status, Counter()).total()

    return Fates(
        queued=number("queued"),
        held=by_reason("held"),
        sending=number("sending"),
        sent=number("sent"),
        skipped=by_reason("skipped"),
        failed=by_reason("failed"),
        unknown=by_reason("unknown"),
    )


def shares(session: Session, *, tenant_id: UUID, limit: int, now: datetime) -> dict[int, list[UUID]]:
    """Return runs that have messages due, by how many of each may be taken now, `limit` or a few more in all.

    They are held: nobody pauses them before the transaction ends. For the gate.
    """
    values = {"tenant_id": tenant_id, "now": now, "most": MOST_AT_ONCE}
    if not session.scalar(_ANY, values):
        return {}
    held: Sequence[Any] = [*session.execute(_LIMITED, values), *session.execute(_FREE, values)]
    found: dict[int, list[UUID]] = {}
    for place, run in enumerate(held):
        # What those with a limit leave is for the others.
        share = -(-limit // (len(held) - place))
        if run.per_hour is not None:
            share = min(share, _allowed(run.per_hour, run.ready_at, now))
        limit -= share
        if share > 0:
            found.setdefault(share, []).append(run.id)
    return found


def _allowed(per_hour: int, ready_at: datetime, now: datetime) -> int:
    since = max(min(ready_at, now), now - BURST)
    return 1 + int((now - since) * per_hour / _HOUR)


def count_out(session: Session, tenant_id: UUID, let_out: Iterable[UUID | None], now: datetime) -> None:
    """Note how many messages of runs were let out, for those that have a limit. For the gate."""
    counted = Counter(one for one in let_out if one is not None)
    if counted:
        values = {"tenant_id": tenant_id, "now": now, "earliest": now - BURST}
        session.execute(_COUNT_OUT, {**values, "runs": array(counted), "outs": array(counted.values())})
