"""Settings of journeys as bodies of the API have them: how they send."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.web.schemas import Body

Clock = Annotated[
    Literal["person", "journey"],
    Field(
        description="Whose clock the send window and waits until a local time go by: each person's own where their "
        "time zone is known, or the journey's for all."
    ),
]


class SendWindow(Body):
    """When marketing of the journey goes out; it is held until then. Without hours it is the whole of these days."""

    days: Annotated[list[Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]], Field(min_length=1)]
    from_: Annotated[str | None, Field(alias="from", examples=["09:00"])] = None
    to: Annotated[str | None, Field(examples=["17:00"])] = None


class Sending(Body):
    """How a journey sends."""

    topic_id: Annotated[
        UUID | None, Field(description="Whose consent is asked where neither the step nor its template names a topic.")
    ] = None
    send_window: SendWindow | None = None
