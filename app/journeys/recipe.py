"""Ready journeys: each recipe is one file in `recipes/`, with its letters, and its segment if it begins with one.

Using one makes a draft, its templates and its segment, all the club's own from then on; nothing runs before somebody
activates it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from html import escape
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from app.content import service as content
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import NotFound, UserError
from app.infra.registry import NotRegistered, Registry
from app.journeys import drafts, service
from app.journeys.models import Journey
from app.journeys.timed import DATE
from app.segments import preview
from app.segments import service as segments

LOOK_BACK = "30 days"
TRIES = 20
"""So often a free name is looked for where others take them at the same time."""
Made = TypeVar("Made")
SEGMENT = "segment"
"""Stands in a trigger for the id of the recipe's own segment."""

_MJML = """<mjml>
  <mj-head><mj-attributes><mj-all font-family="Helvetica, Arial, sans-serif" /></mj-attributes></mj-head>
  <mj-body background-color="#eef2ee">
    <mj-section background-color="#1f6b45"><mj-column>
      <mj-text color="#ffffff" font-weight="600">{{ club.name }}</mj-text>
    </mj-column></mj-section>
    <mj-section background-color="#ffffff"><mj-column>
      <mj-text font-size="24px" font-weight="700" color="#17241c">HEADING</mj-text>
      PARAGRAPHS
    </mj-column></mj-section>
  </mj-body>
</mjml>"""


@dataclass(frozen=True, slots=True)
class RecipeLetter:
    """An e-mail of a recipe. Subject, heading and paragraphs are plain words with merge tags."""

    name: str
    subject: str
    heading: str
    paragraphs: tuple[str, ...]

    @property
    def mjml(self) -> str:
        """Return the letter as the visual editor keeps it."""
        said = (f'<mj-text line-height="1.6">{escape(one, quote=False)}</mj-text>' for one in self.paragraphs)
        return _MJML.replace("HEADING", escape(self.heading, quote=False)).replace("PARAGRAPHS", "\n      ".join(said))


@dataclass(frozen=True, slots=True)
class RecipeSegment:
    """The segment whose entering or leaving begins a recipe's journey."""

    name: str
    description: str
    criteria: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A journey ready to use. `trigger` is the config of its TRIGGER, `settings` are the journey's.

    `steps` are what follows the trigger, as the API takes them, the first one first; a SEND names its letter in
    `template_id` by the key it has in `letters`.
    """

    title: str
    description: str
    icon: str
    trigger: Mapping[str, Any]
    steps: Sequence[Mapping[str, Any]]
    letters: Mapping[str, RecipeLetter]
    segment: RecipeSegment | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DryCount:
    """How many people a recipe would concern, in words: "12 people had this in the last 30 days"."""

    count: int
    estimated: bool
    words: str


class NoSuchRecipe(NotFound):
    """There is no recipe of this name."""

    def __init__(self) -> None:
        super().__init__("There is no such recipe.")


registry: Registry[Recipe] = Registry("recipe")


@cache
def recipes() -> Registry[Recipe]:
    """Return the recipes by name; every module in `recipes/` has registered its own."""
    registry.discover("app.journeys.recipes")
    return registry


def recipe(name: str) -> Recipe:
    """Return the recipe of that name, or raise NoSuchRecipe."""
    try:
        return recipes().get(name)
    except NotRegistered:
        raise NoSuchRecipe from None


def use(*, tenant_id: UUID, name: str, actor: str, club_id: UUID | None = None, now: datetime | None = None) -> Journey:
    """Make a draft of a recipe with the templates and the segment it needs, and return it; or raise NoSuchRecipe.

    Where names are taken the journey, its templates and its segment get a number after theirs.
    """
    found, moment = recipe(name), now or clock.now()
    with transaction(tenant_id) as session:
        written = {key: _template(session, tenant_id, actor, one, moment) for key, one in found.letters.items()}
        trigger = dict(found.trigger)
        if found.segment is not None:
            trigger["segment_id"] = str(_segment(session, tenant_id, actor, found.segment, club_id, moment))
        journey = _named(
            session,
            lambda: service.free_name(session, tenant_id, found.title),
            lambda name: service.create(
                tenant_id=tenant_id,
                actor=actor,
                name=name,
                description=found.description,
                club_id=club_id,
                **found.settings,
            ),
        )
        start = {"key": "trigger", "type": "TRIGGER", "config": trigger, "next": found.steps[0]["key"]}
        steps = [start, *(_with_template(one, written) for one in found.steps)]
        made = service.put_steps(tenant_id=tenant_id, journey_id=journey.id, actor=actor, steps=steps)
        drafts.begin_here(session, made)
        return made


def _named(session: Session, free: Callable[[], str], make: Callable[[str], Made]) -> Made:
    """Return what is made under a free name: where somebody else takes it in the same moment, under the next one."""
    for _ in range(TRIES):
        try:
            with session.begin_nested():
                return make(free())
        except UserError as refused:
            if "name" not in refused.errors:
                raise
            taken = refused
    raise taken


def _template(session: Session, tenant_id: UUID, actor: str, letter: RecipeLetter, now: datetime) -> UUID:
    made = _named(
        session,
        lambda: content.free_name(session, tenant_id, letter.name),
        lambda name: content.create(
            tenant_id=tenant_id,
            name=name,
            editor="visual",
            subject=letter.subject,
            mjml=letter.mjml,
            actor=actor,
            now=now,
        ),
    )
    return made.id


def _segment(
    session: Session, tenant_id: UUID, actor: str, wanted: RecipeSegment, club_id: UUID | None, now: datetime
) -> UUID:
    made = _named(
        session,
        lambda: segments.free_name(session, tenant_id, wanted.name),
        lambda name: segments.create(
            tenant_id=tenant_id,
            actor=actor,
            name=name,
            description=wanted.description,
            club_id=club_id,
            criteria=wanted.criteria,
            now=now,
        ),
    )
    return made.id


def _with_template(step: Mapping[str, Any], written: Mapping[str, UUID]) -> dict[str, Any]:
    config = dict(step.get("config") or {})
    if "template_id" in config:
        config["template_id"] = str(written[config["template_id"]])
    return {**step, "config": config}


def dry_count(*, tenant_id: UUID, name: str, club_id: UUID | None = None, now: datetime | None = None) -> DryCount:
    """Return how many people a recipe would concern, by what is known of the club's customers now; nothing is made.

    Who did what begins it in the last 30 days, who has the date in the next 30, or who is as its segment asks.
    """
    found = recipe(name)
    criteria, words = _asked(found)
    counted = preview.preview(tenant_id=tenant_id, criteria=criteria, club_id=club_id, now=now)
    return DryCount(counted.count, counted.estimated, words)


def _asked(found: Recipe) -> tuple[Mapping[str, Any], str]:
    """Return the conditions of those a recipe concerns, and what they say: "had this in the last 30 days"."""
    if found.segment is not None:
        return found.segment.criteria, "are like that today; whoever comes to be enters"
    if found.trigger["event_type"] == DATE:
        date = found.trigger["date"]
        rule = {"field": date["field"], "operator": "anniversary_next", "value": LOOK_BACK}
        return {"combinator": "AND", "rules": [rule]}, f"have their day in the next {LOOK_BACK}"
    did: dict[str, Any] = {"event": found.trigger["event_type"], "operator": "gte", "value": 1, "within": LOOK_BACK}
    if found.trigger.get("conditions"):
        did["where"] = {"combinator": "AND", "rules": list(found.trigger["conditions"])}
    return {"combinator": "AND", "rules": [did]}, f"would have entered in the last {LOOK_BACK}"
