"""E-mail: a subject, and a letter that is drawn, written in MJML or HTML, or plain."""

from collections.abc import Mapping
from typing import Any

from app.content import mjml, queries
from app.content.kind import Judge, TemplateKind, registry
from app.content.letters import MAX_SUBJECT, LetterSource
from app.content.liquid import TemplateProblem

MAX_PREHEADER = 250
VISUAL, MJML, HTML, PLAIN = "visual", "mjml", "html", "plain"


class Email(TemplateKind):
    """Templates of letters. Those drawn or written in MJML are compiled when they are saved."""

    label = "E-mail"
    icon = "mail"
    editors: Mapping[str, str] = {VISUAL: "Visual", MJML: "MJML", HTML: "HTML", PLAIN: "Plain text"}
    usual = HTML
    noun = "an e-mail"
    point = "email"
    bare = False
    view = "letter"

    def read(self, given: Mapping[str, Any], errors: dict[str, str], judge: Judge) -> dict[str, Any]:
        """Return the columns of a letter."""
        editor = self.editor_of(given, errors)
        columns: dict[str, Any] = {
            "editor": editor,
            "subject": (given.get("subject") or "").strip(),
            "preheader": " ".join((given.get("preheader") or "").split()) or None,
            "html": None,
            "mjml": None,
            "text": _written(given.get("text")),
            "parameters": None,
        }
        if not columns["subject"]:
            errors["subject"] = "Write a subject."
        elif len(columns["subject"]) > MAX_SUBJECT:
            errors["subject"] = f"Use at most {MAX_SUBJECT} characters."
        if len(columns["preheader"] or "") > MAX_PREHEADER:
            errors["preheader"] = f"Use at most {MAX_PREHEADER} characters."
        if editor in (VISUAL, MJML):
            columns["mjml"] = _written(given.get("mjml"))
            _compile(columns, errors, judge)
        elif editor == HTML:
            columns["html"] = _written(given.get("html"))
            if columns["html"] is None and columns["text"] is None:
                errors["html"] = "Write an HTML part, a text part, or both."
        elif columns["text"] is None:
            errors["text"] = "Write the letter."
        for part, problem in judge(queries.source_of(columns)).items():
            # Lines of what was compiled are nobody's to look for.
            errors.setdefault("mjml" if part == "html" and columns["mjml"] else part, problem)
        return columns


def _compile(columns: dict[str, Any], errors: dict[str, str], judge: Judge) -> None:
    """Put in the HTML of what was written in MJML, or say what is wrong with it."""
    source = columns["mjml"]
    if source is None:
        errors["mjml"] = "Write the letter, in MJML."
        return
    # The tags first, with the lines their author sees; the compiler takes them as they are.
    if wrong := judge(LetterSource("", source, None)).get("html"):
        errors["mjml"] = wrong
        return
    try:
        columns["html"] = mjml.to_html(source)
    except TemplateProblem as problem:
        errors["mjml"] = str(problem)


def _written(text: str | None) -> str | None:
    return text if text and text.strip() else None


registry.register("EMAIL")(Email())
