"""How one setting of a step is asked for: each widget draws a partial of its name and reads the posted inputs back.

A setting names its widget in its schema (`json_schema_extra={"widget": …}`); without one its JSON type decides.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from app.blueprints import conditions
from app.blueprints.journeys.widgets import rows
from app.blueprints.journeys.widgets.base import (
    PAYLOAD,
    WALK,
    Ask,
    Control,
    Form,
    Setting,
    Sources,
    Updatable,
    Widget,
    number_in,
)
from app.events.types.journeys import ENDS
from app.events.types.segments import MOVES
from app.infra.working_days import DAY_NAMES, WEEK
from app.journeys import colleagues, paths
from app.journeys.step_type import MANUAL
from app.journeys.timed import TIMED, date_fields
from app.messaging.channel import installed

UNITS = ("minutes", "hours", "days", "weeks")
LONG_UNITS = ("minutes", "hours", "days", "working days", "weeks")
OWN_RULE = "RULE"
REPEATS = {
    "": "Once",
    "FREQ=DAILY": "Every day",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR": "Every day from Monday to Friday",
    "FREQ=WEEKLY": "Every week",
    "FREQ=MONTHLY": "Every month",
    "FREQ=YEARLY": "Every year",
}
_DURATION = re.compile(r"\s*(.*?)\s*(minute|hour|working day|day|week)s?\s*", re.IGNORECASE | re.DOTALL)


def _nothing(_: Ask) -> Mapping[str, Any]:
    return {}


def _read_text(ask: Ask, form: Form) -> str | None:
    return form.get(ask.name, "").strip() or None


def _read_checkbox(ask: Ask, form: Form) -> bool | None:
    """Return whether it is ticked; nothing where it is not and that is what holds without a word."""
    return True if ask.name in form else None if ask.setting.default is False else False


def _read_number(ask: Ask, form: Form) -> int | float | str | None:
    return number_in(form.get(ask.name, ""))


def split_duration(value: Any) -> tuple[str, str]:
    """Return (amount, unit) of a duration such as "3 days", whatever the amount; without a unit all is amount."""
    text = str(value or "")
    match = _DURATION.fullmatch(text)
    return (match[1], f"{match[2].lower()}s") if match else (text, "days")


def _prepare_duration(ask: Ask) -> Mapping[str, Any]:
    amount, unit = split_duration(ask.value)
    return {"amount": amount, "unit": unit, "units": [(one, one) for one in UNITS]}


def _prepare_long_duration(ask: Ask) -> Mapping[str, Any]:
    return {**_prepare_duration(ask), "units": [(one, one) for one in LONG_UNITS]}


def _read_duration(ask: Ask, form: Form) -> str | None:
    amount, unit = form.get(f"{ask.name}.amount", "").strip(), form.get(f"{ask.name}.unit", "days")
    if not amount:
        return None
    return f"{amount} {unit.removesuffix('s') if amount == '1' else unit}"


def _prepare_channel(ask: Ask) -> Mapping[str, Any]:
    known = [(name, one.label) for name, one in installed()]
    held = str(ask.value or "")
    return {"options": known if not held or held in installed() else [*known, (held, held)]}


def _prepare_template(ask: Ask) -> Mapping[str, Any]:
    channel = ask.config.get("channel")
    found = [
        (str(key), f"{one.name} (archived)" if one.archived else one.name)
        for key, one in ask.sources.known.templates.items()
        if channel in (None, one.channel) and (not one.archived or str(key) == str(ask.value))
    ]
    return {"options": sorted(found, key=lambda one: one[1].casefold())}


def _prepare_topic(ask: Ask) -> Mapping[str, Any]:
    return {"options": [(str(key), name) for key, name in ask.sources.known.topics.items()]}


def _prepare_segment(ask: Ask) -> Mapping[str, Any]:
    found = sorted(ask.sources.known.segments.items(), key=lambda one: one[1].casefold())
    return {"options": [(str(key), name) for key, name in found], "blank": ask.setting.blank or "Choose a segment…"}


def _prepare_journey(ask: Ask) -> Mapping[str, Any]:
    known = ask.sources.known
    return {"options": [(str(key), name) for key, name in known.journeys.items() if key != known.id]}


def _prepare_colleague(ask: Ask) -> Mapping[str, Any]:
    return {"options": list(ask.sources.known.colleagues.items())}


def _prepare_told(ask: Ask) -> Mapping[str, Any]:
    return {"options": list(colleagues.told(ask.sources.known).items())}


def _prepare_date_field(ask: Ask) -> Mapping[str, Any]:
    return {"options": list(date_fields(ask.sources.known).items())}


def _prepare_event_date(ask: Ask) -> Mapping[str, Any]:
    said = ask.sources.event_dates
    held = str(ask.value or "")
    return {
        "options": list((said.known if held in said.known or not held else {**said.known, held: held}).items()),
        "open": said.open,
    }


def _prepare_event_key(ask: Ask) -> Mapping[str, Any]:
    return {"options": ask.sources.event_keys()}


def _held(ask: Ask, found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what can be chosen with what is chosen, also where nobody knows it."""
    held = str(ask.value or "")
    return found if not held or held in dict(found) else [*found, (held, held)]


def _prepare_recurrence(ask: Ask) -> Mapping[str, Any]:
    rule = str(ask.value or "")
    chosen = rule if rule in REPEATS else OWN_RULE
    return {"options": [*REPEATS.items(), (OWN_RULE, "By a rule of my own")], "chosen": chosen, "own": OWN_RULE}


def _read_recurrence(ask: Ask, form: Form) -> str | None:
    chosen = form.get(ask.name, "")
    return (form.get(f"{ask.name}.own", "").strip() or OWN_RULE) if chosen == OWN_RULE else chosen or None


def _prepare_step(ask: Ask) -> Mapping[str, Any]:
    return {"options": list(ask.sources.known.steps.items())}


def _prepare_event_type(ask: Ask) -> Mapping[str, Any]:
    found = sorted(ask.sources.event_types().items(), key=lambda one: one[1].casefold())
    return {
        "options": _held(
            ask,
            [
                (MANUAL, "Nothing: people are added by hand"),
                *TIMED.items(),
                *((key, label) for key, label in found if key != MANUAL),
            ],
        ),
        "beside": {key: key for key, _ in found if key != MANUAL},
    }


def _prepare_conditions(ask: Ask) -> Mapping[str, Any]:
    asked = ask.sources.asked(ask.setting.widget, ask.config)
    given = ask.value if isinstance(ask.value, list) else []
    stored = _whole(given, ask.config.get("combinator"))
    return {
        "builder": conditions.draw(
            stored if ask.form is None else conditions.read(ask.form, ask.name, asked),
            ask.name,
            asked,
            errors={"": ask.errors[""]} if "" in ask.errors else None,
            checked=bool(ask.errors),
            allow_empty=ask.setting.widget == PAYLOAD,
            club_id=ask.sources.club_id,
            editable=ask.sources.editable,
        ),
    }


def _whole(rules: list[Any], combinator: object) -> object:
    """Return rules as one group: a list that holds nothing but a group of alternatives is that group."""
    alone = rules[0] if len(rules) == 1 and combinator is None else None
    if isinstance(alone, Mapping) and alone.get("combinator") == "OR" and not alone.get("disabled"):
        return alone
    return {"combinator": combinator or "AND", "rules": rules}


def _read_conditions(ask: Ask, form: Form) -> list[dict[str, Any]] | None:
    """Return the rules; the word that joins them is a setting of its own, else a group that says it."""
    if not any(name.startswith(f"{ask.name}.") for name in form):
        return None
    tree = conditions.read(form, ask.name, ask.sources.asked(ask.setting.widget, ask.config)).tree
    rules: list[dict[str, Any]] = tree["rules"]
    alternatives = tree["combinator"] == "OR" and len(rules) > 1
    return [tree] if ask.setting.widget == PAYLOAD and alternatives else rules


def _read_combinator(ask: Ask, form: Form) -> str | None:
    rules = f"{ask.setting.joins}."
    return form.get(f"{rules}join", "AND") if any(name.startswith(rules) for name in form) else None


def _prepare_weekdays(_: Ask) -> Mapping[str, Any]:
    return {"options": list(zip(WEEK, DAY_NAMES, strict=True))}


def _read_weekdays(ask: Ask, form: Form) -> list[str] | None:
    return form.getlist(ask.name) or None


def _read_awaited(ask: Ask, form: Form) -> str | None:
    return form[ask.name].strip() if ask.name in form else None


def _prepare_awaited(ask: Ask) -> Mapping[str, Any]:
    known = ask.sources.event_types().items()
    found = sorted(
        ((key, label) for key, label in known if key not in MOVES and key not in ENDS),
        key=lambda one: one[1].casefold(),
    )
    return {"options": _held(ask, found), "beside": {key: key for key, _ in found}}


__all__ = ["BLANK_ROWS", "DEPENDENT", "WIDGETS", "Ask", "Control", "Form", "Setting", "Sources", "Updatable"]

TEXT = Widget(_nothing, _read_text)
WIDGETS: dict[str, Widget] = {
    "text": TEXT,
    "textarea": TEXT,
    "time": TEXT,
    "select": TEXT,
    "checkbox": Widget(_nothing, _read_checkbox),
    "number": Widget(_nothing, _read_number),
    "duration": Widget(_prepare_duration, _read_duration),
    "long_duration": Widget(_prepare_long_duration, _read_duration),
    "channel": Widget(_prepare_channel, _read_text),
    "template": Widget(_prepare_template, _read_text),
    "topic": Widget(_prepare_topic, _read_text),
    "step": Widget(_prepare_step, _read_text),
    "segment": Widget(_prepare_segment, _read_text),
    "journey": Widget(_prepare_journey, _read_text),
    "colleague": Widget(_prepare_colleague, _read_text),
    "told": Widget(_prepare_told, _read_text),
    "secret": TEXT,
    "date": TEXT,
    "date_field": Widget(_prepare_date_field, _read_text),
    "event_key": Widget(_prepare_event_key, _read_text),
    "event_date": Widget(_prepare_event_date, _read_text),
    "recurrence": Widget(_prepare_recurrence, _read_recurrence),
    "event_type": Widget(_prepare_event_type, _read_text),
    "awaited_event": Widget(_prepare_awaited, _read_awaited),
    "goal_event": Widget(_prepare_awaited, _read_text),
    "weekdays": Widget(_prepare_weekdays, _read_weekdays),
    "others": rows.OTHERS,
    "paths": rows.PATHS,
    "combinator": Widget(_nothing, _read_combinator),
    "conditions": Widget(_prepare_conditions, _read_conditions),
    PAYLOAD: Widget(_prepare_conditions, _read_conditions),
    WALK: Widget(_prepare_conditions, _read_conditions),
    "updates": rows.UPDATES,
    "variants": rows.VARIANTS,
}

BLANK_ROWS: dict[str, Callable[[], dict[str, Any]]] = {
    "updates": lambda: {"field": "", "operation": "set", "value": ""},
    "others": lambda: {"channel": "", "template_id": ""},
    "paths": lambda: {"key": paths.fresh_key(), "name": "", "rules": [], "combinator": "AND"},
    "variants": lambda: {"key": paths.fresh_key(), "name": "", "weight": 50},
}
# What is read last, because what it asks depends on other settings (the event type).
DEPENDENT = ("conditions", PAYLOAD, WALK, "updates", "paths", "others")
