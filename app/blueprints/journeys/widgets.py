"""How one setting of a step is asked for: each widget draws a partial of its name and reads the posted inputs back.

A setting names its widget in its schema (`json_schema_extra={"widget": …}`); without one its JSON type decides.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from werkzeug.datastructures import MultiDict

from app.blueprints import conditions
from app.blueprints.conditions import Asked
from app.conditions import FieldType
from app.events.types.journeys import ENDS
from app.events.types.segments import MOVES
from app.journeys import paths
from app.journeys.moments import DAY_NAMES, WEEKDAYS
from app.journeys.step_type import MANUAL, Known
from app.journeys.steps.split import percent
from app.journeys.timed import TIMED, date_fields
from app.messaging.channel import installed

Form = MultiDict[str, str]
UNITS = ("minutes", "hours", "days", "weeks")
PAYLOAD = "payload_conditions"
OWN_RULE = "RULE"
REPEATS = {
    "": "Once",
    "FREQ=DAILY": "Every day",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR": "Every day from Monday to Friday",
    "FREQ=WEEKLY": "Every week",
    "FREQ=MONTHLY": "Every month",
    "FREQ=YEARLY": "Every year",
}
_DURATION = re.compile(r"\s*(.*?)\s*(minute|hour|day|week)s?\s*", re.IGNORECASE | re.DOTALL)


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

    `customers` and `event` give what conditions on people, and on the payload of a type of event, are asked of;
    `club_id` is the club whose people the journey is for.
    """

    known: Known
    updatable: list[Updatable]
    customers: Callable[[], Asked]
    event: Callable[[str], Asked]
    club_id: UUID | None = None
    editable: bool = True

    def asked(self, widget: str, config: Mapping[str, Any]) -> Asked:
        """Return what the rules of a step are asked of."""
        return self.event(str(config.get("event_type") or MANUAL)) if widget == PAYLOAD else self.customers()


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
    """One setting as it is drawn: the partial `journeys/widgets/<widget>.html` reads these."""

    setting: Setting
    value: Any
    error: str | None
    row_errors: Mapping[str, str]
    more: Mapping[str, Any] = field(default_factory=dict)

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


def _nothing(_: Ask) -> Mapping[str, Any]:
    return {}


def _read_text(ask: Ask, form: Form) -> str | None:
    return form.get(ask.name, "").strip() or None


def _read_checkbox(ask: Ask, form: Form) -> bool:
    return ask.name in form


def _read_number(ask: Ask, form: Form) -> int | float | str | None:
    return number_in(form.get(ask.name, ""))


def number_in(text: str) -> int | float | str | None:
    """Return the number typed; of what is none, the text, for a check to refuse."""
    given = text.strip()
    try:
        return float(given) if "." in given else int(given)
    except ValueError:
        return given or None


def split_duration(value: Any) -> tuple[str, str]:
    """Return (amount, unit) of a duration such as "3 days", whatever the amount; without a unit all is amount."""
    text = str(value or "")
    match = _DURATION.fullmatch(text)
    return (match[1], f"{match[2].lower()}s") if match else (text, "days")


def _prepare_duration(ask: Ask) -> Mapping[str, Any]:
    amount, unit = split_duration(ask.value)
    return {"amount": amount, "unit": unit, "units": [(one, one) for one in UNITS]}


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


def _prepare_date_field(ask: Ask) -> Mapping[str, Any]:
    return {"options": list(date_fields(ask.sources.known).items())}


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
    found = sorted(ask.sources.known.event_types.items(), key=lambda one: one[1].casefold())
    return {
        "options": [
            (MANUAL, "Nothing: people are added by hand"),
            *TIMED.items(),
            *((key, label) for key, label in found if key != MANUAL),
        ],
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


def _prepare_updates(ask: Ask) -> Mapping[str, Any]:
    fields = {one.name: one for one in ask.sources.updatable}
    given = ask.value
    rows = []
    for index, one in enumerate(given if isinstance(given, list) else []):
        data = one if isinstance(one, Mapping) else {}
        found = fields.get(str(data.get("field") or ""))
        value = data.get("value")
        rows.append(
            {
                "path": f"{ask.name}.{index}",
                "field": found.name if found else "",
                "operation": data.get("operation"),
                "operations": found.operations if found else [],
                "value": "true"
                if value is True
                else "false"
                if value is False
                else ""
                if value is None
                else str(value),
                "type": found.type.value if found else "none",
                "options": found.options if found else [],
                "error": ask.errors.get(str(index)),
            }
        )
    return {"rows": rows, "fields": [(one.name, one.label) for one in ask.sources.updatable]}


def _read_updates(ask: Ask, form: Form) -> list[dict[str, Any]]:
    fields = {one.name: one for one in ask.sources.updatable}
    return [_read_update(form, at, fields) for at in _rows_in(ask.name, form)]


def _read_update(form: Form, path: str, fields: Mapping[str, Updatable]) -> dict[str, Any]:
    name = form.get(f"{path}.field", "")
    found = fields.get(name)
    changed = form.get(f"{path}.was", name) != name
    offered = [value for value, _ in found.operations] if found else []
    operation = form.get(f"{path}.operation", "")
    if changed or operation not in offered:
        operation = offered[0] if offered else "set"
    value: Any = "" if changed else form.get(f"{path}.value", "").strip()
    if found and found.type is FieldType.BOOLEAN and value in ("true", "false"):
        value = value == "true"
    return {"field": name, "operation": operation, "value": value}


def _prepare_variants(ask: Ask) -> Mapping[str, Any]:
    given = ask.value if isinstance(ask.value, list) else []
    weights = [_number_of(one.get("weight", 1)) for one in given]
    whole = sum(weights)
    out = _number_of(ask.config.get("holdout_percent") or 0)
    rows = [
        {
            "path": f"{ask.name}.{index}",
            "key": key,
            "name": one.get("name") or "",
            "weight": one.get("weight", 1),
            "share": percent(weights[index] / whole * (100 - out)) if whole else "0%",
            "error": ask.errors.get(str(index)),
        }
        for index, (key, one) in enumerate(zip(paths.keys_of(given), given, strict=False))
    ]
    return {"rows": rows, "full": len(rows) >= paths.MOST}


def _number_of(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and value >= 0 else 0.0


def _read_variants(ask: Ask, form: Form) -> list[dict[str, Any]]:
    return [
        {
            "key": form.get(f"{at}.key") or paths.fresh_key(),
            "name": form.get(f"{at}.name", "").strip(),
            "weight": number_in(form.get(f"{at}.weight", "")) or 0,
        }
        for at in _rows_in(ask.name, form)
    ]


def _rows_in(name: str, form: Form) -> list[str]:
    """Return what the inputs of each posted row begin with."""
    found = {int(m[1]) for key in form if (m := re.match(re.escape(name) + r"\.(\d{1,3})\.", key))}
    return [f"{name}.{index}" for index in sorted(found)]


def _prepare_paths(ask: Ask) -> Mapping[str, Any]:
    asked = ask.sources.customers()
    given = ask.value if isinstance(ask.value, list) else []
    rows = []
    for index, (key, one) in enumerate(zip(paths.keys_of(given), given, strict=False)):
        at = f"{ask.name}.{index}"
        stored = {"combinator": one.get("combinator") or "AND", "rules": one.get("rules") or []}
        root = _root_of(ask.name, key)
        wrong = _error_of(ask, index)
        builder = conditions.draw(
            stored if ask.form is None or f"{root}.of" not in ask.form else conditions.read(ask.form, root, asked),
            root,
            asked,
            checked=bool(ask.errors),
            club_id=ask.sources.club_id,
            editable=ask.sources.editable,
        )
        rows.append({"path": at, "key": key, "name": one.get("name") or "", "builder": builder, "error": wrong})
    return {"rows": rows, "full": len(rows) >= paths.MOST}


def _read_paths(ask: Ask, form: Form) -> list[dict[str, Any]] | None:
    """Return the paths; where "several ways" is chosen there may be none yet."""
    if form.get("either") != ask.name:
        return None
    return [_read_path(at, ask, form) for at in _rows_in(ask.name, form)]


def _read_path(at: str, ask: Ask, form: Form) -> dict[str, Any]:
    key = form.get(f"{at}.key") or paths.fresh_key()
    tree = conditions.read(form, _root_of(ask.name, key), ask.sources.customers()).tree
    return {"key": key, "name": form.get(f"{at}.name", "").strip(), **tree}


def _root_of(name: str, key: str) -> str:
    """Return what the inputs of the conditions of a path begin with: they stay, wherever its row stands."""
    return f"{name}_{key}"


def _prepare_weekdays(_: Ask) -> Mapping[str, Any]:
    return {"options": list(zip(WEEKDAYS, DAY_NAMES, strict=True))}


def _read_weekdays(ask: Ask, form: Form) -> list[str] | None:
    return form.getlist(ask.name) or None


def _read_awaited(ask: Ask, form: Form) -> str | None:
    return form[ask.name].strip() if ask.name in form else None


def _prepare_awaited(ask: Ask) -> Mapping[str, Any]:
    known = ask.sources.known.event_types.items()
    found = sorted(
        ((key, label) for key, label in known if key not in MOVES and key not in ENDS),
        key=lambda one: one[1].casefold(),
    )
    return {"options": found, "beside": {key: key for key, _ in found}}


def _prepare_others(ask: Ask) -> Mapping[str, Any]:
    given = [one for one in ask.value if isinstance(one, Mapping)] if isinstance(ask.value, list) else []
    held = {str(one.get("template_id")) for one in given}
    labels = {name: one.label for name, one in installed()}
    found = [
        (str(key), f"{one.name} ({labels.get(one.channel, one.channel)})")
        for key, one in ask.sources.known.templates.items()
        if (one.channel != ask.config.get("channel") and not one.archived) or str(key) in held
    ]
    rows = [
        {"path": f"{ask.name}.{index}", "value": str(one.get("template_id")), "error": _error_of(ask, index)}
        for index, one in enumerate(given)
    ]
    return {"rows": rows, "options": sorted(found, key=lambda one: one[1].casefold())}


def _error_of(ask: Ask, index: int) -> str | None:
    """Return what is wrong with a row, or with something in it."""
    return next((words for path, words in ask.errors.items() if path.split(".")[0] == str(index)), None)


def _read_others(ask: Ask, form: Form) -> list[dict[str, Any]] | None:
    """Return the templates chosen, each with the channel it is for."""
    chosen = [form.get(f"{at}.template_id", "") for at in _rows_in(ask.name, form)]
    channels = {str(key): one.channel for key, one in ask.sources.known.templates.items()}
    return [{"channel": channels.get(one, ""), "template_id": one} for one in chosen] or None


TEXT = Widget(_nothing, _read_text)
WIDGETS: dict[str, Widget] = {
    "text": TEXT,
    "textarea": TEXT,
    "time": TEXT,
    "select": TEXT,
    "checkbox": Widget(_nothing, _read_checkbox),
    "number": Widget(_nothing, _read_number),
    "duration": Widget(_prepare_duration, _read_duration),
    "channel": Widget(_prepare_channel, _read_text),
    "template": Widget(_prepare_template, _read_text),
    "topic": Widget(_prepare_topic, _read_text),
    "step": Widget(_prepare_step, _read_text),
    "segment": Widget(_prepare_segment, _read_text),
    "journey": Widget(_prepare_journey, _read_text),
    "secret": TEXT,
    "date": TEXT,
    "date_field": Widget(_prepare_date_field, _read_text),
    "recurrence": Widget(_prepare_recurrence, _read_recurrence),
    "event_type": Widget(_prepare_event_type, _read_text),
    "awaited_event": Widget(_prepare_awaited, _read_awaited),
    "weekdays": Widget(_prepare_weekdays, _read_weekdays),
    "others": Widget(_prepare_others, _read_others),
    "paths": Widget(_prepare_paths, _read_paths),
    "combinator": Widget(_nothing, _read_combinator),
    "conditions": Widget(_prepare_conditions, _read_conditions),
    PAYLOAD: Widget(_prepare_conditions, _read_conditions),
    "updates": Widget(_prepare_updates, _read_updates),
    "variants": Widget(_prepare_variants, _read_variants),
}

BLANK_ROWS: dict[str, Callable[[], dict[str, Any]]] = {
    "updates": lambda: {"field": "", "operation": "set", "value": ""},
    "others": lambda: {"channel": "", "template_id": ""},
    "paths": lambda: {"key": paths.fresh_key(), "name": "", "rules": [], "combinator": "AND"},
    "variants": lambda: {"key": paths.fresh_key(), "name": "", "weight": 50},
}
# What is read last, because what it asks depends on other settings (the event type).
DEPENDENT = ("conditions", PAYLOAD, "updates", "paths", "others")
