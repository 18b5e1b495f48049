"""What every page about one segment shares."""

from functools import cached_property
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, url_for

from app.blueprints.segments import presenters
from app.infra import clock
from app.infra.errors import Forbidden
from app.road import SEGMENT_USERS
from app.segments import queries, usage
from app.segments.models import DYNAMIC
from app.web.guards import can, current
from app.web.htmx import page
from app.web.uses import Used, used

blueprint = Blueprint("segments", __name__, url_prefix="/segments")

_TABS = (
    ("overview", "Overview", "segments.show", None),
    ("people", "People", "segments.people", "customers.view"),
    ("compare", "Compare", "segments.compare", None),
    ("overlap", "Overlap", "segments.overlap", None),
    ("why", "Why", "segments.why", "customers.view"),
    ("history", "History", "segments.history", None),
    ("settings", "Settings", "segments.settings", "segments.edit"),
)


class Shown:
    """One segment as its pages show it, read once a request.

    Raises Forbidden where a page is open to whoever sees customers, and this one sees no segments.
    """

    def __init__(self, segment_id: UUID) -> None:
        if not can("segments.view"):
            raise Forbidden("Your role does not allow this (see segments and how many are in them).")
        self.tenant_id = current().tenant_id
        self.segment = queries.one(tenant_id=self.tenant_id, segment_id=segment_id)
        self.words = presenters.Words(self.tenant_id)

    @cached_property
    def uses(self) -> list[Used]:
        """Return where the segment is used."""
        found = usage.of(tenant_id=self.tenant_id, segment_ids=[self.segment.id], users=SEGMENT_USERS)
        return [used(one) for one in found.get(self.segment.id, [])]

    def page(self, section: str, *, block: str | None = None, status: int = 200, **context: Any) -> Response:
        """Return one section of the segment's page; for htmx its `block` alone."""
        segment = self.segment
        refreshing = presenters.refresh_of(segment, clock.now())
        return page(
            f"segments/{section}.html",
            block=block,
            status=status,
            segment=segment,
            is_dynamic=segment.type == DYNAMIC,
            sentence=self.words.sentence(segment),
            club_name=self.words.clubs.get(segment.club_id) if segment.club_id else None,
            refresh=refreshing,
            type_labels=presenters.TYPE_LABELS,
            frequency_labels=presenters.FREQUENCY_LABELS,
            tabs=self._tabs(section, refreshing=refreshing is not None),
            section=section,
            **context,
        )

    def _tabs(self, section: str, *, refreshing: bool) -> list[dict[str, Any]]:
        # The tabs aren't drawn again when a refresh ends: a number of before it would stand beside the new one.
        return [
            {
                "label": label,
                "url": url_for(endpoint, segment_id=self.segment.id),
                "active": name == section,
                "count": self.segment.member_count if name == "people" and not refreshing else None,
            }
            for name, label, endpoint, permission in _TABS
            if permission is None or can(permission)
        ]
