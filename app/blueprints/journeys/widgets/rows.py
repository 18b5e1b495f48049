"""Widgets of settings that are lists: changes, ways of a split, ways of a condition, templates of other channels."""

import re
from collections.abc import Mapping
from typing import Any

from app.blueprints import conditions
from app.blueprints.journeys.widgets.base import Ask, Form, Updatable, Widget, number_in
from app.conditions import FieldType
from app.journeys import paths
from app.journeys.steps.split import MAX_WEIGHT, percent
from app.messaging.channel import installed


def _prepare_updates(ask: Ask) -> Mapping[str, Any]:
    fields = {one.name: one for one in ask.sources.updatable()}
    rows = []
    for index, data in enumerate(_given(ask)):
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
    return {"rows": rows, "fields": [(one.name, one.label) for one in ask.sources.updatable()]}


def _read_updates(ask: Ask, form: Form) -> list[dict[str, Any]]:
    fields = {one.name: one for one in ask.sources.updatable()}
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
    given = _given(ask)
    weights = [_number_of(one.get("weight", 1)) for one in given]
    whole = sum(weights)
    out = _number_of(ask.config.get("holdout_percent") or 0)
    rows = [
        {
            "path": f"{ask.name}.{index}",
            "key": key,
            "name": one.get("name") or "",
            "weight": one.get("weight", 1),
            "share": percent(weights[index] / whole * (100 - out) if whole else 0, ask.sources.known.locale),
            "error": ask.errors.get(str(index)),
        }
        for index, (key, one) in enumerate(zip(paths.keys_of(given), given, strict=False))
    ]
    return {"rows": rows, "full": len(rows) >= paths.MOST}


def _given(ask: Ask) -> list[Mapping[str, Any]]:
    """Return the rows of a list that may be unfinished; what is no row is an empty one."""
    return [one if isinstance(one, Mapping) else {} for one in ask.value] if isinstance(ask.value, list) else []


def _number_of(value: Any) -> float:
    return float(min(value, MAX_WEIGHT)) if isinstance(value, int | float) and value >= 0 else 0.0


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
    asked = ask.sources.walks()
    given = _given(ask)
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
    tree = conditions.read(form, _root_of(ask.name, key), ask.sources.walks()).tree
    return {"key": key, "name": form.get(f"{at}.name", "").strip(), **tree}


def _root_of(name: str, key: str) -> str:
    """Return what the inputs of the conditions of a path begin with: they stay, wherever its row stands."""
    return f"{name}_{key}"


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


UPDATES = Widget(_prepare_updates, _read_updates)
VARIANTS = Widget(_prepare_variants, _read_variants)
PATHS = Widget(_prepare_paths, _read_paths)
OTHERS = Widget(_prepare_others, _read_others)
