"""Push: a title, a line or two, and where it leads."""

from collections.abc import Mapping
from typing import Any

from app.content import queries
from app.content.kind import Judge, Part, TemplateKind, registry
from app.infra.figures import figure

MAX_TITLE = 120
MAX_TEXT = 500
MAX_URL = 1_000
PLAIN = "plain"


class Push(TemplateKind):
    """Templates of notifications on a device."""

    label = "Push"
    icon = "bell"
    editors: Mapping[str, str] = {PLAIN: "Notification"}
    usual = PLAIN
    noun = "a push message"
    point = "push"
    view = "notification"
    test_help = "There is no sending to a device that asked for nothing: preview it, or send it to a customer of yours."
    parts = (
        Part("subject", "Title"),
        Part("text", "Text", "Devices show about two lines.", lines=3),
        Part("parameters.url", "Link", "Where a tap leads. Its clicks are counted.", optional=True),
        Part("parameters.icon", "Icon", "The address of a square picture, at least 192 px wide.", optional=True),
    )

    def starter(self) -> Mapping[str, str]:
        """Return a greeting."""
        return {"subject": "{{ club.name }}", "text": 'Hi {{ customer.first_name | default: "there" }}, '}

    def read(self, given: Mapping[str, Any], errors: dict[str, str], judge: Judge) -> dict[str, Any]:
        """Return the columns of a notification."""
        columns = queries.only_text(self.editor_of(given, errors), given.get("text"))
        columns["subject"] = " ".join((given.get("subject") or "").split())
        said = given.get("parameters") or {}
        columns["parameters"] = {key: str(said[key]).strip() for key in ("url", "icon") if said.get(key)} or None
        if not columns["subject"]:
            errors["subject"] = "Write a title."
        elif len(columns["subject"]) > MAX_TITLE:
            errors["subject"] = f"Use at most {MAX_TITLE} characters."
        if columns["text"] is None:
            errors["text"] = "Write the text."
        elif len(columns["text"]) > MAX_TEXT:
            errors["text"] = f"Use at most {MAX_TEXT} characters."
        if unknown := set(said) - {"url", "icon"}:
            errors["parameters"] = f"There is no {', '.join(sorted(map(str, unknown)))} here."
        for key, value in (columns["parameters"] or {}).items():
            if len(value) > MAX_URL:
                errors[f"parameters.{key}"] = f"Use at most {figure(MAX_URL)} characters."
            elif not value.startswith(("https://", "{{")):
                errors[f"parameters.{key}"] = "Write an address that starts with https://."
        for part, why in judge(queries.source_of(columns, "PUSH")).items():
            errors.setdefault(part, why)
        return columns


registry.register("PUSH")(Push())
