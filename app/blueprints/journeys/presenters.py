"""A journey as the canvas draws it: cards, edges, places for new steps, all with their coordinates.

The layout's unit becomes pixels here. `app/static/css/canvas.css` has the same sizes as custom properties: a card says
its cell by classes of digits, an edge is an SVG path in pixels.
"""

from base64 import urlsafe_b64encode
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from babel.numbers import format_currency

from app.journeys.editing import moves_with
from app.journeys.graph import TRIGGER, Graph, Note, Problem, Step, step_json
from app.journeys.kinds import exit_labels, leads_to, palette, portable, title_of, words_of
from app.journeys.layout import Drop, Layout, Place, fold, lay_out, reading_order
from app.journeys.step_type import Known, StepType, step_types
from app.messaging import tally
from app.messaging.states import STATUS_WORDS, Status
from app.web.shell import organisation

# What became of a step's messages, in the order the card says it; those being sent are out in a moment.
FATES = (Status.QUEUED, Status.HELD, Status.SKIPPED, Status.FAILED, Status.UNKNOWN)
PEOPLE: dict[Status | tally.Kind, str] = {
    Status.SENT: "send",
    tally.Kind.OPENED: "mail-opened",
    tally.Kind.CLICKED: "click",
}
HALF, PITCH, PAD = 148, 188, 72
CARD_WIDTH, CARD_HEIGHT = 256, 92
NOTE_WIDTH, NOTE_HEIGHT = 200, 120
TURN_OUT, TURN_IN, RADIUS, TIP = 16, 18, 10, 6


@dataclass(frozen=True, slots=True)
class Fate:
    """How many messages of a step are in one status, and the status in a word. With an icon, its people are listed."""

    status: str
    word: str
    count: int
    icon: str | None = None


def letters(fates: Mapping[str, Mapping[str, int]]) -> dict[str, list[Fate]]:
    """Return what became of the messages of each step that wrote any, of what `letters.lately` says."""
    return {
        key: [
            *(Fate(one, one.value, counts[one], icon) for one, icon in PEOPLE.items() if counts.get(one)),
            *(Fate(one, STATUS_WORDS[one].lower(), counts[one]) for one in FATES if counts.get(one)),
        ]
        for key, counts in fates.items()
    }


@dataclass(frozen=True, slots=True)
class Card:
    """One step. `down` are the keys below it; `cell` the classes that place it; `exits` its ways on and their names.

    `clip` is what copying takes; `hidden` how many steps of its branches are folded away; `leads_to` the steps its
    settings send people to, with their names. `block` are the keys of the steps that move along with it; a `stuck` one
    can be moved nowhere, a `closed` one only to an open end. `doubts` stand in the way of nothing.
    """

    key: str
    type: str
    icon: str
    label: str
    kind_label: str
    kind_text: str
    words: str
    problems: list[str]
    down: str
    movable: bool
    ends: bool
    exits: dict[str, str]
    clip: Mapping[str, Any]
    hidden: int
    leads_to: dict[str, str]
    block: str
    stuck: bool
    closed: bool
    cell: str = field(repr=False)
    place: Place = field(repr=False)
    doubts: Sequence[str] = ()

    @property
    def told_once(self) -> bool:
        """Return whether the words begin with the label, as “Wait 1 day” with “Wait”: then they stand alone."""
        return f"{self.words} ".startswith(f"{self.label} ") and not self.ends


@dataclass(frozen=True, slots=True)
class Slot:
    """A place where a step can be put: on an exit of a step, that leads `to` another.

    `joins` lists the steps an open exit could lead on to, so that branches meet; `meets` is what the step is called
    where other paths lead there too.
    """

    after: str
    exit: str
    to: str | None
    label: str
    exit_label: str | None
    open: bool
    joins: str
    meets: str | None
    cell: str = field(repr=False)
    place: Place = field(repr=False)


@dataclass(frozen=True, slots=True)
class Path:
    """One edge as an SVG path; `tip` draws its arrow head, `open` says that it ends in nothing."""

    id: str
    d: str
    tip: str
    open: bool


@dataclass(frozen=True, slots=True)
class Sticker:
    """A note and where its corner is on the canvas, in pixels."""

    note: Note
    left: int
    top: int


@dataclass(frozen=True, slots=True)
class Row:
    """A step or a place as it is read one after the other, so deep in branches; notes follow their step."""

    depth: int
    card: Card | None = None
    slot: Slot | None = None
    notes: Sequence[Sticker] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One element of the canvas, drawn of `thing`: its id in the page, and the classes that place it.

    `mark` is another one wherever its content is: a page that has a part of the same mark need not get it again.
    """

    id: str
    what: str
    thing: Card | Slot | Sticker | Path
    at: str
    mark: str


@dataclass(frozen=True, slots=True)
class Canvas:
    """All that stands on the canvas in reading order, and its size in pixels."""

    rows: list[Row]
    cards: list[Card]
    paths: list[Path]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of step as the palette offers it."""

    type: str
    label: str
    icon: str
    description: str
    closed: bool


def kinds() -> list[Kind]:
    """Return the kinds the palette offers, in its order; a closed one can be put only where nothing follows."""
    return [
        Kind(name, kind.label, kind.icon, kind.description, not kind.exits(kind.defaults())) for name, kind in palette()
    ]


def draw(
    whole: Graph,
    *,
    known: Known,
    problems: Sequence[Problem],
    doubts: Sequence[tuple[str | None, str]] = (),
    folded: Collection[str] = (),
    showing: Collection[str] = (),
) -> Canvas:
    """Return the canvas of a graph; the branches of `folded` steps are left out, but for what must be `showing`."""
    graph, hidden = fold(whole, folded, showing=showing)
    layout = lay_out(graph)
    wrong: dict[str | None, list[str]] = defaultdict(list)
    for problem in problems:
        wrong[problem.step_key].append(problem.message)
    unheard: dict[str | None, list[str]] = defaultdict(list)
    for at, message in doubts:
        unheard[at].append(message)
    for key, inner in hidden.items():
        wrong[key] += ["Something is missing in the branches folded away."] if inner & wrong.keys() else []
    slots: dict[tuple[str, str], Slot] = {}
    rank = graph.ranks
    into: dict[str, list[str]] = defaultdict(list)
    for edge in graph.edges:
        if edge.target:
            into[edge.target].append(edge.source)
    for drop in layout.drops:
        if drop.after not in hidden:
            slots[drop.after, drop.exit] = _slot(graph, drop, into, known)
    stickers = _stickers(whole, layout)
    rows: list[Row] = []
    for key, exit, depth in reading_order(graph):
        if exit is None:
            place, inside = layout.places[key], len(hidden.get(key, ()))
            card = card_of(whole.steps[key], graph, known, wrong[key], place=place, hidden=inside, rank=rank)
            card = replace(card, doubts=unheard[key]) if key in unheard else card
            rows.append(Row(depth, card=card, notes=stickers[key]))
        elif (key, exit) in slots:
            rows.append(Row(depth, slot=slots[key, exit]))
    cards = [row.card for row in rows if row.card]
    paths = [_path(graph, layout, drop) for drop in layout.drops]
    width = round((layout.width - 1) * 2 * HALF + CARD_WIDTH + 2 * PAD)
    height = round((layout.height - 0.5) * PITCH + CARD_HEIGHT + 2 * PAD)
    shown = [sticker for row in rows for sticker in row.notes]
    width = max([width, *(one.left + NOTE_WIDTH + PAD for one in shown)])
    height = max([height, *(one.top + NOTE_HEIGHT + PAD for one in shown)])
    return Canvas(rows, cards, paths, width, height)


def _stickers(graph: Graph, layout: Layout) -> Mapping[str, list[Sticker]]:
    """Return the notes by the step they hang at; those of a step that is folded away are left out."""
    found: dict[str, list[Sticker]] = defaultdict(list)
    start = graph.trigger
    for note in graph.notes:
        key = note.step if note.step in graph.steps or start is None else start.key
        if place := layout.places.get(key):
            left, top = max(8, round(_x(place.x)) + note.x), max(8, round(_y(place.y)) + note.y)
            found[key].append(Sticker(note, left, top))
    return found


def name_of(step: Step) -> str:
    """Return the first line of a step's card: its own name, else its kind's; the second tells its settings."""
    return step.name or kind_of(step).label


def names_of(graph: Graph, titles: Mapping[str, str]) -> dict[str, str]:
    """Return the titles of the steps of a graph, by key, without its TRIGGER; those called alike with their keys."""
    named = {step.key: titles[step.key] for step in graph if step.type != TRIGGER}
    often = Counter(named.values())
    return {key: f"{name} ({key})" if often[name] > 1 else name for key, name in named.items()}


def kind_of(step: Step) -> StepType[Any]:
    """Return the kind of a step."""
    return step_types().get(step.type)


def card_of(
    step: Step,
    graph: Graph,
    known: Known,
    problems: list[str],
    *,
    place: Place | None = None,
    hidden: int = 0,
    rank: Mapping[str, int] | None = None,
) -> Card:
    """Return the card of a step; of one that is not drawn (no `place`) nothing says how it can be moved."""
    kind, exits = kind_of(step), graph.steps[step.key].exits
    block, stuck, closed = _moved(graph, step.key, rank) if place and len(exits) > 1 else ("", False, not exits)
    place = place or Place(step.key, 0, 0)
    return Card(
        key=step.key,
        type=step.type,
        icon=kind.icon,
        label=name_of(step),
        kind_label=kind.label,
        kind_text=kind.description,
        words=words_of(step, known),
        problems=problems,
        down=" ".join(dict.fromkeys(target for target in exits.values() if target)),
        movable=step.type != TRIGGER,
        ends=kind.ends,
        exits=exit_labels(step),
        clip=step_json(portable(step)),
        hidden=hidden,
        leads_to={key: title_of(graph.steps[key], known) for key in leads_to(step) if key in graph.steps},
        block=block,
        stuck=stuck,
        closed=closed,
        cell=cell(place.x, place.y),
        place=place,
    )


def _moved(graph: Graph, key: str, rank: Mapping[str, int] | None) -> tuple[str, bool, bool]:
    """Return what moves along with a fork, whether it is stuck there, and whether nothing could follow it elsewhere."""
    block = moves_with(graph, key, rank)
    targets = {target for inner in block for target in graph.steps[inner].exits.values()}
    leaving = {target for target in targets if target is not None and target not in block}
    return " ".join(sorted(block)), len(leaving) > 1, not leaving and None not in targets


def parts(canvas: Canvas, *, editable: bool, talk: Mapping[str, int]) -> list[Part]:
    """Return the elements of a canvas as they follow each other in the page, its edges last.

    Live numbers are in no mark: the page is told of those every few seconds.
    """
    return list(_parts(canvas, editable, talk))


def _parts(canvas: Canvas, editable: bool, talk: Mapping[str, int]) -> Iterator[Part]:
    for row in canvas.rows:
        deep = f"in{min(row.depth, 9)}"
        if row.card:
            id, at = f"step-{row.card.key}", f"{row.card.cell} {deep}"
            yield Part(id, "step", row.card, at, marked(id, row.card, editable, talk.get(row.card.key, 0)))
        for sticker in row.notes:
            id = f"note-{sticker.note.id}"
            yield Part(id, "note", sticker, "", marked(id, sticker, editable))
        if slot := row.slot:
            name, at = f"{slot.after}-{slot.exit}", f"{slot.cell} {deep}"
            if slot.exit_label:
                yield Part(f"exit-{name}", "exit", slot, at, marked("exit", name, slot.exit_label))
            if editable:
                yield Part(f"slot-{name}", "slot", slot, at, marked("slot", slot))
            if slot.meets:
                yield Part(f"meets-{name}", "meets", slot, deep, marked("meets", name, slot.meets))
    for path in canvas.paths:
        yield Part(path.id, "edge", path, "", marked(path))


def marked(*content: object) -> str:
    """Return a mark of some content: another one for other content, the same in every process."""
    return urlsafe_b64encode(blake2b(repr(content).encode(errors="replace"), digest_size=6).digest()).decode()


def cell(x: float, y: float) -> str:
    """Return the classes of a cell: half columns and rows, one class a digit ("at x20 x5 y3")."""
    return " ".join(["at", *_digits("x", round(x * 2) - 1), *_digits("y", round(y))])


def _digits(axis: str, number: int) -> list[str]:
    digits = str(max(0, number))
    return [f"{axis}{digit}{'0' * (len(digits) - 1 - at)}" for at, digit in enumerate(digits) if digit != "0"]


def _slot(graph: Graph, drop: Drop, into: Mapping[str, list[str]], known: Known) -> Slot:
    step = graph.steps[drop.after]
    joins = _later(graph, drop.after, into) if drop.open else []
    below, to = cell(drop.x, layout_row(drop)), step.exits[drop.exit]
    meets = to is not None and len(into.get(to, ())) > 1
    return Slot(
        after=drop.after,
        exit=drop.exit,
        to=to,
        label=place_words(step, drop.exit, title_of(step, known)),
        exit_label=exit_labels(step)[drop.exit] if len(step.exits) > 1 else None,
        open=drop.open,
        joins=" ".join(joins),
        meets=title_of(graph.steps[to], known) if to and meets and to in graph.steps else None,
        cell=below,
        place=Place(drop.after, drop.x, layout_row(drop)),
    )


def place_words(step: Step, exit: str, title: str) -> str:
    """Return what the place on an exit of a step, called so, is for, in words."""
    way = f", {exit_labels(step).get(exit, exit)}" if len(step.exits) > 1 else ""
    return f"Add a step after “{title}”{way}"


def _later(graph: Graph, key: str, into: Mapping[str, list[str]]) -> list[str]:
    """Return the steps a step may lead to without closing a circle."""
    before, ahead = {key}, [key]
    while ahead:
        for source in into.get(ahead.pop(), []):
            if source not in before:
                before.add(source)
                ahead.append(source)
    return [step.key for step in graph if step.key not in before and step.type != TRIGGER]


def layout_row(drop: Drop) -> float:
    """Return the row below the gap in which a place lies."""
    return drop.y + 0.5


def _x(x: float) -> float:
    return (x * 2 - 1) * HALF + PAD + CARD_WIDTH / 2


def _y(y: float) -> float:
    return y * PITCH + PAD


def _path(graph: Graph, layout: Layout, drop: Drop) -> Path:
    """Return the edge of an exit: out of its step, sideways into its lane, down, sideways over the target, in."""
    source = layout.places[drop.after]
    key = graph.steps[drop.after].exits[drop.exit]
    place = layout.places.get(key) if key is not None else None
    start = (_x(source.x), _y(source.y) + CARD_HEIGHT)
    lane = _x(drop.x)
    end = (_x(place.x), _y(place.y) - 1) if place else (lane, _y(source.y + 1) + 2)
    points = [start, (start[0], start[1] + TURN_OUT), (lane, start[1] + TURN_OUT)]
    if place:
        points += [(lane, end[1] - TURN_IN), (end[0], end[1] - TURN_IN)]
    tip = f"M{end[0]:g} {end[1]:g}l-{TIP - 1} -{TIP + 2}h{2 * (TIP - 1)}z" if place else ""
    line = rounded([*points, (end[0], end[1] - (TIP if place else 0))])
    return Path(f"edge-{drop.after}-{drop.exit}", line, tip, place is None)


def rounded(points: Sequence[tuple[float, float]]) -> str:
    """Return an SVG path through corner points (all lines upright or level), with its corners rounded."""
    corners = [point for at, point in enumerate(points) if not at or point != points[at - 1]]
    parts = [f"M{corners[0][0]:g} {corners[0][1]:g}"]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        reach = min(RADIUS, _far(before, corner) / 2, _far(corner, after) / 2)
        into, out = _towards(corner, before, reach), _towards(corner, after, reach)
        parts.append(f"L{into[0]:g} {into[1]:g}Q{corner[0]:g} {corner[1]:g} {out[0]:g} {out[1]:g}")
    parts.append(f"L{corners[-1][0]:g} {corners[-1][1]:g}")
    return "".join(parts)


def _far(one: tuple[float, float], other: tuple[float, float]) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _towards(corner: tuple[float, float], to: tuple[float, float], reach: float) -> tuple[float, float]:
    far = _far(corner, to) or 1
    return (corner[0] + (to[0] - corner[0]) * reach / far, corner[1] + (to[1] - corner[1]) * reach / far)


def money(revenue: Mapping[str, Decimal]) -> str:
    """Return amounts as the region writes them, each currency apart; an empty text for nothing."""
    locale = organisation().locale
    return ", ".join(str(format_currency(amount, currency, locale=locale)) for currency, amount in revenue.items())


STATUS_TONES: Mapping[str, str] = {"DRAFT": "neutral", "ACTIVE": "success", "PAUSED": "warning", "ARCHIVED": "neutral"}
STATUS_LABELS: Mapping[str, str] = {"DRAFT": "Draft", "ACTIVE": "Active", "PAUSED": "Paused", "ARCHIVED": "Archived"}
WALK_TONES: Mapping[str, str] = {"ACTIVE": "info", "COMPLETED": "success", "EXITED": "neutral", "FAILED": "danger"}
WALK_LABELS: Mapping[str, str] = {
    "ACTIVE": "In the journey",
    "COMPLETED": "Completed",
    "EXITED": "Left early",
    "FAILED": "Failed",
}
EXIT_REASONS: Mapping[str, str] = {
    "manual": "taken out by hand",
    "archived": "the journey was archived",
    "holdout": "left out, to see what the journey changes",
    "merged": "the profile was merged into another",
    "step_removed": "the step they stood at was removed",
    "error": "a step failed",
    "unsubscribed": "they unsubscribed",
    "goal": "they reached the goal",
    "goal_missed": "they came to a goal they had not reached",
    "exit_event": "what happened lets people leave",
    "exit_condition": "what lets people leave became true of them",
}
