"""Forms of a journey's own settings. The service checks what is typed; the form carries it and shows what it said."""

from typing import Any
from uuid import UUID

from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.accounts import places
from app.infra.errors import UserError
from app.infra.ids import as_id
from app.journeys.step_type import MANUAL, Known
from app.journeys.timed import TIMED
from app.web.forms import Form


class JourneyForm(Form):
    """Name, club, who may come again, how many, and the zone clock times mean."""

    name = StringField("Name", render_kw={"required": True, "maxlength": 200, "autocomplete": "off"})
    description = TextAreaField("Description", render_kw={"rows": 3, "maxlength": 2000})
    club_id = SelectField("Club", description="Only people of this club enter.", validate_choice=False)
    allow_reentry = BooleanField(
        "People can come again", description="Otherwise each person goes through this journey once in their life."
    )
    max_enrollments = StringField(
        "Limit",
        description="How many people may be in it at the same time. Leave it empty for no limit.",
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )
    timezone = SelectField(
        "Time zone",
        description="What “until 09:00” means for people whose own time zone isn’t known.",
        validate_choice=False,
    )

    def offer(self, known: Known, zone: str) -> None:
        """Fill the selects; `zone` is chosen unless another is."""
        self.club_id.choices = [("", "All clubs"), *((str(key), name) for key, name in known.clubs.items())]
        self.timezone.choices = places.timezones()
        if not self["timezone"].data:
            self["timezone"].data = zone

    def values(self) -> dict[str, Any]:
        """Return what the service takes, or raise UserError about a limit that is no number."""
        limit = (self["max_enrollments"].data or "").strip()
        if limit and not (limit.isascii() and limit.isdigit() and len(limit) <= 10):
            raise UserError("Give a number from 1, or leave it empty for no limit.", "max_enrollments")
        return {
            "name": self["name"].data or "",
            "description": self["description"].data,
            "club_id": _club_id(self["club_id"].data),
            "allow_reentry": bool(self["allow_reentry"].data),
            "max_enrollments": int(limit) if limit else None,
            "timezone": self["timezone"].data,
        }


class NewJourneyForm(JourneyForm):
    """The settings of a new journey, and the event that starts it."""

    trigger_type = SelectField(
        "Starts with", description="You can add conditions on the event in the builder.", validate_choice=False
    )

    def offer_events(self, known: Known) -> None:
        """Fill the select of events."""
        events = sorted(known.event_types.items(), key=lambda one: one[1].casefold())
        self.trigger_type.choices = [
            SelectChoice(MANUAL, "People are added by hand"),
            *(SelectChoice(key, label) for key, label in TIMED.items()),
            *(SelectChoice(key, label, render_kw={"data-beside": key}) for key, label in events if key != MANUAL),
        ]


def _club_id(chosen: str | None) -> UUID | None:
    club_id = as_id(chosen)
    if chosen and club_id is None:
        raise UserError("Choose one of your clubs.", "club_id")
    return club_id
