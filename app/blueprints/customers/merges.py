"""Merging two profiles by hand: find the other one, compare, merge, and take it back."""

from uuid import UUID

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from app.accounts import queries as accounts
from app.blueprints.customers import merge_words, own_fields, presenters
from app.blueprints.customers.base import Person, blueprint
from app.capture import merging
from app.customers import custom_fields, merge_queries, queries, suggestions
from app.customers.merge import CHOICES, CannotMerge
from app.customers.unmerge import CannotUndo
from app.infra.paging import Page
from app.road import HANDLERS
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.shell import number

FIELD = "field-"
QUEUE = "duplicates"
"""Where a comparison came from, and a decision leads back to, in the address: the suggested duplicates."""


@blueprint.get("/<uuid:customer_id>/merge")
@requires("customers.merge")
def merge_search(customer_id: UUID) -> Response:
    """Look for the profile that is the same person."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    words = request.args.get("q", "").strip() or None
    found = (
        queries.customers(tenant_id=person.tenant_id, q=words, cursor=request.args.get("cursor"))
        if words
        else Page([], None)
    )
    return page(
        "customers/merge_search.html",
        block="results",
        customer=person.customer,
        name=person.name,
        q=words,
        page=Page([one for one in found.items if one.id != customer_id], found.next_cursor),
        full_name=presenters.full_name,
    )


@blueprint.get("/<uuid:customer_id>/merge/<uuid:other_id>")
@requires("customers.merge")
def merge_compare(customer_id: UUID, other_id: UUID) -> Response:
    """Show two profiles side by side: what differs, whose value holds, what moves."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    other = Person(other_id)
    if other.moved or customer_id == other_id:
        flash(
            "These two are one profile already."
            if customer_id in (other_id, other.customer.merged_into_id)
            else "That profile was merged into another one. Choose that one.",
            "info",
        )
        return redirect(url_for("customers.merge_search", customer_id=customer_id))
    return _compare_page(person, other)


@blueprint.post("/<uuid:customer_id>/merge/<uuid:other_id>")
@requires("customers.merge")
def merge_both(customer_id: UUID, other_id: UUID) -> Response:
    """Merge the other profile into this one."""
    actor = current()
    own = [one.name for one in custom_fields.fields(tenant_id=actor.tenant_id)]
    fields = {name: side for name in (*CHOICES, *own) if (side := request.form.get(f"{FIELD}{name}"))}
    from_queue = request.form.get("from") == QUEUE
    try:
        merge_id = merging.merge_customers(
            tenant_id=actor.tenant_id,
            winner_id=customer_id,
            loser_id=other_id,
            actor=actor.ref,
            fields=fields,
            handlers=HANDLERS,
        )
    except CannotMerge as refused:
        flash(refused.message, "warning")
        back = url_for("customers.duplicates") if from_queue else url_for("customers.show", customer_id=customer_id)
        return redirect(back)
    if from_queue:
        return redirect(url_for("customers.duplicates", merged=merge_id))
    return redirect(url_for("customers.show", customer_id=customer_id))


@blueprint.get("/merges/<uuid:merge_id>")
@requires("customers.merge")
def merged(merge_id: UUID) -> Response:
    """Show one merge: what it moved, and what becomes of what came since if it is undone."""
    tenant_id = current().tenant_id
    entry, moved = merge_queries.entry(tenant_id=tenant_id, merge_id=merge_id)
    given_back, hindrance, first = 0, None, None
    if entry.undone_at is None:
        try:
            given_back = merging.given_back(tenant_id=tenant_id, merge_id=merge_id)
        except CannotUndo as refused:
            hindrance, first = refused.message, refused.later_id
    who = merge_words.actor_names(tenant_id, [entry.merged_by, entry.undone_by])
    winner = queries.customer(tenant_id=tenant_id, customer_id=entry.winner_id)
    return page(
        "customers/merged.html",
        entry=entry,
        winner_name=presenters.full_name(winner),
        moved=merge_words.count_words(moved),
        given_back=given_back,
        hindrance=hindrance,
        first=first,
        who=who,
        since_words=merge_words.SINCE_WORDS,
    )


@blueprint.post("/merges/<uuid:merge_id>/undo")
@requires("customers.merge")
def undo_merge(merge_id: UUID) -> Response:
    """Take a merge back."""
    actor = current()
    try:
        undone = merging.undo(tenant_id=actor.tenant_id, merge_id=merge_id, actor=actor.ref, handlers=HANDLERS)
    except CannotUndo as refused:
        flash(refused.message, "warning")
        return redirect(url_for("customers.merged", merge_id=merge_id))
    more = f" {number(undone.given_back)} events since then went to the other one." if undone.given_back else ""
    flash(f"The merge is undone: they are two profiles again.{more}", "success")
    return redirect(url_for("customers.merged", merge_id=merge_id))


def _compare_page(person: Person, other: Person) -> Response:
    clubs: dict[UUID | None, str] = {one.id: one.name for one in accounts.clubs(tenant_id=person.tenant_id)}
    ids = (person.customer.id, other.customer.id)
    outcome = merging.outcome(tenant_id=person.tenant_id, winner_id=ids[0], loser_id=ids[1])
    counts = merge_queries.counts(tenant_id=person.tenant_id, customer_ids=ids)
    own = own_fields.compared(person.tenant_id, person.customer, other.customer)
    rows = merge_words.compare(person.customer, other.customer, outcome, clubs, own)
    hints = [queries.hints(tenant_id=person.tenant_id, customer_id=one) for one in ids]
    return page(
        "customers/merge_compare.html",
        winner=person.customer,
        loser=other.customer,
        winner_name=person.name,
        loser_name=other.name,
        rows=rows,
        hints=hints,
        counts=[counts[one] for one in ids],
        part_labels=merge_words.PART_LABELS,
        moves=merge_words.count_words(counts[ids[1]]),
        consents=[presenters.consent_badges(one) for one in (person.customer, other.customer)],
        id_label=presenters.id_label,
        field=FIELD,
        suggestion=suggestions.of_pair(tenant_id=person.tenant_id, one_id=ids[0], other_id=ids[1]),
        came_from=QUEUE if request.args.get("from") == QUEUE else None,
    )
