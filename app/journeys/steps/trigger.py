"""TRIGGER: who enters a journey, and when."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.conditions import InvalidConditions, asks_nothing
from app.events.types.journeys import COMPLETED, ENDS
from app.events.types.segments import ENTERED, MOVES
from app.journeys.payloads import payload_tree
from app.journeys.step_type import MANUAL, Known, StepBatch, StepType, registry
from app.journeys.timed import DATE, SCHEDULE, TIMED, date_fields
from app.journeys.triggers import TriggerConfig


class Trigger(StepType[TriggerConfig]):
    """The first step. People are let in by `app.journeys.engine.enrol`; here they only pass."""

    label = "Trigger"
    icon = "bolt"
    description = "Who enters the journey, and when."
    placeable = False
    Config = TriggerConfig

    def pointless(self, config: Mapping[str, Any]) -> frozenset[str]:
        """Return the settings that have nothing to do with what lets people in."""
        event = str(config.get("event_type") or MANUAL)
        asked = {
            "segment_id": event in MOVES,
            "journey_id": event in ENDS,
            "date": event == DATE,
            "schedule": event == SCHEDULE,
            "conditions": event != MANUAL and event not in TIMED,
        }
        return frozenset(name for name, here in asked.items() if not here)

    def check(self, config: TriggerConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield what is wrong with what the event needs, and with the conditions."""
        yield from _check_timed(config, known)
        if config.event_type in MOVES:
            if config.segment_id is None:
                yield "segment_id", "Choose the segment."
            elif config.segment_id not in known.segments:
                yield "segment_id", "This segment does not exist, or is archived. Choose another one."
        elif config.segment_id is not None:
            yield "segment_id", "This event has nothing to do with a segment. Leave it out."
        if config.event_type in ENDS:
            if config.journey_id is None:
                yield "journey_id", "Choose the journey."
            elif config.journey_id == known.id:
                yield "journey_id", "A journey can't begin with its own end. Choose another one."
            elif config.journey_id not in known.journeys:
                yield "journey_id", "This journey does not exist, or is archived. Choose another one."
        elif config.journey_id is not None:
            yield "journey_id", "This event has nothing to do with a journey. Leave it out."
        if config.event_type == MANUAL or config.event_type in TIMED:
            if config.conditions:
                yield "conditions", "No event lets anybody in here, so there is nothing to ask. Remove the conditions."
            return
        try:
            errors = known.unknown(payload_tree(config.event_type, config.conditions))
        except InvalidConditions as wrong:
            errors = wrong.errors
        for path, message in errors.items():
            yield f"conditions{path.removeprefix('rules')}", message

    def words(self, config: TriggerConfig, known: Known) -> str:
        """Return the event and its conditions."""
        if config.event_type == MANUAL:
            return "When somebody is enrolled by hand"
        if config.event_type in TIMED:
            timed = config.date or config.schedule
            return timed.words(known) if timed else "Not set up yet"
        happens = _happens(config, known)
        try:
            tree = payload_tree(config.event_type, config.conditions)
        except InvalidConditions:
            return happens
        return happens + ("" if asks_nothing(tree) else f" and {known.told(tree)}")

    def run(self, batch: StepBatch[TriggerConfig]) -> None:
        """Let everybody pass."""
        batch.leave_all()


def _check_timed(config: TriggerConfig, known: Known) -> Iterator[tuple[str | None, str]]:
    if config.event_type == DATE and config.date is None:
        yield "date", "Choose the date."
    elif config.event_type == SCHEDULE and config.schedule is None:
        yield "schedule", "Say when people enter."
    if config.date is not None:
        if config.event_type != DATE:
            yield "date", "This event has nothing to do with a date. Leave it out."
        elif config.date.field not in date_fields(known):
            yield "date.field", "There is no such date (any more). Choose another one."
    if config.schedule is not None:
        if config.event_type != SCHEDULE:
            yield "schedule", "This event has nothing to do with a schedule. Leave it out."
        elif config.schedule.segment_id is not None and config.schedule.segment_id not in known.segments:
            yield "schedule.segment_id", "This segment does not exist, or is archived. Choose another one."


def _happens(config: TriggerConfig, known: Known) -> str:
    if config.event_type in ENDS:
        ended = known.journeys.get(config.journey_id) if config.journey_id else None
        journey = f"the journey “{ended}”" if ended else "another journey"
        return f"When somebody {'completes' if config.event_type == COMPLETED else 'leaves'} {journey}"
    if config.event_type not in MOVES:
        return f"When “{known.event_types.get(config.event_type, config.event_type)}” happens"
    name = known.segments.get(config.segment_id) if config.segment_id else None
    segment = f"the segment “{name}”" if name else "a segment"
    return f"When somebody {'enters' if config.event_type == ENTERED else 'leaves'} {segment}"


registry.register("TRIGGER")(Trigger())
