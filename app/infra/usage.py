"""Where a thing is used by others: what its page lists, and what keeps it from being taken away from under them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.infra.db import transaction
from app.infra.errors import Conflict

LISTED = 5


@dataclass(frozen=True, slots=True)
class Use:
    """Something that names another thing: its kind and name in words, the page it has (`endpoint` and its values).

    `running`: it acts by that thing now, without anybody's doing. `place` says where in it the thing is named, in
    words, where it may be in several places ("trigger").
    """

    kind: str
    id: UUID
    name: str
    endpoint: str
    values: Mapping[str, UUID]
    running: bool
    place: str = ""


User = Callable[[Session, UUID, Collection[UUID]], Mapping[UUID, Sequence[Use]]]
"""Returns, of these things of a tenant, what of its kind uses which."""


class InUse(Conflict):
    """What runs uses the thing; `uses` says what."""

    def __init__(self, thing: str, does: str, uses: Sequence[Use]) -> None:
        listed = ", ".join(f"{one.kind} “{one.name}”" for one in uses[:LISTED])
        more = f" and {len(uses) - LISTED} more" if len(uses) > LISTED else ""
        super().__init__(f"The {thing} is used by {listed}{more}, so it can't be {does}. End that use first.")
        self.uses = list(uses)


def of(*, tenant_id: UUID, ids: Collection[UUID], users: Sequence[User]) -> dict[UUID, list[Use]]:
    """Return what uses each of the things; those that nothing uses are missing."""
    with transaction(tenant_id) as session:
        found: dict[UUID, list[Use]] = {}
        for user in users if ids else ():
            for one, uses in user(session, tenant_id, ids).items():
                found.setdefault(one, []).extend(uses)
        return {one: uses for one, uses in found.items() if uses}
