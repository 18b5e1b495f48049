"""What conditions of steps may ask of somebody's walk, beside the customer.

`event.…` is what the event said that let them in, `awaited.…` what the one said that a WAIT waited for last,
`webhook.<step>.…` what the call of a WEBHOOK step was answered. The names are open, and their values are read as those
of payloads nobody declared: what holds for somebody does not depend on what the trigger has become since. What the
types of the events at hand declare gives the fields their labels, and forms their types.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, literal_column
from sqlalchemy.dialects.postgresql import JSONB

from app.conditions import Catalogue, Field, FieldType, Phrases
from app.events.catalogue import get, payload_fields
from app.events.readers import spoken
from app.journeys.graph import TRIGGER, Graph

EVENT, AWAITED, WEBHOOK = "event", "awaited", "webhook"
_HEADINGS = {EVENT: "What let them in", AWAITED: "What was waited for"}
_OF = {EVENT: "of the event", AWAITED: "of the event waited for"}
DOCUMENTS = (EVENT, AWAITED, WEBHOOK)
"""What a statement that asks of walks has as columns of its rows `walk`, as jsonb."""


@dataclass(frozen=True, slots=True)
class Around:
    """The types of events that let people into a journey and are waited for in it, and its WEBHOOK steps' names."""

    trigger: str = ""
    awaited: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()

    def events(self) -> Iterator[tuple[str, str]]:
        """Yield the types of events with EVENT or AWAITED before each."""
        if self.trigger:
            yield EVENT, self.trigger
        yield from ((AWAITED, one) for one in self.awaited)


def around(graph: Graph) -> Around:
    """Return what the conditions of a graph stand among."""
    trigger = graph.trigger.config.get("event_type") if graph.trigger else None
    awaited = (step.config.get("event_type") for step in graph if step.type not in (TRIGGER, "GOAL"))
    calls = ((step.key, step.name or step.key) for step in graph if step.type == "WEBHOOK")
    return Around(str(trigger or ""), tuple(dict.fromkeys(str(one) for one in awaited if one)), tuple(calls))


class Walks(Catalogue):
    """The fields of customers, and of their walks whatever a name may be; `typed`: of the types that are declared."""

    def __init__(self, base: Catalogue, around: Around | None = None, *, typed: bool = False) -> None:
        super().__init__(behaviours=base.behaviours)
        self.open = True
        self._base = base
        self._around = around or Around()
        self._typed = typed

    def find(self, name: str) -> Field | None:
        """Return the field of that name, or None."""
        document, _, key = name.partition(".")
        known = self._base.find(name)
        if known is not None or document not in DOCUMENTS:
            return known
        try:
            return self._of_webhook(key) if document == WEBHOOK else self._of_event(document, key)
        except ValueError:
            # It is no name.
            return None

    def _of_event(self, document: str, key: str) -> Field:
        for where, type in self._around.events():
            found = payload_fields(type).find(key) if where == document else None
            if found is not None and found.type is not FieldType.ANY:
                return _field(document, key, found, typed=self._typed)
        return _field(document, key, Field(key, _spoken(key), "", FieldType.ANY, from_payload=True))

    def _of_webhook(self, key: str) -> Field:
        step, _, name = key.partition(".")
        label = f"{_spoken(name) or 'All'} in the answer to “{dict(self._around.calls).get(step, step)}”"
        return _field(WEBHOOK, key, Field(key, label, "", FieldType.ANY, from_payload=True))

    def __iter__(self) -> Iterator[Field]:
        yield from self._base
        seen: set[str] = set()
        for document, type in self._around.events():
            heading = f"{_HEADINGS[document]}: {get(type).label}"
            for one in payload_fields(type):
                if f"{document}.{one.name}" not in seen:
                    seen.add(f"{document}.{one.name}")
                    yield _field(document, one.name, one, typed=self._typed, group=heading)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in self._base or any(one.name == name for one in self)


def _field(document: str, key: str, about: Field, *, typed: bool = False, group: str = "") -> Field:
    label = f"{about.label} {_OF[document]}" if document in _OF else about.label
    return Field(
        f"{document}.{key}",
        label,
        group or _HEADINGS.get(document, "Answers"),
        about.type if typed else FieldType.ANY,
        choices=about.choices,
        from_payload=True,
        inside=partial(_document, document),
        reads=frozenset(),
        # How else it is spoken of does not say whose it is.
        phrases=Phrases(money=about.phrases.money),
    )


def _document(name: str) -> ColumnElement[Any]:
    return literal_column(f"walk.{name}", JSONB())


def _spoken(name: str) -> str:
    words = spoken(name).strip()
    return words[:1].upper() + words[1:]


def calls_in(rules: Any) -> Iterator[tuple[str, str]]:
    """Yield (path, key) of each rule, in stored conditions, that asks the answer to a WEBHOOK step's call."""
    ahead: list[tuple[str, Any]] = [("", rules)]
    while ahead:
        path, one = ahead.pop()
        if isinstance(one, list):
            ahead += [(f"{path}[{index}]", member) for index, member in enumerate(one)]
        elif isinstance(one, Mapping):
            field = one.get("field")
            if isinstance(field, str) and field.startswith(f"{WEBHOOK}.") and "event" not in one:
                yield path, field.split(".")[1]
            ahead += [(f"{path}.{name}", one[name]) for name in ("rules", "not") if name in one]


def retargeted(rules: Any, called: Callable[[str], str]) -> Any:
    """Return the conditions of a step that is copied, with the WEBHOOK steps they ask of by their other keys.

    Answers of a step that does not come along are asked all the same, if that one is there too.
    """

    def renamed(key: str) -> str:
        found = called(key)
        return key if found.startswith("-") else found

    return with_calls(rules, renamed)


def no_calls(rules: Any, graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield (path, message) of each rule that asks what no step of the journey is answered."""
    for path, key in calls_in(rules):
        if key not in graph.steps or graph.steps[key].type != "WEBHOOK":
            yield path, f"There is no webhook step “{key}” in the journey (any more)."


def with_calls(rules: Any, called: Callable[[str], str]) -> Any:
    """Return stored conditions with the WEBHOOK steps they ask of by the keys these are `called` by."""
    if isinstance(rules, list):
        return [with_calls(one, called) for one in rules]
    if not isinstance(rules, Mapping):
        return rules
    found = {name: with_calls(one, called) if name in ("rules", "not") else one for name, one in rules.items()}
    field = rules.get("field")
    if isinstance(field, str) and field.startswith(f"{WEBHOOK}.") and "event" not in rules:
        _, step, *rest = field.split(".")
        found["field"] = ".".join((WEBHOOK, called(step), *rest))
    return found
