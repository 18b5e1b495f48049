"""The day somebody became a member."""

from app.journeys.recipe import Recipe, RecipeLetter, registry
from app.journeys.recipe_parts import FRIEND, end, send

registry.register("anniversary")(
    Recipe(
        title="Membership anniversary",
        description="A thank-you every year on the day somebody joined.",
        icon="certificate",
        trigger={"event_type": "DATE", "date": {"field": "joined_on", "every": "year", "time": "09:00"}},
        settings={"reentry": "after_exit"},
        steps=(send("thanks", "thanks", "end"), end()),
        letters={
            "thanks": RecipeLetter(
                "Thank you for another year",
                f"Thank you for another year, {FRIEND}",
                "Another year with us",
                ("You joined {{ club.name }} on this day. Thank you for being part of it.",),
            )
        },
    )
)
