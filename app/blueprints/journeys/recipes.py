"""Ready journeys: what there is, whom each would concern, and making a draft of one. Pages and API."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from pydantic import BaseModel
from werkzeug.wrappers import Response as Answer

from app.blueprints.journeys.api import JourneyOut, api, shown
from app.blueprints.journeys.base import blueprint
from app.infra.ids import as_id
from app.journeys import queries, recipe
from app.journeys.models import Journey
from app.journeys.recipe import Recipe
from app.journeys.step_type import step_types
from app.journeys.waits import Until
from app.web.guards import current, must, requires
from app.web.htmx import page
from app.web.lists import asked_choice, asked_id
from app.web.schemas import Body


@blueprint.get("/recipes")
@requires("journeys.edit")
def recipes() -> Response:
    """List the recipes; each card asks for its count by itself."""
    clubs = queries.known(tenant_id=current().tenant_id).clubs
    chosen = as_id(asked_choice("club_id", {str(one) for one in clubs}))
    return page(
        "journeys/recipes.html",
        block="results",
        recipes=[(name, one, _outline(one)) for name, one in recipe.recipes()],
        clubs=list(clubs.items()),
        club_id=chosen,
    )


def _outline(one: Recipe) -> list[tuple[str, str]]:
    """Return what a recipe does, step by step, as (icon, words)."""
    told = []
    for step in one.steps:
        kind = step_types().get(step["type"])
        letter = one.letters.get((step.get("config") or {}).get("template_id", ""))
        words = f"“{letter.name}”" if letter else step.get("name") or _words(step)
        told.append((kind.icon, words or kind.label))
    return told


def _words(step: Mapping[str, Any]) -> str | None:
    config = step.get("config") or {}
    if until := config.get("until"):
        return Until.model_validate(until).words()
    if date := config.get("event_date"):
        return f"{date['offset']} before"
    if updates := config.get("updates"):
        return f"Tag “{updates[0]['value']}”"
    return config.get("duration")


@blueprint.get("/recipes/<name>/count")
@requires("journeys.edit")
def recipe_count(name: str) -> Response:
    """Show how many people a recipe would concern."""
    counted = recipe.dry_count(tenant_id=current().tenant_id, name=name, club_id=asked_id("club_id"))
    return page("journeys/_recipe_count.html", name=name, counted=counted)


@blueprint.post("/recipes/<name>")
@requires("journeys.edit")
def use_recipe(name: str) -> Answer:
    """Make a draft of a recipe and open it in the builder."""
    made = _made(name, as_id(request.form.get("club_id")))
    letters = len(recipe.recipe(name).letters)
    what = "its template" if letters == 1 else f"its {letters} templates"
    flash(f"Here is your draft, with {what}. Read the letters, rehearse it, then activate it.", "success")
    return redirect(url_for("journeys.builder", journey_id=made.id))


def _made(name: str, club_id: UUID | None) -> Journey:
    """Make a draft of a recipe, with its templates and segment."""
    must("templates.edit")
    must("segments.edit")
    actor = current()
    return recipe.use(tenant_id=actor.tenant_id, name=name, actor=actor.ref, club_id=club_id)


class RecipeOut(BaseModel):
    """A ready journey."""

    name: str
    title: str
    description: str
    trigger_type: str


class RecipesOut(BaseModel):
    """All recipes."""

    items: list[RecipeOut]


class RecipeCountOut(BaseModel):
    """How many people a recipe would concern; `estimated`: about so many."""

    count: int
    estimated: bool
    words: str


class UseRecipe(Body):
    """For which club; without one, for all."""

    club_id: UUID | None = None


@api.operation("GET", "/journeys/recipes", permission="journeys.view", returns=RecipesOut)
def list_recipes() -> RecipesOut:
    """List the ready journeys."""
    items = [
        RecipeOut(name=name, title=one.title, description=one.description, trigger_type=one.trigger["event_type"])
        for name, one in recipe.recipes()
    ]
    return RecipesOut(items=items)


@api.operation("GET", "/journeys/recipes/<name>/count", permission="journeys.view", returns=RecipeCountOut)
def count_recipe(name: str) -> RecipeCountOut:
    """Count whom a recipe would concern, by what is known of customers now."""
    counted = recipe.dry_count(tenant_id=current().tenant_id, name=name)
    return RecipeCountOut(count=counted.count, estimated=counted.estimated, words=counted.words)


@api.operation(
    "POST", "/journeys/recipes/<name>", permission="journeys.edit", body=UseRecipe, returns=JourneyOut, status=201
)
def make_recipe(name: str, body: UseRecipe) -> JourneyOut:
    """Make a draft of a recipe, with its templates and segment; nothing runs before it is activated.

    Needs `templates.edit` and `segments.edit` too.
    """
    return shown(_made(name, body.club_id))
