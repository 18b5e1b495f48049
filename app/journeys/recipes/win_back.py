"""Somebody whose membership has ended."""

from app.journeys.recipe import Recipe, RecipeLetter, RecipeSegment, registry
from app.journeys.recipe_parts import FRIEND, ask, end, send, tag, wait

_GONE = {"field": "membership_status", "operator": "in", "value": ["resigned", "cancelled", "expired", "lapsed"]}

registry.register("win-back")(
    Recipe(
        title="Win back who resigned",
        description="A month after a membership has ended an honest question, two months later an invitation.",
        icon="heart",
        trigger={"event_type": "segment.entered"},
        segment=RecipeSegment(
            "Membership ended", "Resigned, cancelled, expired or lapsed.", {"combinator": "AND", "rules": [_GONE]}
        ),
        steps=(
            wait("month", "30 days", "gone"),
            ask("gone", "Still gone", [_GONE], "question", "back"),
            send("question", "question", "two_months"),
            wait("two_months", "60 days", "still"),
            ask("still", "Still gone", [_GONE], "invitation", "back"),
            send("invitation", "invitation", "end"),
            tag("back", "came-back", "end"),
            end(),
        ),
        letters={
            "question": RecipeLetter(
                "What could we have done better",
                f"{FRIEND}, what could we have done better?",
                "An honest question",
                (
                    "A month ago your membership of {{ club.name }} ended. What could we have done better?",
                    "A reply of one line helps us, and reaches a person.",
                ),
            ),
            "invitation": RecipeLetter(
                "Come and see us again",
                "Come and see us again",
                f"A round on us, {FRIEND}",
                ("The course is at its best. Play it once as our guest, and see what has changed.",),
            ),
        },
    )
)
