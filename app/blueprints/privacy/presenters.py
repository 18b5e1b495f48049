"""Exports and erasures in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.blueprints.customers.merge_words import actor_names
from app.customers import queries as customers
from app.privacy import queries
from app.privacy.exporting import KEPT
from app.privacy.models import COMPLETED, UNDER_WAY, Kind, PrivacyRequest

KIND_WORDS = {Kind.EXPORT: "Export", Kind.ERASE: "Erasure"}
TONES = {"PENDING": "info", "RUNNING": "info", "COMPLETED": "success", "FAILED": "danger", "EXPIRED": "neutral"}
LABELS = {"PENDING": "Waiting", "COMPLETED": "Done", "EXPIRED": "File deleted"}
DAYS_KEPT = KEPT.days


@dataclass(frozen=True, slots=True)
class Line:
    """A request as lists show it; `name` is None once the person is erased."""

    request: PrivacyRequest
    kind: str
    name: str | None
    by: str
    percent: int
    has_file: bool


def lines(tenant_id: UUID, found: Sequence[PrivacyRequest]) -> list[Line]:
    """Return requests with the names of their customers, as far as those are there, and of who asked."""
    names = customers.names(tenant_id=tenant_id, customer_ids={one.customer_id for one in found})
    actors = actor_names(tenant_id, [one.requested_by for one in found])
    return [
        Line(
            request=one,
            kind=KIND_WORDS[Kind(one.kind)],
            name=names.get(one.customer_id),
            by=actors[one.requested_by],
            percent=round(queries.progress(one) * 100),
            has_file=one.kind == Kind.EXPORT and one.status == COMPLETED,
        )
        for one in found
    ]


def is_done(request: PrivacyRequest) -> bool:
    """Return whether nothing more happens by itself."""
    return request.status not in UNDER_WAY
