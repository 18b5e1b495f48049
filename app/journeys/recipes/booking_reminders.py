"""A booking, such as a golf day, a function or a trip: a word 30 days before it, 7 days and 1."""

from app.journeys.recipe import Recipe, RecipeLetter, registry
from app.journeys.recipe_parts import FRIEND, end, send, until_event

_ON = '{% if event.starts_at %} on {{ event.starts_at | date: "%A %-d %B" }}{% endif %}'

registry.register("booking-reminders")(
    Recipe(
        title="Booking reminders",
        description="What is good to know 30 days, 7 days and 1 day before a booking begins. It stops when that booking"
        " is cancelled, and goes by the new date when it is confirmed with another one. Your events have to say when it"
        " begins (starts_at).",
        icon="calendar-event",
        trigger={"event_type": "booking.confirmed"},
        settings={
            "reentry": "each",
            "reentry_key": "reference",
            "exit_event": {"event_type": "booking.cancelled", "same": "reference"},
        },
        steps=(
            until_event("days_30", "starts_at", "30 days", "month", "days_7"),
            send("month", "month", "days_7", transactional=True),
            until_event("days_7", "starts_at", "7 days", "week", "days_1"),
            send("week", "week", "days_1", transactional=True),
            until_event("days_1", "starts_at", "1 day", "tomorrow", "end"),
            send("tomorrow", "tomorrow", "end", transactional=True),
            end(),
        ),
        letters={
            "month": RecipeLetter(
                "One month to go",
                "One month to go: your booking at {{ club.name }}",
                f"{FRIEND}, one month to go",
                (
                    f"You are booked with us{_ON}."
                    "{% if event.reference %} Your reference is {{ event.reference }}.{% endif %}",
                    "If the number of people or the date has changed, a reply to this mail is enough: now it is easy"
                    " for us to arrange.",
                ),
            ),
            "week": RecipeLetter(
                "One week to go",
                "One week to go: is everything right?",
                f"{FRIEND}, we look forward to seeing you next week",
                (
                    f"You are booked with us{_ON}.",
                    "Please tell us the final number of people, and anything the kitchen or the starter should know:"
                    " allergies, buggies, hire clubs. A reply to this mail reaches a person.",
                ),
            ),
            "tomorrow": RecipeLetter(
                "See you tomorrow",
                "See you tomorrow at {{ club.name }}",
                f"See you tomorrow, {FRIEND}",
                (
                    "Everything is ready for you. Come half an hour before your time, so that nobody has to hurry.",
                    "If something keeps you away, please tell us today.",
                ),
            ),
        },
    )
)
