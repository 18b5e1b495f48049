"""Messages of a rehearsal: judged by the gate and made into letters at a moment of its own, handed over to nobody.

It runs in a transaction that is undone (app.infra.db.undone). Whatever the gate lets out is written down as sent at
once, so that caps, copies and conditions go by it. How quick a server is, rates and the breaker are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.content.letters import RenderedLetter
from app.infra.ids import new_id
from app.messaging import gate
from app.messaging.compose import compose_or_why, subject_of
from app.messaging.limits import Facts
from app.messaging.policy import OF_TENANT, read
from app.messaging.results import Ending, record
from app.messaging.states import Reason, Status

LIMIT = 500

_DUE = text(f"""
    WITH due AS MATERIALIZED (
        SELECT message.* FROM message
        WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND status IN ('queued', 'held') AND due_at <= :now
        ORDER BY due_at, id LIMIT :limit
    )
    {gate.LOOKED_AT}
""")  # noqa: S608 - the field names are ours

NEXT_DUE = text("""
    SELECT min(due_at) FROM message
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND status IN ('queued', 'held')
""")


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one message at one moment; `letter` is there where it goes out."""

    message_id: UUID
    status: Status
    reason: Reason | None
    address: str | None
    problem: str | None = None
    letter: RenderedLetter | None = None


def send_due(
    session: Session, *, tenant_id: UUID, journey_id: UUID, now: datetime, apart_from: UUID | None = None
) -> list[Judged]:
    """Judge the due messages of a journey, write down those let out as sent, and return what became of each.

    `apart_from`: the moment is past, and what that journey really sent then is taken as not sent.
    """
    attempt_id = new_id()
    rows = gate.read_due(session, _DUE, tenant_id=tenant_id, journey_id=journey_id, now=now, limit=LIMIT)
    if not rows:
        return []
    tenant = session.execute(OF_TENANT, {"tenant_id": tenant_id}).one()
    facts = Facts(read(tenant.caps, tenant.quiet), tenant.timezone, now, apart_from=apart_from)
    verdicts = gate.judge_all(session, tenant_id, rows, facts)
    gate.move(session, {"tenant_id": tenant_id, "now": now, "attempt_id": attempt_id}, rows, verdicts)
    found: list[Judged] = []
    endings: list[Ending] = []
    for row, verdict in zip(rows, verdicts, strict=True):
        if verdict.status is not Status.SENDING:
            found.append(Judged(row["id"], verdict.status, verdict.reason, verdict.address))
            continue
        judged, ending = _written({**row, "address": verdict.address}, tenant_id, tenant.name, now)
        found.append(judged)
        endings.append(ending)
    if endings:
        record(tenant_id=tenant_id, attempt_id=attempt_id, endings=endings)
    return found


def _written(row: Mapping[str, Any], tenant_id: UUID, tenant_name: str, now: datetime) -> tuple[Judged, Ending]:
    letter = compose_or_why(tenant_id=tenant_id, tenant_name=tenant_name, row=row)
    if isinstance(letter, Ending):
        return Judged(row["id"], letter.status, letter.reason, row["address"], letter.response), letter
    ending = Ending(row["id"], Status.SENT, None, subject=subject_of(letter), sent_at=now, customer_id=row["reader_id"])
    return Judged(row["id"], Status.SENT, None, row["address"], letter=letter.letter), ending
