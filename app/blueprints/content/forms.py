"""The form of a template."""

from typing import Any

from wtforms import HiddenField, StringField, TextAreaField

from app.content.letters import LetterSource
from app.web.forms import Form

_CODE = {"spellcheck": "false", "autocomplete": "off"}


class TemplateForm(Form):
    """What a marketer writes; the service says what is wrong with it."""

    name = StringField("Name", description="For your team; readers never see it.")
    subject = StringField("Subject", render_kw={"autocomplete": "off"})
    html = TextAreaField("HTML", render_kw={"rows": 16, **_CODE})
    text = TextAreaField(
        "Plain text",
        description="Leave it empty to have it made from the HTML.",
        render_kw={"rows": 8, **_CODE},
    )
    customer_id = HiddenField()

    def source(self) -> LetterSource:
        """Return the letter as it stands in the form."""
        return LetterSource(self.subject.data or "", self.html.data or None, self.text.data or None)

    def values(self) -> dict[str, Any]:
        """Return what is to be saved."""
        source = self.source()
        return {"name": self.name.data or "", "subject": source.subject, "html": source.html, "text": source.text}
