"""What every page about one customer shares."""

from datetime import date, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from babel.dates import format_date
from flask import Blueprint, Response, flash, g, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.accounts import queries as accounts
from app.blueprints.customers import contact_words, own_fields, presenters, writing
from app.blueprints.events.presenters import CHANNEL_LABELS
from app.customers import contact_points, household_queries, merge_queries, notes, queries, tags, timeline
from app.customers.greetings import ROLES
from app.customers.merge_queries import MergeEntry
from app.customers.models import Note
from app.infra import clock
from app.web.guards import can, current
from app.web.htmx import page
from app.web.shell import organisation

blueprint = Blueprint("customers", __name__, url_prefix="/customers")
blueprint.add_app_template_filter(presenters.phone_words, "phone")
UNDO_OFFERED = timedelta(hours=24)
"""How long a merge made by hand stands with its Undo at the top of the profile; later it is under Details."""


@blueprint.app_template_filter("day")
def day(value: date | None) -> str:
    """Return a day as the tenant's region writes it, "21 Nov 2026"; nothing for None."""
    return format_date(value, "d MMM y", locale=organisation().locale) if value else ""


@blueprint.app_template_global("tag_colour")
def tag_colour(name: str) -> str:
    """Return the colour of a tag (the tenant's colours are read once a request)."""
    if "tag_colours" not in g:
        g.tag_colours = tags.colours(tenant_id=current().tenant_id)
    return str(g.tag_colours.get(name, tags.COLOURS[0]))


class Person:
    """One customer as the pages show them, read once a request. `moved` leads on from a merged customer's old id."""

    def __init__(self, customer_id: UUID) -> None:
        self.tenant_id = current().tenant_id
        self.customer = queries.customer(tenant_id=self.tenant_id, customer_id=customer_id)
        self.name = presenters.full_name(self.customer)
        self.moved = self._moved()

    def _moved(self) -> Answer | None:
        winner = self.customer.merged_into_id
        if winner is None:
            return None
        flash("These two profiles proved to be one person. You are on the one that was kept.", "info")
        endpoint = request.endpoint if request.method == "GET" else None
        return redirect(url_for(endpoint or "customers.show", **{**(request.view_args or {}), "customer_id": winner}))

    @cached_property
    def reader(self) -> notes.Reader:
        """Return the signed-in user as a reader of notes."""
        return writing.reader()

    @cached_property
    def notes(self) -> list[Note]:
        """Return the notes the signed-in user may see."""
        return notes.notes(tenant_id=self.tenant_id, customer_id=self.customer.id, reader=self.reader)

    def page(self, section: str, *, block: str | None = None, status: int = 200, **context: Any) -> Response:
        """Return one section of the customer's page; for htmx its `block` alone."""
        customer = self.customer
        clubs: dict[UUID | None, str] = {one.id: one.name for one in accounts.clubs(tenant_id=self.tenant_id)}
        points = contact_words.shown(self.tenant_id, customer.id)
        consents = presenters.consent_badges(customer)
        return page(
            f"customers/{section}.html",
            block=block,
            status=status,
            customer=customer,
            name=self.name,
            activity_count=timeline.counts_30d(tenant_id=self.tenant_id, customer_ids=[customer.id])[customer.id],
            club_name=clubs.get(customer.club_id),
            household=household_queries.of_customers(tenant_id=self.tenant_id, customer_ids=[customer.id]).get(
                customer.id
            ),
            household_roles=ROLES,
            section=section,
            tabs=self._tabs(section),
            consents=consents,
            own=own_fields.shown(self.tenant_id, customer),
            points=points,
            not_reached={one.point.kind: one for one in points if one.point.preferred and one.held},
            ids=contact_words.shown_ids(contact_points.identifiers(tenant_id=self.tenant_id, customer_id=customer.id)),
            stage_labels=presenters.STAGE_LABELS,
            stage_tones=presenters.STAGE_TONES,
            channel_labels=CHANNEL_LABELS,
            merged_lately=self._merged_lately(),
            **context,
        )

    def _merged_lately(self) -> MergeEntry | None:
        """Return the merge that somebody may want to take back at once."""
        if not can("customers.merge"):
            return None
        since = clock.now() - UNDO_OFFERED
        return merge_queries.last_by_hand(tenant_id=self.tenant_id, customer_id=self.customer.id, since=since)

    def _tabs(self, section: str) -> list[dict[str, Any]]:
        tabs = [
            ("timeline", "Timeline", "customers.show", "customers.view"),
            ("notes", "Notes", "customers.notes", "customers.view"),
            ("segments", "Segments", "customers.segments", "customers.view"),
            ("journeys", "Journeys", "customers.walks", "journeys.view"),
            ("messages", "Messages", "customers.letters", "messages.view"),
            ("why", "Why not?", "customers.why_not", "messages.view"),
            ("details", "Details", "customers.details", "customers.view"),
            ("privacy", "Privacy", "customers.privacy", "customers.export"),
        ]
        return [
            {
                "label": label,
                "url": url_for(endpoint, customer_id=self.customer.id),
                "active": name == section,
                "count": len(self.notes) if name == "notes" and self.notes else None,
            }
            for name, label, endpoint, permission in tabs
            if can(permission)
        ]
