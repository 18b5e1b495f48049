"""What the gate decides on a message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.messaging.states import Reason, Status


@dataclass(slots=True)
class Verdict:
    """What the gate decided on one message; `due_at` is when a held one is seen again.

    `address` is where it goes; `instead_of` the preferred one, where mail can't reach its reader. `saw` is what a
    limit went by (app.messaging.limits).
    """

    status: Status
    reason: Reason | None = None
    address: str | None = None
    due_at: datetime | None = None
    instead_of: str | None = None
    saw: Mapping[str, Any] | None = None
