"""The form of a step, made of its kind's settings schema: drawn as controls, read back into a config."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from app.blueprints.journeys.widgets import BLANK_ROWS, DEPENDENT, WIDGETS, Ask, Control, Form, Setting, Sources
from app.journeys.graph import Problem, Step
from app.journeys.heard import Doubt
from app.journeys.step_type import step_types

_ACT = re.compile(r"(add|remove):(\w+)(?:\.(\d{1,4}))?", re.ASCII)
_BY_TYPE = {"boolean": "checkbox", "integer": "number", "number": "number"}


@cache
def settings_of(type: str) -> list[Setting]:
    """Return the settings of a kind of step in the order of its schema."""
    schema = step_types().get(type).Config.model_json_schema()
    return _settings(schema, schema.get("$defs", {}), "")


def names_steps(type: str) -> bool:
    """Return whether a kind's settings name other steps of the journey."""
    return any(one.widget == "step" for one in settings_of(type))


def _settings(schema: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> list[Setting]:
    required = schema.get("required", [])
    return [
        _setting(prefix + name, _resolved(one, definitions), definitions, name in required)
        for name, one in schema.get("properties", {}).items()
    ]


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of one setting with its reference, or the part that is not null, folded in."""
    own = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf", "allOf")}
    parts = [schema] if "$ref" in schema else [*schema.get("anyOf", []), *schema.get("allOf", [])]
    for part in parts:
        found = definitions.get(str(part.get("$ref", "")).rpartition("/")[2], {}) if "$ref" in part else part
        if found.get("type") != "null":
            return {**found, **own}
    return own


def _setting(name: str, schema: Mapping[str, Any], definitions: Mapping[str, Any], required: bool) -> Setting:
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    parts = _settings(schema, definitions, f"{name}.") if "widget" not in schema else []
    widget = schema.get("widget") or ("select" if values else _BY_TYPE.get(str(schema.get("type")), "text"))
    if parts:
        widget = "object"
    return Setting(
        name=name,
        widget=widget,
        label=str(schema.get("title") or name.rpartition(".")[2].replace("_", " ").capitalize()),
        help=schema.get("description"),
        required=required,
        options=[(str(value), str(schema.get("labels", {}).get(value) or _spoken(str(value)))) for value in values],
        default=schema.get("default"),
        joins=schema.get("joins"),
        blank=schema.get("blank"),
        parts=parts,
    )


def _spoken(value: str) -> str:
    return {"EMAIL": "E-mail", "SMS": "SMS"}.get(value, value.replace("_", " ").capitalize())


def controls(
    step: Step,
    config: Mapping[str, Any],
    problems: list[Problem],
    sources: Sources,
    form: Form | None = None,
    doubts: Sequence[Doubt] = (),
) -> list[Control]:
    """Return the controls of a step's settings, each with what is wrong with it and what is doubted of it.

    `form` is what was posted last.
    """
    pointless = step_types().get(step.type).pointless(config)
    return [
        replace(
            _control(setting, config, problems, sources, form),
            doubts=[one.message for one in doubts if one.field == setting.name],
        )
        for setting in settings_of(step.type)
        if setting.name not in pointless
    ]


def _control(
    setting: Setting, config: Mapping[str, Any], problems: list[Problem], sources: Sources, form: Form | None
) -> Control:
    mine = [one for one in problems if one.field and _concerns(one.field, setting.name)]
    value = config.get(setting.name, setting.default)
    if setting.parts:
        inner = {f"{setting.name}.{key}": one for key, one in value.items()} if isinstance(value, Mapping) else {}
        own = next((one.message for one in mine if one.field == setting.name), None)
        parts = [_control(part, inner, mine, sources, form) for part in setting.parts]
        return Control(setting, value, own, {}, {"controls": parts})
    rows = row_errors((one.field or "", one.message) for one in mine)
    more = WIDGETS[setting.widget].prepare(Ask(setting, config, sources, rows, form))
    return Control(setting, value, rows.get(""), rows, more)


def _concerns(path: str, name: str) -> bool:
    return path == name or path.startswith((f"{name}.", f"{name}["))


def label_of(type: str, path: str) -> str | None:
    """Return the label of the setting a problem's path leads to, or None."""
    return next((one.label for one in settings_of(type) if _concerns(path, one.name)), None)


def other_problems(step: Step, problems: list[Problem]) -> list[str]:
    """Return the messages that stand beside no setting: those of the step as a whole and of its exits."""
    names = [setting.name for setting in settings_of(step.type)]
    return [one.message for one in problems if not any(_concerns(one.field or "", name) for name in names)]


def read(type: str, form: Form, sources: Sources) -> dict[str, Any]:
    """Return the config a posted form says; settings left empty are left out.

    Where settings exclude each other the form names each with what belongs to it as `either.of` ("event conditions"),
    and the chosen one as `either`.
    """
    config: dict[str, Any] = {}
    groups = [one.split() for one in form.getlist("either.of")]
    chosen = {name for group in groups for name in group if group[0] == form.get("either")}
    excluded = {name for group in groups for name in group} - chosen
    # What other settings depend on (the event type, the channel) is read before those that are lists.
    for setting in sorted(settings_of(type), key=lambda one: one.widget in DEPENDENT):
        value = None if setting.name in excluded else _read(setting, form, sources, config)
        if value is not None:
            config[setting.name] = value
    pointless = step_types().get(type).pointless(config)
    return {name: value for name, value in config.items() if name not in pointless}


def only_looked_at(type: str, form: Form, config: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    """Return whether another of the settings that exclude each other was chosen, and nothing is said in it yet.

    `config` is what the form says and `held` what the step has.
    """
    chosen = form.get("either", "")
    kinds = [group.split()[0] for group in form.getlist("either.of") if group.strip()]
    if chosen not in kinds or held.get(chosen) is not None or all(held.get(kind) is None for kind in kinds):
        return False
    setting = next((one for one in settings_of(type) if one.name == chosen), None)
    return setting is not None and not _says(setting, config.get(chosen))


def _says(setting: Setting, value: Any) -> bool:
    if isinstance(value, Mapping):
        defaults = {part.name.rpartition(".")[2]: part.default for part in setting.parts}
        return any(one is not None and one != defaults.get(name) for name, one in value.items())
    return bool(value)


def _read(setting: Setting, form: Form, sources: Sources, config: dict[str, Any]) -> Any:
    if not setting.parts:
        return WIDGETS[setting.widget].read(Ask(setting, config, sources), form)
    inner = {part.name.rpartition(".")[2]: (part, _read(part, form, sources, config)) for part in setting.parts}
    given = {name: value for name, (_, value) in inner.items() if value is not None}
    return given if _says(setting, given) or setting.name == form.get("either") else None


def rearranged(type: str, config: dict[str, Any], act: str) -> dict[str, Any]:
    """Return the config with a row added or taken away, as a button of the form says; other acts change nothing."""
    match = _ACT.fullmatch(act)
    settings = {one.name: one for one in settings_of(type)}
    if match is None or match[2] not in settings or settings[match[2]].widget not in BLANK_ROWS:
        return config
    verb, name, place = match.groups()
    rows = config.setdefault(name, [])
    if verb == "add":
        rows.append(BLANK_ROWS[settings[name].widget]())
    elif place is not None and int(place) < len(rows):
        del rows[int(place)]
    return config


def row_errors(problems: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return messages by row out of (path, message): `updates[1]` concerns row `1`; the whole is ''."""
    found: dict[str, str] = {}
    for path, message in problems:
        found.setdefault(".".join(re.findall(r"\[(\d+)\]", path)), message)
    return found
