"""SMS: a text, as short as can be."""

from collections.abc import Mapping
from typing import Any

from app.content import queries
from app.content.kind import Judge, Part, TemplateKind, registry
from app.infra.figures import figure

MAX_TEXT = 1_600
PLAIN = "plain"


class Sms(TemplateKind):
    """Templates of texts for a phone."""

    label = "SMS"
    icon = "device-mobile"
    editors: Mapping[str, str] = {PLAIN: "Text"}
    usual = PLAIN
    noun = "an SMS"
    point = "phone"
    test_help = "A number as it is dialled at the club, or with its country: +27821234567."
    counted = True
    parts = (
        Part(
            "text",
            "Text",
            "Links are made short when it is sent, and marketing gets the words of Settings → Channels that tell how "
            "to opt out.",
            lines=6,
        ),
    )

    def starter(self) -> Mapping[str, str]:
        """Return a greeting."""
        return {"text": 'Hi {{ customer.first_name | default: "there" }}, '}

    def read(self, given: Mapping[str, Any], errors: dict[str, str], judge: Judge) -> dict[str, Any]:
        """Return the columns of a text."""
        columns = queries.only_text(self.editor_of(given, errors), given.get("text"))
        if columns["text"] is None:
            errors["text"] = "Write the text."
        elif len(columns["text"]) > MAX_TEXT:
            errors["text"] = f"Use at most {figure(MAX_TEXT)} characters."
        errors.update({part: why for part, why in judge(queries.source_of(columns)).items() if part not in errors})
        return columns


registry.register("SMS")(Sms())
