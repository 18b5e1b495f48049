"""The gate: in the transaction that moves messages to `sending`, each is let out, held or skipped, with the reason."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app.content.merge_tags import CUSTOMER_FIELDS
from app.customers import consents
from app.customers.consents import State
from app.customers.facts import CONSENT_FIELDS
from app.events.catalogue import known as known_types
from app.events.validation import OWN_SOURCE
from app.infra.arrays import array
from app.infra.db import again_after_deadlock, look_up_by_index, transaction
from app.infra.ids import new_id
from app.messaging import breaker, rates, runs, slowing
from app.messaging.channel import Channel, installed
from app.messaging.destination import Destination, destinations
from app.messaging.limits import Facts, hold_back
from app.messaging.policy import OF_TENANT, read
from app.messaging.states import Purpose, Reason, Status
from app.messaging.verdict import Verdict

# Club systems report a membership and a consent separately, in any order: a yes may be minutes behind.
CONSENT_GRACE = timedelta(minutes=5)
# `recheck` comes at once; this is for a yes that was written while the message was being held.
CONSENT_RECHECK = timedelta(seconds=20)
# An opt-out among events that were accepted and not read yet would come too late otherwise.
EVENTS_GRACE = timedelta(seconds=30)
EVENTS_RECHECK = timedelta(seconds=1)

_ANSWERS = [name for field in CONSENT_FIELDS.values() for name in (field, f"{field}_at")]
# What says nothing, as it mostly does, need not be read as JSON for each message.
_OFTEN_EMPTY = ("context", "custom")
_FIELDS = ", ".join(
    f"nullif(customer.{field}, '{{}}') AS {field}" if field in _OFTEN_EMPTY else f"customer.{field}"
    for field in (*CUSTOMER_FIELDS, *_ANSWERS)
)

# First a few rows are locked, by the index of what is due; only then is looked up what is said about them, row by row
# (the OFFSETs keep the planner from reading all customers for it). An id that was merged away is followed to the
# profile that took its place.
_TAKEN = """
    SELECT id, channel, purpose, created_at, due_at, expires_at, attempts, customer_id, user_id, to_address,
           template_id, template_version, topic_id, builtin, context, run_id, variant, journey_id, step_key, priority,
           one_copy
    FROM message
    WHERE tenant_id = :tenant_id AND status IN ('queued', 'held') AND due_at <= :now AND run_id {of}
        AND channel <> ALL(CAST(:shut AS text[]))
    ORDER BY due_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
"""
LOOKED_AT = f"""
    SELECT due.id, due.channel, due.purpose, due.created_at, due.expires_at, due.attempts, due.customer_id, due.user_id,
           due.to_address, due.template_id, due.topic_id, due.builtin, nullif(due.context, '{{}}') AS context,
           due.run_id, due.variant, due.journey_id, due.step_key, due.priority, due.one_copy, reader.*, said.*,
           (SELECT opt_in_only FROM topic WHERE tenant_id = :tenant_id AND id = due.topic_id) AS opt_in_only,
           coalesce(due.template_version,
                    (SELECT version FROM template WHERE tenant_id = :tenant_id AND id = due.template_id)
           ) AS template_version,
           (SELECT sum(revision) FROM snippet WHERE tenant_id = :tenant_id) AS snippets_revision,
           -- Two profiles that were put into a run and merged since are one reader, who gets one. Few were merged; and
           -- where statistics know nothing of an organisation, all its messages may be read to find a reader's.
           due.run_id IS NOT NULL AND EXISTS (
               SELECT FROM customer AS merged WHERE merged.tenant_id = :tenant_id AND merged.merged_into_id = named.id
           ) AND EXISTS (
               SELECT FROM (
                   SELECT id, run_id, channel, status FROM message
                   WHERE tenant_id = :tenant_id AND customer_id = named.id OFFSET 0
               ) AS twin
               WHERE twin.run_id = due.run_id AND twin.channel = due.channel AND twin.id <> due.id
                 AND (twin.status IN ('sending', 'sent', 'unknown')
                      OR twin.status IN ('queued', 'held') AND twin.id < due.id)
           ) AS twice
    FROM due
    LEFT JOIN LATERAL (
        SELECT coalesce(merged_into_id, id) AS id FROM customer
        WHERE tenant_id = :tenant_id AND id = due.customer_id OFFSET 0
    ) AS named ON true
    LEFT JOIN LATERAL (
        SELECT customer.id AS reader_id, customer.club_id, {_FIELDS}, customer.timezone AS reader_zone,
               (SELECT name FROM club WHERE tenant_id = :tenant_id AND id = customer.club_id) AS club_name
        FROM customer
        WHERE customer.tenant_id = :tenant_id AND customer.id = named.id OFFSET 0
    ) AS reader ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(bool_or(channel = 'ALL' AND state = 'unsubscribed'), false) AS stopped,
               max(state) FILTER (WHERE channel <> 'ALL') AS said_state,
               max(said_at) FILTER (WHERE channel <> 'ALL') AS said_at
        FROM consent
        WHERE tenant_id = :tenant_id AND customer_id = named.id
          AND (channel = 'ALL' OR (channel = due.channel AND topic_id IS NOT DISTINCT FROM due.topic_id))
    ) AS said ON true
    ORDER BY due.due_at, due.id
"""  # noqa: S608 - the field names are ours
DUE = text(f"WITH due AS MATERIALIZED ({_TAKEN.format(of='IS NULL')}) {LOOKED_AT}")
# Of each of these runs as many.
DUE_OF_RUNS = text(f"""
    WITH due AS MATERIALIZED (
        SELECT taken.* FROM unnest(CAST(:runs AS uuid[])) AS run(run)
        CROSS JOIN LATERAL ({_TAKEN.format(of="= run.run")}) AS taken
    )
    {LOOKED_AT}
""")  # noqa: S608

# Messages are found by their ids alone, and not by a join: where the statistics know nothing of an organisation yet,
# the planner takes its messages to be one, and compares each of them with each of the batch (0.4 ms a letter of 3,000).
MOVE = text("""
    UPDATE message
    SET (status, reason, due_at, to_address, instead_of, saw, attempt_id, attempts, sending_at) = (
        SELECT verdict.status, verdict.reason, coalesce(verdict.due_at, message.due_at),
            coalesce(verdict.address, message.to_address), verdict.instead_of, verdict.saw,
            CASE verdict.status WHEN 'sending' THEN CAST(:attempt_id AS uuid) ELSE message.attempt_id END,
            message.attempts + CASE verdict.status WHEN 'sending' THEN 1 ELSE 0 END,
            CASE verdict.status WHEN 'sending' THEN :now ELSE message.sending_at END
        FROM jsonb_to_record(CAST(:verdicts AS jsonb) -> CAST(message.id AS text))
             AS verdict(status text, reason text, due_at timestamptz, address text, instead_of text, saw jsonb)
    )
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))
""")

LET_OUT = text("""
    UPDATE message
    SET status = 'sending', reason = NULL, instead_of = NULL, saw = NULL, attempt_id = :attempt_id,
        attempts = attempts + 1, sending_at = :now
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))
""")

OLDEST_EVENT = text("""
    SELECT received_at FROM inbound_event WHERE tenant_id = :tenant_id AND status = 'received' ORDER BY id LIMIT 1
""")
# Our own are written once they hold.
_MAY_SAY_NO = text("""
    SELECT EXISTS (SELECT FROM inbound_event WHERE tenant_id = :tenant_id AND status = 'received'
        AND type = ANY(CAST(:of_consent AS text[])) AND source <> :ours)
""")


@dataclass(frozen=True, slots=True)
class Claim:
    """The messages of one attempt: `letters` are committed as `sending`; the others looked at are held or skipped.

    `troubled` are the channels that failed last (breaker.py); `slowed`: somebody asked for less (slowing.py).
    """

    attempt_id: UUID
    tenant_name: str
    letters: Sequence[Mapping[str, Any]]
    looked_at: int
    troubled: frozenset[str] = frozenset()
    slowed: bool = False


# Messages are locked before their readers here, and after them where two profiles become one.
@again_after_deadlock
def claim(*, tenant_id: UUID, limit: int, now: datetime, attempt_id: UUID | None = None) -> Claim:
    """Take about `limit` due messages, judge each, and commit those let out as `sending` under a new attempt.

    Those of no run come first. What room is left is for the runs that may send, for each as much. `attempt_id` names
    the attempt, where its name has to be known before it is committed.
    """
    attempt_id = attempt_id or new_id()
    with transaction(tenant_id) as session:
        look_up_by_index(session)
        standing = breaker.standing(session, tenant_id=tenant_id, now=now)
        rows: list[dict[str, Any]] = []
        if standing.trial:
            rows = _taken(session, tenant_id, 1, now, {name for name, _ in installed()} - {standing.trial})
        doubtful = standing.troubled - standing.shut
        if not rows and doubtful:
            # What other channels have does not wait for the tries of one that may be down. One of its messages is tried
            # beside them, or nobody would find out while there is much of theirs.
            rows = _taken(session, tenant_id, max(limit - 1, 1), now, standing.shut | doubtful)
            others = {name for name, _ in installed()} | {row["channel"] for row in rows}
            rows += _taken(session, tenant_id, max(limit - len(rows), 1), now, others - doubtful)
        elif not rows:
            rows = _taken(session, tenant_id, limit, now, standing.shut)
        if not rows:
            return Claim(attempt_id, "", [], 0)
        tenant = session.execute(OF_TENANT, {"tenant_id": tenant_id}).one()
        facts = Facts(read(tenant.caps, tenant.quiet), tenant.timezone, now)
        judged = judge_all(session, tenant_id, rows, facts)
        verdicts = [_held_out(row, verdict, now) for row, verdict in zip(rows, judged, strict=True)]
        if tenant.has_slow:
            verdicts = slowing.hold_back(session, tenant_id, rows, verdicts, now)
        if tenant.has_rates:
            verdicts = rates.hold_back(session, tenant_id, rows, verdicts, now)
        values = {"tenant_id": tenant_id, "attempt_id": attempt_id, "now": now}
        move(session, values, rows, verdicts)
        let_out = zip(rows, verdicts, strict=True)
        runs.count_out(session, tenant_id, (r["run_id"] for r, v in let_out if v.status is Status.SENDING), now)
    out: list[dict[str, Any]] = []
    for row, verdict in zip(rows, verdicts, strict=True):
        if verdict.status is Status.SENDING:
            row["address"] = verdict.address
            out.append(row)
    return Claim(attempt_id, tenant.name, out, len(rows), standing.troubled, tenant.has_slow)


def move(
    session: Session, values: dict[str, Any], rows: Sequence[Mapping[str, Any]], verdicts: Sequence[Verdict]
) -> None:
    """Write the verdicts down. Those that go where they were meant to, nearly all, need no more than to be named."""
    straight: list[UUID] = []
    moves: dict[UUID, dict[str, Any]] = {}
    for row, verdict in zip(rows, verdicts, strict=True):
        goes = verdict.status is Status.SENDING and verdict.reason is None and verdict.due_at is None
        if goes and verdict.instead_of is None and verdict.address in (None, row["to_address"]):
            straight.append(row["id"])
            continue
        moves[row["id"]] = {
            "status": verdict.status,
            "reason": verdict.reason,
            "due_at": verdict.due_at,
            "address": verdict.address,
            "instead_of": verdict.instead_of,
            "saw": _saw(verdict, values["now"]),
        }
    if straight:
        session.execute(LET_OUT, {**values, "ids": array(straight)})
    if moves:
        told = orjson.dumps(moves, option=orjson.OPT_NON_STR_KEYS).decode()
        session.execute(MOVE, {**values, "ids": array(moves), "verdicts": told})


def _saw(verdict: Verdict, now: datetime) -> dict[str, Any] | None:
    """Return what is kept of why a message did not go out now: when that was told, and what a limit went by."""
    return None if verdict.status is Status.SENDING else {"at": now, **(verdict.saw or {})}


def _held_out(row: Mapping[str, Any], verdict: Verdict, now: datetime) -> Verdict:
    """Return the verdict, or, on one who is held out and would get it now, that it is skipped; `due_at` says when."""
    if row["variant"] != runs.HELD_OUT or verdict.status is not Status.SENDING:
        return verdict
    return replace(verdict, status=Status.SKIPPED, reason=Reason.HOLDOUT, due_at=now)


def read_due(session: Session, query: TextClause, **values: Any) -> list[dict[str, Any]]:
    """Return the rows of a query made with LOOKED_AT."""
    found = session.execute(query, values)
    names = list(found.keys())
    rows = [dict(zip(names, row, strict=True)) for row in found.all()]
    for row in rows:
        for name in _OFTEN_EMPTY:
            if row[name] is None:
                row[name] = {}
    return rows


def _taken(session: Session, tenant_id: UUID, limit: int, now: datetime, shut: Collection[str]) -> list[dict[str, Any]]:
    rows = read_due(session, DUE, tenant_id=tenant_id, now=now, limit=limit, shut=array(sorted(shut)))
    if len(rows) < limit:
        rows += _of_runs(session, tenant_id, limit - len(rows), now, shut)
    return rows


def _of_runs(
    session: Session, tenant_id: UUID, limit: int, now: datetime, shut: Collection[str]
) -> list[dict[str, Any]]:
    """Return due messages of runs, `limit` or a few more; the runs can't be paused before this transaction ends."""
    shares = runs.shares(session, tenant_id=tenant_id, limit=limit, now=now)
    rows: list[dict[str, Any]] = []
    for share, ids in shares.items():
        values = {"tenant_id": tenant_id, "now": now, "limit": share, "runs": array(ids), "shut": array(sorted(shut))}
        rows += read_due(session, DUE_OF_RUNS, **values)
    return rows


@dataclass(frozen=True, slots=True)
class Unread:
    """Events that wait to be read: when the `oldest` came in, and whether one of them may bring somebody's no.

    Where all came in before the messages that are judged it makes no difference, and is not asked.
    """

    oldest: datetime
    of_consent: bool


@cache
def _of_consent() -> list[str]:
    """Return the types of events that may tell of a consent."""
    return [kind.name for kind in known_types() if kind.consents]


def unread_events(session: Session, tenant_id: UUID, made: Collection[datetime]) -> Unread | None:
    """Return which of the tenant's accepted events wait to be read; None: there are none. `made`: when messages were.

    Whether one may bring a no takes a look at all of them, and so is asked only where they came in since.
    """
    oldest = session.execute(OLDEST_EVENT, {"tenant_id": tenant_id}).scalar() if made else None
    if oldest is None:
        return None
    asked = {"tenant_id": tenant_id, "of_consent": array(_of_consent()), "ours": OWN_SOURCE}
    since = any(moment < oldest for moment in made)
    return Unread(oldest, since and bool(session.execute(_MAY_SAY_NO, asked).scalar_one()))


@dataclass(slots=True)
class Asked:
    """A message as the checks see it: its row, its channel, where it would go, what waits to be read."""

    row: Mapping[str, Any]
    via: Channel
    there: Destination
    unread: Unread | None
    now: datetime

    @property
    def marketing(self) -> bool:
        """Return whether it needs its reader's yes."""
        return bool(self.row["purpose"] == Purpose.MARKETING)


def judge(asked: Asked) -> Verdict:
    """Return the verdict on one message: that of the first check that has one, else that it goes."""
    for _, check in CHECKS:
        verdict = check(asked)
        if verdict is not None:
            return verdict
    return Verdict(Status.SENDING, None, asked.there.address)


def _worth(asked: Asked) -> Verdict | None:
    until = asked.row["expires_at"]
    return Verdict(Status.SKIPPED, Reason.EXPIRED) if until is not None and asked.now >= until else None


def _once(asked: Asked) -> Verdict | None:
    return Verdict(Status.SKIPPED, Reason.TWICE) if asked.row["twice"] else None


def _addressed(asked: Asked) -> Verdict | None:
    raw = asked.there.raw
    if not raw or not raw.strip():
        return Verdict(Status.SKIPPED, Reason.NO_ADDRESS)
    return Verdict(Status.SKIPPED, Reason.INVALID_ADDRESS) if asked.there.address is None else None


def _unlisted(asked: Asked) -> Verdict | None:
    there = asked.there
    if there.held and (asked.marketing or there.held.dead):
        return Verdict(Status.SKIPPED, Reason.SUPPRESSED, there.address)
    return None


def _agreed(asked: Asked) -> Verdict | None:
    if not asked.marketing:
        return None
    row, address = asked.row, asked.there.address
    comes_to, reason = _consent(row, asked.via)
    if comes_to is State.SUBSCRIBED:
        return None
    until = row["created_at"] + CONSENT_GRACE
    # Those of a run were chosen, and not by something that has only just come in.
    waits = row["customer_id"] is not None and row["run_id"] is None and asked.now < until
    if comes_to is State.UNSUBSCRIBED or not waits:
        return Verdict(Status.SKIPPED, reason, address)
    return Verdict(Status.HELD, Reason.AWAITING_CONSENT, address, min(asked.now + CONSENT_RECHECK, until))


def _heard(asked: Asked) -> Verdict | None:
    made, unread = asked.row["created_at"], asked.unread
    until = made + EVENTS_GRACE
    if unread is None or not asked.marketing or asked.now >= until:
        return None
    # What came in since is waited for only if it may say no: where events never end, nothing would go out sooner.
    if unread.oldest > made and not unread.of_consent:
        return None
    return Verdict(Status.HELD, Reason.EVENTS_PENDING, asked.there.address, min(asked.now + EVENTS_RECHECK, until))


CHECKS: tuple[tuple[str, Callable[[Asked], Verdict | None]], ...] = (
    ("worth", _worth),
    ("once", _once),
    ("address", _addressed),
    ("list", _unlisted),
    ("consent", _agreed),
    ("events", _heard),
)
"""What is looked at of each message, in this order; what keeps back the rest is asked for all together (limits)."""


def _consent(row: Mapping[str, Any], via: Channel) -> tuple[State, Reason | None]:
    """Return what all that the reader said comes to for this message, and the reason where it is no yes."""
    if via.consent_field is None:
        return (State.UNSUBSCRIBED, Reason.STOPPED) if row["stopped"] else (State.SUBSCRIBED, None)
    said = State(row["said_state"]) if row["said_state"] else State.NEVER
    by_topic = row["topic_id"] is not None
    channel_at = row[f"{via.consent_field}_at"]
    asked_at = row["said_at"] if not by_topic and said is State.PENDING else None
    own = consents.channel_state(row[via.consent_field], channel_at, asked_at)
    comes_to = consents.decide(
        stopped=row["stopped"],
        channel=own,
        channel_at=channel_at,
        topic=said if by_topic else None,
        topic_at=row["said_at"],
        opt_in_only=bool(row["opt_in_only"]),
    )
    if row["stopped"]:
        return comes_to, Reason.STOPPED
    if comes_to is State.UNSUBSCRIBED:
        return comes_to, Reason.TOPIC_OPTED_OUT if by_topic and said is comes_to else Reason.OPTED_OUT
    if comes_to is State.PENDING:
        return comes_to, Reason.UNCONFIRMED
    if comes_to is State.NEVER:
        return comes_to, Reason.NO_TOPIC_OPT_IN if own is State.SUBSCRIBED else Reason.NO_OPT_IN
    return comes_to, None


def judge_all(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]], facts: Facts) -> list[Verdict]:
    """Return the verdict on each row of LOOKED_AT: that of the first check that has one, then of what limits hold."""
    known, now = installed(), facts.now
    kinds = dict(known)
    theres = iter(destinations(session, tenant_id, [row for row in rows if row["channel"] in kinds]))
    young = {
        row["created_at"]
        for row in rows
        if row["purpose"] == Purpose.MARKETING and now < row["created_at"] + EVENTS_GRACE
    }
    unread = unread_events(session, tenant_id, young)
    verdicts = [
        _judged(Asked(row, kinds[row["channel"]], next(theres), unread, now))
        if row["channel"] in kinds
        else Verdict(Status.FAILED, Reason.NO_CHANNEL)
        for row in rows
    ]
    return hold_back(session, tenant_id, rows, verdicts, facts)


def _judged(asked: Asked) -> Verdict:
    verdict, instead_of = judge(asked), asked.there.instead_of
    return replace(verdict, instead_of=instead_of) if instead_of else verdict
