"""How whose something is gets explained: by which hints, how sure, and in words what else spoke."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from app.capture.evidence import Evidence
from app.capture.names import last_names_agree, names_agree
from app.capture.profiles import Pair, Profile

CONFIDENCE = {"email": 95, "phone": 85}
"""How sure one kind of contact point makes us, by the seeds' figures; exact ids 100."""
AMBIGUOUS = 60
"""How sure we are where several people are reached at the address that was all we had."""
BY_NAME = 85
"""How sure we are of who has the same full name, birth date and club, while nothing else can be compared."""
NAMESAKE = ("name", "date_of_birth", "club")
_WORDS = {"email": "e-mail address", "phone": "phone number", "scl_member_id": "member number"}


@dataclass(slots=True)
class Match:
    """Whose one event is: by which hints, how sure (0 to 100), and what else is to be said of it."""

    customer_id: UUID
    is_new: bool
    matched_by: tuple[str, ...]
    confidence: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Company:
    """What an event's match is explained by.

    `ids` and `points` were known before, `shared` are points of several people, `beside` says of each hint how many
    pieces of evidence of this person name it, `held` the ids of the person by kind.
    """

    ids: Collection[Pair]
    points: Collection[Pair]
    shared: Collection[Pair] = ()
    beside: Mapping[Pair, int] | None = None
    held: Mapping[str, Collection[str]] | None = None


def plain_match(piece: Evidence, owner: UUID) -> Match:
    """Return the match of an event that names its customer, or all of whose hints that customer alone holds."""
    if piece.own:
        return Match(owner, False, ("customer_id",), 100)
    kinds = tuple([kind for kind, _ in (*piece.ids, *piece.points)])
    confidence = 100 if piece.ids else max([CONFIDENCE[kind] for kind in kinds])
    return Match(owner, False, kinds, confidence, "; ".join(piece.notes) if piece.notes else None)


def explain(piece: Evidence, owner: UUID, is_new: bool, known: Company) -> Match:
    """Return the match of an event."""
    exact = [pair[0] for pair in piece.ids if pair in known.ids]
    reached = [pair for pair in piece.points if pair in known.points]
    beside = known.beside or {}
    if not (exact or reached or is_new):
        # Known before by none of them, but another event that came in with this one names them too.
        exact = [pair[0] for pair in piece.ids if beside.get(pair, 0) > 1]
        reached = [pair for pair in piece.points if beside.get(pair, 0) > 1]
    reasons = list(piece.notes)
    if exact or is_new:
        confidence = 100
    elif reached:
        confidence = max(CONFIDENCE[kind] for kind, _ in reached)
        if all(pair in known.shared for pair in reached):
            confidence = AMBIGUOUS
            reasons.append("several customers are reached there; it went to the one for whom most speaks")
    else:
        confidence = BY_NAME
        reasons.append("the same name, birth date and club, and no address or number of theirs is another")
    if not (exact or is_new):
        reasons += _entered_twice(piece, known)
    hints = (*exact, *(kind for kind, _ in reached))
    return Match(owner, is_new, hints or (() if is_new else NAMESAKE), confidence, "; ".join(reasons) or None)


def _entered_twice(piece: Evidence, known: Company) -> list[str]:
    held = known.held or {}
    return [
        f"another {_word(kind)} than before, which alone does not make another person"
        for kind in dict.fromkeys(kind for kind, value in piece.ids if len(held.get(kind, ())) > 1)
    ]


def _word(kind: str) -> str:
    return _WORDS.get(kind, kind.replace("_", " "))


def why_one(one: Profile, other: Profile) -> str:
    """Return why two profiles were joined, in words."""
    kinds = [
        *sorted({kind for kind, _ in one.ids & other.ids}),
        *sorted({kind for kind, _ in one.points & other.points}),
    ]
    if not kinds and one.namesake and one.namesake == other.namesake:
        return "the same first and last name, date of birth and club; nothing contradicts"
    # Where nothing is shared, what came in told of both at once.
    told = [f"the same {_word(kind)}" for kind in kinds] or ["something that came in names hints of both"]
    if one.first_name and other.first_name and names_agree(one.first_name, other.first_name):
        told.append("a first name that fits")
    if one.last_name and other.last_name and last_names_agree(one.last_name, other.last_name):
        told.append("the same last name")
    if one.date_of_birth and one.date_of_birth == other.date_of_birth:
        told.append("the same date of birth")
    return f"{', '.join(told)}; nothing contradicts"
