"""Whom a report's numbers are of, and the lists behind them: walks through one journey, the latest first.

What is asked of the log is asked of the latest MOST walks only: a report of a journey that a million came into takes
as long as one of MOST people, and says so; of earlier ones it tells where it is asked of the days they came in. Of a
version few came in with it may take longer: all later walks are passed over. Ids rise with the time they are made, and
the index of walks by status has them in order, so of chosen weeks few others are read. In which week somebody came in
is written down with them, and stays when the journey moves to another time zone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.infra.arrays import array
from app.infra.clock import instant
from app.infra.ids import first_id_after, first_id_at
from app.journeys.graph import NEXT
from app.journeys.models import Journey

MOST = 10_000
GOAL = "goal"
"""What reaching the journey's goal is called beside the keys of steps."""
_ZONES = timedelta(hours=27)
"""So far apart are the clocks of two time zones, and an hour."""
_LATE = timedelta(days=1)
"""So much later than they came in somebody may have been written down, by a batch that took long or waited."""
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)
SENT = "m.status IN ('sent', 'unknown')"
DID = {
    "sent": "m.status = 'sent'",
    "not_sent": "m.status IN ('skipped', 'failed', 'unknown')",
    "waiting": "m.status IN ('queued', 'held', 'sending')",
    "opened": "m.first_open_at IS NOT NULL",
    "clicked": "m.first_click_at IS NOT NULL",
    "bounced": "m.bounced_at IS NOT NULL AND m.bounce_kind <> 'soft'",
    "unsubscribed": "m.unsubscribed_at IS NOT NULL",
}
"""What may have become of a message of a step, or been done with it by its reader."""
ANY, NOT = "*", "!"
"""Any step or exit, and any exit but the one that follows."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who came in from one day to another, both included, by the journey's clocks, and under that version; without any
    of it, everybody. Where a week (Monday to Sunday) begins or ends, it is by the clocks of the time."""

    since: date | None = None
    version: int | None = None
    until: date | None = None

    def in_weeks(self) -> "Who":
        """Return who came in in the weeks those days lie in, from Monday to Sunday."""
        since = self.since and self.since - timedelta(days=self.since.weekday())
        until = self.until and self.until + timedelta(days=6 - self.until.weekday())
        return Who(since, self.version, until)


def walk(extra: Sequence[str] = ()) -> str:
    """Return the query of the latest walks, at most `:most`, of which all of `extra` holds; `values` has its values."""
    asked = (
        "(CAST(:version AS int) IS NULL OR e.entered_version = :version)",
        "(CAST(:since AS date) IS NULL OR e.entered_week >= :since)",
        "(CAST(:until AS date) IS NULL OR e.entered_week <= :until)",
        "(CAST(:begins AS timestamptz) IS NULL OR e.enrolled_at >= :begins)",
        "(CAST(:ends AS timestamptz) IS NULL OR e.enrolled_at < :ends)",
        # The index has ids in order: those before and after need not be read.
        "e.id BETWEEN CAST(:first AS uuid) AND CAST(:last AS uuid)",
        *extra,
    )
    return f"""
        SELECT e.* FROM unnest(ARRAY['ACTIVE', 'COMPLETED', 'EXITED', 'FAILED']) AS each(status)
        CROSS JOIN LATERAL (
            SELECT e.id, e.customer_id, e.status, e.current_step_key, e.current_step_number, e.enrolled_at,
                e.completed_at, e.converted_at, e.converted_amount, e.converted_currency, e.entered_week,
                e.entered_version
            FROM journey_enrollment e
            WHERE e.tenant_id = :tenant_id AND e.journey_id = :journey_id AND e.status = each.status
                AND {" AND ".join(asked)}
            ORDER BY e.id DESC LIMIT :most
        ) AS e
        ORDER BY e.id DESC LIMIT :most
    """  # noqa: S608 - of parts written here


def values(journey: Journey, who: Who, most: int = MOST) -> dict[str, Any]:
    """Return the values of `walk`."""
    weeks = who.in_weeks()
    begins = _midnight(journey, who.since)
    ends = _midnight(journey, who.until, timedelta(days=1))
    return {
        "tenant_id": journey.tenant_id,
        "journey_id": journey.id,
        "version": who.version,
        "since": weeks.since,
        "until": weeks.until,
        "begins": None if who.since == weeks.since else begins,
        "ends": None if who.until == weeks.until else ends,
        "first": first_id_at(begins - _ZONES) if begins else _FIRST,
        "last": max(first_id_at(ends + _ZONES + _LATE), _written_at_once(journey)) if ends else _LAST,
        "most": most,
    }


def _written_at_once(journey: Journey) -> UUID:
    """Return an id above those of people a journey was made with (the demo's), who came in in the past."""
    return first_id_after(journey.id, _LATE)


def _midnight(journey: Journey, day: date | None, later: timedelta = timedelta(0)) -> datetime | None:
    return instant(datetime.combine(day + later, time()), ZoneInfo(journey.timezone)) if day else None


@dataclass(frozen=True, slots=True)
class Behind:
    """What is true of everybody behind a number, each part that is given.

    `came` is a step they came to, `way` a step and the exit it was left by (NOT before it: by any other; ANY: by
    whichever), `flow` two steps taken one after the other, `by` the exit that led from the first to the second. `did`
    is one of DID and the step whose message it was (ANY: whichever). `after` are steps taken, of a SEND that its
    message went out, and GOAL for the goal of the journey; `without` those not taken. `dropped` is the step at which
    they left early or failed.
    """

    status: str | None = None
    step: str | None = None
    week: date | None = None
    converted: bool = False
    dropped: str | None = None
    came: str | None = None
    way: tuple[str, str] | None = None
    flow: tuple[str, str] | None = None
    by: str | None = None
    did: tuple[str, str] | None = None
    after: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def of_log(self) -> bool:
        """Return whether the log or the messages have to be asked, and so the latest walks only are looked at."""
        keys = {*self.after, *self.without} - {GOAL}
        return bool(self.came or self.way or self.flow or self.did or keys)

    def of_walk(self) -> tuple[list[str], dict[str, Any]]:
        """Return what is asked of the walk `e` itself, and the values."""
        asked: list[str] = []
        given: dict[str, Any] = {}
        if self.status is not None:
            asked.append("e.status = :status")
            given["status"] = self.status
        if self.step is not None:
            asked.append("e.status = 'ACTIVE' AND e.current_step_key = :step")
            given["step"] = self.step
        if self.week is not None:
            asked.append("e.entered_week = :week")
            given["week"] = self.week
        if self.dropped is not None:
            asked.append("e.status IN ('EXITED', 'FAILED') AND e.current_step_key = :dropped")
            given["dropped"] = self.dropped
        if self.converted or GOAL in self.after:
            asked.append("e.converted_at IS NOT NULL")
        if GOAL in self.without:
            asked.append("e.converted_at IS NULL")
        return asked, given

    def of_steps(self, sends: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
        """Return what is asked of the log and the messages of a `walk`, and the values; `sends` are SEND steps."""
        asked: list[str] = []
        given: dict[str, Any] = {}
        if self.came is not None:
            asked.append(f"(walk.current_step_key = :came OR {_log('s.step_key = :came')})")
            given["came"] = self.came
        if self.way is not None:
            step, exit = self.way
            left = "s.step_key = :way_step AND s.status = 'COMPLETED'"
            given["way_step"] = step
            if exit != ANY:
                left += f" AND coalesce(s.exit, :next) {'<>' if exit.startswith(NOT) else '='} :way"
                given |= {"way": exit.removeprefix(NOT), "next": NEXT}
            asked.append(_log(left))
        if self.flow is not None:
            follows = (
                "(SELECT n.step_key FROM journey_enrollment_step n WHERE n.tenant_id = :tenant_id"
                " AND n.enrollment_id = s.enrollment_id AND n.step_number > s.step_number"
                " ORDER BY n.step_number LIMIT 1)"
            )
            went = f"s.step_key = :from_step AND coalesce({follows}, walk.current_step_key) = :to_step"
            given |= {"from_step": self.flow[0], "to_step": self.flow[1]}
            if self.by is not None:
                went += " AND coalesce(s.exit, :next) = :by"
                given |= {"by": self.by, "next": NEXT}
            asked.append(_log(went))
        if self.did is not None:
            asked.append(_message(f"(:did_step = '{ANY}' OR m.step_key = :did_step) AND {DID[self.did[0]]}"))
            given["did_step"] = self.did[1]
        for sign, keys in (("", self.after), ("NOT ", self.without)):
            for key in keys:
                if key == GOAL:
                    continue
                name = f"key_{len(given)}"
                given[name] = key
                asked.append(sign + (_message(f"m.step_key = :{name} AND {SENT}") if key in sends else _taken(name)))
        return asked, given


def _taken(name: str) -> str:
    return _log(f"s.step_key = :{name} AND s.status = 'COMPLETED'")


def _log(asked: str) -> str:
    return (
        "EXISTS (SELECT FROM journey_enrollment_step s WHERE s.tenant_id = :tenant_id AND s.enrollment_id = walk.id"
        f" AND {asked})"
    )


def _message(asked: str) -> str:
    return (
        "EXISTS (SELECT FROM message m WHERE m.tenant_id = :tenant_id AND m.customer_id = walk.customer_id"
        f" AND m.enrollment_id = walk.id AND {asked})"
    )


def ids(journey: Journey, who: Who, behind: Behind, sends: Sequence[str], before: UUID | None, limit: int) -> Any:
    """Return the query of the next ids behind a number, the latest first, and its values."""
    own, given = behind.of_walk()
    if not behind.of_log:
        if before is not None:
            own.append("e.id < CAST(:before AS uuid)")
        found = f"SELECT id FROM ({walk(own)}) AS walk ORDER BY id DESC"  # noqa: S608 - of parts written here
        return found, values(journey, who, limit) | given | {"before": before}
    asked, more = behind.of_steps(sends)
    if own:
        # Of the same people as the numbers are: the latest, and of them those of whom it holds.
        asked += [one.replace("e.", "walk.") for one in own]
    if before is not None:
        asked.append("walk.id < CAST(:before AS uuid)")
    found = (
        f"WITH walk AS MATERIALIZED ({walk()}) SELECT walk.id FROM walk"  # noqa: S608 - of parts written here
        f" WHERE {' AND '.join(asked)} ORDER BY walk.id DESC LIMIT :limit"
    )
    return found, values(journey, who) | given | more | {"before": before, "limit": limit}


def keys(names: Sequence[str]) -> str:
    """Return keys of steps as a value."""
    return array(names)
