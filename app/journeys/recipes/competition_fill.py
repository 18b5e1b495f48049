"""Filling a competition: an invitation, and two more words before entries close, until it is full."""

from app.journeys.recipe import Recipe, RecipeLetter, registry
from app.journeys.recipe_parts import FRIEND, end, send, until_event

_NAME = '{{ event.competition | default: "Our next competition" }}'
_WHEN = '{% if event.starts_at %} It is played on {{ event.starts_at | date: "%A %-d %B" }}.{% endif %}'
_DAY = '{{ event.entries_close_at | date: "%A %-d %B" }}'
_CLOSES = f"{{% if event.entries_close_at %}} Entries close on {_DAY}.{{% endif %}}"
_ENTER = (
    "{% if event.url %}You can enter here: {{ event.url }}"
    "{% else %}Enter at the pro shop, or reply to this mail.{% endif %}"
)

registry.register("competition-fill")(
    Recipe(
        title="Competition fill",
        description="An invitation to a competition, and a reminder 7 and 2 days before entries close. Who enters gets"
        " no more of them, and nobody does once it is full. Your system sends competition.published for each player it"
        " concerns, and competition.full when no place is left.",
        icon="trophy",
        trigger={"event_type": "competition.published"},
        settings={
            "reentry": "each",
            "reentry_key": "competition_id",
            "goal": {"event_type": "competition.entered", "same": "competition_id"},
            "exit_event": {"event_type": "competition.full", "same": "competition_id"},
        },
        steps=(
            send("invitation", "invitation", "days_7"),
            until_event("days_7", "entries_close_at", "7 days", "places", "days_2"),
            send("places", "places", "days_2"),
            until_event("days_2", "entries_close_at", "2 days", "last", "end"),
            send("last", "last", "end"),
            end(),
        ),
        letters={
            "invitation": RecipeLetter(
                "Entries are open",
                f"Entries are open: {_NAME}",
                f"{FRIEND}, will you play?",
                (f"{_NAME}: entries are open.{_WHEN}{_CLOSES}", _ENTER),
            ),
            "places": RecipeLetter(
                "There are places left",
                f"There are places left: {_NAME}",
                f"{FRIEND}, there is still a place for you",
                (f"{_NAME}: there are places left.{_WHEN}{_CLOSES}", _ENTER),
            ),
            "last": RecipeLetter(
                "Last places",
                f"Two days to enter: {_NAME}",
                f"{FRIEND}, two days are left",
                (f"{_NAME}: entries close in two days, and there is still room.{_WHEN}", _ENTER),
            ),
        },
    )
)
