"""A single-figure handicap, for the first time."""

from app.journeys.recipe import Recipe, RecipeLetter, RecipeSegment, registry
from app.journeys.recipe_parts import FRIEND, end, send, tag

registry.register("handicap-milestone")(
    Recipe(
        title="Handicap milestone",
        description="Congratulations to whoever comes below ten, once. Who is there already when you switch it on gets"
        " none.",
        icon="trophy",
        trigger={"event_type": "segment.entered"},
        segment=RecipeSegment(
            "Single-figure handicap",
            "A handicap index below ten.",
            {"combinator": "AND", "rules": [{"field": "handicap_index", "operator": "lt", "value": 10}]},
        ),
        steps=(send("well_played", "well_played", "tag"), tag("tag", "single-figures", "end"), end()),
        letters={
            "well_played": RecipeLetter(
                "Single figures",
                f"Single figures, {FRIEND}!",
                f"Well played, {FRIEND}",
                (
                    "Your handicap has come below ten. That takes many good rounds, and we are proud of you.",
                    "Come by the pro shop: they would like to shake your hand.",
                ),
            )
        },
    )
)
