"""Segments beside each other, and beside everybody."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from babel.dates import format_date
from flask import Response, request

from app.blueprints.customers.presenters import full_name
from app.blueprints.segments.base import Shown, blueprint
from app.conditions import Catalogue, Field, FieldType
from app.infra.errors import Invalid
from app.segments import compare as comparing
from app.segments import queries
from app.segments.compare import Comparison, Parts, Share, TooLong
from app.segments.models import Segment
from app.web import charts
from app.web.charts import Circles
from app.web.downloads import PERMISSION, download
from app.web.guards import current, requires
from app.web.htmx import is_htmx
from app.web.lists import asked_ids, wrong
from app.web.shell import number, organisation, percent

AT_ONCE = 50_000
"""What takes longer, by the number of rows it reads, is asked for by the page once it is there."""
LETTERS = "ABC"
FIRST = "membership_tier"
"""The field that is compared until another one is chosen."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of overlapping segments: in which it lies, in words, and the ids for the list of its people."""

    words: str
    people: int
    share: float
    within: list[UUID]
    without: list[UUID]


@dataclass(frozen=True, slots=True)
class Overlap:
    """The picture of overlapping segments, and its parts in rows."""

    circles: Circles
    numbers: Parts
    parts: list[Part]
    summary: str


@blueprint.get("/<uuid:segment_id>/overlap")
@requires("segments.view")
def overlap(segment_id: UUID) -> Response:
    """Show how many the segment shares with one or two others."""
    shown = Shown(segment_id)
    chosen = _others(shown)
    many = sum(one.member_count for one in [shown.segment, *chosen])
    later = bool(chosen) and many > AT_ONCE and not is_htmx() and "now" not in request.args
    found, too_long = None, None
    try:
        found = _overlap([shown.segment, *chosen]) if chosen and not later else None
    except TooLong as refused:
        too_long = refused
    return shown.page(
        "overlap",
        block="parts",
        status=too_long.status if too_long else 200,
        too_long=too_long,
        others=_choices(shown),
        chosen=chosen,
        all_chosen=[shown.segment, *chosen],
        letters=LETTERS,
        later=later,
        overlap=found,
    )


def _choices(shown: Shown) -> list[tuple[str, str]]:
    known = queries.names(tenant_id=shown.tenant_id)
    return [(str(key), name) for key, name in known.items() if key != shown.segment.id]


def _others(shown: Shown) -> list[Segment]:
    """Return the segments chosen beside it: at most two, each once."""
    ids = [one for one in asked_ids("with") if one != shown.segment.id]
    return [queries.one(tenant_id=shown.tenant_id, segment_id=one) for one in ids[: comparing.MOST_SEGMENTS - 1]]


def _overlap(segments: list[Segment]) -> Overlap:
    ids = [one.id for one in segments]
    found = comparing.overlap(tenant_id=segments[0].tenant_id, segment_ids=ids)
    most = max([*found.values(), 1])
    parts = [
        Part(
            words=_part_words(key),
            people=count,
            share=count / most,
            within=[one for one, inside in zip(ids, key, strict=True) if inside],
            without=[one for one, inside in zip(ids, key, strict=True) if not inside],
        )
        for key, count in found.items()
    ]
    summary = "; ".join(f"{one.words}: {number(one.people)}" for one in parts)
    return Overlap(charts.circles(found), found, parts, summary)


def _part_words(key: tuple[bool, ...]) -> str:
    within = [letter for letter, inside in zip(LETTERS, key, strict=False) if inside]
    if len(within) == len(key):
        return "In " + (" and ".join(within) if len(within) == 2 else "all three")
    without = [letter for letter, inside in zip(LETTERS, key, strict=False) if not inside]
    return f"In {' and '.join(within)}, not in {' or '.join(without)}"


@blueprint.get("/<uuid:segment_id>/overlap/people")
@requires("customers.view")
def overlap_people(segment_id: UUID) -> Response:
    """List who is in one part of overlapping segments."""
    shown = Shown(segment_id)
    within, without = _asked("in"), _asked("out")
    named = {one: queries.one(tenant_id=shown.tenant_id, segment_id=one).name for one in [*within, *without]}
    if not within:
        raise Invalid({"in": "Say in which segments they are."})
    found = queries.people(tenant_id=shown.tenant_id, within=within, without=without, cursor=request.args.get("cursor"))
    return shown.page(
        "overlap_people",
        block="results",
        page=found,
        within=[named[one] for one in within],
        without=[named[one] for one in without],
        clubs=shown.words.clubs,
        full_name=full_name,
    )


@blueprint.post("/<uuid:segment_id>/overlap/people/export")
@requires(PERMISSION)
def export_overlap(segment_id: UUID) -> Response:
    """Give out who is in one part of overlapping segments."""
    tenant_id, within, without = current().tenant_id, _asked("in"), _asked("out")
    queries.one(tenant_id=tenant_id, segment_id=segment_id)
    columns = ("first_name", "last_name", "email", "phone", "membership_tier", "id")
    return download(
        "people-in-segments",
        seen_by="customers.view",
        header=columns,
        pages=lambda cursor, limit: queries.people(
            tenant_id=tenant_id, within=within or [segment_id], without=without, cursor=cursor, limit=limit
        ),
        rows=lambda found: [[getattr(one, name) for name in columns] for one in found],
        filters={"in": within, "out": without},
    )


def _asked(name: str) -> list[UUID]:
    return asked_ids(name)[: comparing.MOST_SEGMENTS]


@dataclass(frozen=True, slots=True)
class Line:
    """One value in the table of a comparison: how many have it, and which share of all that is."""

    label: str
    mine: int
    all: int
    share_mine: float
    share_all: float

    @property
    def percent_mine(self) -> str:
        """Return the share of those in the segment, in words."""
        return percent(self.share_mine, 1)

    @property
    def percent_all(self) -> str:
        """Return the share of everybody, in words."""
        return percent(self.share_all, 1)


@blueprint.get("/<uuid:segment_id>/compare")
@requires("segments.view")
def compare(segment_id: UUID) -> Response:
    """Show in what the people of the segment differ from everybody."""
    shown = Shown(segment_id)
    catalogue = shown.words.catalogue
    asked = request.args.get("field")
    field = catalogue.find(asked or FIRST)
    if asked and field is None:
        raise wrong("field", "is not one of the choices.")
    # Everybody is read, whoever is in it.
    later = not is_htmx() and "now" not in request.args
    zone = shown.words.zone(shown.segment.club_id)
    found, too_long = None, None
    try:
        found = comparing.values(segment=shown.segment, field=field, zone=zone) if field and not later else None
    except TooLong as refused:
        too_long = refused
    return shown.page(
        "compare",
        block="values",
        status=too_long.status if too_long else 200,
        too_long=too_long,
        groups=_groups(catalogue),
        field=field,
        later=later,
        comparison=found,
        lines=list(_lines(found, shown)) if found else [],
        measures=_measures(found) if found else [],
    )


def _groups(catalogue: Catalogue) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the fields that can be compared as (name, label), under their headings."""
    found = [
        (heading, [(one.name, one.label) for one in fields if one.in_sql])
        for heading, fields in catalogue.groups().items()
    ]
    return [(heading, fields) for heading, fields in found if fields]


def _lines(found: Comparison, shown: Shown) -> Iterator[Line]:
    for one in found.shares:
        yield _line(_value_words(found.field, one, shown), one, found)
    if found.others:
        yield _line("All others", found.others, found)
    unknown = Share(None, found.mine - found.known_mine, found.all - found.known_all)
    if unknown.all:
        yield _line("None" if found.field.type is FieldType.LIST else "Not known", unknown, found)


def _line(label: str, one: Share, found: Comparison) -> Line:
    return Line(label, one.mine, one.all, one.mine / max(found.mine, 1), one.all / max(found.all, 1))


def _value_words(field: Field, one: Share, shown: Shown) -> str:
    if one.until is not None:
        return _range_words(one)
    if isinstance(one.value, bool):
        return "Yes" if one.value else "No"
    value = str(one.value)
    choice = field.choice(value)
    return shown.words.names.get(field.name, {}).get(value) or (choice.label if choice else value)


def _range_words(one: Share) -> str:
    if not isinstance(one.value, date):
        last = one.until
        return f"{_number(one.value)} to below {_number(last)}" if last - one.value != 1 else _number(one.value)
    months = (one.until.year - one.value.year) * 12 + one.until.month - one.value.month
    if months == 1:
        return format_date(one.value, "MMM y", locale=organisation().locale)
    return str(one.value.year) if months == 12 else f"{one.value.year} to {one.until.year - 1}"


def _number(value: Any) -> str:
    return number(round(Decimal(value), 2))


def _measures(found: Comparison) -> list[tuple[str, str, str]]:
    """Return (what, in the segment, of everybody) for a field that is measured."""
    rows = [
        ("Average", found.average_mine, found.average_all),
        ("Least" if found.field.type is FieldType.NUMBER else "Earliest", found.least_mine, found.least_all),
        ("Greatest" if found.field.type is FieldType.NUMBER else "Latest", found.most_mine, found.most_all),
    ]
    return [(label, _measure(mine), _measure(rest)) for label, mine, rest in rows if rest is not None]


def _measure(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, date):
        return format_date(value, "d MMM y", locale=organisation().locale)
    return _number(value)
