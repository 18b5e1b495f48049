"""Forms of a journey's own settings. The service checks what is typed; the form carries it and shows what it said."""

from collections.abc import Mapping
from itertools import starmap
from typing import Any

from wtforms import BooleanField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.accounts import places
from app.infra.ids import as_id
from app.infra.working_days import DAY_NAMES, WEEK
from app.journeys.leaving import MAX_SAME
from app.journeys.reentry import LABELS, MAX_KEY, NEVER
from app.journeys.sending import CLOCKS
from app.journeys.step_type import MANUAL, Known
from app.journeys.timed import TIMED
from app.messaging.windows import PERSON
from app.web.forms import Form

NUMBER = {"inputmode": "numeric", "autocomplete": "off"}
SAME = {"autocomplete": "off", "maxlength": MAX_SAME}


class JourneyForm(Form):
    """Name, club, who may come again, how many, and the zone clock times mean."""

    name = StringField("Name", render_kw={"required": True, "maxlength": 200, "autocomplete": "off"})
    description = TextAreaField("Description", render_kw={"rows": 3, "maxlength": 2000})
    club_id = SelectField("Club", description="Only people of this club enter.", validate_choice=False)
    reentry = SelectField(
        "People can come again",
        choices=[SelectChoice(value, label) for value, label in LABELS.items()],
        default=NEVER,
        validate_choice=False,
    )
    reentry_days = StringField(
        "Days until they can", description="Counted from when they came in last.", render_kw=NUMBER
    )
    reentry_key = StringField(
        "What tells one from the other",
        description="A field of the event, such as booking_id. One person can be in it for several at the same time.",
        render_kw={"autocomplete": "off", "maxlength": MAX_KEY},
    )
    max_enrollments = StringField(
        "Limit",
        description="How many people may be in it at the same time. Leave it empty for no limit.",
        render_kw=NUMBER,
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
        """Return what the service takes; what is no number is the text, which the service refuses with the rest."""
        return {
            "name": self["name"].data or "",
            "description": self["description"].data,
            "club_id": as_id(self["club_id"].data) or self["club_id"].data or None,
            "reentry": self["reentry"].data,
            "reentry_days": self._number("reentry_days"),
            "reentry_key": self["reentry_key"].data,
            "max_enrollments": self._number("max_enrollments"),
            "timezone": self["timezone"].data,
        }

    def _number(self, name: str) -> int | str | None:
        given = str(self[name].data or "").strip()
        return int(given) if given.isascii() and given.isdigit() and len(given) <= 10 else given or None


class SettingsForm(JourneyForm):
    """The settings of a journey that is there: also what lets people leave it, and what it is for."""

    exit_on_unsubscribe = BooleanField(
        "Who unsubscribes leaves",
        description="From everything, or from a channel or topic of what the journey sends, after they came in.",
    )
    topic_id = SelectField(
        "Topic",
        description="Marketing goes to people who want this topic, unless the step or its template names another one.",
        validate_choice=False,
    )
    send_days = SelectMultipleField(
        "Marketing goes out on",
        choices=[SelectChoice(day, name) for day, name in zip(WEEK, DAY_NAMES, strict=True)],
        validate_choice=False,
    )
    send_from = StringField("From", render_kw={"type": "time"})
    send_to = StringField("To", render_kw={"type": "time"})
    clock = SelectField(
        "Whose clock counts",
        description="For these hours, and for waits until a time of day or a date.",
        choices=[SelectChoice(value, label) for value, label in CLOCKS.items()],
        default=PERSON,
        validate_choice=False,
    )
    exit_event_type = SelectField(
        "Whoever does this, or has it done, leaves",
        description="For example “Booking cancelled”.",
        validate_choice=False,
    )
    exit_same = StringField(
        "Only if it says the same",
        description="A field of the event, such as booking_id, that must say what the event said that let them in.",
        render_kw=SAME,
    )
    goal_event = SelectField(
        "What the journey is for",
        description="Who does it has reached the goal and leaves; who is through already counts as well.",
        validate_choice=False,
    )
    goal_same = StringField(
        "Only if the event says the same",
        description="A field such as reference: it must say what the event said that let them in.",
        render_kw=SAME,
    )
    goal_days = StringField(
        "Days in which it counts",
        description="From when they came in. Leave it empty for no end.",
        render_kw=NUMBER,
    )

    def offer(self, known: Known, zone: str) -> None:
        """Fill the selects."""
        super().offer(known, zone)
        topics = [(str(key), name) for key, name in known.topics.items()]
        chosen = str(self["topic_id"].data or "")
        if chosen and chosen not in dict(topics):
            topics.append((chosen, "A topic that was archived"))
        self.topic_id.choices = [("", "None: the answer to the channel as a whole"), *topics]
        events = sorted(known.event_types.items(), key=lambda one: one[1].casefold())
        for field, nothing in (
            (self.goal_event, "No event: conditions, or nothing"),
            (self.exit_event_type, "No event"),
        ):
            held = str(field.data or "")
            more = [(held, held)] if held and held not in known.event_types else []
            offered = [SelectChoice(key, said, render_kw={"data-beside": key}) for key, said in events if key != MANUAL]
            field.choices = [SelectChoice("", nothing), *offered, *starmap(SelectChoice, more)]

    def sending(self) -> dict[str, Any]:
        """Return what the service takes of how the journey sends."""
        hours = {"from": self["send_from"].data or None, "to": self["send_to"].data or None}
        return {
            "topic_id": self["topic_id"].data or None,
            "send_window": {"days": self["send_days"].data or list(WEEK), **hours},
            "clock": self["clock"].data or PERSON,
        }

    def leaving(self, held: Mapping[str, Any] | None, exit_tree: Any, goal_tree: Any) -> dict[str, Any]:
        """Return what the service takes of these settings and of the conditions below them.

        `held` is the goal so far: conditions on what its event says, which are set over the API, stay with the event.
        """
        event = self["goal_event"].data or None
        kept = held if held and held.get("event_type") == event else {"event_type": event}
        return {
            "exit_event": {"event_type": self["exit_event_type"].data, "same": self["exit_same"].data},
            "exit_on_unsubscribe": bool(self["exit_on_unsubscribe"].data),
            "exit_conditions": exit_tree,
            "goal": {**kept, "same": self["goal_same"].data} if event else {"conditions": goal_tree},
            "goal_days": self._number("goal_days"),
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
