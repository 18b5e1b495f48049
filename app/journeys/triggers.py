"""What lets people into a journey: the settings of its TRIGGER, which the engine reads too."""

from typing import Any
from uuid import UUID

from pydantic import Field

from app.journeys.step_type import StepConfig
from app.journeys.timed import DateTrigger, Schedule

MAX_CONDITIONS = 50


class TriggerConfig(StepConfig):
    """An event type with conditions on its payload, or MANUAL, DATE or SCHEDULE.

    Who enters or leaves a segment: `segment_id`. Who completes or leaves a journey: `journey_id`. DATE has
    its settings in `date`, SCHEDULE in `schedule`.
    """

    event_type: str = Field(
        title="Begins with",
        description="What lets a customer in. By hand: only those you add.",
        min_length=1,
        max_length=100,
        json_schema_extra={"widget": "event_type"},
    )
    segment_id: UUID | None = Field(
        default=None,
        title="Segment",
        description="Who is in it already when the journey begins to run is not let in.",
        json_schema_extra={"widget": "segment"},
    )
    journey_id: UUID | None = Field(
        default=None,
        title="Journey",
        description="Its people enter this one when they have come to its end, or have left it before.",
        json_schema_extra={"widget": "journey"},
    )
    date: DateTrigger | None = Field(default=None, title="Date", description="")
    schedule: Schedule | None = Field(default=None, title="Time", description="")
    conditions: list[dict[str, Any]] = Field(
        default=[],
        max_length=MAX_CONDITIONS,
        title="Only if",
        description="Conditions on what the event says; all must hold.",
        json_schema_extra={"widget": "payload_conditions"},
    )
