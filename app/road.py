"""The rooms put together: what follows when events are applied, whoever applies them (a worker, the desk, the demo).

Capture calls these and so knows neither journeys nor messages; they know capture's `Batch` and not each other. So are
the fields that conditions may ask of, and what their values are called.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from uuid import UUID

from app.campaigns import condition_fields as campaign_fields
from app.campaigns import conversions
from app.campaigns.segments import using as by_campaigns
from app.campaigns.templates import using as sent_by_campaigns
from app.capture.batch import Handler
from app.customers import condition_fields as customer_fields
from app.customers.tags import Follower
from app.customers.tasks import Follower as TaskFollower
from app.infra.usage import User
from app.journeys import condition_fields as journey_fields
from app.journeys import tagging
from app.journeys import tasks as journey_tasks
from app.journeys.engine import enrol
from app.journeys.segments import tell_moves
from app.journeys.segments import using as by_journeys
from app.journeys.templates import using as sent_by_journeys
from app.messaging import condition_fields as message_fields
from app.messaging import service as messaging
from app.segments import condition_fields as segment_fields
from app.segments import upkeep, usage
from app.segments.membership import Teller
from app.segments.sync.tell import note_changes
from app.segments.sync.tell import using as by_syncs

V = TypeVar("V")

HANDLERS: tuple[Handler, ...] = (enrol.on_events, messaging.on_events, upkeep.on_events, conversions.on_events)
"""Called in this order, inside the transaction that applies the events."""

TAG_FOLLOWERS: tuple[Follower, ...] = (tagging.follow,)
"""Told when a tag gets another name, inside the transaction that gives it."""

TASK_FOLLOWERS: tuple[TaskFollower, ...] = (journey_tasks.follow,)
"""Told when a task is done, inside the transaction that notes it."""

SEGMENT_USERS: tuple[User, ...] = (usage.by_segments, by_journeys, by_syncs, by_campaigns)
"""What names segments: what runs is not left without the people it acts on."""

TEMPLATE_USERS: tuple[User, ...] = (sent_by_journeys, sent_by_campaigns)
"""What sends templates: what runs is not left without its words."""

SEGMENT_TELLERS: tuple[Teller, ...] = (tell_moves, note_changes)
"""What is written when people enter and leave segments, in the statement that lets them."""


_NAMING = {
    field: room
    for room in (customer_fields, message_fields, segment_fields, journey_fields, campaign_fields)
    for field in room.NAMED
}


class _Names(Mapping[str, V]):
    """What values are called, by field; a room is asked once one of its fields is."""

    def __init__(self, tenant_id: UUID, shape: Callable[[list[tuple[str, str]]], V]) -> None:
        self._tenant_id = tenant_id
        self._shape = shape
        self._known: dict[str, V] = {}

    def __getitem__(self, field: str) -> V:
        if field not in self._known:
            found = _NAMING[field].names(tenant_id=self._tenant_id)
            self._known |= {name: self._shape(some) for name, some in found.items()}
        return self._known[field]

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMING)

    def __len__(self) -> int:
        return len(_NAMING)


def condition_names(tenant_id: UUID) -> Mapping[str, list[tuple[str, str]]]:
    """Return by field of conditions the values it has in this tenant, each with what people call it."""
    return _Names(tenant_id, list)


def condition_labels(tenant_id: UUID) -> Mapping[str, Mapping[str, str]]:
    """Return by field of conditions, and by value, what people call it in this tenant."""
    return _Names[Mapping[str, str]](tenant_id, dict)
