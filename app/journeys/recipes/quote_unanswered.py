"""A quote that nobody answers: a word after 3, 7 and 14 days."""

from app.journeys.recipe import Recipe, RecipeLetter, registry
from app.journeys.recipe_parts import FRIEND, end, send, until

_REFERENCE = "{% if event.reference %} {{ event.reference }}{% endif %}"

registry.register("quote-unanswered")(
    Recipe(
        title="Quote unanswered",
        description="Reminds of a quote after 3, 7 and 14 days. It stops when that quote becomes a booking, or when"
        " they reply to a mail.",
        icon="file-invoice",
        trigger={"event_type": "quote.sent"},
        settings={
            "reentry": "each",
            "reentry_key": "reference",
            "goal": {"event_type": "booking.confirmed", "same": "reference"},
            "goal_days": 60,
            "exit_event": {"event_type": "message.replied"},
        },
        steps=(
            until("day_3", "10:00", 3, "first"),
            send("first", "first", "day_7", transactional=True),
            until("day_7", "10:00", 4, "second"),
            send("second", "second", "day_14", transactional=True),
            until("day_14", "10:00", 7, "last"),
            send("last", "last", "end", transactional=True),
            end(),
        ),
        letters={
            "first": RecipeLetter(
                "Your quote",
                f"Your quote{_REFERENCE}: any questions?",
                f"{FRIEND}, is there anything we can answer?",
                (
                    "We sent you a quote some days ago. Is the date still right, and the number of people?",
                    "A reply to this mail reaches the person who wrote it.",
                ),
            ),
            "second": RecipeLetter(
                "Still interested",
                f"Your quote{_REFERENCE}: shall we go ahead?",
                f"{FRIEND}, shall we go ahead?",
                (
                    "Good dates go early. A short yes is enough, and we see to the rest.",
                    "If something in the quote does not suit you, tell us: often it can be changed.",
                ),
            ),
            "last": RecipeLetter(
                "Last word on your quote",
                f"Our last word on your quote{_REFERENCE}",
                "We do not want to keep writing",
                (
                    "We have not heard from you, so this is our last mail about the quote. If you are still interested,"
                    " one line is enough and we take it up again.",
                    "And if you have decided otherwise: thank you for thinking of {{ club.name }}.",
                ),
            ),
        },
    )
)
