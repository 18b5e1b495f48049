"""Questions about people as statements that are kept between batches: making that of 200 segments takes half a second.

A statement is found again by all that it is made of, as it was read in the batch's own transaction: the segments'
conditions, clubs, zones and currencies, and the tenant's topics and fields. So nothing has to tell that one is stale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from app.conditions import InvalidConditions
from app.customers.custom_fields import Vocabulary
from app.segments import asking
from app.segments.asking import Question
from app.segments.membership import Wanted
from app.segments.models import Segment
from app.segments.schedule import Place

MOST = 32
"""How many statements a process keeps. A tenant has one for each set of segments that are concerned together."""


@dataclass(frozen=True, slots=True)
class Definition:
    """All of a segment that its question is made of."""

    id: UUID
    type: str
    refresh_frequency: str
    club_id: UUID | None
    zone: str
    currency: str
    criteria: bytes

    @classmethod
    def of(cls, one: Segment, place: Place) -> "Definition":
        """Return how a segment is defined now."""
        criteria = orjson.dumps(one.criteria)
        return cls(one.id, one.type, one.refresh_frequency, one.club_id, place.zone.key, place.currency, criteria)

    @property
    def place(self) -> Place:
        """Return where the segment is."""
        return Place(ZoneInfo(self.zone), self.currency)

    def segment(self, tenant_id: UUID) -> Segment:
        """Return the segment, as far as its question goes: no row of a session, which changes."""
        return Segment(
            tenant_id=tenant_id,
            id=self.id,
            type=self.type,
            refresh_frequency=self.refresh_frequency,
            club_id=self.club_id,
            criteria=orjson.loads(self.criteria),
        )


@dataclass(frozen=True, eq=False, slots=True)
class Asked:
    """What segments ask of a few people, by one statement; and why some of them can't be asked."""

    questions: Sequence[Question]
    wanted: Wanted
    wrong: Mapping[UUID, str]


@lru_cache(maxsize=MOST)
def asked(tenant_id: UUID, vocabulary: Vocabulary, definitions: tuple[Definition, ...]) -> Asked:
    """Return what segments that are so defined ask where these are the tenant's topics and fields."""
    catalogue = vocabulary.catalogue()
    questions, wrong = [], {}
    for one in definitions:
        try:
            questions.append(Question.of(one.segment(tenant_id), catalogue, one.place))
        except InvalidConditions as error:
            wrong[one.id] = "; ".join(error.errors.values())
    return Asked(questions, asking.of_people(tenant_id, questions), wrong)
