"""Reads: exports and erasures, how far they are, and what erasing a person would do."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text

from app.customers.called import UNNAMED
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.paging import DEFAULT_LIMIT, Page, cut, id_cursor
from app.privacy import erasing, exporting
from app.privacy.models import COMPLETED, EXPIRED, Kind, PrivacyRequest
from app.privacy.person import SAME_POINT, traces
from app.privacy.registry import TABLES, AtErase, whose
from app.privacy.service import NoSuchRequest

_ALIKE = text(f"""
    SELECT DISTINCT c.id, coalesce(nullif(concat_ws(' ', c.first_name, c.last_name), ''), c.email, c.phone, '{UNNAMED}')
        AS name
    FROM unnest(cast(:kinds AS text[]), cast(:keys AS text[])) AS h(kind, key)
    JOIN contact_point p ON p.tenant_id = :tenant_id AND {SAME_POINT}
    JOIN customer c ON c.tenant_id = :tenant_id AND c.id = p.customer_id
    WHERE c.id <> ALL(cast(:ids AS uuid[])) ORDER BY name LIMIT 20
""")  # noqa: S608 - the condition is ours
_SIGNS_IN = text("""
    SELECT EXISTS (SELECT FROM users WHERE tenant_id = :tenant_id AND email_key = ANY(cast(:emails AS text[])))
""")
_STAYS = ("message", "suppression", "erased_hint", "audit_entry", "privacy_request")


@dataclass(frozen=True, slots=True)
class Part:
    """What becomes of one kind of rows: how many the person has, and why what stays does."""

    holds: str
    rows: int
    because: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What erasing a person would do.

    `goes` is deleted, `blanked` loses what tells of them, `searched` is what is looked through for their name,
    addresses and ids, `stays` is kept with its reason. `sharers` are those (id, name) who share an address or number.
    """

    goes: list[Part]
    blanked: list[Part]
    searched: list[Part]
    stays: list[Part]
    profiles: int
    addresses: int
    sharers: list[tuple[UUID, str]]


def plan(*, tenant_id: UUID, customer_id: UUID) -> Plan:
    """Return what erasing a customer would do, with the profiles that were merged into them."""
    with transaction(tenant_id) as session:
        found = traces(session, tenant_id, customer_id)
        values = {"tenant_id": tenant_id, "ids": array(found.ids)}
        # Words and tags as rows go with the profile; no index has them by customer, to count them by.
        mine = [one for one in TABLES if one.is_of_people and one.name not in ("customer_word", "customer_tag")]
        counted = " UNION ALL ".join(
            f"SELECT '{one.name}' AS name, count(*) AS rows FROM {one.name} t"  # noqa: S608 - the registry's names
            f" WHERE t.tenant_id = :tenant_id AND ({whose(one)})"
            for one in mine
        )
        counts = {row[0]: row[1] for row in session.execute(text(counted), values)}
        emails = array(key for kind, key in {*found.points, *found.shared_points} if kind == "email")
        signs_in = session.scalar(_SIGNS_IN, {"tenant_id": tenant_id, "emails": emails})
        points = sorted(found.shared_points)
        asked = {**values, "kinds": array(kind for kind, _ in points), "keys": array(key for _, key in points)}
        sharers = [(row.id, row.name) for row in session.execute(_ALIKE, asked)] if points else []
    parts = {one.name: Part(one.holds, counts.get(one.name, 0), one.because) for one in TABLES}
    return Plan(
        goes=[parts[one.name] for one in mine if one.at_erase is AtErase.DELETE and counts[one.name]],
        blanked=[parts[one.name] for one in mine if one.at_erase is AtErase.BLANK and counts[one.name]],
        searched=[parts[one.name] for one in TABLES if one.searched or one.name in ("mailbox_mail", "import_chunk")],
        stays=[parts[name] for name in (*_STAYS, *(("users",) if signs_in else ()))],
        profiles=len(found.ids),
        addresses=sum(1 for kind, _ in found.points if kind == "email"),
        sharers=sharers,
    )


def request(*, tenant_id: UUID, request_id: UUID) -> PrivacyRequest:
    """Return one export or erasure, or raise NoSuchRequest."""
    with transaction(tenant_id) as session:
        found = session.get(PrivacyRequest, (tenant_id, request_id), populate_existing=True)
    if found is None:
        raise NoSuchRequest
    return found


def requests(
    *, tenant_id: UUID, customer_id: UUID | None = None, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[PrivacyRequest]:
    """Return exports and erasures (of one customer), the newest first."""
    before = id_cursor(cursor)
    wanted = select(PrivacyRequest).where(PrivacyRequest.tenant_id == tenant_id)
    if customer_id:
        wanted = wanted.where(PrivacyRequest.customer_id == customer_id)
    if before:
        wanted = wanted.where(PrivacyRequest.id < before)
    ordered = wanted.order_by(PrivacyRequest.id.desc()).limit(limit + 1)
    with transaction(tenant_id) as session:
        rows = session.scalars(ordered.execution_options(populate_existing=True)).all()
    return cut(rows, limit, lambda row: (row.id,), lambda row: row)


def progress(request: PrivacyRequest) -> float:
    """Return how far an export or erasure is, from 0 to 1."""
    if request.status in (COMPLETED, EXPIRED):
        return 1.0
    return round(request.step / request.steps, 3)


def doing(request: PrivacyRequest) -> str:
    """Return in words what an export or erasure does next."""
    steps = exporting.STEPS if request.kind == Kind.EXPORT else erasing.STEPS
    return steps[request.step].label if request.step < len(steps) else "Done"


def counted(request: PrivacyRequest, what: str) -> list[tuple[str, int]]:
    """Return, of the report's "deleted", "blanked", "redacted" or "rows", how many of which kind, in words."""
    counts: dict[str, int] = request.report.get(what, {})
    return [(one.holds, counts[one.name]) for one in TABLES if counts.get(one.name)]
