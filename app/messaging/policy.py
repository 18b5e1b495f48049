"""What an organisation says of all its marketing: how much of it a person gets, at what hours none goes out, and to how
many it goes without a second person's yes.

An organisation that has not said anything has no caps and keeps NIGHT for what makes a sound. Transactional messages
are never counted, and never held or skipped for any of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.figures import figure
from app.messaging import outbox, rates
from app.messaging.channel import EMAIL
from app.messaging.models import SendingPolicy
from app.messaging.states import Reason

CHANNELS = (EMAIL, "SMS", "PUSH", "WHATSAPP")
SOUNDING = CHANNELS[1:]
"""What makes a sound where it comes in."""
MOST_CAPS = 10
MOST_MESSAGES = 1000
MOST_HOURS = 31 * 24
MOST_PEOPLE = 100_000_000
_COUNTED = {EMAIL: "e-mail", "SMS": "SMS", "PUSH": "push message", "WHATSAPP": "WhatsApp message"}


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many messages a person in so many hours: of one channel, or of all together (None)."""

    channel: str | None
    most: int
    hours: int

    @property
    def window(self) -> timedelta:
        """Return how far back is counted."""
        return timedelta(hours=self.hours)

    @property
    def words(self) -> str:
        """Return what it counts and over how long, in words: "e-mails in 7 days"."""
        days, rest = divmod(self.hours, 24)
        counted = _COUNTED.get(self.channel or "", "message")
        if self.most != 1 and self.channel != "SMS":
            counted += "s"
        over = f"{self.hours} hours" if rest else f"{days} days"
        return f"{counted} in {'a day' if self.hours == 24 else 'an hour' if self.hours == 1 else over}"


@dataclass(frozen=True, slots=True)
class Quiet:
    """The hours of a person's day at which nothing goes out: from `starts` to before `ends`, over midnight too."""

    starts: time
    ends: time

    def until(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """Return when the quiet hours that `now` lies in are over in a zone, in UTC; None where it lies in none.

        They are from moment to moment: a night on which the clocks change has them once.
        """
        today = now.astimezone(zone).date()
        for day in (today - timedelta(days=1), today):
            begin, end = self._night(day, zone)
            if begin <= now < end:
                return end
        return None

    def _night(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        last = day if self.starts < self.ends else day + timedelta(days=1)
        return (
            clock.instant(datetime.combine(day, self.starts), zone),
            clock.instant(datetime.combine(last, self.ends), zone),
        )


NIGHT = Quiet(time(21), time(8))


@dataclass(frozen=True, slots=True)
class Policy:
    """What is said: caps, quiet hours by channel, and above how many people a campaign needs a second person's yes."""

    caps: tuple[Cap, ...] = ()
    quiet: Mapping[str, Quiet] | None = None
    approval_above: int | None = None

    def quiet_hours(self, channel: str) -> Quiet | None:
        """Return the quiet hours of a channel, None where it has none."""
        if self.quiet is None:
            return NIGHT if channel in SOUNDING else None
        return self.quiet.get(channel)

    def caps_of(self, channel: str) -> list[Cap]:
        """Return the caps that a message of a channel falls under."""
        return [cap for cap in self.caps if cap.channel in (None, channel)]


_MAKE = text("""
    INSERT INTO sending_policy (tenant_id, quiet) VALUES (:tenant_id, CAST(:quiet AS jsonb)) ON CONFLICT DO NOTHING
""")
# Asked in the gate's transaction, with what else it needs to know of the organisation.
OF_TENANT = text("""
    SELECT tenant.name, tenant.timezone, policy.caps, policy.quiet, policy.approval_above,
        EXISTS (SELECT FROM sending_rate WHERE tenant_id = :tenant_id) AS has_rates,
        EXISTS (SELECT FROM slowing WHERE tenant_id = :tenant_id) AS has_slow
    FROM tenant LEFT JOIN sending_policy AS policy ON policy.tenant_id = tenant.id
    WHERE tenant.id = :tenant_id
""")


_APPROVAL_ABOVE = text("SELECT approval_above FROM sending_policy WHERE tenant_id = :tenant_id")


def read(
    caps: Sequence[Mapping[str, Any]] | None, quiet: Mapping[str, Any] | None, approval_above: int | None = None
) -> Policy:
    """Return a policy as its row keeps it; of a tenant without a row all are None."""
    return Policy(
        caps=tuple(Cap(one["channel"], one["most"], one["hours"]) for one in caps or ()),
        quiet=None if quiet is None else {name: _quiet(one["from"], one["to"]) for name, one in quiet.items()},
        approval_above=approval_above,
    )


@cache
def _quiet(starts: str, ends: str) -> Quiet:
    return Quiet(time.fromisoformat(starts), time.fromisoformat(ends))


def of(session: Session, tenant_id: UUID) -> Policy:
    """Return what a tenant says."""
    row = session.execute(OF_TENANT, {"tenant_id": tenant_id}).one()
    return read(row.caps, row.quiet, row.approval_above)


def approval_above(session: Session, tenant_id: UUID) -> int | None:
    """Return above how many people a campaign needs a second person's yes; None where it never does."""
    found: int | None = session.scalar(_APPROVAL_ABOVE, {"tenant_id": tenant_id})
    return found


def get(*, tenant_id: UUID) -> Policy:
    """Return what a tenant says."""
    with transaction(tenant_id) as session:
        return of(session, tenant_id)


def save(
    *, tenant_id: UUID, actor: str, changes: Mapping[str, Any], ip: str | None = None, now: datetime | None = None
) -> Policy:
    """Put down what a tenant says, and look at once again at what was held for what was said before.

    `changes` may hold `caps` (a list of `{channel, most, hours}`) and `quiet` (`{from, to}`, local times, by channel,
    or None for no quiet hours on it) , `approval_above` (or None) and `rates` (a list of `{channel, domain, most,
    seconds}`); what is left out stays. Raises Invalid with messages by `caps.<place>`, `rates.<place>`,
    `quiet.<channel>` and `approval_above`.
    """
    errors: dict[str, str] = {}
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        session.execute(_MAKE, {"tenant_id": tenant_id, "quiet": _as_json(dict.fromkeys(SOUNDING, NIGHT))})
        row = session.scalars(select(SendingPolicy).where(SendingPolicy.tenant_id == tenant_id).with_for_update()).one()
        said: dict[str, Any] = {}
        if "caps" in changes:
            said["caps"] = _checked_caps(changes["caps"], errors)
        if "quiet" in changes:
            said["quiet"] = row.quiet | _checked_quiet(changes["quiet"], errors)
            said["quiet"] = {name: one for name, one in said["quiet"].items() if one is not None}
        if "approval_above" in changes:
            said["approval_above"] = _checked_above(changes["approval_above"], errors)
        wanted = rates.read(changes.get("rates") or (), CHANNELS, errors)
        if errors:
            raise Invalid(errors)
        for name, value in said.items():
            setattr(row, name, value)
        row.updated_at = moment
        session.flush()
        audit.record(session, actor, "sending_policy.change", "sending_policy", row.id, _told(said, changes), ip)
        # What a rate holds back has its place already; only other rates give it another.
        other_rates = "rates" in changes and set(wanted) != set(rates.of(tenant_id=tenant_id))
        held = (Reason.FREQUENCY_CAP, Reason.QUIET_HOURS, *((Reason.RATE_LIMIT,) if other_rates else ()))
        for reason in held:
            outbox.look_again(tenant_id=tenant_id, reason=reason, now=moment)
        if other_rates:
            rates.put(session, tenant_id, wanted, moment)
        return read(row.caps, row.quiet, row.approval_above)


def _told(said: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is written down of a change."""
    return said | ({"rates": [dict(one) for one in changes["rates"]]} if "rates" in changes else {})


def _checked_above(given: Any, errors: dict[str, str]) -> int | None:
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= MOST_PEOPLE:
        errors["approval_above"] = f"Give a number of people from 0 to {figure(MOST_PEOPLE)}, or nothing."
        return None
    return given


def _as_json(quiet: Mapping[str, Quiet]) -> str:
    kept = {name: {"from": f"{one.starts:%H:%M}", "to": f"{one.ends:%H:%M}"} for name, one in quiet.items()}
    return orjson.dumps(kept).decode()


def _checked_caps(given: Sequence[Mapping[str, Any]], errors: dict[str, str]) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    if len(given) > MOST_CAPS:
        errors["caps"] = f"Give at most {MOST_CAPS} caps."
    for place, one in enumerate(given[:MOST_CAPS]):
        channel, most, hours = one.get("channel") or None, one.get("most"), one.get("hours")
        wrong = []
        if channel is not None and channel not in CHANNELS:
            wrong.append("Choose a channel, or all of them.")
        if not isinstance(most, int) or not 1 <= most <= MOST_MESSAGES:
            wrong.append(f"Allow from 1 to {figure(MOST_MESSAGES)} messages.")
        if not isinstance(hours, int) or not 1 <= hours <= MOST_HOURS:
            wrong.append(f"Count over 1 hour to {MOST_HOURS // 24} days.")
        if not wrong and any(two["channel"] == channel and two["hours"] == hours for two in kept):
            wrong.append("There is a cap of this channel over this time already.")
        if wrong:
            errors[f"caps.{place}"] = " ".join(wrong)
        kept.append({"channel": channel, "most": most, "hours": hours})
    return kept


def _checked_quiet(
    given: Mapping[str, Mapping[str, Any] | None], errors: dict[str, str]
) -> dict[str, dict[str, str] | None]:
    kept: dict[str, dict[str, str] | None] = {}
    for channel, one in given.items():
        if one is None:
            kept[channel] = None
            continue
        starts, ends = str(one.get("from") or ""), str(one.get("to") or "")
        if channel not in CHANNELS:
            errors[f"quiet.{channel}"] = "There is no such channel."
        elif not clock.is_time_of_day(starts) or not clock.is_time_of_day(ends):
            errors[f"quiet.{channel}"] = "Give two times of day such as 21:00 and 08:00."
        elif starts == ends:
            errors[f"quiet.{channel}"] = "Let them end at another time than they begin at."
        kept[channel] = {"from": starts, "to": ends}
    return kept
