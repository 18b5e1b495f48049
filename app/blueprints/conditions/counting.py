"""Whom the conditions of a form mean, as they stand in it: beside it while it is edited, or where its button asks."""

from dataclasses import dataclass
from uuid import UUID

from app.blueprints.conditions.asked import Asked
from app.blueprints.conditions.form import Posted
from app.conditions import InvalidConditions
from app.infra import clock
from app.segments.preview import Preview, preview


@dataclass(frozen=True, slots=True)
class Counted:
    """Whom conditions mean; or `missing`, what they lack still, or `aside`, why nobody can be counted.

    `empty`: nothing is asked, so everybody is meant.
    """

    found: Preview | None
    empty: bool = False
    missing: str = ""
    aside: str = ""


def count(posted: Posted, asked: Asked, *, tenant_id: UUID) -> Counted:
    """Return whom the conditions of a form mean now, of the club it says."""
    tree = posted.tree
    if posted.required and not tree["rules"]:
        return Counted(None, missing="Add at least one condition.")
    if asked.of_walks(tree):
        return Counted(
            None, aside="What the journey brings is another thing for each person, so they can’t be counted."
        )
    try:
        found = preview(
            tenant_id=tenant_id, criteria=tree, club_id=posted.club_id, now=clock.now(), names=asked.labels()
        )
    except InvalidConditions as wrong:
        said = asked.problems(tree, allow_empty=True) or wrong.errors
        return Counted(None, missing=next(iter(said.values())))
    return Counted(found, empty=not tree["rules"])
