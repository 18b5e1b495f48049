"""Why somebody is in a segment, or not; and what the segment meant before."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Response, request

from app.blueprints.customers.presenters import full_name
from app.blueprints.segments.base import Shown, blueprint
from app.blueprints.segments.presenters import Words
from app.conditions import Group, InvalidConditions
from app.customers import queries as customers
from app.infra.paging import Page
from app.segments import queries
from app.segments import why as reasons
from app.segments.models import SegmentVersion
from app.web.guards import requires
from app.web.lists import asked_id

FOUND = 20
VERSIONS = 25


@blueprint.get("/<uuid:segment_id>/why")
@requires("customers.view")
def why(segment_id: UUID) -> Response:
    """Show why somebody is in the segment, or why not: each rule with the value it sees."""
    shown = Shown(segment_id)
    q = request.args.get("q", "").strip() or None
    customer_id = asked_id("customer_id")
    person = customers.customer(tenant_id=shown.tenant_id, customer_id=customer_id) if customer_id and not q else None
    found = customers.customers(tenant_id=shown.tenant_id, q=q, limit=FOUND).items if q else []
    ids = [one.id for one in found]
    return shown.page(
        "why",
        block="results",
        q=q,
        found=found,
        inside=queries.inside(tenant_id=shown.tenant_id, segment_id=segment_id, customer_ids=ids),
        person=person,
        name=full_name(person) if person else None,
        reason=_reason(shown, person.id) if person else None,
        full_name=full_name,
    )


def _reason(shown: Shown, customer_id: UUID) -> reasons.Why:
    return reasons.of(
        tenant_id=shown.tenant_id, segment_id=shown.segment.id, customer_id=customer_id, names=shown.words.names
    )


@dataclass(frozen=True, slots=True)
class Definition:
    """What a segment meant from a moment on: the sentence, and which rules are new or gone since the one before."""

    version: SegmentVersion
    sentence: str
    club: str | None
    added: list[str]
    removed: list[str]
    rearranged: bool
    present: bool


@blueprint.get("/<uuid:segment_id>/history")
@requires("segments.view")
def history(segment_id: UUID) -> Response:
    """List what the segment meant, the latest first, and what each change changed."""
    shown = Shown(segment_id)
    asked: dict[str, Any] = {"tenant_id": shown.tenant_id, "segment_id": segment_id, "limit": VERSIONS}
    found = queries.versions(cursor=request.args.get("cursor"), **asked)
    # What the oldest shown changed is told by the one before it, which is on the next page.
    before = queries.versions(cursor=found.next_cursor, **asked | {"limit": 1}).items if found.next_cursor else []
    earlier = [*found.items[1:], *before, None]
    told = [_told(shown, one, last) for one, last in zip(found.items, earlier, strict=False)]
    return shown.page("history", block="results", page=Page(told, found.next_cursor))


def _told(shown: Shown, version: SegmentVersion, before: SegmentVersion | None) -> Definition:
    words = shown.words
    rules, rules_before = _rules(words, version), _rules(words, before) if before else []
    added = [one for one in rules if one not in rules_before] if before else []
    removed = [one for one in rules_before if one not in rules]
    moved = before is not None and before.club_id != version.club_id
    return Definition(
        version=version,
        sentence=words.criteria(version.criteria, version.club_id)
        if version.criteria
        else shown.words.sentence(shown.segment),
        club=_club_words(words, version) if moved or (before is None and version.club_id) else None,
        added=added,
        removed=removed,
        rearranged=before is not None and not added and not removed and before.criteria != version.criteria,
        present=version.number == shown.segment.version,
    )


def _rules(words: Words, version: SegmentVersion) -> list[str]:
    """Return the parts of a definition in words; none of one that can't be read any more."""
    try:
        tree = words.tree(version.criteria)
    except InvalidConditions:
        return []
    return [words.told(Group(tree.combinator, (item,)), version.club_id) for item in tree.items]


def _club_words(words: Words, version: SegmentVersion) -> str:
    return f"Of {words.clubs.get(version.club_id, 'one club')} only" if version.club_id else "Of all clubs"
