"""The event that lets somebody into a rehearsal: one of their own, or one like those that come in.

Either is moved to the day the rehearsal begins, so that a tee time ten days ahead is ten days ahead of that day.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from statistics import median_low
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture.batch import AppliedEvent
from app.conditions import FieldType, InvalidConditions, values
from app.conditions.fields import Choice
from app.conditions.language import walk
from app.conditions.operators import Operator
from app.events import catalogue
from app.events.catalogue import CLUB
from app.events.readers import spoken
from app.events.types.journeys import ENDS
from app.events.types.segments import MOVES
from app.infra.arrays import array
from app.infra.clock import instant
from app.infra.db import transaction
from app.infra.ids import new_id
from app.journeys import queries, templates
from app.journeys.drafts import trigger_of
from app.journeys.engine import enrol
from app.journeys.graph import Graph
from app.journeys.kinds import read_graph
from app.journeys.models import Journey
from app.journeys.payloads import payload_tree, said_date
from app.journeys.reentry import EACH
from app.journeys.step_type import MANUAL
from app.journeys.timed import TIMED

OFFERED, LOOKED_AT = 5, 50
"""So many of a person's events are offered, of so many that are looked at for those that the trigger takes."""
SAMPLE = 200
"""From so many events of anybody it is told what an event of this kind says."""
KEYS = 30
NEAR = 400
"""A date so many days from its event has to do with it and is moved with it; a birthday is further away."""
AHEAD, CLOCK = 10, time(9)
"""When a date is of which nothing is known: so many days after the start, at that time."""
EXAMPLE = "Example"

_COLUMNS = "id, customer_id, occurred_at, payload, source"
_THEIRS = text(f"""
    SELECT a.* FROM unnest(CAST(:customers AS uuid[])) AS who(id) CROSS JOIN LATERAL (
        SELECT {_COLUMNS} FROM activity
        WHERE tenant_id = :tenant_id AND customer_id = who.id AND type = :type AND private_to IS NULL
        ORDER BY occurred_at DESC, id DESC LIMIT :most
    ) AS a
""")  # noqa: S608 - of parts written here
_ANYBODYS = text(f"""
    SELECT {_COLUMNS} FROM activity WHERE tenant_id = :tenant_id AND type = :type AND private_to IS NULL
    ORDER BY occurred_at DESC LIMIT :most
""")  # noqa: S608 - of parts written here
_CALLED = text("""
    SELECT (SELECT name FROM segment WHERE tenant_id = :tenant_id AND id = CAST(:segment_id AS uuid)) AS segment,
        (SELECT name FROM journey WHERE tenant_id = :tenant_id AND id = CAST(:journey_id AS uuid)) AS journey,
        (SELECT name FROM club WHERE tenant_id = :tenant_id AND id = :club_id) AS club
""")
_LETTERS = text("""
    SELECT concat_ws(' ', subject, html, text) FROM template
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))
""")
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}.{0,30})?", re.ASCII)
_TAG = re.compile(r"\{[{%](.*?)[%}]\}", re.DOTALL)
_NAME = re.compile(r"(?<![\w.])event\.([A-Za-z][A-Za-z0-9_]{0,59})(\s*\|\s*date)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Occasion:
    """An event of somebody's that the trigger takes; `payload` is moved to the day the rehearsal begins."""

    id: UUID
    at: datetime
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that an event says: `value` as its payload has it, None where it is left out.

    ANY is a list or an object. `often` are texts that several people's events say there.
    """

    name: str
    label: str
    type: FieldType
    value: Any = None
    choices: tuple[Choice, ...] = ()
    often: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """What may let somebody into a rehearsal: the type of event, their own latest ones, and one like those that come.

    `type` is MANUAL where people are let in by hand; then `like` is what the draft asks of what is known of them.
    """

    type: str
    label: str
    theirs: Sequence[Occasion]
    like: Sequence[Said]


def offered(*, tenant_id: UUID, journey_id: UUID, at: datetime, customer_id: UUID | None = None) -> Offered:
    """Return what may let a customer, or somebody made up, into a rehearsal that begins at a moment."""
    with transaction(tenant_id) as session:
        journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
        graph = read_graph(journey.draft)
        begins = trigger_of(graph)[0]
        own = theirs(session, journey, graph, [customer_id], at, OFFERED) if customer_id is not None else {}
        told = like(session, journey, graph, at)
    return Offered(begins, catalogue.get(begins).label, own.get(customer_id, []) if customer_id else [], told)


def without_names(*, tenant_id: UUID, journey_id: UUID, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return what somebody's event says without what tells whose it is (see `unnamed`)."""
    with transaction(tenant_id) as session:
        journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
        return unnamed(session, journey, read_graph(journey.draft), payload)


def lets_in(*, tenant_id: UUID, journey_id: UUID, payload: Mapping[str, Any], at: datetime) -> bool:
    """Return whether the draft's trigger would take an event that says this (see `fits`)."""
    with transaction(tenant_id) as session:
        journey = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
        return fits(session, journey, read_graph(journey.draft), payload, at)


def as_said(told: Sequence[Said], payload: Mapping[str, Any]) -> list[Said]:
    """Return what an event says with the values of a payload, and those under other names after them."""
    others = [Said(name, _spoken(name), _type_of(value)) for name, value in payload.items()]
    known = {one.name for one in told}
    every = [*told, *(one for one in others if one.name not in known)]
    return [replace(one, value=payload.get(one.name)) for one in every]


def begins_by_event(graph: Graph) -> bool:
    """Return whether an event lets people in, and no hand and no calendar."""
    return trigger_of(graph)[0] not in (*TIMED, MANUAL)


def theirs(
    session: Session, journey: Journey, graph: Graph, customer_ids: Sequence[UUID], at: datetime, most: int = 1
) -> dict[UUID, list[Occasion]]:
    """Return the latest events of customers that the draft's trigger takes, newest first, moved to a moment's day."""
    if not begins_by_event(graph):
        return {}
    type_, zone = trigger_of(graph)[0], ZoneInfo(journey.timezone)
    asked = {"tenant_id": journey.tenant_id, "customers": array(customer_ids), "type": type_, "most": LOOKED_AT}
    found: dict[UUID, list[Occasion]] = defaultdict(list)
    for one in _taken(session, journey, graph, session.execute(_THEIRS, asked).all()):
        if len(found[one.customer_id]) < most:
            said = moved(one.payload, one.occurred_at.astimezone(zone).date(), at.astimezone(zone).date())
            found[one.customer_id].append(Occasion(one.id, one.occurred_at, said))
    return found


def said_by(
    session: Session, journey: Journey, graph: Graph, customer_ids: Sequence[UUID], at: datetime
) -> list[Mapping[str, Any]]:
    """Return for each of these customers what the event says that lets them in.

    It is their own last one that the trigger takes; who has none has one like those that come in.
    """
    own = theirs(session, journey, graph, customer_ids, at)
    other = None if len(own) == len(set(customer_ids)) else payload_of(like(session, journey, graph, at))
    return [own[one][0].payload if one in own else other or {} for one in customer_ids]


def fits(session: Session, journey: Journey, graph: Graph, payload: Mapping[str, Any], at: datetime) -> bool:
    """Return whether the draft's trigger would take an event that says this; for none that is by events, it would."""
    if not begins_by_event(graph):
        return True
    return bool(_taken(session, journey, graph, [_Row(new_id(), new_id(), at, payload, "")]))


def payload_of(told: Sequence[Said]) -> dict[str, Any]:
    """Return what an event says as its payload."""
    return {one.name: one.value for one in told if one.value is not None}


def moved(payload: Mapping[str, Any], since: date, to: date) -> dict[str, Any]:
    """Return what an event of one day says with its dates as far from another day; times of day stay."""
    return {name: _moved(value, since, (to - since).days) for name, value in payload.items()}


def _moved(value: Any, since: date, days: int) -> Any:
    if isinstance(value, Mapping):
        return {name: _moved(one, since, days) for name, one in value.items()}
    if isinstance(value, list):
        return [_moved(one, since, days) for one in value]
    if (day := _day(value)) is None or abs((day - since).days) > NEAR:
        return value
    return f"{day + timedelta(days=days)}{value[10:]}"


def _day(value: Any) -> date | None:
    """Return the day that a text names, as it is written there."""
    return values.day(value[:10]) if isinstance(value, str) and _DATED.fullmatch(value) else None


@dataclass(frozen=True, slots=True)
class _Row:
    id: UUID
    customer_id: UUID
    occurred_at: datetime
    payload: Mapping[str, Any]
    source: str


def _taken(session: Session, journey: Journey, graph: Graph, rows: Sequence[Any]) -> list[AppliedEvent]:
    begins, config = trigger_of(graph)
    listening = enrol.Listening(journey.id, journey.club_id, begins, config, journey.timezone)
    events = [
        AppliedEvent(
            row.id, begins, row.source, row.occurred_at, dict(row.payload or {}), row.customer_id, is_new=False
        )
        for row in rows
    ]
    return enrol.taken(session, journey.tenant_id, listening, events)


def like(session: Session, journey: Journey, graph: Graph, at: datetime) -> list[Said]:
    """Return what an event says that is like those that come in, and that the draft's trigger takes.

    What it says comes of the catalogue, of the latest events of its kind and of what the draft asks it. Nobody's own
    words are in it: texts are those that several people's events say, or that the draft asks for. Where people are let
    in by hand it is what the draft asks of what is known of them, of which nothing is known.
    """
    begins, config = trigger_of(graph)
    if begins in TIMED:
        return []
    asked = _asked(session, journey, graph)
    declared = {one.name: one for one in catalogue.get(begins).fields} if begins != MANUAL else {}
    sample = _sample(session, journey, graph) if begins != MANUAL else _Sample([], frozenset(), "")
    found = []
    for name in list(dict.fromkeys([*declared, *asked, *sample.names]))[:KEYS]:
        about = declared.get(name)
        type_ = about.type if about else sample.type(name) or asked.get(name) or FieldType.TEXT
        one = Said(name, about.label if about else _spoken(name), type_, choices=about.choices if about else ())
        needed = begins != MANUAL and (name in asked or (about is not None and not sample.events))
        found.append(replace(one, value=sample.example(one, at, journey, needed), often=sample.often(name)))
    fixed = _fixed(session, journey, begins, config)
    found = [replace(one, value=fixed.get(one.name, one.value)) for one in found]
    if not fits(session, journey, graph, payload_of(found), at):
        meets = dict(_met(begins, config, at, ZoneInfo(journey.timezone)))
        new = [Said(name, _spoken(name), FieldType.TEXT) for name in meets.keys() - {one.name for one in found}]
        found = [replace(one, value=meets.get(one.name, one.value)) for one in [*found, *new]]
    return found


def unnamed(session: Session, journey: Journey, graph: Graph, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return what somebody's event says without what tells whose it is.

    Numbers and dates stay, and texts that several people's events say or that the draft asks for.
    """
    sample = _sample(session, journey, graph)
    fixed = _fixed(session, journey, *trigger_of(graph))
    return {name: fixed.get(name, sample.masked(value)) for name, value in payload.items()}


def _spoken(name: str) -> str:
    words = spoken(name).strip()
    return words[:1].upper() + words[1:] or name


@dataclass(frozen=True, slots=True)
class _Sample:
    """The latest events of a type; `kept` are the texts (folded) that tell nothing of anybody."""

    events: Sequence[AppliedEvent]
    kept: frozenset[str]
    type_: str

    @property
    def names(self) -> list[str]:
        """Return the names under which they say something, the most frequent first."""
        return [name for name, _ in Counter(name for one in self.events for name in one.payload).most_common()]

    def said(self, name: str) -> list[tuple[AppliedEvent, Any]]:
        """Return what is said under a name, by which event, the newest first."""
        told = ((one, one.payload.get(name)) for one in self.events)
        return [(one, value) for one, value in told if value not in (None, "", [], {})]

    def type(self, name: str) -> FieldType | None:
        """Return the type of what is said under a name, None where nothing is."""
        told = self.said(name)
        return _type_of(told[0][1]) if told else None

    def often(self, name: str) -> tuple[str, ...]:
        """Return texts that several people's events say under a name, the most frequent first."""
        texts = [value for _, value in self.said(name) if isinstance(value, str) and self._tells_nothing(value)]
        return tuple(value for value, _ in Counter(texts).most_common(10))

    def example(self, about: Said, at: datetime, journey: Journey, needed: bool) -> Any:
        """Return what an event of a moment says under a name; None: nothing, if that is not `needed`."""
        zone, told = ZoneInfo(journey.timezone), self.said(about.name)
        if not needed and 2 * len(told) <= len(self.events):
            return None
        if not told and about.name == CLUB.name:
            # A club of that name there is none; what says no club concerns the customer's own.
            return None
        if not told or about.type in (FieldType.DATE, FieldType.DATETIME):
            return self._date(about, at, zone, told) or _anything(about)
        newest = told[0][1]
        if isinstance(newest, list | dict):
            return self.masked(newest)
        if isinstance(newest, str) and about.type is not FieldType.NUMBER:
            return next(iter(self.often(about.name)), EXAMPLE)
        return Counter(value for _, value in told if not isinstance(value, list | dict)).most_common(1)[0][0]

    def _date(self, about: Said, at: datetime, zone: ZoneInfo, told: Sequence[tuple[AppliedEvent, Any]]) -> str | None:
        if about.type not in (FieldType.DATE, FieldType.DATETIME):
            return None
        ahead, clock = [], CLOCK
        for one, value in reversed(told):
            when = said_date(self.type_, {about.name: value}, about.name, zone)
            local = when.astimezone(zone) if isinstance(when, datetime) else when
            day = local.date() if isinstance(local, datetime) else local
            if day is not None:
                days = (day - one.occurred_at.astimezone(zone).date()).days
                ahead += [days] if abs(days) <= NEAR else []
                clock = local.time() if isinstance(local, datetime) else clock
        day = at.astimezone(zone).date() + timedelta(days=median_low(ahead) if ahead else AHEAD)
        return day.isoformat() if about.type is FieldType.DATE else at_clock(day, clock, zone)

    def _tells_nothing(self, value: str) -> bool:
        return values.fold(value) in self.kept and "@" not in value

    def masked(self, value: Any) -> Any:
        """Return what is said without texts that tell of somebody."""
        if isinstance(value, Mapping):
            return {name: self.masked(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.masked(one) for one in value]
        plain = not isinstance(value, str) or _day(value) is not None or self._tells_nothing(value)
        return value if plain else EXAMPLE


def at_clock(day: date, clock: time, zone: ZoneInfo) -> str:
    """Return a local time as payloads have it, with the offset of its zone."""
    return instant(datetime.combine(day, clock), zone).astimezone(zone).isoformat(timespec="seconds")


def _anything(about: Said) -> Any:
    match about.type:
        case FieldType.NUMBER:
            return 1
        case FieldType.BOOLEAN:
            return True
        case FieldType.CHOICE if about.choices:
            return about.choices[0].value
        case FieldType.TEXT | FieldType.CHOICE:
            return EXAMPLE
    return None


def _type_of(value: Any) -> FieldType:
    if isinstance(value, bool):
        return FieldType.BOOLEAN
    if isinstance(value, int | float):
        return FieldType.NUMBER
    if _day(value) is not None:
        return FieldType.DATE if len(value) == len("2026-11-22") else FieldType.DATETIME
    return FieldType.TEXT if isinstance(value, str) else FieldType.ANY


def _sample(session: Session, journey: Journey, graph: Graph) -> _Sample:
    """Return the latest events of the trigger's type: those it takes, or all where it takes none of them."""
    begins = trigger_of(graph)[0]
    asked = {"tenant_id": journey.tenant_id, "type": begins, "most": SAMPLE}
    rows = session.execute(_ANYBODYS, asked).all()
    who: dict[str, set[UUID]] = defaultdict(set)
    for row in rows:
        for words in _texts(row.payload):
            who[values.fold(words)].add(row.customer_id)
    shared = {words for words, people in who.items() if len(people) > 1}
    of_draft = {values.fold(words) for words in _texts(graph.to_json())}
    events = _taken(session, journey, graph, rows) or [
        AppliedEvent(row.id, begins, row.source, row.occurred_at, row.payload or {}, row.customer_id, is_new=False)
        for row in rows
    ]
    return _Sample(events, frozenset(shared | of_draft | {values.fold(EXAMPLE)}), begins)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(one)


def _asked(session: Session, journey: Journey, graph: Graph) -> dict[str, FieldType | None]:
    """Return under which names the draft asks what let people in, with the type where that is told."""
    same = [(one or {}).get("same") for one in (journey.exit_event, journey.goal, *(step.config for step in graph))]
    found: dict[str, FieldType | None] = {
        str(one): None for one in [*same, journey.reentry_key if journey.reentry == EACH else None] if one
    }
    for step in graph:
        chosen = step.config.get("event_date")
        if isinstance(chosen, Mapping) and isinstance(name := chosen.get("field"), str) and name:
            found[name] = FieldType.DATETIME
    graph_json = graph.to_json()
    ids = sorted(templates.naming(graph_json))
    letters = session.scalars(_LETTERS, {"tenant_id": journey.tenant_id, "ids": array(ids)}).all() if ids else []
    for words in [*_texts(graph_json), *letters]:
        tags = [words] if words.startswith("event.") else _TAG.findall(words)
        for name, dated in (one for tag in tags for one in _NAME.findall(tag)):
            found[name] = found.get(name) or (FieldType.DATETIME if dated else None)
    return found


def _fixed(session: Session, journey: Journey, begins: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every event says that lets people into this journey: its segment, its journey, its club."""
    ids = {name: config.get(name) for name in ("segment_id", "journey_id")}
    called = session.execute(_CALLED, {"tenant_id": journey.tenant_id, "club_id": journey.club_id, **ids}).one()
    found: dict[str, Any] = {"club": called.club} if called.club else {}
    if begins in MOVES:
        found |= {"segment_id": ids["segment_id"], "segment": called.segment}
    if begins in ENDS:
        found |= {"journey_id": ids["journey_id"], "journey": called.journey}
    return found


def _met(begins: str, config: Mapping[str, Any], at: datetime, zone: ZoneInfo) -> Iterator[tuple[str, Any]]:
    """Yield values that meet the plain ones of the trigger's conditions."""
    try:
        tree = payload_tree(begins, config.get("conditions"))
    except InvalidConditions:
        return
    above, below = (Operator.GT, Operator.GTE), (Operator.LT, Operator.LTE)
    for _, rule in walk(tree):
        value = rule.value[0] if isinstance(rule.value, tuple) and rule.value else rule.value
        exact = (
            Operator.EQ,
            Operator.IN,
            Operator.BETWEEN,
            Operator.CONTAINS,
            Operator.STARTS_WITH,
            Operator.ENDS_WITH,
        )
        if isinstance(value, Decimal) and rule.operator in (*above, *below, *exact):
            step = {Operator.GT: 1, Operator.LT: -1}.get(rule.operator, 0)
            met = value + step
            yield rule.field.name, int(met) if met == int(met) else float(met)
        elif isinstance(value, str | bool) and rule.operator in exact:
            yield rule.field.name, value
        elif isinstance(value, date) and rule.operator in (*above, *below, *exact):
            day = value.astimezone(zone).date() if isinstance(value, datetime) else value
            day += timedelta(days=1 if rule.operator in above else -1 if rule.operator in below else 0)
            yield rule.field.name, at_clock(day, CLOCK, zone) if isinstance(value, datetime) else day.isoformat()
        elif rule.operator is Operator.WITHIN_NEXT:
            yield rule.field.name, at_clock(at.astimezone(zone).date() + timedelta(days=1), CLOCK, zone)
        elif rule.operator is Operator.IS_NULL:
            yield rule.field.name, None
