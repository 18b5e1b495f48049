"""What a segment says of itself: read, checked, and written onto its row with what it depends on."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.accounts.models import Club
from app.conditions import Catalogue, InvalidConditions, Tree, named, parse, walk
from app.events.types.journeys import ENDS
from app.events.types.segments import MOVES
from app.infra.errors import Conflict, Invalid
from app.infra.words import is_visible
from app.segments import condition_fields  # noqa: F401 - it fills the catalogue
from app.segments.models import DYNAMIC, FREQUENCIES, TYPES, Segment

MAX_NAME = 200
MAX_TEXT = 2000
SETTINGS = ("name", "description", "club_id", "criteria", "refresh_frequency")
CRITERIA = "criteria"
NO_CLUB = "Choose one of your clubs."
_NOT_ASKED = {
    **dict.fromkeys(MOVES, "A segment can't ask who entered or left a segment. Ask whether somebody is in it."),
    **dict.fromkeys(ENDS, "A segment can't ask for this event. Ask which journeys somebody is in, or finished."),
}


class ChangedMeanwhile(Conflict):
    """Somebody else changed the segment after the caller read it."""

    def __init__(self) -> None:
        super().__init__(
            "Somebody else changed this segment while you were changing it. Look at what they changed, and save again "
            "if yours is to hold."
        )


def settings_of(segment: Segment) -> dict[str, Any]:
    """Return what stands on the segment, by the names of SETTINGS."""
    return {name: getattr(segment, name) for name in SETTINGS}


def read_criteria(criteria: object, catalogue: Catalogue, *, allow_empty: bool = False) -> Tree:
    """Return criteria as a tree over the tenant's catalogue; raise InvalidConditions, its paths under `criteria`.

    Who entered or left a segment can't be asked: being let in would be a reason to be let out, for ever. Nor who ended
    a journey, which is told only where another one waits for it.
    """
    try:
        tree = parse(criteria, catalogue, allow_empty=allow_empty)
        asked = ((path, rule.did.event) for path, rule in walk(tree) if rule.did)
        moves = {f"{path}.event": _NOT_ASKED[event] for path, event in asked if event in _NOT_ASKED}
        if moves:
            raise InvalidConditions(moves)
        return tree
    except InvalidConditions as wrong:
        raise type(wrong)(_told(wrong.errors)) from None


def check_named(tree: Tree, tenant_id: UUID) -> None:
    """Raise InvalidConditions, its paths under `criteria`, where the tree names what is not there to be named."""
    if wrong := named.unknown(tree, tenant_id):
        raise InvalidConditions(_told(wrong))


def _told(errors: Mapping[str, str]) -> dict[str, str]:
    return {f"{CRITERIA}.{path}" if path else CRITERIA: said for path, said in errors.items()}


def tree_of(segment: Segment, catalogue: Catalogue) -> Tree:
    """Return the criteria of a DYNAMIC segment as they stand; nothing in them is everybody."""
    return parse(segment.criteria, catalogue, allow_empty=True)


def is_club(session: Session, tenant_id: UUID, club_id: UUID | None) -> bool:
    """Return whether that is a club of the tenant; None is all of them."""
    with session.no_autoflush:
        return club_id is None or session.get(Club, (tenant_id, club_id)) is not None


def apply(session: Session, segment: Segment, given: Mapping[str, Any]) -> None:
    """Put the given settings (all but the criteria) on the segment, or raise Invalid with a message for each."""
    errors: dict[str, str] = {name: "There is no such setting." for name in given if name not in (*SETTINGS, "type")}
    if "name" in given:
        segment.name = " ".join(str(given["name"] or "").split())
        if not is_visible(segment.name) or len(segment.name) > MAX_NAME:
            errors["name"] = f"Give a name of 1 to {MAX_NAME} characters."
    if "description" in given:
        segment.description = str(given["description"] or "").strip()
        if len(segment.description) > MAX_TEXT:
            errors["description"] = f"Give at most {MAX_TEXT} characters."
    if "club_id" in given:
        segment.club_id = given["club_id"]
        if not is_club(session, segment.tenant_id, segment.club_id):
            errors["club_id"] = NO_CLUB
    if "type" in given:
        segment.type = given["type"]
        if segment.type not in TYPES:
            errors["type"] = f"Choose one of {', '.join(TYPES)}."
    if "refresh_frequency" in given:
        segment.refresh_frequency = given["refresh_frequency"]
        if segment.refresh_frequency not in FREQUENCIES:
            errors["refresh_frequency"] = f"Choose one of {', '.join(FREQUENCIES)}."
    if given.get(CRITERIA) is not None and segment.type != DYNAMIC and "type" not in errors:
        errors[CRITERIA] = "A static segment has a list of people, and no conditions."
    if errors:
        raise Invalid(errors)
