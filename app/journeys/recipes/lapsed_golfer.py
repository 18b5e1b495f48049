"""Somebody who used to play and has stayed away."""

from app.journeys.recipe import Recipe, RecipeLetter, RecipeSegment, registry
from app.journeys.recipe_parts import FRIEND, ask, did, end, send, tag, wait

registry.register("lapsed-golfer")(
    Recipe(
        title="Lapsed golfer",
        description="Who has not played for 60 days gets a friendly word, and a second one if no round is booked.",
        icon="golf",
        trigger={"event_type": "segment.entered"},
        segment=RecipeSegment(
            "Has not played for 60 days",
            "Played before, and not in the last 60 days.",
            {
                "combinator": "AND",
                "rules": [
                    {"event": "teetime.completed", "aggregate": "last", "operator": "longer_ago", "value": "60 days"}
                ],
            },
        ),
        settings={"reentry": "after_days", "reentry_days": 120},
        steps=(
            send("first", "first", "week"),
            wait("week", "7 days", "booked"),
            ask("booked", "Booked since", [did("teetime.booked", "7 days")], "back", "second"),
            tag("back", "came-back", "end"),
            send("second", "second", "end"),
            end(),
        ),
        letters={
            "first": RecipeLetter(
                "We have missed you",
                f"It has been a while, {FRIEND}",
                "The course has missed you",
                (
                    f"Dear {FRIEND}, we have not seen you at {{{{ club.name }}}} for some weeks.",
                    "If something keeps you away, tell us: a reply to this mail reaches a person.",
                ),
            ),
            "second": RecipeLetter(
                "There is still a place",
                f"{FRIEND}, there is a tee time free for you",
                "There is still a place for you",
                (
                    "Come by for nine holes this week. The first coffee is ours.",
                    "If you would rather play with company, reply and we find you a group.",
                ),
            ),
        },
    )
)
