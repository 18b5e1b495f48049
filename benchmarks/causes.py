"""Why pieces of evidence came to the wrong person, or to one of their own: in words that can be counted."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from app.capture.names import last_names_agree, names_agree

HINT_WORDS = {"email": "address", "phone": "number"}


@dataclass(frozen=True)
class Told:
    """What one row or event tells: `ids` as (kind, value), `points` as ("email" or "phone", key)."""

    ids: frozenset[tuple[str, str]]
    points: frozenset[tuple[str, str]]
    first: str | None
    last: str | None
    born: str | None


@dataclass
class Causes:
    """How many pieces, and how many pairs they make wrong or missing, by cause."""

    pieces: Counter[str]
    pairs: Counter[str]

    def lines(self) -> list[str]:
        """Return them as lines to show, the dearest first."""
        return [f"    {count:>5} pairs, {self.pieces[one]:>4} pieces: {one}" for one, count in self.pairs.most_common()]


def wrong(found: Mapping[Hashable, Hashable], truth: Mapping[Hashable, str], told: Mapping[Hashable, Told]) -> Causes:
    """Return why pieces are with a person who is another."""
    return _causes(found, truth, told, "with another: ")


def missing(found: Mapping[Hashable, Hashable], truth: Mapping[Hashable, str], told: Mapping[Hashable, Told]) -> Causes:
    """Return why pieces are not with the most of their person."""
    return _causes(truth, found, told, "")


def _causes(
    groups: Mapping[Hashable, Hashable], others: Mapping[Hashable, Hashable], told: Mapping[Hashable, Told], mark: str
) -> Causes:
    """Go through the groups whose pieces are of several of `others`: each outside the largest part has its cause."""
    members: dict[Hashable, list[Hashable]] = defaultdict(list)
    for piece in sorted(groups.keys() & others.keys(), key=repr):
        members[groups[piece]].append(piece)
    causes = Causes(Counter(), Counter())
    for pieces in members.values():
        parts: dict[Hashable, list[Hashable]] = defaultdict(list)
        for piece in pieces:
            parts[others[piece]].append(piece)
        largest, *rest = sorted(parts.values(), key=len, reverse=True)
        for part in rest:
            cause = mark + _cause([told[one] for one in part], [told[one] for one in largest])
            causes.pieces[cause] += len(part)
            causes.pairs[cause] += len(part) * (len(pieces) - len(part))
    return causes


def _cause(part: Sequence[Told], rest: Sequence[Told]) -> str:
    """Return what a part of a group has, or has not, in common with the rest."""
    mine, theirs = _all(part), _all(rest)
    if not (mine.first and theirs.first):
        kinds = sorted({HINT_WORDS.get(kind, kind) for kind, _ in {*mine.ids, *mine.points}})
        return (
            f"nameless, known only by {' and '.join(kinds)}" if len(kinds) < 3 else "nameless, known by several hints"
        )
    if not names_agree(mine.first, theirs.first):
        return "another given name"
    if mine.born and theirs.born and mine.born != theirs.born:
        return "another birth date"
    if mine.last and theirs.last and not last_names_agree(mine.last, theirs.last):
        return "another last name"
    if not mine.points & theirs.points:
        return "no address or number in common"
    if not (mine.born and theirs.born):
        return "a shared address or number, no birth date, and something else that differs"
    return "other"


def _all(some: Sequence[Told]) -> Told:
    """Return what they tell together; of each name the first one told."""
    return Told(
        frozenset(pair for one in some for pair in one.ids),
        frozenset(pair for one in some for pair in one.points),
        next((one.first for one in some if one.first), None),
        next((one.last for one in some if one.last), None),
        next((one.born for one in some if one.born), None),
    )
