"""The gate: in the transaction that moves messages to `sending`, each is let out, held or skipped, with the reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.content.merge_tags import CUSTOMER_FIELDS
from app.infra.db import transaction
from app.infra.ids import new_id
from app.messaging.channel import Channel, channel, installed
from app.messaging.states import Purpose, Reason, Status
from app.messaging.suppression import SuppressedBecause, suppressed

# Club systems report a membership and a consent separately, in any order: a yes may be minutes behind.
CONSENT_GRACE = timedelta(minutes=5)
# `recheck` comes at once; this is for a yes that was written while the message was being held.
CONSENT_RECHECK = timedelta(seconds=20)
# An opt-out among events that were accepted and not read yet would come too late otherwise.
EVENTS_GRACE = timedelta(seconds=30)
EVENTS_RECHECK = timedelta(seconds=1)

_FIELDS = ", ".join(f"customer.{field}" for field in CUSTOMER_FIELDS)

# An id that was merged away is followed to the profile that took its place.
DUE = text(f"""
    SELECT message.id, message.channel, message.purpose, message.created_at, message.attempts, message.customer_id,
           message.to_address, message.template_id, message.builtin, message.context, message.user_id,
           template.version AS template_version, club.name AS club_name,
           customer.id AS reader_id, customer.email_opt_in, customer.sms_opt_in, {_FIELDS}
    FROM message
    LEFT JOIN customer AS named ON named.tenant_id = message.tenant_id AND named.id = message.customer_id
    LEFT JOIN customer ON customer.tenant_id = message.tenant_id
                      AND customer.id = coalesce(named.merged_into_id, named.id)
    LEFT JOIN club ON club.tenant_id = message.tenant_id AND club.id = customer.club_id
    LEFT JOIN template ON template.tenant_id = message.tenant_id AND template.id = message.template_id
    WHERE message.tenant_id = :tenant_id AND message.status IN ('queued', 'held') AND message.due_at <= :now
    ORDER BY message.due_at
    LIMIT :limit
    FOR UPDATE OF message SKIP LOCKED
""")  # noqa: S608 - the field names are ours

MOVE = text("""
    UPDATE message
    SET status = verdict.status, reason = verdict.reason, due_at = coalesce(verdict.due_at, message.due_at),
        to_address = coalesce(verdict.address, message.to_address),
        attempt_id = CASE verdict.status WHEN 'sending' THEN CAST(:attempt_id AS uuid) ELSE message.attempt_id END,
        attempts = message.attempts + CASE verdict.status WHEN 'sending' THEN 1 ELSE 0 END,
        sending_at = CASE verdict.status WHEN 'sending' THEN :now ELSE message.sending_at END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[]), CAST(:reasons AS text[]),
                CAST(:due_ats AS timestamptz[]), CAST(:addresses AS text[]))
         AS verdict(id, status, reason, due_at, address)
    WHERE message.tenant_id = :tenant_id AND message.id = verdict.id
""")

EVENTS_WAITING = text(
    "SELECT EXISTS (SELECT FROM inbound_event WHERE tenant_id = :tenant_id AND status = 'received') AS waiting"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided on one message; `address` is where it goes, `due_at` when a held one is seen again."""

    status: Status
    reason: Reason | None = None
    address: str | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The messages of one attempt: `letters` are committed as `sending`; the others looked at are held or skipped."""

    attempt_id: UUID
    tenant_name: str
    letters: Sequence[Mapping[str, Any]]
    looked_at: int


def claim(*, tenant_id: UUID, limit: int, now: datetime) -> Claim:
    """Take up to `limit` due messages, judge each, and commit those let out as `sending` under a new attempt."""
    attempt_id = new_id()
    with transaction(tenant_id) as session:
        found = session.execute(DUE, {"tenant_id": tenant_id, "now": now, "limit": limit})
        rows: list[dict[str, Any]] = [dict(row) for row in found.mappings()]
        if not rows:
            return Claim(attempt_id, "", [], 0)
        verdicts = _judge_all(session, tenant_id, rows, now)
        session.execute(
            MOVE,
            {
                "tenant_id": tenant_id,
                "attempt_id": attempt_id,
                "now": now,
                "ids": [row["id"] for row in rows],
                "statuses": [verdict.status.value for verdict in verdicts],
                "reasons": [verdict.reason and verdict.reason.value for verdict in verdicts],
                "due_ats": [verdict.due_at for verdict in verdicts],
                "addresses": [verdict.address for verdict in verdicts],
            },
        )
        name = session.execute(text("SELECT name FROM tenant WHERE id = :id"), {"id": tenant_id}).scalar_one()
    out = [
        {**row, "address": verdict.address}
        for row, verdict in zip(rows, verdicts, strict=True)
        if verdict.status is Status.SENDING
    ]
    return Claim(attempt_id, name, out, len(rows))


def judge(
    row: Mapping[str, Any], via: Channel, suppressions: Mapping[str, str], events_waiting: bool, now: datetime
) -> Verdict:
    """Return the verdict on one message. `suppressions` holds the reasons by address key."""
    marketing = row["purpose"] == Purpose.MARKETING
    raw = _address_of(row, via)
    if not raw or not raw.strip():
        return Verdict(Status.SKIPPED, Reason.NO_ADDRESS)
    address = via.clean_address(raw)
    if address is None:
        return Verdict(Status.SKIPPED, Reason.INVALID_ADDRESS)
    suppression = suppressions.get(via.address_key(raw))
    if suppression and (marketing or suppression == SuppressedBecause.HARD_BOUNCE):
        return Verdict(Status.SKIPPED, Reason.SUPPRESSED, address)
    if marketing:
        return _judge_consent(row, via, address, events_waiting, now)
    return Verdict(Status.SENDING, None, address)


def _judge_consent(row: Mapping[str, Any], via: Channel, address: str, events_waiting: bool, now: datetime) -> Verdict:
    consent = row["email_opt_in"] if via.customer_field == "email" else row["sms_opt_in"]
    if consent is False:
        return Verdict(Status.SKIPPED, Reason.OPTED_OUT, address)
    if consent is None:
        until = row["created_at"] + CONSENT_GRACE
        if row["customer_id"] is None or now >= until:
            return Verdict(Status.SKIPPED, Reason.NO_OPT_IN, address)
        return Verdict(Status.HELD, Reason.AWAITING_CONSENT, address, min(now + CONSENT_RECHECK, until))
    until = row["created_at"] + EVENTS_GRACE
    if events_waiting and now < until:
        return Verdict(Status.HELD, Reason.EVENTS_PENDING, address, min(now + EVENTS_RECHECK, until))
    return Verdict(Status.SENDING, None, address)


def _judge_all(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]], now: datetime) -> list[Verdict]:
    suppressions: dict[str, dict[str, str]] = {}
    for name in {row["channel"] for row in rows if row["channel"] in installed()}:
        via = channel(name)
        raws = [_address_of(row, via) for row in rows if row["channel"] == name]
        keys = [via.address_key(raw) for raw in raws if raw]
        suppressions[name] = suppressed(tenant_id=tenant_id, keys=keys, channel_name=name)
    young = any(row["purpose"] == Purpose.MARKETING and now < row["created_at"] + EVENTS_GRACE for row in rows)
    waiting = young and bool(session.execute(EVENTS_WAITING, {"tenant_id": tenant_id}).scalar_one())
    return [
        judge(row, channel(row["channel"]), suppressions[row["channel"]], waiting, now)
        if row["channel"] in suppressions
        else Verdict(Status.FAILED, Reason.NO_CHANNEL)
        for row in rows
    ]


def _address_of(row: Mapping[str, Any], via: Channel) -> str | None:
    """Return where a message goes: to where its reader is reached now, not when it was put in."""
    address: str | None = row["to_address"] if row["customer_id"] is None else row[via.customer_field]
    return address
