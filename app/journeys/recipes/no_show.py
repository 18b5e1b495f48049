"""Somebody booked a tee time and did not come."""

from app.journeys.recipe import Recipe, RecipeLetter, registry
from app.journeys.recipe_parts import FRIEND, ask, did, end, send, tag, until

registry.register("no-show")(
    Recipe(
        title="No-show",
        description="The morning after a missed tee time, a kind word. Whoever misses three in 90 days gets a tag that"
        " the desk sees.",
        icon="calendar-x",
        trigger={"event_type": "teetime.missed"},
        settings={"reentry": "each", "reentry_key": "booking_id"},
        steps=(
            until("morning", "09:00", 1, "often"),
            ask("often", "Missed three in 90 days", [did("teetime.missed", "90 days", value=3)], "tag", "sorry"),
            tag("tag", "misses-tee-times", "sorry"),
            send("sorry", "sorry", "end", transactional=True),
            end(),
        ),
        letters={
            "sorry": RecipeLetter(
                "We missed you on the tee",
                f"We missed you yesterday, {FRIEND}",
                "We missed you on the first tee",
                (
                    "Your tee time was kept, and you did not come. We hope that all is well.",
                    "If plans change, please cancel as early as you can: somebody else will be glad of the place.",
                ),
            )
        },
    )
)
