"""What widgets are made of: a setting, what it is asked with, and what is drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from werkzeug.datastructures import MultiDict

from app.blueprints.conditions import Asked
from app.conditions import FieldType
from app.journeys.payloads import EventDates
from app.journeys.step_type import MANUAL, Known

Form = MultiDict[str, str]
PAYLOAD = "payload_conditions"
WALK = "walk_conditions"


@dataclass(frozen=True, slots=True)
class Updatable:
    """A field a step may change: its operations as (value, label), its type and what it can be set to."""

    name: str
    label: str
    operations: list[tuple[str, str]]
    type: FieldType
    options: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sources:
    """What settings may refer to: the tenant's things, what conditions are asked of, what a step may change.

    `customers`, `walks` and `event` give what conditions on people, on people and their walks, and on the payload of a
    type of event are asked of;
    `club_id` is the club whose people the journey is for.
    """

    known: Known
    updatable: Callable[[], list[Updatable]]
    customers: Callable[[], Asked]
    walks: Callable[[], Asked]
    event: Callable[[str], Asked]
    event_types: Callable[[], Mapping[str, str]] = dict
    """Returns the types of events that can be chosen, with what people call them."""
    club_id: UUID | None = None
    editable: bool = True
    event_dates: EventDates = field(default_factory=lambda: EventDates({}, open=True))
    """The dates that events of the journey say."""
    event_keys: Callable[[], Sequence[str]] = tuple
    """Returns the names under which the event that lets people in says something."""

    def asked(self, widget: str, config: Mapping[str, Any]) -> Asked:
        """Return what the rules of a step are asked of."""
        if widget == PAYLOAD:
            return self.event(str(config.get("event_type") or MANUAL))
        return self.walks() if widget == WALK else self.customers()


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as its schema has it: `joins` names the conditions it joins, `parts` are those of an object.

    `blank` is what a select says where nothing is chosen.
    """

    name: str
    widget: str
    label: str
    help: str | None
    required: bool
    options: list[tuple[str, str]]
    default: Any
    joins: str | None = None
    blank: str | None = None
    parts: list["Setting"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Control:
    """One setting as it is drawn: the partial `journeys/widgets/<widget>.html` reads these.

    `doubts` are what nobody has heard of that it names.
    """

    setting: Setting
    value: Any
    error: str | None
    row_errors: Mapping[str, str]
    more: Mapping[str, Any] = field(default_factory=dict)
    doubts: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Return the name of the inputs (of several: what their names begin with)."""
        return self.setting.name


@dataclass(frozen=True, slots=True)
class Ask:
    """What a widget works on: its setting, the step's config (as far as read), the sources, messages by row.

    `form` is what was posted, where it is drawn again before it is saved.
    """

    setting: Setting
    config: Mapping[str, Any]
    sources: Sources
    errors: Mapping[str, str] = field(default_factory=dict)
    form: Form | None = None

    @property
    def name(self) -> str:
        """Return the name of the setting."""
        return self.setting.name

    @property
    def value(self) -> Any:
        """Return the setting's value in the config."""
        return self.config.get(self.setting.name)


Prepare = Callable[[Ask], Mapping[str, Any]]
Read = Callable[[Ask, Form], Any]


@dataclass(frozen=True, slots=True)
class Widget:
    """How a kind of setting is prepared for its partial, and read from a posted form."""

    prepare: Prepare
    read: Read


def number_in(text: str) -> int | float | str | None:
    """Return the number typed; of what is none, the text, for a check to refuse."""
    given = text.strip()
    try:
        return float(given) if "." in given else int(given)
    except ValueError:
        return given or None
