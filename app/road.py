"""The rooms put together: what follows when events are applied, whoever applies them (a worker, the desk, the demo).

Capture calls these and so knows neither journeys nor messages; they know capture's `Batch` and not each other. So are
the fields that conditions may ask of, and what their values are called.
"""

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


def condition_names(tenant_id: UUID) -> dict[str, list[tuple[str, str]]]:
    """Return by field of conditions the values it has in this tenant, each with what people call it."""
    rooms = (customer_fields, message_fields, segment_fields, journey_fields, campaign_fields)
    return {field: known for room in rooms for field, known in room.names(tenant_id=tenant_id).items()}
