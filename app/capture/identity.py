"""Whose event is it: a whole batch at once, from all hints together.

Evidence that shares a hint forms a component. Where nothing in a component contradicts anything, it is one person;
that is the quick road and nearly all of the traffic. Where something does (a family on one mailbox), the whole
history of that component is divided anew by `partition`, a function of the evidence alone: the people found are the
same whatever order events come in. An event that proves to have been another's is moved to them.

The caller holds the tenant's capture lock: for itself to `resolve`, shared with others to `resolve_known`, and shared
to `resolve_growing` for the only one who does so. Nothing here writes; `app.capture.record` does.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.capture import claimed, profiles
from app.capture.claimed import Claimed
from app.capture.evidence import Evidence, Namesake
from app.capture.partition import Cluster, partition
from app.capture.profiles import Pair, Profile
from app.capture.reasons import Company, Match, explain, plain_match, why_one
from app.customers import erased, suggestions
from app.events.places import Places
from app.infra.ids import new_id


@dataclass(frozen=True, slots=True)
class Join:
    """Two profiles that prove to be one person: `loser` goes into `winner`."""

    winner: UUID
    loser: UUID
    reason: str


@dataclass(slots=True)
class Resolution:
    """What resolving a batch came to: a match for each event row, and what must change in the database.

    `news` are the rows of events that may say something new of somebody.
    `moves` are earlier events that prove to be another's: row → its new owner. `divided` are all earlier events of
    the people this concerns; what they say of their owners must be gone through again.
    """

    matches: dict[UUID, Match] = field(default_factory=dict)
    news: set[UUID] = field(default_factory=set)
    created: list[UUID] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    moves: dict[UUID, UUID] = field(default_factory=dict)
    ids: dict[Pair, UUID] = field(default_factory=dict)
    points: set[tuple[UUID, Pair]] = field(default_factory=set)
    lost_points: set[tuple[UUID, Pair]] = field(default_factory=set)
    lost_ids: set[tuple[UUID, Pair]] = field(default_factory=set)
    divided: list[Claimed] = field(default_factory=list)


def resolve_known(session: Session, tenant_id: UUID, evidence: Sequence[Evidence]) -> Resolution:
    """Return whose the evidence is that says nothing new; what may change who anybody is has no match."""
    found = Resolution()
    evidence = profiles.follow_merges(session, tenant_id, evidence)
    _settle_known(found, profiles.load(session, tenant_id, evidence), evidence)
    return found


def resolve_growing(session: Session, tenant_id: UUID, evidence: Sequence[Evidence]) -> Resolution:
    """Return whose the evidence is that is all of one customer, known or new; what concerns several has no match.

    Others may `resolve_known` meanwhile. What they settle is of customers who hold each hint of it alone, and here
    such a customer gains a hint that nobody had, or somebody is made of hints that nobody had: neither has a say in
    what becomes of the other.
    """
    found = Resolution()
    for people, pieces, by_name in _components(*_unsettled(session, tenant_id, found, evidence)):
        if len(people) < 2 and not by_name and _consistent(people, pieces):
            _settle(found, people, pieces)
    return found


def _unsettled(
    session: Session, tenant_id: UUID, found: Resolution, evidence: Sequence[Evidence]
) -> tuple[list[Profile], list[Evidence]]:
    evidence = profiles.follow_merges(session, tenant_id, evidence)
    known = profiles.load(session, tenant_id, evidence, also=profiles.namesakes(session, tenant_id, evidence))
    people_left, evidence_left = _settle_known(found, known, evidence)
    found.news.update(piece.events[0] for piece in evidence_left)
    return people_left, evidence_left


def resolve(session: Session, tenant_id: UUID, evidence: Sequence[Evidence], places: Places) -> Resolution:
    """Return whose each piece of evidence is, a customer made up where nobody fits."""
    found = Resolution()
    people_left, evidence_left = _unsettled(session, tenant_id, found, evidence)
    contested: list[tuple[list[Profile], list[Evidence]]] = []
    # Only those who might become one person with another need to be asked for.
    apart = _apart(session, tenant_id, [one.id for one in people_left]) if len(people_left) > 1 else set()
    for people, pieces, by_name in _components(people_left, evidence_left):
        if not by_name and _consistent(people, pieces) and not _told_apart(people, apart):
            _settle(found, people, pieces)
        elif all(piece.own for piece in pieces):
            for piece in pieces:
                _stay(found, piece, piece.customer_id)
        else:
            contested.append((people, pieces))
    if contested:
        _divide(session, tenant_id, found, contested, places, apart)
    return found


def _apart(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> set[frozenset[UUID]]:
    """Return the pairs that must stay two: somebody said so, or one of them is being erased and takes nobody along."""
    going = erased.under_way(session, tenant_id, ids)
    return suggestions.apart(session, tenant_id, ids) | {
        frozenset((one, other)) for one in going for other in ids if other != one
    }


def _settle_known(
    found: Resolution, known: dict[UUID, Profile], evidence: Sequence[Evidence]
) -> tuple[list[Profile], list[Evidence]]:
    """Settle what says nothing new of customers who share nothing with anybody; return the rest of both.

    Nearly all of the traffic. What is left hangs together with nothing that was settled here, so nothing is decided
    other than it would be with all of it.
    """
    holders: dict[Pair, Profile] = {}
    apart: set[UUID] = set()
    for person in known.values():
        for pair in person.points:
            other = holders.setdefault(pair, person)
            if other is not person:
                apart.update((other.id, person.id))
        holders.update(dict.fromkeys(person.ids, person))
        if len(person.ids) > 1 and len({kind for kind, _ in person.ids}) < len(person.ids):
            apart.add(person.id)
    settled: list[tuple[Evidence, Profile]] = []
    rest: list[Evidence] = []
    for piece in evidence:
        holder = known.get(piece.customer_id) if piece.own and piece.customer_id else _only_holder(piece, holders)
        if holder is None:
            rest.append(piece)
            apart.update(one.id for pair in (*piece.ids, *piece.points) if (one := holders.get(pair)))
            if piece.customer_id:
                apart.add(piece.customer_id)
        else:
            settled.append((piece, holder))
    namesakes = {piece.namesake for piece in rest if piece.namesake}
    if namesakes:
        apart.update(person.id for person in known.values() if person.namesake in namesakes)
    for piece, holder in settled:
        if holder.id in apart:
            rest.append(piece)
        else:
            found.matches[piece.events[0]] = plain_match(piece, holder.id)
    return [person for id_, person in known.items() if id_ in apart], rest


def _only_holder(piece: Evidence, holders: dict[Pair, Profile]) -> Profile | None:
    """Return the customer who holds each of the hints, where the piece says nothing else that is new; or None."""
    holder = None
    for pair in (*piece.ids, *piece.points):
        one = holders.get(pair)
        if one is None or (holder is not None and one is not holder):
            return None
        holder = one
    if (
        holder is None
        or piece.customer_id not in (None, holder.id)
        or piece.first_name not in (None, holder.first_name)
        or piece.last_name not in (None, holder.last_name)
        or piece.date_of_birth not in (None, holder.date_of_birth)
    ):
        return None
    return holder


def _components(
    everybody: list[Profile], evidence: Sequence[Evidence]
) -> Iterator[tuple[list[Profile], list[Evidence], bool]]:
    """Yield the customers and the events that hang together by any hint; each has at least one event.

    The third tells whether they do only because some have the same full name and birth date.
    """
    parent = list(range(len(everybody) + len(evidence)))
    first: dict[Any, int] = {}

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    def tie(node: int, hint: Any) -> None:
        parent[root(node)] = root(first.setdefault(hint, node))

    for at, person in enumerate(everybody):
        for hint in (person.id, *person.ids, *person.points):
            tie(at, hint)
    for at, piece in enumerate(evidence, start=len(everybody)):
        for hint in (*piece.ids, *piece.points):
            tie(at, hint)
        if piece.customer_id:
            tie(at, piece.customer_id)
    by_name = _tie_namesakes([*everybody, *evidence], parent, root)
    people: dict[int, list[Profile]] = defaultdict(list)
    for at, person in enumerate(everybody):
        people[root(at)].append(person)
    pieces: dict[int, list[Evidence]] = defaultdict(list)
    for at, piece in enumerate(evidence, start=len(everybody)):
        pieces[root(at)].append(piece)
    for node, found in pieces.items():
        yield people[node], found, node in by_name


def _tie_namesakes(everything: Sequence[Profile | Evidence], parent: list[int], root: Callable[[int], int]) -> set[int]:
    """Tie together those of one full name and birth date; return the roots of who would not have been otherwise."""
    first: dict[Namesake, int] = {}
    tied = []
    for at, one in enumerate(everything):
        if one.namesake and root(other := first.setdefault(one.namesake, at)) != root(at):
            parent[root(at)] = root(other)
            tied.append(at)
    return {root(at) for at in tied}


def _consistent(people: Sequence[Profile], pieces: Sequence[Evidence]) -> bool:
    """Return whether nothing in it could be anybody else's: the quick road for nearly everybody."""
    ids: dict[str, str] = {}
    name: str | None = None
    last: str | None = None
    birth: date | None = None
    everybody: list[Profile | Evidence] = [*people, *pieces]
    for one in everybody:
        for kind, value in one.ids:
            if ids.setdefault(kind, value) != value:
                return False
        if one.first_name and (name := name or one.first_name) != one.first_name:
            return False
        if one.last_name and (last := last or one.last_name) != one.last_name:
            return False
        if one.date_of_birth and (birth := birth or one.date_of_birth) != one.date_of_birth:
            return False
    return True


def _told_apart(people: Sequence[Profile], apart: set[frozenset[UUID]]) -> bool:
    """Return whether somebody said of two of these that they are two people."""
    ids = {person.id for person in people}
    return any(pair <= ids for pair in apart)


def _settle(found: Resolution, people: list[Profile], pieces: list[Evidence]) -> None:
    """One person: the oldest named profile, else the oldest, else a new one; other profiles go into it."""
    ids = {pair for person in people for pair in person.ids}
    points = {pair for person in people for pair in person.points}
    if people:
        first = min(people, key=_seniority)
        winner = first.id
        found.joins.extend(Join(winner, one.id, why_one(first, one)) for one in people if one is not first)
    elif all(piece.own for piece in pieces):
        # They name a customer who is not there: no match.
        return
    else:
        winner = new_id()
        found.created.append(winner)
    fresh = not people
    known = Company(ids, points, beside=_named(pieces))
    for piece in pieces:
        found.matches[piece.events[0]] = explain(piece, winner, fresh, known)
        fresh = False
        found.ids.update((pair, winner) for pair in piece.ids if pair not in ids)
        found.points.update((winner, pair) for pair in piece.points if pair not in points)
        ids.update(piece.ids)
        points.update(piece.points)


def _named(pieces: Iterable[Evidence]) -> Counter[Pair]:
    """Return how many of the pieces name each hint."""
    return Counter(pair for piece in pieces for pair in {*piece.ids, *piece.points})


def _seniority(person: Profile) -> tuple[bool, int]:
    return not person.named, person.id.int


def _stay(found: Resolution, piece: Evidence, owner: UUID | None) -> None:
    assert owner is not None
    found.matches[piece.events[0]] = plain_match(piece, owner)


def _divide(
    session: Session,
    tenant_id: UUID,
    found: Resolution,
    contested: list[tuple[list[Profile], list[Evidence]]],
    places: Places,
    apart: set[frozenset[UUID]],
) -> None:
    """Divide people who share hints and contradict each other, from all that was ever said of them."""
    everybody = [person.id for people, _ in contested for person in people]
    told: dict[UUID, list[Evidence]] = defaultdict(list)
    for one in claimed.told(session, tenant_id, everybody, places):
        if one.customer_id:
            told[one.customer_id].append(one)
    whole = profiles.merged_by_hand(session, tenant_id, everybody)
    redrawn: list[UUID] = []
    for people, pieces in contested:
        history = [piece for one in people for piece in _history(one, told[one.id], whole=one.id in whole)]
        moved = len(found.moves)
        owners = _draw(found, people, history, [piece for piece in pieces if not piece.own], apart)
        for piece in pieces:
            if piece.own:
                _stay(found, piece, owners.get(piece.customer_id, piece.customer_id) if piece.customer_id else None)
        if len(found.moves) > moved:
            redrawn += owners
    if redrawn:
        found.divided = claimed.past(session, tenant_id, redrawn, places)


def _history(person: Profile, told: list[Evidence], *, whole: bool) -> list[Evidence]:
    """Return what is known of a profile up to now: in pieces, or in one that can't be divided (`whole`)."""
    if not whole:
        return [*told, *_unexplained(person, told)]
    one = person.anchor(person.ids, person.points)
    one.events = tuple(event for piece in told for event in piece.events)
    return [one]


def _unexplained(person: Profile, explained: list[Evidence]) -> list[Evidence]:
    """Return what the profile holds that no event told: it was typed in, imported, or merged by hand."""
    ids = person.ids - {pair for one in explained for pair in one.ids}
    points = person.points - {pair for one in explained for pair in one.points}
    name_told = person.first_name is None or any(one.first_name == person.first_name for one in explained)
    last_told = person.last_name is None or any(one.last_name == person.last_name for one in explained)
    birth_told = person.date_of_birth is None or any(one.date_of_birth == person.date_of_birth for one in explained)
    if explained and not ids and not points and name_told and last_told and birth_told:
        return []
    # With all it holds, also what events told since: that is what ties it to them.
    return [person.anchor(person.ids, person.points)]


def _draw(
    found: Resolution,
    people: list[Profile],
    history: list[Evidence],
    pieces: list[Evidence],
    apart: set[frozenset[UUID]],
) -> dict[UUID, UUID]:
    """Divide one component and write down what changes; return the owner each profile went into."""
    clusters = partition([*history, *pieces], apart)
    by_id = {person.id: person for person in people}
    claims = _claims(by_id, clusters)
    owners: list[UUID] = []
    for at in range(len(clusters)):
        claimants = sorted(claims[at], key=lambda one: _seniority(by_id[one]))
        owner = claimants[0] if claimants else new_id()
        owners.append(owner)
        if not claimants:
            found.created.append(owner)
        joining = [loser for loser in claimants[1:] if frozenset((owner, loser)) not in apart]
        found.joins.extend(Join(owner, loser, why_one(by_id[owner], by_id[loser])) for loser in joining)
    _place_events(found, by_id, clusters, owners, claims, pieces)
    _place_hints(found, by_id, clusters, owners, claims)
    return {one: owners[at] for at, claimants in claims.items() for one in claimants}


def _claims(people: dict[UUID, Profile], clusters: list[Cluster]) -> dict[int, list[UUID]]:
    """Return by the number of a cluster which profiles it continues: each goes on where most of it is."""
    scores: dict[UUID, Counter[int]] = {one: Counter() for one in people}
    for at, cluster in enumerate(clusters):
        for piece in cluster.evidence:
            if piece.customer_id in scores:
                # What was typed in stays with its profile; then a name says more than any number of visits.
                worth = 1_000_000 if piece.is_anchor else 1_000 if piece.first_name else 1
                scores[piece.customer_id][at] += worth * piece.weight
    claims: dict[int, list[UUID]] = defaultdict(list)
    for one, score in scores.items():
        claims[max(score, key=lambda at: (score[at], -at))].append(one)
    return claims


def _place_events(
    found: Resolution,
    people: dict[UUID, Profile],
    clusters: list[Cluster],
    owners: list[UUID],
    claims: dict[int, list[UUID]],
    pieces: list[Evidence],
) -> None:
    arriving = {piece.events[0] for piece in pieces}
    ids = {pair for person in people.values() for pair in person.ids}
    points = {pair for person in people.values() for pair in person.points}
    reached = Counter(pair for one in clusters for pair in {pair for piece in one.evidence for pair in piece.points})
    shared = {pair for pair, count in reached.items() if count > 1}
    for at, cluster in enumerate(clusters):
        fresh = not claims[at]
        known = Company(ids, points, shared, _named(cluster.evidence), cluster.ids)
        for piece in cluster.evidence:
            if piece.is_anchor:
                continue
            if piece.events[0] in arriving:
                found.matches[piece.events[0]] = explain(piece, owners[at], fresh, known)
                fresh = False
            elif piece.customer_id not in claims[at]:
                found.moves.update((event, owners[at]) for event in piece.events)


def _place_hints(
    found: Resolution,
    people: dict[UUID, Profile],
    clusters: list[Cluster],
    owners: list[UUID],
    claims: dict[int, list[UUID]],
) -> None:
    held = {pair: person.id for person in people.values() for pair in person.ids}
    support: dict[Pair, Counter[int]] = defaultdict(Counter)
    for at, cluster in enumerate(clusters):
        points = {pair for piece in cluster.evidence for pair in piece.points}
        had = {pair for one in claims[at] for pair in people[one].points}
        found.points.update((owners[at], pair) for pair in points - had)
        found.lost_points.update((owners[at], pair) for pair in had - points)
        for piece in cluster.evidence:
            for rank, pair in enumerate(piece.ids):
                support[pair][at] += (2 if rank == 0 else 1) * piece.weight
    for pair, counts in support.items():
        at = max(counts, key=lambda one: (counts[one], -one))
        if held.get(pair) not in claims[at]:
            found.ids[pair] = owners[at]
            if pair in held:
                found.lost_ids.add((held[pair], pair))
