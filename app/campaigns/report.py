"""What became of a campaign: over time, by occurrence, by kind of reader; and who is behind each number."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, text

from app.campaigns.models import CampaignRun
from app.campaigns.queries import NoSuchRun, page_of_runs
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import as_id
from app.infra.paging import DEFAULT_LIMIT, Page, cut, id_cursor
from app.messaging import tally
from app.messaging.providers import PROVIDERS
from app.messaging.tally import Kind
from app.segments import service as segments

CLUB, PROVIDER, SEGMENT, CHANNEL = "club", "provider", "segment", "channel"
SIDES = (CLUB, PROVIDER, SEGMENT, CHANNEL)
MOST_SEGMENTS = 20
"""So many segments, those with the most people, are told of."""
OCCURRENCES = 50

_WHAT: dict[str, str] = {
    "audience": "true",
    "sent": "message.status = 'sent'",
    "skipped": "message.status = 'skipped'",
    "failed": "message.status = 'failed'",
    "unknown": "message.status = 'unknown'",
    "waiting": "message.status IN ('queued', 'held', 'sending')",
    "delivered": "message.status = 'sent' AND NOT EXISTS (SELECT FROM message_response AS back"
    " WHERE back.tenant_id = :tenant_id AND back.message_id = message.id AND back.kind = 'bounced')",
    "not_opened": "message.status = 'sent' AND message.first_open_at IS NULL",
    "not_clicked": "message.status = 'sent' AND message.first_click_at IS NULL",
}
NUMBERS = (*_WHAT, *(one.value for one in Kind if one is not Kind.DELIVERED))
"""What of a campaign opens its people."""

_HOURS = text("""
    SELECT what, hour, CAST(sum(number) AS bigint) AS number FROM message_tally
    WHERE tenant_id = :tenant_id AND run_id = ANY(CAST(:runs AS uuid[])) AND hour IS NOT NULL
    GROUP BY what, hour HAVING sum(number) <> 0 ORDER BY hour, what
""")
_DOMAIN = "(SELECT lower(split_part(message.to_address, '@', 2)) AS domain) AS there"
_PROVIDER = f"""
    CASE WHEN message.to_address IS NULL OR message.channel <> 'EMAIL' THEN ''
        {" ".join(f"WHEN domain ~ '{pattern}' THEN '{name}'" for name, pattern in PROVIDERS.items())}
        ELSE 'Others' END
"""
_NUMBERS = """
    count(*) FILTER (WHERE message.status = 'sent') AS sent,
    count(*) FILTER (WHERE message.status = 'unknown') AS unknown, count(message.first_open_at) AS opened,
    count(message.first_click_at) AS clicked, count(done.message_id) AS converted,
    count(*) FILTER (WHERE message.bounced_at IS NOT NULL AND message.bounce_kind <> 'soft') AS bounced,
    count(message.unsubscribed_at) AS unsubscribed, count(message.complained_at) AS complained
"""
_OF_RUNS = """
    message
    LEFT JOIN message_response AS done ON done.tenant_id = :tenant_id AND done.message_id = message.id
        AND done.kind = 'converted'
"""
_BY = {
    CLUB: text(f"""
        SELECT CAST(club.id AS text) AS key, coalesce(club.name, '') AS label, {_NUMBERS} FROM {_OF_RUNS}
        LEFT JOIN customer ON customer.tenant_id = :tenant_id AND customer.id = message.customer_id
        LEFT JOIN club ON club.tenant_id = :tenant_id AND club.id = customer.club_id
        WHERE message.tenant_id = :tenant_id AND message.run_id = ANY(CAST(:runs AS uuid[]))
        GROUP BY club.id, club.name ORDER BY sent DESC, label
    """),  # noqa: S608
    PROVIDER: text(f"""
        SELECT {_PROVIDER} AS key, {_PROVIDER} AS label, {_NUMBERS} FROM {_OF_RUNS}
        CROSS JOIN LATERAL {_DOMAIN}
        WHERE message.tenant_id = :tenant_id AND message.run_id = ANY(CAST(:runs AS uuid[]))
        GROUP BY 1, 2 ORDER BY sent DESC, label
    """),  # noqa: S608
    CHANNEL: text(f"""
        SELECT message.channel AS key, message.channel AS label, {_NUMBERS} FROM {_OF_RUNS}
        WHERE message.tenant_id = :tenant_id AND message.run_id = ANY(CAST(:runs AS uuid[]))
        GROUP BY message.channel ORDER BY sent DESC, label
    """),  # noqa: S608
    SEGMENT: text(f"""
        WITH chosen AS MATERIALIZED (
            SELECT id, name FROM segment WHERE tenant_id = :tenant_id AND archived_at IS NULL AND member_count > 0
            ORDER BY member_count DESC, id LIMIT :most
        )
        SELECT CAST(chosen.id AS text) AS key, chosen.name AS label, {_NUMBERS} FROM {_OF_RUNS}
        JOIN segment_member AS member ON member.tenant_id = :tenant_id AND member.customer_id = message.customer_id
        JOIN chosen ON chosen.id = member.segment_id
        WHERE message.tenant_id = :tenant_id AND message.run_id = ANY(CAST(:runs AS uuid[]))
        GROUP BY chosen.id, chosen.name ORDER BY sent DESC, label
    """),  # noqa: S608
}
_AMONG = {
    CLUB: "customer.club_id IS NOT DISTINCT FROM CAST(nullif(:of, '') AS uuid)",
    PROVIDER: f"(SELECT {_PROVIDER} FROM {_DOMAIN}) = :of",  # noqa: S608
    CHANNEL: "message.channel = :of",
    SEGMENT: "EXISTS (SELECT FROM segment_member AS member WHERE member.tenant_id = :tenant_id"
    " AND member.segment_id = CAST(nullif(:of, '') AS uuid) AND member.customer_id = message.customer_id)",
}
_COLUMNS = """
    message.id, message.customer_id, message.to_address, message.status, message.reason, message.channel,
    nullif(concat_ws(' ', customer.first_name, customer.last_name), '') AS customer_name
"""
_JOIN = "LEFT JOIN customer ON customer.tenant_id = message.tenant_id AND customer.id = message.customer_id"


@dataclass(frozen=True, slots=True)
class Hour:
    """So many messages were sent, or had something done with them, in an hour."""

    what: str
    hour: datetime
    number: int


@dataclass(frozen=True, slots=True)
class Side:
    """The numbers of some of a campaign's messages; `key` says which, `label` in words (empty: of none)."""

    key: str | None
    label: str
    sent: int
    unknown: int
    opened: int
    clicked: int
    converted: int
    bounced: int
    unsubscribed: int
    complained: int


@dataclass(frozen=True, slots=True)
class Among:
    """Those of one side alone: one of SIDES, and the `key` of one of its rows (empty: of none)."""

    side: str
    key: str

    def __post_init__(self) -> None:
        # Without a club one may be, and not without a segment.
        if (self.side == SEGMENT or (self.side == CLUB and self.key)) and as_id(self.key) is None:
            raise Invalid({"of": "is not one of the choices."})


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One run, with how many of its messages are in which state, and had what done with them."""

    run: CampaignRun
    counts: Mapping[str, int]


def runs_of(*, tenant_id: UUID, campaign_id: UUID, run_id: UUID | None = None) -> list[UUID]:
    """Return the ids of a campaign's runs, or of the one named; raise NoSuchRun."""
    query = text("""
        SELECT id FROM campaign_run WHERE tenant_id = :tenant_id AND campaign_id = :campaign_id
            AND (CAST(:run_id AS uuid) IS NULL OR id = :run_id) ORDER BY id
    """)
    with transaction(tenant_id) as session:
        values = {"tenant_id": tenant_id, "campaign_id": campaign_id, "run_id": run_id}
        found = list(session.scalars(query, values))
    if run_id is not None and not found:
        raise NoSuchRun
    return found


def hours(*, tenant_id: UUID, run_ids: Collection[UUID]) -> list[Hour]:
    """Return by hour, in UTC, how many messages were sent and what was done with them."""
    with transaction(tenant_id) as session:
        rows = session.execute(_HOURS, {"tenant_id": tenant_id, "runs": array(run_ids)})
        return [Hour(row.what, row.hour, row.number) for row in rows]


def by(*, tenant_id: UUID, run_ids: Collection[UUID], side: str) -> list[Side]:
    """Return the numbers by club, mail provider, channel, or by segments of today (one of SIDES), the most sent first.

    Whoever is in two segments counts in both.
    """
    if side not in _BY:
        raise Invalid({"by": f"Choose one of {', '.join(SIDES)}."})
    values: dict[str, Any] = {"tenant_id": tenant_id, "runs": array(run_ids)}
    if side == SEGMENT:
        values["most"] = MOST_SEGMENTS
    with transaction(tenant_id) as session:
        return [Side(**row) for row in session.execute(_BY[side], values).mappings()]


def occurrences(*, tenant_id: UUID, campaign_id: UUID) -> list[Occurrence]:
    """Return the latest runs of a campaign with their numbers, the latest first."""
    with transaction(tenant_id):
        found = page_of_runs(tenant_id=tenant_id, campaign_id=campaign_id, limit=OCCURRENCES).items
        counts: dict[UUID, dict[str, int]] = {run.id: {} for run in found}
        for one in tally.counts(tenant_id=tenant_id, run_ids=list(counts)):
            counts[one.run_id][one.what] = counts[one.run_id].get(one.what, 0) + one.number
    return [Occurrence(run, counts[run.id]) for run in found]


def _chosen(what: str, url: str | None, among: Among | None) -> tuple[str, dict[str, Any]]:
    """Return the FROM and WHERE of a number's messages, and its values."""
    chosen, values = _of_number(what, url)
    return (f"{chosen} AND {_AMONG[among.side]}", values | {"of": among.key}) if among else (chosen, values)


def _of_number(what: str, url: str | None) -> tuple[str, dict[str, Any]]:
    base = "message.tenant_id = :tenant_id AND message.run_id = ANY(CAST(:runs AS uuid[]))"
    if url is not None:
        return (
            f"message_click AS click JOIN message ON message.tenant_id = :tenant_id AND message.id = click.message_id"
            f" {_JOIN} WHERE {base} AND click.tenant_id = :tenant_id AND click.run_id = ANY(CAST(:runs AS uuid[]))"
            " AND click.url_key = md5(:url) AND NOT click.by_machine",
            {"url": url},
        )
    if what in _WHAT:
        return f"message {_JOIN} WHERE {base} AND {_WHAT[what]}", {}
    if what not in NUMBERS:
        raise Invalid({"what": f"Choose one of {', '.join(NUMBERS)}."})
    return (
        "message_response AS did JOIN message ON message.tenant_id = :tenant_id AND message.id = did.message_id"
        f" {_JOIN} WHERE {base} AND did.tenant_id = :tenant_id AND did.run_id = ANY(CAST(:runs AS uuid[]))"
        " AND did.kind = :kind",
        {"kind": what},
    )


def people(
    *,
    tenant_id: UUID,
    run_ids: Collection[UUID],
    what: str,
    url: str | None = None,
    among: Among | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Mapping[str, Any]]:
    """Return who is behind a number (one of NUMBERS), or who followed the link `url`, the newest message first;
    with `among` only those of a club, a mail provider, a channel or a segment.

    Each is a message with its reader and `at`, when it happened.
    """
    chosen, more = _chosen(what, url, among)
    at = "click.at" if url is not None else "did.at" if "did.kind" in chosen else "message.sent_at"
    times = "click.times" if url is not None else "NULL"
    values = {"tenant_id": tenant_id, "runs": array(run_ids), "limit": limit + 1, **more}
    if cursor:
        chosen += " AND message.id < :before"
        values["before"] = id_cursor(cursor)
    query = text(
        f"SELECT {_COLUMNS}, {at} AS at, {times} AS times FROM {chosen} ORDER BY message.id DESC LIMIT :limit"  # noqa: S608
    )
    with transaction(tenant_id) as session:
        rows = [dict(row) for row in session.execute(query, values).mappings()]
    return cut(rows, limit, lambda row: (row["id"],), lambda row: row)


def make_segment(
    *,
    tenant_id: UUID,
    run_ids: Collection[UUID],
    what: str,
    url: str | None = None,
    among: Among | None = None,
    name: str,
    actor: str,
    actor_name: str = "",
) -> UUID:
    """Make a static segment of those `people` lists, and return its id; they are in it a moment later."""
    chosen, more = _chosen(what, url, among)
    found = text(
        f"SELECT DISTINCT message.customer_id AS id FROM {chosen} AND message.customer_id IS NOT NULL"  # noqa: S608
    )
    values = {"tenant_id": tenant_id, "runs": array(run_ids), **more}
    made = segments.of_people(
        tenant_id=tenant_id,
        name=name,
        people=found.bindparams(**values).columns(id=Uuid()),
        actor=actor,
        actor_name=actor_name,
    )
    return made.id
