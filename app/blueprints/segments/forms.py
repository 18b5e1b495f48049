"""The form of a segment. The service checks what is typed; the form carries it and shows what it said."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from wtforms import BooleanField, HiddenField, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.blueprints.segments.presenters import FREQUENCY_LABELS, TYPE_LABELS, TYPE_WORDS
from app.infra.errors import UserError
from app.infra.ids import as_id
from app.segments.models import DAILY, DYNAMIC
from app.web.forms import Form


class SegmentForm(Form):
    """What a segment is called, of which club, and how often everybody is looked at; its conditions are beside it."""

    name = StringField("Name", render_kw={"required": True, "maxlength": 200, "autocomplete": "off"})
    description = TextAreaField("Description", render_kw={"rows": 2, "maxlength": 2000})
    club_id = SelectField("Club", description="Only people of the club chosen here are meant.", validate_choice=False)
    refresh_frequency = SelectField(
        "Look at everybody",
        description="Whoever something happens to is looked at again at once. This is for what time alone changes.",
        choices=[SelectChoice(key, label) for key, label in FREQUENCY_LABELS.items()],
        default=DAILY,
        validate_choice=False,
    )
    tells = BooleanField(
        "Tell those that listen",
        description="Whoever enters or leaves by this change goes into journeys as if something had happened to them.",
    )

    updated_at = HiddenField()

    @property
    def seen(self) -> datetime | None:
        """Return the `updated_at` of the segment the form was made of, None where the form does not say."""
        try:
            return datetime.fromisoformat(self["updated_at"].data or "")
        except ValueError:
            return None

    def offer(self, clubs: Mapping[UUID, str]) -> None:
        """Fill the select of clubs."""
        self.club_id.choices = [
            SelectChoice("", "All clubs"),
            *(SelectChoice(str(key), name) for key, name in clubs.items()),
        ]

    def values(self) -> dict[str, Any]:
        """Return what the service takes, but for the type and the conditions."""
        return {
            "name": self["name"].data or "",
            "description": self["description"].data or "",
            "club_id": _club_id(self["club_id"].data),
            "refresh_frequency": self["refresh_frequency"].data or DAILY,
        }


class NewSegmentForm(SegmentForm):
    """The same for a new one, of either type."""

    type = RadioField(
        "Type",
        choices=[SelectChoice(key, f"{label}: {TYPE_WORDS[key]}") for key, label in TYPE_LABELS.items()],
        default=DYNAMIC,
        validate_choice=False,
    )


def _club_id(chosen: str | None) -> UUID | None:
    club_id = as_id(chosen)
    if chosen and club_id is None:
        raise UserError("Choose one of your clubs.", "club_id")
    return club_id
