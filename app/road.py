"""The rooms put together: what follows when events are applied, whoever applies them (a worker, the desk, the demo).

Capture calls these and so knows neither journeys nor messages; they know capture's `Batch` and not each other.
"""

from app.capture.batch import Handler
from app.customers.tags import Follower
from app.journeys import tagging
from app.journeys.engine import enrol
from app.messaging import service as messaging

HANDLERS: tuple[Handler, ...] = (enrol.on_events, messaging.on_events)
"""Called in this order, inside the transaction that applies the events."""

TAG_FOLLOWERS: tuple[Follower, ...] = (tagging.follow,)
"""Told when a tag gets another name, inside the transaction that gives it."""
