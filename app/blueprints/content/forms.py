"""The form of a template."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from wtforms import HiddenField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.content.snippets import with_breaks
from app.customers.models import Topic
from app.infra.ids import as_id
from app.web.forms import Form

HTML, VISUAL = "html", "visual"
PARTS = {"html": ("html", "text"), "visual": ("mjml", "text"), "mjml": ("mjml", "text"), "plain": ("text",)}
"""Which fields each way of writing has."""
_CODE = {"spellcheck": "false", "autocomplete": "off"}


class TopicForm(Form):
    """What the forms of all templates share: their topic, and the version that was read."""

    topic_id: SelectField
    version: HiddenField
    whole = "the channel as a whole"

    def offer_topics(self, topics: Iterable[Topic]) -> None:
        """Offer these topics."""
        self.topic_id.choices = [
            SelectChoice("", f"No topic: the answer to {self.whole} decides"),
            *(
                SelectChoice(str(one.id), one.name if one.archived_at is None else f"{one.name} (archived)")
                for one in topics
            ),
        ]

    def seen(self) -> int | None:
        """Return which version of the template is being changed, None where the form does not say."""
        return number_in(self.version)


class TemplateForm(TopicForm):
    """What a marketer writes; the service says what is wrong with it."""

    whole = "e-mail as a whole"

    name = StringField("Name", description="For your team; readers never see it.")
    subject = StringField("Subject", render_kw={"autocomplete": "off"})
    preheader = StringField(
        "Preheader",
        description="What a mailbox shows after the subject.",
        render_kw={"autocomplete": "off"},
    )
    topic_id = SelectField(
        "Topic",
        description="Marketing goes to people who want this topic. A step of a journey may name another one.",
        validate_choice=False,
    )
    editor = HiddenField()
    mjml = TextAreaField(
        "MJML",
        description="Sections, columns, text, buttons and images that look right in every mail program.",
        render_kw={"rows": 20, **_CODE},
    )
    html = TextAreaField("HTML", render_kw={"rows": 16, **_CODE})
    text = TextAreaField(
        "Plain text",
        description="Leave it empty to have it made from the letter.",
        render_kw={"rows": 8, **_CODE},
    )
    customer_id = HiddenField()
    version = HiddenField()

    @property
    def parts(self) -> list[Any]:
        """Return the fields that this way of writing has."""
        return [self[name] for name in PARTS.get(self.editor.data or HTML, PARTS[HTML])]

    def content(self) -> dict[str, Any]:
        """Return what the letter says as it stands in the form."""
        written = {part.name: part.data or None for part in self.parts}
        return {
            "editor": self.editor.data or HTML,
            "subject": self.subject.data or "",
            "preheader": self.preheader.data or None,
            **written,
        }

    def values(self) -> dict[str, Any]:
        """Return what is to be saved."""
        return {"name": self.name.data or "", "topic_id": as_id(self.topic_id.data), **self.content()}


class SnippetForm(Form):
    """Words that many templates share; the service says what is wrong with them."""

    key = StringField(
        "Key", description='Templates call it by this: {% snippet "footer" %}. It stays as it is.', render_kw=_CODE
    )
    name = StringField("Name", description="For your team; readers never see it.")
    club_id = SelectField(
        "Club",
        description="One for a club stands in place of the one for all clubs, for that club’s people.",
        validate_choice=False,
    )
    html = TextAreaField(
        "What it says",
        description="In plain words, whose lines stay lines, or in HTML.",
        render_kw={"rows": 10, **_CODE},
    )
    text = TextAreaField(
        "Plain text",
        description="Leave it empty to have it made from what it says.",
        render_kw={"rows": 5, **_CODE},
    )
    version = HiddenField()

    def offer_clubs(self, clubs: Mapping[UUID, str]) -> None:
        """Offer these clubs."""
        self.club_id.choices = [
            SelectChoice("", "All clubs"),
            *(SelectChoice(str(key), name) for key, name in clubs.items()),
        ]

    def seen(self) -> int | None:
        """Return which version of the snippet is being changed, None where the form does not say."""
        return number_in(self.version)

    def club(self) -> UUID | None:
        """Return the club that is chosen."""
        return as_id(self.club_id.data)

    def values(self) -> dict[str, Any]:
        """Return what is to be saved of it, new or not."""
        html = with_breaks(self.html.data or "")
        return {"name": self.name.data or "", "html": html, "text": self.text.data or None}


def number_in(field: HiddenField) -> int | None:
    """Return the number that a hidden field holds, None where it holds none."""
    said = str(field.data or "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else None
