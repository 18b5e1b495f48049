"""Audiences that every organisation needs: recipes for segments, made when somebody wants one.

None is made unasked: an organisation without segments pays nothing for them when things happen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from app.infra.db import transaction
from app.infra.errors import NotFound
from app.segments import locks, service
from app.segments.models import Segment


@dataclass(frozen=True, slots=True)
class Recipe:
    """A segment to be made: its key, and how it begins. What is made of it may be changed like any other."""

    key: str
    name: str
    description: str
    criteria: Mapping[str, Any]


def _stage(*stages: str) -> dict[str, Any]:
    return {"combinator": "AND", "rules": [{"field": "lifecycle_stage", "operator": "in", "value": list(stages)}]}


RECIPES: dict[str, Recipe] = {
    one.key: one
    for one in (
        Recipe("all_customers", "All customers", "Everybody you know.", {"combinator": "AND", "rules": []}),
        Recipe("members", "Members", "Who is a member now.", _stage("MEMBER")),
        Recipe("past_customers", "Past customers", "Who was a member once.", _stage("FORMER")),
        Recipe("leads", "Leads", "Who has shown interest and is no member yet.", _stage("LEAD", "PROSPECT")),
        Recipe(
            "members_by_mail",
            "Members who can be mailed",
            "Members who agreed to e-mail and have an address that mail reaches.",
            {
                "combinator": "AND",
                "rules": [
                    *_stage("MEMBER")["rules"],
                    {"field": "can_be_mailed", "operator": "eq", "value": True},
                ],
            },
        ),
    )
}
_ASIDE = text("""
    UPDATE segment SET ready_made = NULL
    WHERE tenant_id = :tenant_id AND ready_made = :key AND archived_at IS NOT NULL
""")


class NoSuchRecipe(NotFound):
    """There is no ready-made segment of this name."""

    def __init__(self) -> None:
        super().__init__("There is no such ready-made segment.")


def offered(*, tenant_id: UUID) -> list[Recipe]:
    """Return the recipes of which the organisation has no segment in use."""
    wanted = select(Segment.ready_made).where(
        Segment.tenant_id == tenant_id, Segment.ready_made.is_not(None), Segment.archived_at.is_(None)
    )
    with transaction(tenant_id) as session:
        there = set(session.scalars(wanted))
    return [one for one in RECIPES.values() if one.key not in there]


def make(*, tenant_id: UUID, key: str, actor: str, actor_name: str = "", now: datetime | None = None) -> Segment:
    """Make the segment of a recipe and return it, or the one that is in use already. Raises NoSuchRecipe, NameTaken."""
    recipe = RECIPES.get(key)
    if recipe is None:
        raise NoSuchRecipe
    with transaction(tenant_id) as session:
        # Who asks twice, or two who ask at once, all get the one: the later see it once the first is done.
        locks.lock_ready_made(session, tenant_id)
        there = session.scalar(
            select(Segment).where(
                Segment.tenant_id == tenant_id, Segment.ready_made == key, Segment.archived_at.is_(None)
            )
        )
        if there is not None:
            return there
        # One in the archive makes room for another; taken out again it is a segment like any other.
        session.execute(_ASIDE, {"tenant_id": tenant_id, "key": key})
        return service.create(
            tenant_id=tenant_id,
            actor=actor,
            name=recipe.name,
            description=recipe.description,
            criteria=recipe.criteria,
            ready_made=key,
            actor_name=actor_name,
            now=now,
        )
