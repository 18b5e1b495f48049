"""Merging two profiles by hand and taking a merge back: under the capture lock, so that no event comes between.

Taking back goes by the journal for all that was there before, and for what came since by these rules. An event goes
where its evidence leads: an exact id that only one of the two has, else an address or number, else a name that only
one of them goes by; what fits both stays with the kept profile. With it go its line on the timeline, its proof of
consent, the journey it began and what it said about the profile. Notes written, messages sent and journeys entered by
hand since stay with the kept profile. The two count as two people from then on (see README, "Not the same").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.capture import claimed, record
from app.capture.batch import Batch, Handler
from app.capture.claimed import Claimed
from app.capture.evidence import Evidence
from app.capture.identity import Resolution
from app.capture.names import name_key, names_agree
from app.capture.profiles import Pair
from app.customers import custom_fields, erased, facts, merge, records, suggestions, unmerge
from app.customers.facts import CONSENT_FIELDS
from app.customers.merge import CHOICES, CannotMerge, Merge
from app.customers.records import Record
from app.customers.unmerge import CannotUndo, Standing
from app.events.capture_lock import lock_tenant
from app.events.places import places
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import again_after_deadlock, transaction
from app.infra.errors import Invalid, NotFound

BY_HAND = "merged by hand"
WINNER, LOSER = "winner", "loser"
# A batch that waited for the lock carries the time at which it began to wait.
SLACK = timedelta(minutes=10)

_FOUND = text("SELECT id, merged_into_id FROM customer WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[]))")


@dataclass(frozen=True, slots=True)
class Undone:
    """What came of taking a merge back: the two profiles, and how many events since then went to the other one."""

    winner_id: UUID
    loser_id: UUID
    given_back: int


@again_after_deadlock
def merge_customers(
    *,
    tenant_id: UUID,
    winner_id: UUID,
    loser_id: UUID,
    actor: str,
    reason: str = BY_HAND,
    fields: Mapping[str, str] | None = None,
    handlers: Sequence[Handler] = (),
    now: datetime | None = None,
) -> UUID:
    """Merge `loser_id` into `winner_id` and return the id of the merge.

    `fields` says by name of a profile field (merge.CHOICES, or `custom.key`) whose value holds, "winner" or "loser";
    the others go by the later word, consents by the stricter. Raises NotFound, Invalid, or CannotMerge for a profile
    that was merged before, that is being erased, or for one with itself.
    """
    chosen = _chosen(tenant_id, fields or {})
    if winner_id == loser_id:
        raise CannotMerge("A customer can't be merged with itself.")
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        lock_tenant(session, tenant_id)
        found = session.execute(_FOUND, {"tenant_id": tenant_id, "ids": array((winner_id, loser_id))}).all()
        if len(found) < 2:
            raise NotFound("There is no such customer.")
        if any(row.merged_into_id for row in found):
            raise CannotMerge("One of the two was merged into another customer before. Reload the page.")
        pair = Merge(winner_id, loser_id, reason, chosen)
        merged = merge.join(session, tenant_id, [pair], by=actor, now=moment)
        suggestions.decide(session, tenant_id, [(winner_id, loser_id)], suggestions.MERGED, by=actor, now=moment)
        audit.record(
            session,
            actor,
            "customer.merged",
            "customer",
            winner_id,
            {"merge": str(pair.id), "loser": str(loser_id), "fields": dict(fields or {})},
        )
        _tell(Batch(tenant_id, moment, [], {winner_id}, merged), handlers)
        return pair.id


@again_after_deadlock
def undo(
    *, tenant_id: UUID, merge_id: UUID, actor: str, handlers: Sequence[Handler] = (), now: datetime | None = None
) -> Undone:
    """Take a merge back: both profiles are as they were. Raises NoSuchMerge or CannotUndo."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        lock_tenant(session, tenant_id)
        found = unmerge.standing(session, tenant_id, merge_id)
        if erased.under_way(session, tenant_id, (found.winner_id,)):
            raise CannotUndo("This person is being erased, with all that became one with them.")
        theirs, stays = _since(session, tenant_id, found)
        _split(session, tenant_id, found, theirs, stays, actor, moment)
        audit.record(
            session,
            actor,
            "customer.unmerged",
            "customer",
            found.winner_id,
            {"merge": str(found.id), "loser": str(found.loser_id), "events": len(theirs)},
        )
        _tell(Batch(tenant_id, moment, [], {found.winner_id, found.loser_id}), handlers)
        return Undone(found.winner_id, found.loser_id, len(theirs))


def given_back(*, tenant_id: UUID, merge_id: UUID) -> int:
    """Return how many events that came since a merge would go to the other profile if it were taken back now."""
    with transaction(tenant_id) as session:
        return len(_since(session, tenant_id, unmerge.standing(session, tenant_id, merge_id))[0])


def outcome(*, tenant_id: UUID, winner_id: UUID, loser_id: UUID) -> dict[str, Any]:
    """Return by field what the kept profile would hold if the two were merged now and nobody chose."""
    with transaction(tenant_id) as session:
        people = records.look(session, tenant_id, (winner_id, loser_id))
    if len(people) < 2:
        raise NotFound("There is no such customer.")
    merge.unite(people[winner_id], people[loser_id], {}, last_word=False, now=clock.now())
    return people[winner_id].values


def _chosen(tenant_id: UUID, fields: Mapping[str, str]) -> dict[str, bool]:
    errors = {}
    known = set(CHOICES)
    if fields.keys() - known:
        known |= {one.name for one in custom_fields.fields(tenant_id=tenant_id, archived=True)}
    for name, side in fields.items():
        if name not in known:
            errors[name] = "This is no field that can be chosen when merging."
        elif side not in (WINNER, LOSER):
            errors[name] = f"Say {WINNER} or {LOSER}."
    if errors:
        raise Invalid(errors)
    return {name: side == LOSER for name, side in fields.items()}


def _tell(batch: Batch, handlers: Sequence[Handler]) -> None:
    for handler in handlers:
        handler(batch)


@dataclass(frozen=True, slots=True)
class _Side:
    """What tells one of the two profiles from the other."""

    hints: frozenset[Pair]
    name: str | None


def _since(session: Session, tenant_id: UUID, found: Standing) -> tuple[list[Claimed], list[Claimed]]:
    """Return the events applied since a merge: those the loser has the better claim to, and those that stay."""
    known = places(session, tenant_id)
    after = found.merged_at - SLACK
    arrived = claimed.since(session, tenant_id, found.winner_id, found.id, after, known)
    winner = _side(found.detail["winner_hints"], found.detail["winner_before"])
    loser = _side(found.detail["loser_hints"], found.detail["loser"])
    theirs: list[Claimed] = []
    left = arrived
    # What the loser's events name besides is the loser's too, and may tell of whom others are.
    while more := [one for one in left if _is_losers(one.evidence, found.loser_id, winner, loser)]:
        theirs += more
        taken = {one.id for one in more}
        left = [one for one in left if one.id not in taken]
        named = {pair for one in more for pair in (*one.evidence.ids, *one.evidence.points)}
        loser = _Side(loser.hints | (named - winner.hints), loser.name)
    return theirs, left


def _side(hints: list[list[str]], row: Mapping[str, Any]) -> _Side:
    return _Side(frozenset((kind, value) for kind, value in hints), name_key(row["first_name"]))


def _is_losers(one: Evidence, loser_id: UUID, winner: _Side, loser: _Side) -> bool:
    if one.own:
        return one.customer_id == loser_id
    for hints in (one.ids, one.points):
        mine, theirs = winner.hints.intersection(hints), loser.hints.intersection(hints)
        if bool(mine) != bool(theirs):
            return bool(theirs)
    if one.first_name and winner.name and loser.name:
        return names_agree(one.first_name, loser.name) and not names_agree(one.first_name, winner.name)
    return False


def _split(
    session: Session,
    tenant_id: UUID,
    found: Standing,
    theirs: list[Claimed],
    stays: list[Claimed],
    actor: str,
    now: datetime,
) -> None:
    record.hear_custom(session, tenant_id, (*theirs, *stays), archived=True)
    withdrawn = {(fact.field, fact.mark) for one in theirs for fact in record.facts_of(one)}
    unmerge.split(session, tenant_id, found, by=actor, now=now, withdrawn=withdrawn)
    if theirs:
        people = records.lock(session, tenant_id, (found.winner_id, found.loser_id))
        _give_back(session, tenant_id, people, found, theirs, stays, now)
    pair = (found.winner_id, found.loser_id)
    suggestions.decide(session, tenant_id, [pair], suggestions.DISMISSED, by=actor, now=now)


def _give_back(
    session: Session,
    tenant_id: UUID,
    people: dict[UUID, Record],
    found: Standing,
    theirs: list[Claimed],
    stays: list[Claimed],
    now: datetime,
) -> None:
    """Give the loser the events that are its own, and what they said and named."""
    winner, loser = people[found.winner_id], people[found.loser_id]
    lost = set()
    for one in theirs:
        for fact in record.facts_of(one):
            facts.apply(loser, fact)
            lost.add(fact.field)
    # What an event of the loser's had taken the place of was the kept profile's own word.
    for one in stays:
        for fact in record.facts_of(one):
            if fact.field in lost and fact.field not in CONSENT_FIELDS.values():
                facts.apply(winner, fact)
    record.hand_over(session, tenant_id, {one.id: loser.id for one in theirs}, people)
    kept = {(kind, value) for kind, value in found.detail["winner_hints"]} | _named(stays)
    named = _named(theirs)
    loser.find_by(records.hint_words(named))
    winner.lose(records.hint_words(named - kept) - records.hint_words(kept))
    records.save(session, tenant_id, people.values(), now)
    points = {pair for one in theirs for pair in one.evidence.points}
    given = Resolution(
        ids=dict.fromkeys(named - points - kept, loser.id),
        points={(loser.id, pair) for pair in points},
        lost_points={(winner.id, pair) for pair in points - kept},
    )
    record.write_hints(session, tenant_id, given)


def _named(events: list[Claimed]) -> set[Pair]:
    return {pair for one in events for pair in (*one.evidence.ids, *one.evidence.points)}
