"""Conversions: what readers did of what a campaign is for, credited to one message, in the transaction that applies it.

Each event that is a goal is laid beside every message of these campaigns that its customer got, within the goal's days
after it was sent. One of them is credited: the last that they clicked, else the last that they opened, else the last
that was sent. The others stay beside it, and so do those of people who were held out, so that what a campaign changed
can be measured.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.campaigns import goal
from app.capture.batch import AppliedEvent, Batch
from app.events import catalogue
from app.events.facts import worth
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.ids import first_id_at
from app.messaging import tally
from app.messaging.tally import Did, Kind

_CLOCKS = timedelta(hours=1)
"""So far may the clocks of those who make ids be apart."""

# Campaigns a message of which may have gone out in the days before these events; `since` is when the first of their
# runs began, and no message of theirs is older.
_LISTENING = text("""
    SELECT campaign.id, campaign.goal, campaign.timezone, min(run.created_at) AS since
    FROM campaign
    JOIN campaign_run AS run ON run.tenant_id = :tenant_id AND run.campaign_id = campaign.id
        AND run.created_at <= :latest
        AND (run.finished_at IS NULL
             OR run.finished_at + make_interval(days => CAST(campaign.goal ->> 'window_days' AS integer)) >= :earliest)
    WHERE campaign.tenant_id = :tenant_id AND campaign.goal IS NOT NULL
        AND campaign.goal ->> 'event_type' = ANY(:types)
    GROUP BY campaign.tenant_id, campaign.id
    ORDER BY campaign.id
""")
_CONVERT = text("""
    WITH did AS MATERIALIZED (
        SELECT * FROM unnest(
            CAST(:events AS uuid[]), CAST(:customers AS uuid[]), CAST(:campaigns AS uuid[]), CAST(:days AS integer[]),
            CAST(:types AS text[]), CAST(:ats AS timestamptz[]), CAST(:amounts AS numeric[]),
            CAST(:currencies AS text[]), CAST(:firsts AS uuid[])
        ) AS did(event_id, customer_id, campaign_id, days, type, at, amount, currency, first_id)
    ), touched AS (
        SELECT did.event_id, did.campaign_id, did.type, did.at, did.amount,
            CASE WHEN did.amount IS NOT NULL THEN coalesce(did.currency, place.currency) END AS currency, got.*,
            row_number() OVER (
                PARTITION BY did.event_id
                ORDER BY got.held_out, CASE got.touch WHEN 'click' THEN 0 WHEN 'open' THEN 1 ELSE 2 END,
                    got.touched_at DESC, got.message_id DESC
            ) AS rank
        FROM did
        CROSS JOIN LATERAL (
            SELECT message.id AS message_id, message.run_id, message.variant, message.status = 'skipped' AS held_out,
                CASE WHEN message.first_click_at <= did.at THEN 'click' WHEN message.first_open_at <= did.at THEN 'open'
                    ELSE 'send' END AS touch,
                CASE WHEN message.first_click_at <= did.at THEN message.first_click_at
                    WHEN message.first_open_at <= did.at THEN message.first_open_at ELSE sent.at END AS touched_at
            FROM message
            CROSS JOIN LATERAL (SELECT CASE
                WHEN message.status IN ('sent', 'unknown') THEN coalesce(message.sent_at, message.sending_at)
                WHEN message.status = 'skipped' AND message.reason = 'holdout' THEN message.due_at END AS at
            ) AS sent
            WHERE message.tenant_id = :tenant_id AND message.customer_id = did.customer_id
                AND message.id >= did.first_id AND message.campaign_id = did.campaign_id AND message.run_id IS NOT NULL
                AND sent.at <= did.at AND did.at < sent.at + make_interval(days => did.days)
            OFFSET 0
        ) AS got
        LEFT JOIN LATERAL (
            SELECT coalesce(club.currency, tenant.currency) AS currency FROM tenant
            LEFT JOIN customer ON customer.tenant_id = tenant.id AND customer.id = did.customer_id
            LEFT JOIN club ON club.tenant_id = tenant.id AND club.id = customer.club_id
            WHERE tenant.id = :tenant_id
        ) AS place ON true
    )
    INSERT INTO conversion (tenant_id, message_id, event_id, campaign_id, run_id, variant, held_out, credited, touch,
                            type, at, amount, currency)
    SELECT :tenant_id, message_id, event_id, campaign_id, run_id, variant, held_out, rank = 1 AND NOT held_out, touch,
        type, at, amount, currency
    FROM touched ORDER BY message_id, event_id
    ON CONFLICT DO NOTHING
    RETURNING message_id, event_id, at, credited
""")
# One row after the other: of joins, a plan that was made and kept while there were few people lays all of them, and all
# messages, beside each other for a single conversion.
_TIMELINE = text("""
    INSERT INTO activity (tenant_id, customer_id, type, category, title, occurred_at, source, object_type, object_id,
                          club_id, payload)
    SELECT :tenant_id, customer.id, 'message.converted', 'MESSAGE',
        did.label || coalesce(' after “' || message.subject || '”', ' after a message'), conversion.at, 'fairway',
        'message', message.id, customer.club_id,
        jsonb_strip_nulls(jsonb_build_object('message_id', message.id, 'campaign_id', message.campaign_id,
            'template_id', message.template_id, 'topic_id', message.topic_id, 'subject', message.subject,
            'event_type', conversion.type, 'touch', conversion.touch, 'amount', conversion.amount,
            'currency', conversion.currency))
    FROM unnest(CAST(:messages AS uuid[]), CAST(:events AS uuid[]), CAST(:labels AS text[]))
        AS did(message_id, event_id, label)
    CROSS JOIN LATERAL (
        SELECT * FROM conversion AS c
        WHERE c.tenant_id = :tenant_id AND c.message_id = did.message_id AND c.event_id = did.event_id LIMIT 1
    ) AS conversion
    CROSS JOIN LATERAL (SELECT * FROM message AS m WHERE m.tenant_id = :tenant_id AND m.id = did.message_id LIMIT 1)
        AS message
    CROSS JOIN LATERAL (
        SELECT coalesce(c.merged_into_id, c.id) AS id FROM customer AS c
        WHERE c.tenant_id = :tenant_id AND c.id = message.customer_id LIMIT 1
    ) AS named
    CROSS JOIN LATERAL (SELECT * FROM customer AS c WHERE c.tenant_id = :tenant_id AND c.id = named.id LIMIT 1)
        AS customer
    ORDER BY customer.id, conversion.at
""")
_REVENUE = text("""
    SELECT coalesce(variant, '') AS variant, currency, sum(amount) AS amount, count(*) AS number FROM conversion
    WHERE tenant_id = :tenant_id AND run_id = ANY(CAST(:runs AS uuid[])) AND credited AND currency IS NOT NULL
    GROUP BY 1, 2 ORDER BY 1, 2
""")


@dataclass(frozen=True, slots=True)
class Revenue:
    """What the conversions of a variant came to in one currency, and how many of them there were."""

    variant: str
    currency: str
    amount: Decimal
    number: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    event: AppliedEvent
    campaign_id: UUID
    days: int
    first_id: UUID


def on_events(batch: Batch) -> None:
    """Credit the events of a batch that are what campaigns are for, inside the transaction that applies them."""
    if not batch.events:
        return
    with transaction(batch.tenant_id) as session:
        moments = [one.occurred_at for one in batch.events]
        listening = session.execute(
            _LISTENING,
            {
                "tenant_id": batch.tenant_id,
                "types": sorted({one.type for one in batch.events}),
                "earliest": min(moments),
                "latest": max(moments),
            },
        ).all()
        found = list(_candidates(batch, listening)) if listening else []
        if found:
            _credit(session, batch.tenant_id, found)


def _candidates(batch: Batch, listening: Sequence[Row[Any]]) -> list[_Candidate]:
    by_type: dict[str, list[tuple[UUID, goal.Goal, str, UUID]]] = defaultdict(list)
    for row in listening:
        wanted = goal.of(row.goal)
        if wanted is not None:
            by_type[wanted.event_type].append((row.id, wanted, row.timezone, first_id_at(row.since - _CLOCKS)))
    return [
        _Candidate(event, campaign_id, wanted.window_days, first_id)
        for event in batch.events
        for campaign_id, wanted, timezone, first_id in by_type.get(event.type, ())
        if goal.is_met(wanted, event.payload, timezone=timezone, now=batch.now)
    ]


def _credit(session: Session, tenant_id: UUID, found: Sequence[_Candidate]) -> None:
    paid = {one.event.id: worth(one.event.type, one.event.payload) for one in found}
    rows = session.execute(
        _CONVERT,
        {
            "tenant_id": tenant_id,
            "events": array(one.event.id for one in found),
            "customers": array(one.event.customer_id for one in found),
            "campaigns": array(one.campaign_id for one in found),
            "days": array(one.days for one in found),
            "types": array(one.event.type for one in found),
            "ats": array(one.event.occurred_at for one in found),
            "amounts": array(str(amount) if (amount := paid[one.event.id][0]) is not None else None for one in found),
            "currencies": array(paid[one.event.id][1] for one in found),
            "firsts": array(one.first_id for one in found),
        },
    ).all()
    credited = [row for row in rows if row.credited]
    if not credited:
        return
    tally.note(session, tenant_id, (Did(row.message_id, Kind.CONVERTED, row.at) for row in credited))
    labels = {one.event.id: catalogue.get(one.event.type).label for one in found}
    session.execute(
        _TIMELINE,
        {
            "tenant_id": tenant_id,
            "messages": array(row.message_id for row in credited),
            "events": array(row.event_id for row in credited),
            "labels": array(labels[row.event_id] for row in credited),
        },
    )


def revenue(*, tenant_id: UUID, run_ids: Collection[UUID]) -> list[Revenue]:
    """Return what the credited conversions of these runs came to, by variant and currency."""
    with transaction(tenant_id) as session:
        rows = session.execute(_REVENUE, {"tenant_id": tenant_id, "runs": array(run_ids)})
        return [Revenue(row.variant, row.currency, row.amount, row.number) for row in rows]


def together(found: Collection[Revenue]) -> dict[str, Decimal]:
    """Return what all of it comes to by currency."""
    total: dict[str, Decimal] = {}
    for one in found:
        total[one.currency] = total.get(one.currency, Decimal(0)) + one.amount
    return dict(sorted(total.items()))


def return_on(cost: Decimal | None, currency: str | None, earned: Mapping[str, Decimal]) -> Decimal | None:
    """Return what came in for each unit of cost beyond the cost itself (0.5: half as much again); None without a cost.

    Only what came in in the cost's currency counts.
    """
    if not cost or currency is None:
        return None
    return (earned.get(currency, Decimal(0)) - cost) / cost
