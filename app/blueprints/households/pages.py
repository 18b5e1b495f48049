"""The list of households, one household's page, and making, naming and dissolving them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import StringField

from app.blueprints.customers import presenters, writing
from app.blueprints.households.base import POINT_ICONS, blueprint
from app.customers import household_queries, households, queries, timeline
from app.customers.contact_kinds import KINDS
from app.customers.greetings import ROLES
from app.customers.household_queries import HouseholdView
from app.customers.households import CannotJoin, Newcomer
from app.customers.models import Customer
from app.customers.timeline import Filters
from app.infra.errors import Invalid
from app.infra.ids import as_id
from app.infra.paging import Page
from app.web import forms
from app.web.downloads import PERMISSION, download
from app.web.guards import can, current, requires
from app.web.htmx import page
from app.web.lists import asked_for

STORY = 10
"""How many activities a household's page shows at a time: what else is on it should be near on a phone too."""
NOBODY: Page[Customer] = Page([], None)


class HouseholdForm(forms.Form):
    """A household's own name and greeting."""

    name = StringField("Name", render_kw={"autocomplete": "off", "maxlength": households.MAX_NAME})
    greeting = StringField("Greeting", render_kw={"autocomplete": "off", "maxlength": households.MAX_GREETING})


@blueprint.get("")
@requires("customers.view")
def index() -> Response:
    """List households, the newest first; find them by their people or their own name."""
    filters = _filters()
    found = household_queries.households(tenant_id=current().tenant_id, cursor=request.args.get("cursor"), **filters)
    return page("households/index.html", block="results", page=found, **filters)


def _filters() -> dict[str, Any]:
    return {"q": request.args.get("q", "").strip() or None, "dissolved": asked_for("show", "dissolved")}


@blueprint.post("/export")
@requires(PERMISSION)
def export() -> Response:
    """Give out the households the list shows, a row for each of their people."""
    tenant_id, filters = current().tenant_id, _filters()
    own = ("id", "name", "greeting", "created_at", "dissolved_at")
    theirs = ("customer_id", "role", "title", "first_name", "last_name", "email", "phone")
    return download(
        "households",
        seen_by="customers.view",
        header=[*own, *theirs],
        pages=lambda cursor, limit: household_queries.households(
            tenant_id=tenant_id, cursor=cursor, limit=limit, **filters
        ),
        rows=lambda found: [
            [*(getattr(home, name) for name in own), *(getattr(one, name) for name in theirs)]
            for home in found
            for one in home.members
        ],
        filters=filters,
    )


@blueprint.get("/<uuid:household_id>")
@requires("customers.view")
def show(household_id: UUID) -> Response:
    """Show a household: its people, what they share, what happened to them, and whom to add."""
    household = household_queries.household(tenant_id=current().tenant_id, household_id=household_id)
    block = "story" if request.args.get("cursor") else "results"
    return page("households/show.html", block=block, **_whole(household))


@blueprint.get("/new")
@requires("households.edit")
def new() -> Response:
    """Begin a household with one person; those who share an address with them are offered."""
    customer_id = as_id(request.args.get("customer_id"))
    if customer_id is None:
        return _search_first()
    return _new_page(customer_id, HouseholdForm())


@blueprint.post("/new")
@requires("households.edit")
def add() -> Response:
    """Make a household of those chosen."""
    actor, form = current(), HouseholdForm(request.form)
    chosen = [id_ for one in request.form.getlist("customer_id") if (id_ := as_id(one))]
    try:
        made = households.make(
            tenant_id=actor.tenant_id,
            members=[Newcomer(one) for one in chosen],
            name=form.name.data,
            greeting=form.greeting.data,
            actor=actor.ref,
        )
    except Invalid as error:
        form.refuse(error)
        return _new_page(chosen[0], form, chosen, status=422)
    except CannotJoin as refused:
        flash(refused.message, "warning")
        home = household_queries.of_customers(tenant_id=actor.tenant_id, customer_ids=chosen)
        if not home:
            return redirect(url_for("households.new"))
        return redirect(url_for("households.show", household_id=next(iter(home.values())).id))
    flash("The household is made.", "success")
    return redirect(url_for("households.show", household_id=made))


@blueprint.get("/<uuid:household_id>/edit")
@requires("households.edit")
def edit(household_id: UUID) -> Response:
    """Show the form of a household's name and greeting."""
    household = household_queries.household(tenant_id=current().tenant_id, household_id=household_id)
    form = HouseholdForm(data={"name": household.own_name, "greeting": household.own_greeting})
    return _edit_page(household, form)


@blueprint.post("/<uuid:household_id>/edit")
@requires("households.edit")
def save(household_id: UUID) -> Response:
    """Give a household its own name or greeting, or let it go by the rule again."""
    actor, form = current(), HouseholdForm(request.form)
    try:
        households.change(
            tenant_id=actor.tenant_id,
            household_id=household_id,
            changes={"name": form.name.data, "greeting": form.greeting.data},
            actor=actor.ref,
        )
    except Invalid as error:
        form.refuse(error)
        household = household_queries.household(tenant_id=actor.tenant_id, household_id=household_id)
        return _edit_page(household, form, status=422)
    flash("The household is saved.", "success")
    return redirect(url_for("households.show", household_id=household_id))


@blueprint.post("/<uuid:household_id>/dissolve")
@requires("households.edit")
def dissolve(household_id: UUID) -> Response:
    """Dissolve a household; its page offers to undo it."""
    actor = current()
    households.dissolve(tenant_id=actor.tenant_id, household_id=household_id, actor=actor.ref)
    return redirect(url_for("households.show", household_id=household_id))


@blueprint.post("/<uuid:household_id>/restore")
@requires("households.edit")
def restore(household_id: UUID) -> Response:
    """Take dissolving back."""
    actor = current()
    left = households.restore(tenant_id=actor.tenant_id, household_id=household_id, actor=actor.ref)
    if left:
        flash(f"The household is back, without {left} who found another one or are no longer here.", "warning")
    else:
        flash("The household is back, with everybody in it.", "success")
    return redirect(url_for("households.show", household_id=household_id))


def _whole(household: HouseholdView) -> dict[str, Any]:
    """Return all that a household's page shows."""
    tenant_id = current().tenant_id
    members = [one.customer_id for one in household.members]
    removed = as_id(request.args.get("removed"))
    names = queries.names(tenant_id=tenant_id, customer_ids=[removed]) if removed else {}
    return {
        "household": household,
        "roles": ROLES,
        "shared": household_queries.shared_addresses(tenant_id=tenant_id, customer_ids=members),
        "point_icons": POINT_ICONS,
        "point_labels": KINDS,
        "removed": (removed, names[removed]) if removed in names else None,
        **_candidates(household),
        **_story(household),
    }


def _candidates(household: HouseholdView) -> dict[str, Any]:
    """Return whom to add: who was searched for, or else who shares an address with somebody of the household."""
    if household.dissolved_at or not can("households.edit"):
        return {"candidates": NOBODY, "homes": {}, "q": None, "full_name": presenters.full_name}
    tenant_id = current().tenant_id
    members = {one.customer_id for one in household.members}
    q = request.args.get("q", "").strip() or None
    if q:
        found = queries.customers(tenant_id=tenant_id, q=q, limit=10)
        people = [one for one in found.items if one.id not in members]
    else:
        near = household_queries.near(tenant_id=tenant_id, customer_ids=members)
        people = _in_order(near)
    homes = household_queries.of_customers(tenant_id=tenant_id, customer_ids=[one.id for one in people])
    return {"candidates": Page(people, None), "homes": homes, "q": q, "full_name": presenters.full_name}


def _story(household: HouseholdView) -> dict[str, Any]:
    reader = writing.reader()
    found = timeline.together(
        tenant_id=current().tenant_id,
        customer_ids=[one.customer_id for one in household.members],
        filters=Filters(reader_id=reader.user_id, sees_private=reader.sees_private),
        cursor=request.args.get("cursor"),
        limit=STORY,
    )
    told = Page([(one.customer_id, presenters.story(one)) for one in found.items], found.next_cursor)
    return {"page": told, "names": {one.customer_id: one.full_name for one in household.members}}


def _search_first() -> Response:
    q = request.args.get("q", "").strip() or None
    tenant_id = current().tenant_id
    found = queries.customers(tenant_id=tenant_id, q=q, cursor=request.args.get("cursor")) if q else NOBODY
    homes = household_queries.of_customers(tenant_id=tenant_id, customer_ids=[one.id for one in found.items])
    return page(
        "households/new_search.html", block="results", q=q, page=found, homes=homes, full_name=presenters.full_name
    )


def _new_page(customer_id: UUID, form: HouseholdForm, chosen: Sequence[UUID] = (), status: int = 200) -> Response:
    tenant_id = current().tenant_id
    homes = household_queries.of_customers(tenant_id=tenant_id, customer_ids=[customer_id])
    if homes:
        return redirect(url_for("households.show", household_id=homes[customer_id].id))
    first = queries.customer(tenant_id=tenant_id, customer_id=customer_id)
    near = household_queries.near(tenant_id=tenant_id, customer_ids=[customer_id])
    taken = household_queries.of_customers(tenant_id=tenant_id, customer_ids=near)
    return page(
        "households/new.html",
        status=status,
        first=first,
        near=[one for one in _in_order(near) if one.id not in taken],
        taken=list({home.id: home for home in taken.values()}.values()),
        chosen=chosen,
        form=form,
        full_name=presenters.full_name,
    )


def _edit_page(household: HouseholdView, form: HouseholdForm, status: int = 200) -> Response:
    by_rule = HouseholdView(household.id, None, None, household.members, household.created_at, household.dissolved_at)
    return page("households/edit.html", status=status, household=household, by_rule=by_rule, form=form)


def _in_order(ids: Sequence[UUID]) -> list[Customer]:
    found = queries.by_ids(tenant_id=current().tenant_id, customer_ids=ids)
    return [found[one] for one in ids if one in found]
