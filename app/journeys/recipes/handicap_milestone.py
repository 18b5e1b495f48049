"""A single-figure handicap, for the first time."""

from app.journeys.recipe import Recipe, RecipeLetter, registry
from app.journeys.recipe_parts import FRIEND, end, send, tag

registry.register("handicap-milestone")(
    Recipe(
        title="Handicap milestone",
        description="Congratulations to whoever comes below ten for the first time.",
        icon="trophy",
        trigger={
            "event_type": "teetime.handicap.updated",
            "conditions": [{"field": "handicap_index", "operator": "lt", "value": 10}],
        },
        steps=(send("well_played", "well_played", "tag"), tag("tag", "single-figures", "end"), end()),
        letters={
            "well_played": RecipeLetter(
                "Single figures",
                f"Single figures, {FRIEND}!",
                f"Well played, {FRIEND}",
                ("Your handicap has come below ten. The pro shop would like to shake your hand.",),
            )
        },
    )
)
