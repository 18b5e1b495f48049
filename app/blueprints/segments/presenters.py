"""Segments in words: the sentence they say, how a refresh stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.accounts import queries as accounts
from app.conditions import InvalidConditions, Tree, explain, parse
from app.customers import custom_fields
from app.road import condition_labels
from app.segments.models import DAILY, DYNAMIC, HOURLY, MANUAL, STATIC, WEEKLY, Segment
from app.web.shell import number, organisation

TYPE_LABELS = {DYNAMIC: "Dynamic", STATIC: "Static"}
TYPE_WORDS = {
    DYNAMIC: "Everybody who fits the conditions, kept up to date as things happen.",
    STATIC: "A fixed list: filled by hand, from a search or from a file.",
}
FREQUENCY_LABELS = {HOURLY: "Every hour", DAILY: "Every night", WEEKLY: "Every Monday", MANUAL: "Only when asked"}
ALMOST = 95
"""A bar goes no further in percent by the clock alone: what takes longer than last time is not done yet."""


class Words:
    """What segments say, with what that takes (the tenant's fields and names) read once."""

    def __init__(self, tenant_id: UUID) -> None:
        self.tenant_id = tenant_id
        self.catalogue = custom_fields.catalogue(tenant_id=tenant_id)
        found = accounts.clubs(tenant_id=tenant_id)
        self.clubs: dict[UUID, str] = {one.id: one.name for one in found}
        self._places = {one.id: one.place for one in found}
        self.names: Mapping[str, Mapping[str, str]] = condition_labels(tenant_id)

    def zone(self, club_id: UUID | None) -> ZoneInfo:
        """Return the zone in which a club's segments, or those of all clubs, tell days."""
        place = self._places.get(club_id) if club_id else None
        return ZoneInfo(place.timezone if place else organisation().timezone)

    def currency(self, club_id: UUID | None) -> str:
        """Return the code of the currency that amounts are in where a club's segments, or those of all, name none."""
        place = self._places.get(club_id) if club_id else None
        return place.currency if place else organisation().currency

    def sentence(self, segment: Segment) -> str:
        """Return who is in a segment, in a sentence without a full stop."""
        if segment.type != DYNAMIC:
            return "A snapshot: who was in it then" if segment.snapshot_of else "A list of people"
        return self.criteria(segment.criteria, segment.club_id)

    def criteria(self, criteria: Any, club_id: UUID | None) -> str:
        """Return conditions in words."""
        try:
            tree = self.tree(criteria)
        except InvalidConditions as wrong:
            return f"These conditions can’t be read any more: {'; '.join(wrong.errors.values())}"
        return self.told(tree, club_id) if tree.items else "Everybody"

    def told(self, tree: Tree, club_id: UUID | None) -> str:
        """Return a tree in words, as the organisation writes numbers, days and money."""
        zone, currency = self.zone(club_id), self.currency(club_id)
        return explain(tree, names=self.names, zone=zone, locale=organisation().locale, currency=currency)

    def tree(self, criteria: Any) -> Tree:
        """Return conditions as a tree, or raise InvalidConditions."""
        return parse(criteria, self.catalogue, allow_empty=True)


@dataclass(frozen=True, slots=True)
class Refresh:
    """How a refresh stands that is under way; `percent` by the time the last one took, None where there was none."""

    started: bool
    seconds: int
    percent: int | None


def refresh_of(segment: Segment, now: datetime) -> Refresh | None:
    """Return how the refresh of a segment stands, None if none is under way."""
    is_due = segment.refresh_due_at is not None and segment.refresh_due_at <= now
    if segment.type != DYNAMIC or segment.archived_at or (segment.refreshing_since is None and not is_due):
        return None
    if segment.refreshing_since is None:
        return Refresh(started=False, seconds=0, percent=None)
    passed = max((now - segment.refreshing_since).total_seconds(), 0)
    took = segment.refresh_took_ms
    return Refresh(
        started=True, seconds=int(passed), percent=min(int(100_000 * passed / took), ALMOST) if took else None
    )


def took(milliseconds: int | None) -> str | None:
    """Return how long something took: "a moment", "0.4 s", "12 s", "2 min 5 s"; None where nobody knows."""
    if milliseconds is None:
        return None
    if milliseconds < 100:
        return "a moment"
    if milliseconds < 10_000:
        return f"{number(round(milliseconds / 1000, 1))} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
