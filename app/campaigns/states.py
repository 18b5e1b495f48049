"""The states of a campaign and of its runs, and what may be done with it in which: the one place that says so."""

from enum import StrEnum

from app.infra.errors import Conflict


class Status(StrEnum):
    """How far a campaign, or one run of it, is. A run is never a draft, and none is only scheduled."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    PREPARING = "preparing"
    SENDING = "sending"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Act(StrEnum):
    """What can be done with a campaign."""

    CHANGE = "change"
    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    ASK = "ask"
    APPROVE = "approve"
    ARCHIVE = "archive"
    DELETE = "delete"


ACTIVE = frozenset((Status.PREPARING, Status.SENDING))
"""A run in one of these goes on by itself."""
UNDER_WAY = frozenset((Status.SCHEDULED, *ACTIVE, Status.PAUSED))
"""A campaign in one of these sends without anybody's doing, or would once it is resumed."""
OVER = frozenset((Status.COMPLETED, Status.CANCELLED, Status.FAILED))

LEGAL: dict[Act, frozenset[Status]] = {
    Act.CHANGE: frozenset((Status.DRAFT, Status.SCHEDULED)),
    Act.SCHEDULE: frozenset((Status.DRAFT, Status.SCHEDULED)),
    Act.UNSCHEDULE: frozenset((Status.SCHEDULED,)),
    Act.START: frozenset((Status.DRAFT, Status.SCHEDULED)),
    Act.PAUSE: frozenset((Status.SCHEDULED, *ACTIVE)),
    Act.RESUME: frozenset((Status.PAUSED,)),
    Act.CANCEL: UNDER_WAY,
    Act.ASK: frozenset((Status.DRAFT, Status.SCHEDULED, Status.PAUSED)),
    Act.APPROVE: frozenset((Status.DRAFT, Status.SCHEDULED, Status.PAUSED)),
    Act.ARCHIVE: frozenset((Status.DRAFT, *OVER)),
    Act.DELETE: frozenset((Status.DRAFT,)),
}
_DONE = {
    Act.CHANGE: "be changed",
    Act.SCHEDULE: "be scheduled",
    Act.UNSCHEDULE: "be taken off the schedule",
    Act.START: "be started",
    Act.PAUSE: "be paused",
    Act.RESUME: "be resumed",
    Act.CANCEL: "be cancelled",
    Act.ASK: "be put up for approval",
    Act.APPROVE: "be approved or declined",
    Act.ARCHIVE: "go to the archive",
    Act.DELETE: "be deleted",
}
WORDS = {one: one.value.capitalize() for one in Status}
TONES = {
    Status.DRAFT: "neutral",
    Status.SCHEDULED: "info",
    Status.PREPARING: "info",
    Status.SENDING: "accent",
    Status.PAUSED: "warning",
    Status.COMPLETED: "success",
    Status.CANCELLED: "neutral",
    Status.FAILED: "danger",
}


class WrongStatus(Conflict):
    """What was asked can't be done with a campaign in its state."""

    def __init__(self, act: Act, status: str) -> None:
        allowed = " or ".join(one for one in Status if one in LEGAL[act])
        super().__init__(f"A campaign that is {status} can't {_DONE[act]}; only one that is {allowed} can.")


def is_legal(act: Act, status: str, *, goes_out: bool) -> bool:
    """Return whether an act is legal for a campaign in a state; `goes_out`: a run of it goes on by itself.

    One that is paused since one occurrence was kept back may be paused for the one before, which still goes out.
    """
    return status in LEGAL[act] or (act is Act.PAUSE and status == Status.PAUSED and goes_out)


def check(act: Act, status: str, *, goes_out: bool = False) -> None:
    """Raise WrongStatus unless the act is legal for a campaign in a state."""
    if not is_legal(act, status, goes_out=goes_out):
        raise WrongStatus(act, status)
