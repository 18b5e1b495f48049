"""Reading the outbox."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.ids import first_id_at
from app.infra.paging import DEFAULT_LIMIT, Page, cut, id_cursor

_COLUMNS = """
    message.id, message.channel, message.purpose, message.customer_id, message.user_id, message.to_address,
    message.instead_of, message.template_id, message.builtin, message.journey_id, message.enrollment_id,
    message.step_key, message.campaign_id, message.run_id, message.status, message.reason, message.saw, message.due_at,
    message.created_at, message.attempts,
    message.sending_at, message.sent_at, message.response, message.subject, message.first_open_at,
    message.first_click_at, message.delivered_at, message.bounced_at, message.bounce_kind, message.complained_at,
    message.replied_at, message.unsubscribed_at,
    template.name AS template_name, journey.name AS journey_name, campaign.name AS campaign_name,
    nullif(concat_ws(' ', customer.first_name, customer.last_name), '') AS customer_name
"""

_JOINS = """
    FROM message
    LEFT JOIN template ON template.tenant_id = message.tenant_id AND template.id = message.template_id
    LEFT JOIN journey ON journey.tenant_id = message.tenant_id AND journey.id = message.journey_id
    LEFT JOIN campaign ON campaign.tenant_id = message.tenant_id AND campaign.id = message.campaign_id
    LEFT JOIN customer ON customer.tenant_id = message.tenant_id AND customer.id = message.customer_id
"""

# Answered from ix_message_step alone, without reading a message.
_FATES = text("""
    SELECT step_key, status, count(*) AS number FROM message
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id GROUP BY step_key, status
""")

_FILTERS = {
    "customer_id": "message.customer_id = :customer_id",
    "journey_id": "message.journey_id = :journey_id",
    # By its runs, in which messages are found by what became of them.
    "campaign_id": "message.run_id IN (SELECT id FROM campaign_run AS run"
    " WHERE run.tenant_id = :tenant_id AND run.campaign_id = :campaign_id)",
    "run_id": "message.run_id = :run_id",
    "status": "message.status = :status",
    "waiting": "message.status IN ('queued', 'held')",
    "in_line": "message.status IN ('queued', 'held') AND message.reason IS DISTINCT FROM 'awaiting_winner'",
    "reason": "message.reason = :reason",
    "since": "message.id >= :first AND coalesce(message.sent_at, message.sending_at, message.due_at) >= :since",
}

# A message is settled at most this long after it was made, but for rare holds: the range of ids this spans is what
# keeps the questions about a day off the rest of the outbox.
SETTLED_WITHIN = timedelta(days=3)


# What the step is called now; a step that was taken out of the journey has its last name.
_STEP_NAME = """
    (SELECT step ->> 'name' FROM journey_version AS version, jsonb_array_elements(version.graph -> 'steps') AS step
     WHERE version.tenant_id = message.tenant_id AND version.journey_id = message.journey_id
        AND step ->> 'key' = message.step_key
     ORDER BY version.number DESC LIMIT 1) AS step_name
"""


class MessageNotFound(NotFound):
    """There is no such message in this tenant."""

    def __init__(self) -> None:
        super().__init__("There is no such message.")


def get(*, tenant_id: UUID, message_id: UUID) -> Mapping[str, Any]:
    """Return one message with the names of its template, journey, step and customer, or raise MessageNotFound."""
    query = text(
        f"SELECT {_COLUMNS}, {_STEP_NAME}, message.dedupe_key {_JOINS}"
        " WHERE message.tenant_id = :tenant_id AND message.id = :message_id"
    )
    with transaction(tenant_id) as session:
        found = session.execute(query, {"tenant_id": tenant_id, "message_id": message_id}).mappings().first()
    if found is None:
        raise MessageNotFound
    return dict(found)


def page(
    *,
    tenant_id: UUID,
    customer_id: UUID | None = None,
    journey_id: UUID | None = None,
    campaign_id: UUID | None = None,
    run_id: UUID | None = None,
    status: str | None = None,
    waiting: bool = False,
    in_line: bool = False,
    reason: str | None = None,
    since: datetime | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Mapping[str, Any]]:
    """Return messages, the newest first, a page at a time; every filter given must match.

    `waiting`: still to go out, queued or held; `in_line`: of these those that wait for no winner.
    `since`: settled then or later, or due then where it isn't settled yet.
    """
    given = {
        "customer_id": customer_id,
        "journey_id": journey_id,
        "campaign_id": campaign_id,
        "run_id": run_id,
        "status": status,
        "waiting": waiting or None,
        "in_line": in_line or None,
        "reason": reason,
        "since": since,
    }
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    conditions = ["message.tenant_id = :tenant_id", *(_FILTERS[name] for name in values)]
    if since:
        values["first"] = first_id_at(since - SETTLED_WITHIN)
    if cursor:
        conditions.append("message.id < CAST(:before AS uuid)")
        values["before"] = id_cursor(cursor)
    query = text(f"SELECT {_COLUMNS} {_JOINS} WHERE {' AND '.join(conditions)} ORDER BY message.id DESC LIMIT :limit")
    with transaction(tenant_id) as session:
        found = session.execute(query, {**values, "tenant_id": tenant_id, "limit": limit + 1})
        rows = [dict(row) for row in found.mappings()]
    return cut(rows, limit, lambda row: (row["id"],), lambda row: row)


def step_fates(*, tenant_id: UUID, journey_id: UUID) -> dict[str, dict[str, int]]:
    """Return, by step of the journey, how many of its messages are in each status."""
    fates: dict[str, dict[str, int]] = {}
    with transaction(tenant_id) as session:
        for row in session.execute(_FATES, {"tenant_id": tenant_id, "journey_id": journey_id}):
            fates.setdefault(row.step_key, {})[row.status] = row.number
    return fates


_RESPONSES = text("""
    SELECT step_key, kind, count(*) AS number FROM message_response
    WHERE tenant_id = :tenant_id AND journey_id = :journey_id GROUP BY step_key, kind
""")


def step_responses(*, tenant_id: UUID, journey_id: UUID) -> dict[str, dict[str, int]]:
    """Return, by step of the journey, with how many of its messages each kind of thing was done (tally.Kind)."""
    found: dict[str, dict[str, int]] = {}
    with transaction(tenant_id) as session:
        for row in session.execute(_RESPONSES, {"tenant_id": tenant_id, "journey_id": journey_id}):
            found.setdefault(row.step_key, {})[row.kind] = row.number
    return found


def journey_choices(*, tenant_id: UUID) -> list[tuple[str, str]]:
    """Return (id, name) of every journey by name, for a select."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            text("SELECT id, name FROM journey WHERE tenant_id = :tenant_id ORDER BY lower(name), id"),
            {"tenant_id": tenant_id},
        )
        return [(str(row.id), row.name) for row in rows]


def campaign_choices(*, tenant_id: UUID) -> list[tuple[str, str]]:
    """Return (id, name) of every campaign that was sent by name, for a select."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            text(
                "SELECT id, name FROM campaign WHERE tenant_id = :tenant_id AND EXISTS (SELECT FROM campaign_run AS run"
                " WHERE run.tenant_id = :tenant_id AND run.campaign_id = campaign.id) ORDER BY lower(name), id"
            ),
            {"tenant_id": tenant_id},
        )
        return [(str(row.id), row.name) for row in rows]


def message_of(message_id: str, tenant_id: UUID) -> UUID | None:
    """Return which message of the tenant's outbox a mail with this Message-ID is, or None for somebody else's mail."""
    local = message_id.strip().strip("<>").partition("@")[0]
    identity, _, tenant = local.partition(".")
    try:
        return UUID(identity) if UUID(tenant) == tenant_id else None
    except ValueError:
        return None
