"""Which evidence is one person's: a function of the set of evidence alone, so the order of arrival can't matter.

Pieces are nodes. Those that share an exact id are drawn together first, then those that share an e-mail address and
a phone number, then an address, then a number; at each step the best supported pair first, ties by key. A pair that
contradicts itself (another given name, another birth date; without a common exact id also another id of a kind both
have) stays apart. So a family on one mailbox is several people, and what only the mailbox is known of goes to the
one for whom most speaks. What belongs to two profiles that somebody said are two people stays apart too.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations
from typing import Any
from uuid import UUID

from app.capture.evidence import Evidence
from app.capture.names import names_agree

# A key that more pieces than this share (a front desk's address) ties nobody to anybody.
CROWD = 60
# What was said this often is sure; saying it again moves nobody.
SURE = 3


@dataclass(slots=True)
class Cluster:
    """Evidence of one person, and what it says together."""

    evidence: list[Evidence] = field(default_factory=list)
    ids: dict[str, set[str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    births: set[date] = field(default_factory=set)
    owners: set[UUID] = field(default_factory=set)

    def add(self, one: Evidence) -> None:
        """Take a piece in."""
        self.evidence.append(one)
        for kind, value in one.ids:
            self.ids.setdefault(kind, set()).add(value)
        if one.first_name:
            self.names.add(one.first_name)
        if one.date_of_birth:
            self.births.add(one.date_of_birth)

    def absorb(self, other: "Cluster") -> None:
        """Take all of another cluster in."""
        self.evidence += other.evidence
        for kind, values in other.ids.items():
            self.ids.setdefault(kind, set()).update(values)
        self.names |= other.names
        self.births |= other.births
        self.owners |= other.owners


def contradict(one: Cluster, other: Cluster, *, same_id: bool) -> bool:
    """Return whether the two can't be one person; `same_id`: some event named an exact id of each."""
    if one.names and other.names and not any(names_agree(a, b) for a in one.names for b in other.names):
        return True
    if one.births and other.births and not one.births & other.births:
        return True
    if same_id:
        return False
    other_id = any(kind in other.ids and not values & other.ids[kind] for kind, values in one.ids.items())
    # Equal name and birth date at one address: a person entered twice, whose second number is no contradiction.
    return other_id and not (one.names & other.names and one.births & other.births)


def partition(evidence: Iterable[Evidence], apart: Collection[frozenset[UUID]] = ()) -> list[Cluster]:
    """Return the people in the evidence, in a stable order; customers of a pair of `apart` are two."""
    forest = _Forest(sorted(evidence, key=lambda one: one.key), apart)
    for same_id, pairs in (
        (True, forest.pairs_by_id()),
        (False, forest.pairs_by_points(2)),
        (False, forest.pairs_by_points(1, "email")),
        (False, forest.pairs_by_points(1, "phone")),
    ):
        for one, other in pairs:
            forest.join(one, other, same_id=same_id)
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
        for one in evidence:
            owner = one.customer_id if one.customer_id in known else None
            node: Any = one.ids[0] if one.ids else (one.points, one.first_name, one.date_of_birth, one.club_id, owner)
            for name in one.ids or (node,):
                self._see(name, one)
            self.nodes[node].add(one)
            if owner:
                self.nodes[node].owners.add(owner)
            for name in one.ids[1:]:
                self.nodes[name].ids.setdefault(name[0], set()).add(name[1])
                if one.first_name:
                    self.nodes[name].names.add(one.first_name)
                if one.date_of_birth:
                    self.nodes[name].births.add(one.date_of_birth)
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

    def join(self, one: Any, other: Any, *, same_id: bool) -> None:
        """Make one cluster of the two nodes' clusters, unless they contradict each other."""
        one, other = sorted((self.root(one), self.root(other)), key=self.order.__getitem__)
        if one == other or contradict(self.nodes[one], self.nodes[other], same_id=same_id):
            return
        if self.apart and self._told_apart(self.nodes[one].owners, self.nodes[other].owners):
            return
        self.nodes[one].absorb(self.nodes.pop(other))
        self.parent[other] = one

    def _told_apart(self, some: set[UUID], others: set[UUID]) -> bool:
        return any(frozenset((one, other)) in self.apart for one in some for other in others)

    def pairs_by_id(self) -> list[tuple[Any, Any]]:
        """Return the pairs of ids that some piece names together, those named together most often first."""

        def rank(pair: tuple[Any, Any]) -> tuple[int, int, int]:
            return -min(self.ties[pair], SURE), self.order[pair[0]], self.order[pair[1]]

        return sorted(self.ties, key=rank)

    def pairs_by_points(self, shared: int, kind: str | None = None) -> list[tuple[Any, Any]]:
        """Return the pairs of nodes that share `shared` contact points (of `kind`), the best supported first."""
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
                weight[pair] += min(self.points[pair[0]][point], self.points[pair[1]][point])

        def rank(pair: tuple[Any, Any]) -> tuple[Any, ...]:
            one, other = pair
            same_club = not self.clubs[one].isdisjoint(self.clubs[other])
            return not same_club, -min(weight[pair], SURE), self.order[one], self.order[other]

        return sorted((pair for pair, count in common.items() if count >= shared), key=rank)

    def clusters(self) -> list[Cluster]:
        """Return what has evidence; the node of an id that only ever came second may have lost its own."""
        return [
            self.nodes[node] for node in sorted(self.nodes, key=self.order.__getitem__) if self.nodes[node].evidence
        ]
