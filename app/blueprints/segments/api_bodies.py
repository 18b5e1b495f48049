"""What the API of segments takes, and what it answers."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from app.conditions.schema import ConditionsJson
from app.segments import growth
from app.segments.lists import MOST_BY_HAND
from app.web.schemas import Body, Moment, PageQuery, Shown, Text, Words

Type = Literal["DYNAMIC", "STATIC"]
Frequency = Literal["HOURLY", "DAILY", "WEEKLY", "MANUAL"]
Long = Annotated[Text, Field(max_length=2000)]


class SegmentBody(Body):
    """A new segment. With `club_id` only people of that club are meant. STATIC ones have a list and no `criteria`."""

    name: Words
    description: Long = ""
    club_id: UUID | None = None
    type: Type = "DYNAMIC"
    criteria: ConditionsJson | None = None
    refresh_frequency: Frequency = "DAILY"


class ReadyMadeBody(Body):
    """Which of the ready-made segments is to be made."""

    key: Words


class SegmentPatch(Body):
    """What to change; what is left out stays. `tells`: who enters and leaves by another definition is told of.

    `updated_at`: as it was read. Where it is another one by now it is refused (409), and nothing saved.
    """

    name: Words | None = None
    description: Long | None = None
    club_id: UUID | None = None
    criteria: ConditionsJson | None = None
    refresh_frequency: Frequency | None = None
    tells: bool = False
    updated_at: Moment | None = None


class PreviewBody(Body):
    """Conditions to try."""

    criteria: ConditionsJson | None = None
    club_id: UUID | None = None


class SnapshotBody(Body):
    """What the snapshot is called; without a name it is the segment's with the day."""

    name: Words | None = None


class RestoreBody(Body):
    """Which version's definition is to hold again."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    tells: bool = False


class MembersBody(Body):
    """Whom to put on the list: ids, everybody an import made or changed, or lines (addresses, member numbers)."""

    customer_ids: Annotated[list[UUID], Field(max_length=MOST_BY_HAND)] | None = None
    import_id: UUID | None = None
    lines: Annotated[Text, Field(max_length=1_000_000)] | None = None


class RemoveBody(Body):
    """Whom to take off the list."""

    customer_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_BY_HAND)]


class SegmentsQuery(PageQuery):
    """Which segments; archived ones only if asked for."""

    q: Words | None = None
    type: Type | None = None
    club_id: UUID | None = None
    archived: bool = False
    sort: Literal["name", "-name", "people", "-people", "changed", "-changed"] = "name"


class MembersQuery(PageQuery):
    """Which members, by name; `q` are beginnings of names, addresses, numbers and ids."""

    q: Words | None = None


class WhyQuery(Body):
    """Of whom."""

    customer_id: UUID


class GrowthQuery(Body):
    """How many days back from today, in the segment's zone."""

    days: Annotated[int, Field(ge=1, le=growth.MAX_DAYS)] = 30


class OverlapQuery(Body):
    """With which one or two other segments: the parameter as often."""

    segment_id: Annotated[list[UUID], BeforeValidator(lambda said: said if isinstance(said, list) else [said])]


class SegmentOut(Shown):
    """A segment. While `refreshing_since` stands, who is in it is being told; `refresh_error` says why that failed."""

    id: UUID
    name: str
    description: str
    club_id: UUID | None
    type: Type
    criteria: ConditionsJson | None
    refresh_frequency: Frequency
    version: int
    member_count: int
    refreshed_at: datetime | None
    refresh_due_at: datetime | None
    refreshing_since: datetime | None
    refresh_took_ms: int | None
    refresh_error: str | None
    ready_made: str | None
    snapshot_of: UUID | None
    archived_at: datetime | None
    created_by_name: str
    created_at: datetime
    updated_at: datetime


class MemberOut(Shown):
    """Somebody in a segment, since when."""

    customer_id: UUID
    name: str | None
    email: str | None
    membership_tier: str | None
    entered_at: datetime


class PersonOut(Shown):
    """One of the people meant, with what they are recognised by."""

    id: UUID
    name: str
    member_number: str | None
    club: str | None
    membership_tier: str | None


class PreviewOut(Shown):
    """How many would be meant (`estimated`: about), in words by which conditions, and up to ten of them."""

    count: int
    estimated: bool
    sentence: str
    sample: list[PersonOut]


class RuleOut(Shown):
    """One rule: whether it holds (null: not known) and the value it saw, in words."""

    path: str
    words: str
    holds: bool | None
    value: str


class GroupOut(Shown):
    """Rules joined: `words` say how many of its `parts` have to hold; where `against`, what holds speaks against it."""

    words: str
    holds: bool | None
    against: bool
    parts: "list[RuleOut | GroupOut]"


class WhyOut(Shown):
    """Whether somebody is in a segment, since when or until when, and what each rule says of them now.

    `rules` are all of them in their order, `parts` the same in their groups: all of `parts` have to hold.
    """

    member: bool
    since: datetime | None
    left_at: datetime | None
    fits: bool
    rules: list[RuleOut]
    parts: list[RuleOut | GroupOut]


class VersionOut(Shown):
    """A definition a segment has or had."""

    number: int
    club_id: UUID | None
    criteria: ConditionsJson | None
    changed_at: datetime
    changed_by_name: str


class DayOut(Shown):
    """How many came and went on a day, and were there at its end; null before it was first told."""

    day: date
    entered: int
    left: int
    members: int | None


class PartOut(Shown):
    """How many are in all of `inside` and in none of the others."""

    inside: list[UUID]
    people: int


class UseOut(Shown):
    """Something that names the segment; what is `running` acts on who is in it."""

    kind: str
    id: UUID
    name: str
    running: bool


class AddedOut(Shown):
    """How many were put on the list, and the lines that are nobody's or several people's."""

    added: int
    unmatched: list[str] = Field(default=[])
    ambiguous: list[str] = Field(default=[])


class RemovedOut(Shown):
    """How many were taken off the list."""

    removed: int


class RecipeOut(Shown):
    """A ready-made segment that is not there yet."""

    key: str
    name: str
    description: str
