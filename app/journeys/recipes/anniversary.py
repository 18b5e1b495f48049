"""The day somebody became a member."""

from app.journeys.recipe import Recipe, RecipeLetter, registry
from app.journeys.recipe_parts import FRIEND, ask, end, send

_MEMBER = {"field": "lifecycle_stage", "operator": "eq", "value": "MEMBER"}
_A_YEAR = {"field": "joined_on", "operator": "longer_ago", "value": "300 days"}

registry.register("anniversary")(
    Recipe(
        title="Membership anniversary",
        description="A thank-you every year on the day somebody joined, as long as they are a member.",
        icon="certificate",
        trigger={"event_type": "DATE", "date": {"field": "joined_on", "every": "year", "time": "09:00"}},
        settings={"reentry": "after_exit"},
        steps=(
            ask("member", "Still a member, for a year or more", [_MEMBER, _A_YEAR], "thanks", "end"),
            send("thanks", "thanks", "end"),
            end(),
        ),
        letters={
            "thanks": RecipeLetter(
                "Thank you for another year",
                f"Thank you for another year, {FRIEND}",
                f"Another year together, {FRIEND}",
                (
                    "On this day you joined {{ club.name }}"
                    '{% if customer.joined_on %}, in {{ customer.joined_on | date: "%Y" }}{% endif %}. Thank you for'
                    " being part of it.",
                    "Have a drink with us when you are next at the club, and tell us what the next year should bring.",
                ),
            )
        },
    )
)
