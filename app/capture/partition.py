"""Which evidence is one person's: a function of the set of evidence alone, so the order of arrival can't matter.

Pieces are nodes. Those that share an exact id are drawn together first, then those that share an e-mail address and
a phone number, then an address, then a number, and last those that tell the same full name, birth date and club; at
each step the best supported pair first, ties by key. A pair that contradicts itself (`contradict`) stays apart. So a
family on one mailbox is several people, and what only the mailbox is known of goes to the one for whom most speaks.
What belongs to two profiles that somebody said are two people stays apart too.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations
from typing import Any
from uuid import UUID

from app.capture.evidence import Evidence
from app.capture.names import last_names_agree, name_key, names_agree

# A key that more pieces than this share (a front desk's address) ties nobody to anybody.
CROWD = 60
# What was said this often is sure; saying it again moves nobody.
SURE = 3
# The same of being reached at an address: more often than this is the same.
OFTEN = 50


@dataclass(slots=True)
class Cluster:
    """Evidence of one person, and what it says together."""

    evidence: list[Evidence] = field(default_factory=list)
    ids: dict[str, set[str]] = field(default_factory=dict)
    points: dict[str, set[str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    last_names: set[str] = field(default_factory=set)
    births: set[date] = field(default_factory=set)
    owners: set[UUID] = field(default_factory=set)

    def learn(self, one: Evidence) -> None:
        """Take in what a piece says of its person."""
        for kind, key in one.points:
            self.points.setdefault(kind, set()).add(key)
        if one.first_name:
            self.names.add(one.first_name)
        if one.last_name:
            self.last_names.add(one.last_name)
        if one.date_of_birth:
            self.births.add(one.date_of_birth)

    def add(self, one: Evidence) -> None:
        """Take a piece in."""
        self.evidence.append(one)
        for kind, value in one.ids:
            self.ids.setdefault(kind, set()).add(value)
        self.learn(one)

    def absorb(self, other: "Cluster") -> None:
        """Take all of another cluster in."""
        self.evidence += other.evidence
        for mine, theirs in ((self.ids, other.ids), (self.points, other.points)):
            for kind, values in theirs.items():
                mine.setdefault(kind, set()).update(values)
        self.names |= other.names
        self.last_names |= other.last_names
        self.births |= other.births
        self.owners |= other.owners

    def elsewhere(self, other: "Cluster") -> bool:
        """Return whether both have an address, or both a number, and none in common."""
        return any(kind in other.points and not keys & other.points[kind] for kind, keys in self.points.items())


def contradict(one: Cluster, other: Cluster) -> bool:
    """Return whether the two can't be one person, whatever they share: other given names, or other birth dates."""
    if one.names and other.names and not _first_names_agree(one, other):
        return True
    return bool(one.births and other.births) and not _births_agree(one, other)


def doubtful(one: Cluster, other: Cluster) -> bool:
    """Return whether too little speaks for two who share a contact point being one: that is for people to decide.

    Another member number alone is no doubt: systems enter people twice. Then the same birth date and a given name that
    fits will do, or the same full name while neither has an address or a number of their own.
    """
    if _births_agree(one, other):
        # The same day: another last name is a marriage.
        return bool(_other_ids(one, other)) and not (one.names and other.names)
    if one.last_names and other.last_names and not _last_names_agree(one, other) and not _swapped(one, other):
        return True
    if not _other_ids(one, other):
        return False
    if not (one.names and other.names) or one.elsewhere(other):
        return True
    same = bool(one.names & other.names) or _swapped(one, other)
    both = all(keys & other.points.get(kind, set()) for kind, keys in one.points.items()) and len(one.points) > 1
    return not (same or both) or not (one.last_names and other.last_names)


def _first_names_agree(one: Cluster, other: Cluster) -> bool:
    # Initials say nothing where there is more than initials on both sides: J. is not what makes Jane of Johan.
    mine = {name for name in one.names if len(name) > 1} or one.names
    theirs = {name for name in other.names if len(name) > 1} or other.names
    return any(names_agree(a, b) for a in mine for b in theirs) or _swapped(one, other)


def _last_names_agree(one: Cluster, other: Cluster) -> bool:
    return any(last_names_agree(a, b) for a in one.last_names for b in other.last_names)


def _swapped(one: Cluster, other: Cluster) -> bool:
    """Return whether the last name of each is the other's given name: somebody took one column for the other."""
    return bool(
        {name_key(name) for name in one.last_names} & other.names
        and {name_key(name) for name in other.last_names} & one.names
    )


def _births_agree(one: Cluster, other: Cluster) -> bool:
    """Return whether they may have one birth date: the same, or with day and month in each other's place."""
    return not set(map(_either_way, one.births)).isdisjoint(map(_either_way, other.births))


def _either_way(day: date) -> tuple[int, ...]:
    """Return what a day has in common with the one whose day and month are in each other's place."""
    return day.year, *sorted((day.month, day.day))


def _other_ids(one: Cluster, other: Cluster) -> set[str]:
    """Return the kinds of exact ids that both have, and none in common."""
    return {kind for kind, values in one.ids.items() if kind in other.ids and not values & other.ids[kind]}


def partition(evidence: Iterable[Evidence], apart: Collection[frozenset[UUID]] = ()) -> list[Cluster]:
    """Return the people in the evidence, in a stable order; customers of a pair of `apart` are two."""
    forest = _Forest(sorted(evidence, key=lambda one: one.key), apart)
    for one, other in forest.pairs_by_id():
        forest.join(one, other)
    for shared, kind in ((2, None), (1, "email"), (1, "phone")):
        for one, other in forest.pairs_by_points(shared, kind):
            forest.join(one, other, unless=forest.doubtful)
    for one, other in forest.pairs_by_name():
        forest.join(one, other, unless=Cluster.elsewhere)
    return forest.clusters()


class _Forest:
    """Union-find over nodes: one for each exact id, one for each set of hints without any."""

    def __init__(self, evidence: Sequence[Evidence], apart: Collection[frozenset[UUID]]) -> None:
        self.apart = apart
        known = {one for pair in apart for one in pair}
        self.nodes: dict[Any, Cluster] = {}
        self.parent: dict[Any, Any] = {}
        self.ties: dict[tuple[Any, Any], int] = defaultdict(int)
        self.points: dict[Any, dict[tuple[str, str], int]] = {}
        self.clubs: dict[Any, set[UUID]] = {}
        self.namesakes: dict[Any, list[Any]] = defaultdict(list)
        self.born: dict[tuple[tuple[str, str], str], set[tuple[int, ...]]] = defaultdict(set)
        for one in evidence:
            owner = one.customer_id if one.customer_id in known else None
            said = (one.first_name, one.last_name, one.date_of_birth, one.club_id)
            node: Any = one.ids[0] if one.ids else (one.points, *said, owner)
            if one.namesake and one.club_id:
                self.namesakes[*one.namesake, one.club_id].append(node)
            if one.first_name and one.date_of_birth:
                for point in one.points:
                    self.born[point, one.first_name].add(_either_way(one.date_of_birth))
            for name in one.ids or (node,):
                self._see(name, one)
            self.nodes[node].add(one)
            if owner:
                self.nodes[node].owners.add(owner)
            for name in one.ids[1:]:
                self.nodes[name].ids.setdefault(name[0], set()).add(name[1])
                self.nodes[name].learn(one)
            for pair in combinations(sorted(one.ids), 2):
                self.ties[pair] += one.weight
        self.order = {node: at for at, node in enumerate(sorted(self.nodes, key=repr))}

    def _see(self, name: Any, one: Evidence) -> None:
        if name not in self.nodes:
            self.nodes[name] = Cluster()
            self.parent[name] = name
            self.points[name] = defaultdict(int)
            self.clubs[name] = set()
        for point in one.points:
            self.points[name][point] += one.weight
        if one.club_id:
            self.clubs[name].add(one.club_id)

    def root(self, node: Any) -> Any:
        """Return the node that stands for the cluster of `node`."""
        while self.parent[node] != node:
            self.parent[node] = self.parent[self.parent[node]]
            node = self.parent[node]
        return node

    def join(self, one: Any, other: Any, *, unless: Callable[[Cluster, Cluster], bool] | None = None) -> None:
        """Make one cluster of the two nodes' clusters, unless they contradict each other or something else speaks."""
        one, other = sorted((self.root(one), self.root(other)), key=self.order.__getitem__)
        if one == other or contradict(self.nodes[one], self.nodes[other]):
            return
        if unless and unless(self.nodes[one], self.nodes[other]):
            return
        if self.apart and self._told_apart(self.nodes[one].owners, self.nodes[other].owners):
            return
        self.nodes[one].absorb(self.nodes.pop(other))
        self.parent[other] = one
        self.clubs[one] |= self.clubs.pop(other)
        for point, count in self.points.pop(other).items():
            self.points[one][point] += count

    def doubtful(self, one: Cluster, other: Cluster) -> bool:
        """Return whether too little speaks for two who share a contact point being one, who else is there considered.

        Where a father and a son of one name share a mailbox, a third entry without a birth date may be either's.
        """
        if doubtful(one, other):
            return True
        if _births_agree(one, other) or not _other_ids(one, other):
            return False
        shared = [(kind, key) for kind, keys in one.points.items() for key in keys & other.points.get(kind, set())]
        return any(len(self.born.get((point, name), ())) > 1 for point in shared for name in one.names & other.names)

    def _told_apart(self, some: set[UUID], others: set[UUID]) -> bool:
        return any(frozenset((one, other)) in self.apart for one in some for other in others)

    def pairs_by_id(self) -> list[tuple[Any, Any]]:
        """Return the pairs of ids that some piece names together, those named together most often first."""

        def rank(pair: tuple[Any, Any]) -> tuple[int, int, int]:
            return -min(self.ties[pair], SURE), self.order[pair[0]], self.order[pair[1]]

        return sorted(self.ties, key=rank)

    def pairs_by_name(self) -> list[tuple[Any, Any]]:
        """Return the pairs of nodes that tell the same full name, birth date and club."""
        found: set[tuple[Any, Any]] = set()
        for nodes in self.namesakes.values():
            some = sorted(set(nodes), key=self.order.__getitem__)
            if 1 < len(some) <= CROWD:
                found.update(combinations(some, 2))
        return sorted(found, key=lambda pair: (self.order[pair[0]], self.order[pair[1]]))

    def pairs_by_points(self, shared: int, kind: str | None = None) -> list[tuple[Any, Any]]:
        """Return the pairs of clusters that share `shared` contact points (of `kind`), the best supported first.

        Best by club, then by how often they were reached there: of an address alone nothing else speaks.
        """
        holders: dict[tuple[str, str], list[Any]] = defaultdict(list)
        for node, points in self.points.items():
            for point in points:
                if kind is None or point[0] == kind:
                    holders[point].append(node)
        common: dict[tuple[Any, Any], int] = defaultdict(int)
        weight: dict[tuple[Any, Any], int] = defaultdict(int)
        for point, nodes in holders.items():
            if len(nodes) > CROWD:
                continue
            nodes.sort(key=self.order.__getitem__)
            for pair in combinations(nodes, 2):
                common[pair] += 1
                weight[pair] += self.points[pair[0]][point] + self.points[pair[1]][point]

        def rank(pair: tuple[Any, Any]) -> tuple[Any, ...]:
            one, other = pair
            same_club = not self.clubs[one].isdisjoint(self.clubs[other])
            return not same_club, -min(weight[pair], OFTEN), self.order[one], self.order[other]

        return sorted((pair for pair, count in common.items() if count >= shared), key=rank)

    def clusters(self) -> list[Cluster]:
        """Return what has evidence; the node of an id that only ever came second may have lost its own."""
        return [
            self.nodes[node] for node in sorted(self.nodes, key=self.order.__getitem__) if self.nodes[node].evidence
        ]
