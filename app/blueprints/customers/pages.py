"""Customers: the list, and each customer's profile, timeline, journeys and messages."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.accounts import queries as accounts
from app.blueprints.customers import consents, forms, merge_words, presenters
from app.blueprints.customers import opened as opening
from app.blueprints.customers import own_fields as own
from app.blueprints.customers.base import Person, blueprint
from app.blueprints.events.presenters import hint_words
from app.blueprints.journeys.presenters import EXIT_REASONS, WALK_LABELS, WALK_TONES
from app.capture import contacts, desk
from app.customers import merge_queries, queries, records, tags, tasks, timeline
from app.customers.notes import Reader
from app.customers.records import CUSTOM
from app.customers.timeline import Filters
from app.events.capture_lock import lock_tenant
from app.events.types.membership import TIERS
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import as_id
from app.journeys import queries as journeys
from app.messaging import queries as messages
from app.messaging.feedback import BOUNCE_WORDS
from app.messaging.states import STATUS_TONES, STATUS_WORDS, instead_in_words, reason_in_words
from app.road import HANDLERS
from app.web.channels import CHANNEL_LABELS, NOT_MAIL
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.lists import asked_choice, asked_day, asked_id, asked_until
from app.web.shell import organisation

DONE_SHOWN = timedelta(days=7)
"""So long tasks that are done stand on the customer's page."""


@blueprint.get("")
@requires("customers.view")
def index() -> Response:
    """Find customers: by what they are called or reached at, by club, tier, stage and tag."""
    tenant_id = current().tenant_id
    filters = list_filters()
    clubs = accounts.clubs(tenant_id=tenant_id)
    found = queries.customers(tenant_id=tenant_id, cursor=request.args.get("cursor"), **found_by(filters))
    return page(
        "customers/index.html",
        block="results",
        page=found,
        filters=filters,
        clubs=[(str(one.id), one.name) for one in clubs],
        club_names={one.id: one.name for one in clubs},
        tiers=_options(queries.tiers(tenant_id=tenant_id), filters["tier"]),
        stages=list(presenters.STAGE_LABELS.items()),
        tag_names=[one.name for one in tags.listed(tenant_id=tenant_id).items],
        full_name=presenters.full_name,
        stage_labels=presenters.STAGE_LABELS,
    )


def list_filters() -> dict[str, str | None]:
    """Return the list's filters as the address has them."""
    return {name: request.args.get(name, "").strip() or None for name in ("q", "club", "tier", "stage", "tag")}


def found_by(filters: dict[str, str | None]) -> dict[str, Any]:
    """Return the filters as `queries.customers` takes them."""
    return {
        "q": filters["q"],
        "club_id": asked_id("club"),
        "tier": filters["tier"],
        "stage": filters["stage"],
        "tag": filters["tag"],
    }


@blueprint.get("/<uuid:customer_id>")
@requires("customers.view")
def show(customer_id: UUID) -> Response:
    """Show a customer's timeline, the newest first."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    clubs = accounts.clubs(tenant_id=person.tenant_id)
    filters = _filters(person.reader, {str(one.id) for one in clubs})
    found = timeline.timeline(
        tenant_id=person.tenant_id, customer_id=customer_id, filters=filters, cursor=request.args.get("cursor")
    )
    kinds = timeline.kinds(
        tenant_id=person.tenant_id,
        customer_id=customer_id,
        reader_id=filters.reader_id,
        sees_private=filters.sees_private,
    )
    shown = {name: getattr(filters, name) for name in ("q", "category", "type")}
    return person.page(
        "timeline",
        block="story",
        page=presenters.told(found),
        filters=shown | {name: asked_day(name) for name in ("since", "until")} | {"club": str(filters.club_id or "")},
        categories=[(str(one), label) for one, label in presenters.CATEGORY_LABELS.items()],
        types=presenters.type_options(kinds, filters.type),
        clubs=[(str(one.id), one.name) for one in clubs],
        pinned=[note for note in person.notes if note.pinned],
        tasks=tasks.of_customer(tenant_id=person.tenant_id, customer_id=customer_id, since=clock.now() - DONE_SHOWN),
        now=clock.now(),
    )


def _filters(reader: Reader, clubs: set[str]) -> Filters:
    """Return the timeline's filters as the address has them."""
    args = request.args
    since = asked_day("since")
    until = asked_until("until", since)
    begin, end = presenters.day_range(since, until, ZoneInfo(organisation().timezone))
    return Filters(
        reader_id=reader.user_id,
        sees_private=reader.sees_private,
        category=asked_choice("category", presenters.CATEGORY_LABELS),
        type=args.get("type") or None,
        club_id=as_id(asked_choice("club", clubs)),
        since=begin,
        until=end,
        q=args.get("q", "").strip() or None,
    )


@blueprint.get("/<uuid:customer_id>/details")
@requires("customers.view")
def details(customer_id: UUID) -> Response:
    """Show the whole profile: with each consent's history, and which profiles became this one."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    history = queries.consent_history(tenant_id=person.tenant_id, customer_id=customer_id).items
    merges = merge_queries.merges(tenant_id=person.tenant_id, customer_id=customer_id)
    return person.page(
        "details",
        merges=merges,
        merged_by=merge_words.by_words(person.tenant_id, merges),
        **consents.card(person, history),
    )


@blueprint.get("/<uuid:customer_id>/journeys")
@requires("journeys.view")
def walks(customer_id: UUID) -> Response:
    """List the journeys a customer is or was in."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    found = journeys.enrollments(tenant_id=person.tenant_id, customer_id=customer_id, cursor=request.args.get("cursor"))
    return person.page(
        "journeys",
        block="walks",
        page=found,
        walk_tones=WALK_TONES,
        walk_labels=WALK_LABELS,
        reasons=EXIT_REASONS,
    )


@blueprint.get("/<uuid:customer_id>/messages")
@requires("messages.view")
def letters(customer_id: UUID) -> Response:
    """List what was sent to a customer, or held back, and what became of it."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    found = messages.page(tenant_id=person.tenant_id, customer_id=customer_id, cursor=request.args.get("cursor"))
    return person.page(
        "messages",
        block="letters",
        page=found,
        message_tones=STATUS_TONES,
        message_labels=STATUS_WORDS,
        why=reason_in_words,
        channel_names=CHANNEL_LABELS,
        channel_words=NOT_MAIL,
        instead=instead_in_words,
        bounces=BOUNCE_WORDS,
    )


@blueprint.get("/<uuid:customer_id>/edit")
@requires("customers.edit")
def edit(customer_id: UUID) -> Response:
    """Show the form of a customer's profile."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    form, shown = _filled(person)
    return _edit_page(person, form, shown, _texts(form, shown))


@blueprint.post("/<uuid:customer_id>/edit")
@requires("customers.edit")
def save(customer_id: UUID) -> Response:
    """Change a customer's profile and tags; what staff record here counts as said now.

    What stands in the form as it was opened is left alone: somebody else may have changed it meanwhile.
    """
    person = Person(customer_id)
    if person.moved:
        return person.moved
    tenant_id, form = person.tenant_id, forms.ProfileForm(request.form)
    opened, typed = opening.read(request.form.get("opened")), own.typed(person.tenant_id, request.form)
    try:
        with transaction(tenant_id) as session:
            # Nobody else changes them between the look at what they are by now and the write.
            lock_tenant(session, tenant_id)
            records.lock(session, tenant_id, [customer_id])
            person = Person(customer_id)
            stands, controls = _filled(person)
            sent = form.texts() | {f"{CUSTOM}{key}": text for key, text in typed.items()}
            found = opening.Compared(opened, sent, _texts(stands, controls))
            if clashing := found.clashing:
                # Another save is meant to come after theirs.
                theirs = {name: found.now[name] for name in clashing}
                opened = opened | theirs
                raise Invalid(_clashes(tenant_id, theirs, controls))
            changes = {name: value for name, value in form.profile().items() if name in found.changed}
            if "tags" in found.changed:
                changes["tags"] = form.tag_list()
            changes["custom"] = {key: text for key, text in typed.items() if f"{CUSTOM}{key}" in found.changed}
            changed = contacts.change(
                tenant_id=tenant_id, customer_id=customer_id, changes=changes, actor=current().ref
            )
    except Invalid as error:
        shown = own.controls(tenant_id, person.customer.custom, typed, error.errors)
        if any(name in form for name in error.errors):
            form.refuse(error)
        elif not any(one.errors for rows in shown.values() for one in rows):
            raise
        return _edit_page(person, form, shown, opened, status=422)
    flash("The profile is saved." if changed else "Nothing was changed.", "success" if changed else "info")
    return redirect(url_for("customers.show", customer_id=customer_id))


def _filled(person: Person) -> tuple[forms.ProfileForm, own.Shown]:
    form = forms.ProfileForm()
    form.fill(person.customer)
    return form, own.controls(person.tenant_id, person.customer.custom)


def _texts(form: forms.ProfileForm, shown: own.Shown) -> dict[str, str]:
    return form.texts() | own.texts(shown)


def _clashes(tenant_id: UUID, now: Mapping[str, str], controls: own.Shown) -> dict[str, str]:
    """Return by field what is said where somebody else changed it meanwhile: what it is `now`."""
    labels: dict[str, Mapping[str, str]] = {
        "club_id": {str(one.id): one.name for one in accounts.clubs(tenant_id=tenant_id)},
        "lifecycle_stage": presenters.STAGE_LABELS,
        **{one.name: dict(one.control.options) for rows in controls.values() for one in rows},
    }
    words = {name: labels.get(name, {}).get(text, text) for name, text in now.items()}
    return {
        name: f"Somebody else {f'made this “{said}”' if said else 'emptied this'} meanwhile. "
        "Save again if yours is to hold."
        for name, said in words.items()
    }


@blueprint.get("/new")
@requires("customers.edit")
def new() -> Response:
    """Show the form of a new customer."""
    return _new_page(forms.NewCustomerForm())


@blueprint.post("/new")
@requires("customers.edit")
def add() -> Response:
    """Add a customer, unless what was typed says that we know them already."""
    actor, form = current(), forms.NewCustomerForm(request.form)
    try:
        entered = desk.enter(
            tenant_id=actor.tenant_id,
            entry=form.entry(accounts.clubs(tenant_id=actor.tenant_id)),
            actor=actor.ref,
            actor_name=actor.name,
            handlers=HANDLERS,
        )
    except Invalid as error:
        form.refuse(error)
        return _new_page(form, status=422)
    if entered.is_new:
        flash("The customer is added.", "success")
    else:
        flash(f"We know them already, by {hint_words(entered.matched_by)}. Nothing was added; this is them.", "info")
    return redirect(url_for("customers.show", customer_id=entered.customer_id))


def _edit_page(
    person: Person, form: forms.ProfileForm, shown: own.Shown, opened: Mapping[str, str], status: int = 200
) -> Response:
    form.offer_clubs(accounts.clubs(tenant_id=person.tenant_id))
    return page(
        "customers/edit.html",
        customer=person.customer,
        name=person.name,
        form=form,
        own=shown,
        opened=opening.write(opened),
        tier_suggestions=queries.tiers(tenant_id=person.tenant_id) or [one.value for one in TIERS],
        status=status,
    )


def _new_page(form: forms.NewCustomerForm, status: int = 200) -> Response:
    form.offer_clubs(accounts.clubs(tenant_id=current().tenant_id))
    return page("customers/new.html", form=form, status=status)


def _options(known: list[str], chosen: str | None) -> list[tuple[str, str]]:
    """Return the choices of a filter; the chosen one is among them even when nobody has it any more."""
    return [(one, one) for one in ([*known, chosen] if chosen and chosen not in known else known)]
