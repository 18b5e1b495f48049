"""WhatsApp: a template that WhatsApp approved, by its name, and what is filled into it."""

import re
from collections.abc import Mapping
from typing import Any

from app.content import queries
from app.content.kind import Judge, Part, TemplateKind, registry
from app.infra.figures import figure

MAX_TEXT = 1_024
MAX_VALUES = 30
PLAIN = "plain"
_NAME = re.compile(r"[A-Za-z0-9_]{1,512}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
_PLACE = re.compile(r"\{\{\s*(\d{1,2})\s*\}\}")


class WhatsApp(TemplateKind):
    """Templates that name one of WhatsApp's own. Whether it may go out in these 24 hours is the provider's to say."""

    label = "WhatsApp"
    icon = "message-circle"
    editors: Mapping[str, str] = {PLAIN: "Named template"}
    usual = PLAIN
    noun = "a WhatsApp message"
    point = "whatsapp"
    test_help = "A number as it is dialled at the club, or with its country: +27821234567."
    parts = (
        Part(
            "parameters.name",
            "Name of the approved template",
            "As the provider knows it: its content SID (HX…) or its name.",
            merge=False,
        ),
        Part("parameters.language", "Language", "As it was approved: en, en_GB, af.", merge=False),
        Part(
            "text",
            "Approved text",
            "As it was approved, with {{1}}, {{2}} where values go. It is shown here and on timelines; WhatsApp sends "
            "its own.",
            lines=5,
            merge=False,
        ),
        Part(
            "parameters.values",
            "Values",
            "One a line: the first is put in for {{1}}. Merge tags may stand in each.",
            lines=4,
            optional=True,
            many=True,
        ),
    )

    def starter(self) -> Mapping[str, str]:
        """Return a greeting."""
        return {
            "parameters.language": "en",
            "text": "Hi {{1}}, your booking is confirmed.",
            "parameters.values": '{{ customer.first_name | default: "there" }}',
        }

    def read(self, given: Mapping[str, Any], errors: dict[str, str], judge: Judge) -> dict[str, Any]:
        """Return the columns of a message."""
        columns = queries.only_text(self.editor_of(given, errors), given.get("text"))
        said = given.get("parameters") or {}
        name, language = str(said.get("name") or "").strip(), str(said.get("language") or "").strip()
        values = said.get("values") or []
        values = [str(one).strip() for one in values] if isinstance(values, list) else [str(values)]
        columns["parameters"] = {"name": name, "language": language, "values": values}
        if not _NAME.fullmatch(name):
            errors["parameters.name"] = "Write the name or the SID: letters, digits and underscores."
        if not _LANGUAGE.fullmatch(language):
            errors["parameters.language"] = "Write the language as en or en_GB."
        if columns["text"] is None:
            errors["text"] = "Write the text as it was approved."
        elif len(columns["text"]) > MAX_TEXT:
            errors["text"] = f"Use at most {figure(MAX_TEXT)} characters."
        elif unknown := set(said) - {"name", "language", "values"}:
            errors["parameters"] = f"There is no {', '.join(sorted(map(str, unknown)))} here."
        elif problem := _mismatch(columns["text"], values):
            errors["parameters.values"] = problem
        else:
            for part, why in judge(queries.source_of(columns, "WHATSAPP")).items():
                errors.setdefault(part, why)
        return columns

    def text_of(self, content: Mapping[str, Any]) -> str | None:
        """Return the text with the values in it, as its reader gets it."""
        values = (content.get("parameters") or {}).get("values") or []

        def value(found: re.Match[str]) -> str:
            place = int(found[1])
            return str(values[place - 1]) if 0 < place <= len(values) else found[0]

        text = content.get("text")
        return text and _PLACE.sub(value, text)


def _mismatch(text: str, values: list[str]) -> str | None:
    """Return what is wrong with the values of a text, or None."""
    named = {int(found[1]) for found in _PLACE.finditer(text)}
    if len(values) > MAX_VALUES:
        return f"Use at most {MAX_VALUES} values."
    if any(not one for one in values):
        return "A value is empty."
    if named != set(range(1, len(values) + 1)):
        told = ", ".join(f"{{{{{one}}}}}" for one in sorted(named)) or "none"
        return f"The text has places for {told}, and there are {len(values)} values. Write one a line for each."
    return None


registry.register("WHATSAPP")(WhatsApp())
