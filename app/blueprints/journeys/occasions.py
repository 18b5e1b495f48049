"""The form of the event that lets somebody into a rehearsal: one of their own, or what an event says key by key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from flask import request

from app.conditions import FieldType
from app.conditions.values import number
from app.events import catalogue
from app.events.types.journeys import ENDS
from app.events.types.segments import MOVES
from app.infra.errors import Invalid
from app.infra.ids import as_id
from app.journeys import occasions
from app.journeys.models import Journey
from app.journeys.occasions import Offered, Said
from app.journeys.payloads import said_date
from app.journeys.step_type import ANYTHING, MANUAL
from app.web.shell import localtime

LIKE = "like"
MORE = 2
FARTHEST = 3660
MOST_NAME = 60
DATED = (FieldType.DATE, FieldType.DATETIME)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an event as the form has it: of dates `days` after the start, and `time`."""

    said: Said
    id: str
    value: str = ""
    days: str = ""
    time: str = ""
    error: str | None = None

    @property
    def options(self) -> list[tuple[str, str]]:
        """Return what can be chosen, with what people call it."""
        return [(one.value, one.label) for one in self.said.choices]


@dataclass(frozen=True, slots=True)
class More:
    """A row for a further key: its name, what it says, and what is wrong with either."""

    name: str = ""
    value: str = ""
    name_error: str | None = None
    value_error: str | None = None


NO_MORE = [More()] * MORE


@dataclass(frozen=True, slots=True)
class Form:
    """The event's form. `theirs` are their own events by id, in words; `more` rows are for further keys."""

    label: str
    by_hand: bool
    theirs: Sequence[tuple[str, str]]
    chosen: str
    keys: Sequence[Key]
    more: Sequence[More] = field(default_factory=list)


def offered(journey: Journey, at: datetime, customer_id: UUID | None = None) -> Offered:
    """Return what may let somebody into a rehearsal that begins at a moment."""
    return occasions.offered(tenant_id=journey.tenant_id, journey_id=journey.id, at=at, customer_id=customer_id)


def form(journey: Journey, found: Offered, at: datetime, errors: Mapping[str, str]) -> Form | None:
    """Return the form as it was sent, or else with what is usual; None where there is nothing to say.

    Events of segments and journeys say nothing but which one it was.
    """
    if not found.like or found.type in (*MOVES, *ENDS):
        return None
    own = [(str(one.id), _in_words(found, one.at, one.payload)) for one in found.theirs]
    chosen = request.form.get("occasion")
    known = chosen if chosen in dict([*own, (LIKE, "")]) else None
    return Form(
        label=found.label,
        by_hand=found.type == MANUAL,
        theirs=own,
        chosen=known or (own[0][0] if own else LIKE),
        keys=[key(one, journey, at, errors, sent=bool(chosen)) for one in found.like],
        more=more(errors),
    )


def _in_words(found: Offered, at: datetime, payload: Mapping[str, Any]) -> str:
    title = catalogue.title(catalogue.get(found.type), payload)
    return f"Theirs of {localtime(at)}: {title}" if title != found.label else f"Theirs of {localtime(at)}"


def _sent(name: str) -> str:
    return request.form.get(name, "").strip()


def more(errors: Mapping[str, str] = MappingProxyType({})) -> list[More]:
    """Return the rows for further keys, as they were sent, with what is wrong (`more.<row>.name` or `.value`)."""
    return [
        More(*(_sent(at) for at in row), *(errors.get(at) for at in row))
        for row in ((f"more.{at}.name", f"more.{at}.value") for at in range(MORE))
    ]


def key(said: Said, journey: Journey, at: datetime, errors: Mapping[str, str], *, sent: bool) -> Key:
    """Return the form of one key: as it was `sent`, or with its value, dates as so many days after a moment."""
    name, error = f"said.{said.name}", errors.get(f"event.{said.name}")
    if sent:
        return Key(said, name, _sent(name), _sent(f"{name}.days"), _sent(f"{name}.time"), error)
    if said.type in DATED:
        zone = ZoneInfo(journey.timezone)
        when = said_date(ANYTHING, {said.name: said.value}, said.name, zone)
        if when is None:
            return Key(said, name, error=error, time="09:00" if said.type is FieldType.DATETIME else "")
        local = when.astimezone(zone) if isinstance(when, datetime) else datetime.combine(when, time())
        days = (local.date() - at.astimezone(zone).date()).days
        return Key(
            said, name, days=str(days), time=f"{local:%H:%M}" if said.type is FieldType.DATETIME else "", error=error
        )
    return Key(said, name, _as_text(said.value), error=error)


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return orjson.dumps(value).decode()


def read(journey: Journey, found: Offered, at: datetime) -> tuple[dict[str, Any] | None, bool]:
    """Return what the event says that was asked for, and whether it is one of their own.

    None: nothing was asked for. Raises Invalid with messages by `event.<name>`.
    """
    chosen = request.form.get("occasion")
    if not chosen:
        return None, False
    if chosen != LIKE:
        one = next((one for one in found.theirs if one.id == as_id(chosen)), None)
        if one is None:
            raise Invalid({"occasion": "This event is not there any more. Choose another one."})
        return dict(one.payload), True
    return read_keys(journey, found.like, at), False


def read_keys(journey: Journey, told: Sequence[Said], at: datetime) -> dict[str, Any]:
    """Return the payload that was typed key by key; Invalid with messages by `event.<name>`, and those of `more`."""
    errors: dict[str, str] = {}
    payload: dict[str, Any] = {}
    for one in told:
        try:
            value = _typed(one, journey, at)
        except ValueError as wrong:
            errors[f"event.{one.name}"] = str(wrong)
            continue
        if value is not None:
            payload[one.name] = value
    for row, one_more in enumerate(more()):
        if one_more.value and not one_more.name:
            errors[f"more.{row}.name"] = "Write its name, or empty the value too."
        elif one_more.name and not one_more.value:
            errors[f"more.{row}.value"] = "Write its value, or empty the name too."
        elif len(one_more.name) > MOST_NAME:
            errors[f"more.{row}.name"] = f"Use at most {MOST_NAME} characters."
        elif one_more.name in payload:
            errors[f"more.{row}.name"] = "It says this already. Write one value."
        elif one_more.name:
            payload[one_more.name] = one_more.value
    if errors:
        raise Invalid(errors)
    return payload


def _typed(said: Said, journey: Journey, at: datetime) -> Any:
    name = f"said.{said.name}"
    typed = _sent(name)
    if said.type in DATED:
        return _date(said, journey, at)
    if not typed:
        return None
    match said.type:
        case FieldType.NUMBER:
            if (found := number(typed.replace(",", "."))) is None:
                raise ValueError("Give a number.")
            return int(found) if found == int(found) else float(found)
        case FieldType.BOOLEAN:
            return typed == "true"
        case FieldType.ANY | FieldType.LIST:
            try:
                return orjson.loads(typed)
            except orjson.JSONDecodeError:
                raise ValueError('Write a list or an object as JSON: ["East", "West"].') from None
    return typed


def _date(said: Said, journey: Journey, at: datetime) -> str | None:
    days, clock = _sent(f"said.{said.name}.days"), _sent(f"said.{said.name}.time") or "09:00"
    if not days:
        return None
    try:
        ahead = int(days)
        hour = time.fromisoformat(clock)
    except ValueError:
        raise ValueError("Give a number of days, and a time such as 09:00.") from None
    if abs(ahead) > FARTHEST:
        raise ValueError(f"At most {FARTHEST} days before or after.")
    zone = ZoneInfo(journey.timezone)
    day: date = at.astimezone(zone).date() + timedelta(days=ahead)
    return day.isoformat() if said.type is FieldType.DATE else occasions.at_clock(day, hour, zone)
