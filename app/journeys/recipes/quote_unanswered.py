"""A quote that nobody answers: a word after 3, 7 and 14 days."""

from app.journeys.recipe import Recipe, RecipeLetter, registry
from app.journeys.recipe_parts import FRIEND, ask, did, end, send, until

registry.register("quote-unanswered")(
    Recipe(
        title="Quote unanswered",
        description="Reminds of a quote after 3, 7 and 14 days, and stops when a booking is confirmed.",
        icon="file-invoice",
        trigger={"event_type": "quote.sent"},
        settings={"reentry": "each", "reentry_key": "reference"},
        steps=(
            until("day_3", "10:00", 3, "booked_3"),
            ask("booked_3", "Booked since", [did("booking.confirmed", "3 days")], "end", "first"),
            send("first", "first", "day_7", transactional=True),
            until("day_7", "10:00", 4, "booked_7"),
            ask("booked_7", "Booked since", [did("booking.confirmed", "7 days")], "end", "second"),
            send("second", "second", "day_14", transactional=True),
            until("day_14", "10:00", 7, "booked_14"),
            ask("booked_14", "Booked since", [did("booking.confirmed", "14 days")], "end", "last"),
            send("last", "last", "end", transactional=True),
            end(),
        ),
        letters={
            "first": RecipeLetter(
                "Your quote",
                "Your quote{% if event.reference %} {{ event.reference }}{% endif %}: any questions?",
                f"{FRIEND}, is there anything we can answer?",
                (
                    "We sent you a quote some days ago. Is the date still right, and the number of people?",
                    "Reply to this mail and the person who wrote it will answer.",
                ),
            ),
            "second": RecipeLetter(
                "Shall we keep your date",
                "Shall we keep your date?",
                "We are still keeping your date",
                ("Others ask for the same day. A short yes is enough, and we keep it for you.",),
            ),
            "last": RecipeLetter(
                "Last word on your quote",
                "We release your date on Friday",
                "Shall we let it go?",
                ("We have not heard from you, so we release the date. If you still want it, reply before then.",),
            ),
        },
    )
)
