"""Conditions as a form: rows of field, operator and value, in groups joined by AND or OR.

The form is drawn by the server alone: choosing a field asks for the form again, so that operators and value controls
come from the catalogue and nowhere else. Input names are paths: `rules.0.field`, `rules.1.0.value`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from werkzeug.datastructures import MultiDict

from app.conditions import (
    PERIODS,
    Arity,
    Catalogue,
    Field,
    FieldType,
    InvalidConditions,
    OperatorInfo,
    explain,
    find_operator,
    operators_for,
    parse,
)
from app.infra.errors import Invalid
from app.journeys.graph import storable

Form = MultiDict[str, str]
BLANK: dict[str, Any] = {"field": "", "operator": "eq", "value": ""}
MAX_ROWS = 200
# How many parts the path of a row may have: nothing that was drawn here comes near.
MAX_PARTS = 30
# Chosen in the list of fields to name one that is not in it; only events have such.
OTHER = "…"
# What a day can be told from now in.
DAYS = ("days", "weeks", "months", "years")
# How the value of a rule is asked for, by the field's type; whatever is not here is text.
CONTROLS = {
    FieldType.CHOICE: "choice",
    FieldType.ID: "choice",
    FieldType.BOOLEAN: "boolean",
    FieldType.NUMBER: "number",
    FieldType.DATE: "date",
    FieldType.DATETIME: "date",
}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule as it is drawn. `control` names the partial for its value, `options` what can be chosen there.

    `other` says that the field is none of the catalogue's, so that its name is typed.
    """

    path: str
    field: str
    other: bool
    operators: list[tuple[str, str]]
    operator: str
    control: str
    many: bool
    values: list[str]
    options: list[tuple[str, str]]
    error: str | None
    kind: str = "rule"


@dataclass(frozen=True, slots=True)
class GroupRow:
    """Rows joined by one word."""

    path: str
    combinator: str
    rows: list["RuleRow | GroupRow | KeptRow"]
    error: str | None
    kind: str = "group"


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A part this form can't draw (a negation, what somebody did, what is switched off): told in words, it is kept."""

    path: str
    json: str
    words: str
    error: str | None
    kind: str = "kept"


Row = RuleRow | GroupRow | KeptRow
Names = Mapping[str, list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Drawing:
    """What drawing needs to know: the catalogue, labels of ids (clubs), and messages by row (`0.1`)."""

    catalogue: Catalogue
    names: Names
    errors: Mapping[str, str]

    def fields(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return the fields to choose from, under their headings."""
        groups = self.catalogue.groups().items()
        offered = [
            (heading, [(one.name, one.label) for one in fields if one.from_payload or not self.catalogue.for_payload])
            for heading, fields in groups
        ]
        return [(heading, fields) for heading, fields in offered if fields]

    def rows(self, rules: Any, path: str, at: str = "") -> list[Row]:
        """Return the rows of a list of rules whose inputs are named `path.0`, `path.1` …"""
        given = rules if isinstance(rules, list) else []
        return [self._row(one, f"{path}.{index}", f"{at}{index}") for index, one in enumerate(given)]

    def _row(self, data: Any, path: str, at: str) -> Row:
        error = self.errors.get(at)
        if isinstance(data, Mapping) and "rules" in data and not data.get("disabled"):
            return GroupRow(path, _combinator(data), self.rows(data["rules"], path, f"{at}."), error)
        if not isinstance(data, Mapping) or "not" in data or "event" in data or data.get("disabled"):
            return KeptRow(path, orjson.dumps(data).decode(), self._words(data), error)
        return self._rule(data, path, error)

    def _words(self, data: Any) -> str:
        """Return a part in words; as it stands where it is none."""
        try:
            off = isinstance(data, Mapping) and data.get("disabled") is True
            tree = parse({**data, "disabled": False} if off else data, self.catalogue, allow_empty=True)
        except InvalidConditions:
            return orjson.dumps(data).decode()
        told = explain(tree, names={name: dict(some) for name, some in self.names.items()})
        return f"{told} (switched off)" if off else told

    def _rule(self, data: Mapping[str, Any], path: str, error: str | None) -> RuleRow:
        name = str(data.get("field") or "")
        field = self.catalogue.find(name) if name else None
        offered = operators_for(field.type) if field else []
        wanted = find_operator(str(data.get("operator") or ""))
        chosen = next((one for one in offered if one.name == wanted), offered[0] if offered else None)
        return RuleRow(
            path=path,
            field=field.name if field else name.removeprefix(OTHER),
            other=self.catalogue.open and bool(name) and name not in self.catalogue,
            operators=[(one.name, one.label) for one in offered],
            operator=chosen.name if chosen else "",
            control=_control(field, chosen.arity if chosen else Arity.NONE),
            many=bool(chosen and chosen.arity is Arity.MANY),
            values=_parts(data.get("value")) if chosen and chosen.arity is Arity.PERIOD else _texts(data.get("value")),
            options=self._options(field, chosen),
            error=error,
        )

    def _options(self, field: Field | None, operator: OperatorInfo | None) -> list[tuple[str, str]]:
        if field is None:
            return []
        if operator and operator.arity is Arity.PERIOD:
            return [(one, one) for one in (PERIODS if field.type is FieldType.DATETIME else DAYS)]
        return [(one.value, one.label) for one in field.choices] or list(self.names.get(field.name, []))


def _combinator(data: Mapping[str, Any]) -> str:
    return "OR" if str(data.get("combinator", "")).upper() == "OR" else "AND"


def _control(field: Field | None, arity: Arity) -> str:
    """Return the name of the partial that asks for a value of this kind and number."""
    if field is None or arity is Arity.NONE:
        return "none"
    control = CONTROLS.get(field.type, "text")
    if arity is Arity.PERIOD:
        return "period"
    if arity is Arity.PAIR:
        return f"{control}_pair"
    return f"{control}_many" if arity is Arity.MANY and control in ("choice", "text") else control


def _texts(value: Any) -> list[str]:
    given = value if isinstance(value, list) else [] if value is None else [value]
    return ["true" if one is True else "false" if one is False else str(one) for one in given]


def _parts(value: Any) -> list[str]:
    """Return the number and the unit of a period ("30 days", or in two parts), whatever stands for the number."""
    told = f"{value.get('amount', '')} {value.get('unit', '')}" if isinstance(value, Mapping) else str(value or "")
    amount, _, unit = told.rpartition(" ")
    return [amount, f"{unit.removesuffix('s')}s"]


def read_rows(form: Form, path: str, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Return the rules found in a posted form under `path`, as JSON; nothing is checked but their number and depth."""
    if path.count(".") > MAX_PARTS:
        raise Invalid({path.partition(".")[0]: "These conditions are nested too deep."})
    return [_read_row(form, f"{path}.{index}", catalogue) for index in _indexes(form, path)]


def _indexes(form: Form, path: str) -> list[int]:
    numbered = re.compile(re.escape(path) + r"\.(\d{1,4})\.")
    found = sorted({int(match[1]) for match in map(numbered.match, form) if match})
    if len(found) > MAX_ROWS:
        raise Invalid({path: f"Use at most {MAX_ROWS} rows."})
    return found


def _read_row(form: Form, path: str, catalogue: Catalogue) -> dict[str, Any]:
    if kept := form.get(f"{path}.json"):
        try:
            data = orjson.loads(kept)
        except orjson.JSONDecodeError:
            data = BLANK
        return data if isinstance(data, dict) and storable(data) else dict(BLANK)
    if (joined := form.get(f"{path}.join")) is not None:
        return {"combinator": joined, "rules": read_rows(form, path, catalogue)}
    return _read_rule(form, path, catalogue)


def _read_rule(form: Form, path: str, catalogue: Catalogue) -> dict[str, Any]:
    name = form.get(f"{path}.field", "").strip()
    if name == OTHER:
        name = form.get(f"{path}.other", "").strip() or OTHER
    field = catalogue.find(name) if name else None
    if field is None:
        return {**BLANK, "field": name}
    changed = form.get(f"{path}.was", name) != name
    offered = {one.name: one.arity for one in operators_for(field.type)}
    operator = form.get(f"{path}.operator", "")
    if changed or operator not in offered:
        operator = next(iter(offered))
    arity = offered[operator]
    if arity is Arity.NONE:
        return {"field": name, "operator": operator}
    values = [] if changed else [one.strip() for one in form.getlist(f"{path}.value")]
    if arity is Arity.PERIOD:
        amount, unit = values if len(values) == 2 else ("", "days")
        return {"field": name, "operator": operator, "value": f"{amount} {unit}"}
    if arity is Arity.ONE:
        return {"field": name, "operator": operator, "value": values[0] if values else ""}
    if arity is Arity.MANY and field.type not in (FieldType.CHOICE, FieldType.ID):
        values = [part.strip() for one in values for part in one.split(",")]
    kept = [one for one in values if one] if arity is Arity.MANY else values[:2]
    return {"field": name, "operator": operator, "value": kept}


def row_errors(problems: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return messages by row out of (path, message): `rules[1].rules[0]` concerns row `1.0`; the whole is ''."""
    found: dict[str, str] = {}
    for path, message in problems:
        found.setdefault(".".join(re.findall(r"\[(\d+)\]", path)), message)
    return found
