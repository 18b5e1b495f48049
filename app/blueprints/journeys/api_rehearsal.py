"""The API of rehearsals: walk the draft on a clock put forward, and read what would happen. Nothing of it does."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from app.blueprints.journeys.api import api
from app.infra import clock
from app.infra.errors import Invalid
from app.journeys import rehearsal
from app.journeys.rehearsal import Letter, Storyboard
from app.web.guards import current, must
from app.web.schemas import Body, Moment

MOST = 100


class RehearsalBody(Body):
    """Who enters and when (without `at`: now). `event` is the payload that lets them in; without it, what their last
    event of the trigger's type said."""

    customer_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST)]
    at: Moment | None = None
    event: dict[str, Any] | None = None


class HeldOut(BaseModel):
    """Since when a message is kept back, and why."""

    at: datetime
    reason: str | None


class RehearsedLetterOut(BaseModel):
    """A message that would be written: whether and when it goes out, and what its reader would read."""

    channel: str
    template_id: UUID | None
    status: str
    reason: str | None
    at: datetime | None
    held: list[HeldOut]
    subject: str | None
    text: str | None


class RehearsedStepOut(BaseModel):
    """A step that would be taken, and the messages it writes."""

    step_number: int
    step_key: str
    status: str
    entered_at: datetime
    completed_at: datetime | None
    result: Mapping[str, Any]
    messages: list[RehearsedLetterOut]


class StoryboardOut(BaseModel):
    """One person's way. ACTIVE: they still stand at `current_step_key` when the rehearsal ends, 400 days on."""

    customer_id: UUID
    status: str
    entered_at: datetime
    left_at: datetime | None
    exit_reason: str | None
    error: str | None
    current_step_key: str | None
    waiting_until: datetime | None
    steps: list[RehearsedStepOut]


class RehearsalOut(BaseModel):
    """A storyboard for each customer. `broken_off`: it took too long and was ended early."""

    broken_off: bool
    storyboards: list[StoryboardOut]


@api.operation(
    "POST", "/journeys/<uuid:journey_id>/rehearse", permission="journeys.edit", body=RehearsalBody, returns=RehearsalOut
)
def rehearse_journey(journey_id: UUID, body: RehearsalBody) -> RehearsalOut:
    """Let customers walk the draft on a clock put forward and return their storyboards; nothing is sent or changed.

    They hold what customers would read, so `customers.view` is needed too. 422 names a customer who is not there.
    """
    must("customers.view")
    found = rehearsal.rehearse(
        tenant_id=current().tenant_id,
        journey_id=journey_id,
        customer_ids=body.customer_ids,
        at=body.at or clock.now(),
        payload=body.event,
    )
    walked = {one.customer_id for one in found.boards}
    if gone := {f"customer_ids.{place}": one for place, one in enumerate(body.customer_ids) if one not in walked}:
        raise Invalid({name: f"There is no customer {one} (any more)." for name, one in gone.items()})
    return RehearsalOut(broken_off=found.broken_off, storyboards=[_board(one) for one in found.boards])


def _board(board: Storyboard) -> StoryboardOut:
    return StoryboardOut(
        customer_id=board.customer_id,
        status=board.status,
        entered_at=board.entered_at,
        left_at=board.left_at,
        exit_reason=board.exit_reason,
        error=board.error,
        current_step_key=board.standing_at,
        waiting_until=board.waiting_until,
        steps=[
            RehearsedStepOut(
                step_number=one.number,
                step_key=one.key,
                status=one.status,
                entered_at=one.entered_at,
                completed_at=one.left_at,
                result=one.result,
                messages=[_letter(letter) for letter in one.letters],
            )
            for one in board.steps
        ],
    )


def _letter(letter: Letter) -> RehearsedLetterOut:
    return RehearsedLetterOut(
        channel=letter.channel,
        template_id=letter.template_id,
        status=letter.status,
        reason=letter.reason,
        at=letter.at,
        held=[HeldOut(at=at, reason=reason) for at, reason in letter.held],
        subject=letter.letter.subject if letter.letter else None,
        text=letter.letter.text if letter.letter else None,
    )
