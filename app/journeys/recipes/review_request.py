"""Asking for a review after a trip."""

from app.journeys.recipe import Recipe, RecipeLetter, registry
from app.journeys.recipe_parts import FRIEND, ask, did, end, send, until

registry.register("review-request")(
    Recipe(
        title="Review request",
        description="Two days after a trip, a request for a review. Nobody who wrote one in the last 90 days is asked.",
        icon="star",
        trigger={"event_type": "trip.completed"},
        settings={"reentry": "after_days", "reentry_days": 90},
        steps=(
            until("day_2", "10:00", 2, "wrote"),
            ask("wrote", "Wrote a review lately", [did("review.submitted", "90 days")], "end", "please"),
            send("please", "please", "end"),
            end(),
        ),
        letters={
            "please": RecipeLetter(
                "How was it",
                f"How was it, {FRIEND}?",
                "How was your trip?",
                (
                    "Thank you for coming. Would you tell others how it was? Two sentences are plenty.",
                    "And if something was not right, tell us first: a reply to this mail reaches a person.",
                ),
            )
        },
    )
)
