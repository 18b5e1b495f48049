"""Webhook: values that another system is told, for one person at a time."""

import re
from collections.abc import Mapping
from typing import Any

from app.content import queries
from app.content.kind import Judge, Part, TemplateKind, registry
from app.infra.figures import figure

MAX_TEXT = 5_000
MAX_FIELDS = 50
PLAIN = "plain"
FIELD = re.compile(r"\s*([a-z][a-z0-9_]{0,62})\s*:\s*(.*)", re.DOTALL)


class Webhook(TemplateKind):
    """Templates of what is posted to the organisation's own receiver."""

    label = "Webhook"
    icon = "plug"
    editors: Mapping[str, str] = {PLAIN: "Fields"}
    usual = PLAIN
    noun = "a webhook"
    point = "email"
    view = "fields"
    parts = (
        Part("text", "Text", "What happened, in words. It is the body’s “text”.", lines=3),
        Part(
            "parameters.fields",
            "Fields",
            "One a line, as name: value. They are the body’s “fields”; merge tags may stand in the values.",
            lines=6,
            optional=True,
            many=True,
        ),
    )

    def starter(self) -> Mapping[str, str]:
        """Return a first field."""
        return {"parameters.fields": "email: {{ customer.email }}\nclub: {{ club.name }}"}

    def read(self, given: Mapping[str, Any], errors: dict[str, str], judge: Judge) -> dict[str, Any]:
        """Return the columns of what is posted."""
        columns = queries.only_text(self.editor_of(given, errors), given.get("text"))
        said = given.get("parameters") or {}
        fields = said.get("fields") or []
        fields = [str(one).strip() for one in fields] if isinstance(fields, list) else [str(fields)]
        columns["parameters"] = {"fields": fields} if fields else None
        if columns["text"] is None:
            errors["text"] = "Write the text."
        elif len(columns["text"]) > MAX_TEXT:
            errors["text"] = f"Use at most {figure(MAX_TEXT)} characters."
        names = [found[1] if (found := FIELD.fullmatch(one)) else None for one in fields]
        if unknown := set(said) - {"fields"}:
            errors["parameters"] = f"There is no {', '.join(sorted(map(str, unknown)))} here."
        elif len(fields) > MAX_FIELDS:
            errors["parameters.fields"] = f"Use at most {MAX_FIELDS} fields."
        elif None in names:
            wrong = fields[names.index(None)]
            errors["parameters.fields"] = f"Write each as name: value, the name in small letters. This is not: {wrong}"
        elif len(set(names)) < len(names):
            errors["parameters.fields"] = "Two fields have one name."
        for part, why in judge(queries.source_of(columns, "WEBHOOK")).items():
            errors.setdefault(part, why)
        return columns


registry.register("WEBHOOK")(Webhook())
