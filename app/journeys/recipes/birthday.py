"""A birthday, with a voucher."""

from app.journeys.recipe import Recipe, RecipeLetter, registry
from app.journeys.recipe_parts import FRIEND, ask, did, end, send, tag, wait

registry.register("birthday")(
    Recipe(
        title="Birthday with a voucher",
        description="Good wishes at nine in the morning of the day, with a drink on the house that week.",
        icon="cake",
        trigger={
            "event_type": "DATE",
            "date": {"field": "date_of_birth", "every": "year", "time": "09:00"},
        },
        settings={"reentry": "after_exit"},
        steps=(
            send("wishes", "wishes", "week"),
            wait("week", "7 days", "came"),
            ask("came", "Came that week", [did("pos.purchase", "7 days")], "tag", "end"),
            tag("tag", "used-birthday-voucher", "end"),
            end(),
        ),
        letters={
            "wishes": RecipeLetter(
                "Happy birthday",
                f"Happy birthday, {FRIEND}",
                f"All the best, {FRIEND}",
                (
                    "Everybody at {{ club.name }} wishes you a happy birthday.",
                    "Show this mail at the bar within a week: the first drink is on the house.",
                ),
            )
        },
    )
)
