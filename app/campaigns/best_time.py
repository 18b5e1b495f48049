"""The hour at which each recipient opens most, within the day that begins when a campaign does.

Counted are what people, not machines, opened and clicked in the last DAYS days, by the hour their own clocks showed. To
what a recipient did is added what their club's people do, as if they had done it CLUB times: some opens in the night
send nobody's mail there, many do. Who has done less than FEWEST things gets the best hour of their club. Opens a little
before or after an hour speak for it too.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.campaigns.models import Campaign, CampaignRun
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import transaction

DAYS = 180
CLUB = 10
"""How much the club's habits weigh: as much as so many opens of one's own."""
FEWEST = 3
MOST_OF_CLUBS = 50_000
"""The latest so many of each kind tell the habits of the clubs."""
LOOKED_AT = 5_000
"""So many people tell how many go at which hour; who they are is left to chance."""
HOURS = 24
_NEIGHBOUR = 0.5
TYPES = ("message.opened", "message.clicked")

_BY_PEOPLE = "activity.private_to IS NULL AND activity.payload ->> 'is_machine' IS DISTINCT FROM 'true'"
# Where somebody's clock isn't known, their club's is asked. The zones are those that both we and the database know: its
# word for another one is an error.
_ZONES = """
    LEFT JOIN unnest(CAST(:zones AS text[])) AS known(zone) ON known.zone = customer.timezone
    LEFT JOIN club ON club.tenant_id = :tenant_id AND club.id = customer.club_id
    LEFT JOIN unnest(CAST(:zones AS text[])) AS there(zone) ON there.zone = club.timezone
"""
_DID = text(f"""
    SELECT reader.id, reader.club_id, reader.zone, did.hours
    FROM (
        SELECT customer.id, customer.club_id, coalesce(known.zone, there.zone, :own) AS zone
        FROM unnest(CAST(:people AS uuid[])) AS chosen(id)
        JOIN customer ON customer.tenant_id = :tenant_id AND customer.id = chosen.id
        {_ZONES}
    ) AS reader
    LEFT JOIN LATERAL (
        SELECT array_agg(CAST(extract(hour FROM activity.occurred_at AT TIME ZONE reader.zone) AS integer)) AS hours
        FROM activity
        WHERE activity.tenant_id = :tenant_id AND activity.customer_id = reader.id
            AND activity.occurred_at > :since AND activity.occurred_at <= :until
            AND activity.type = ANY(CAST(:types AS text[])) AND {_BY_PEOPLE}
    ) AS did ON true
""")  # noqa: S608 - the condition is ours
_CLUBS_DID = text(f"""
    SELECT latest.club_id, count(*) AS times, CAST(
        extract(hour FROM latest.occurred_at AT TIME ZONE coalesce(known.zone, there.zone, :own)) AS integer) AS hour
    FROM unnest(CAST(:types AS text[])) AS kind(type)
    CROSS JOIN LATERAL (
        SELECT activity.club_id, activity.customer_id, activity.occurred_at FROM activity
        WHERE activity.tenant_id = :tenant_id AND activity.type = kind.type
            AND activity.occurred_at > :since AND activity.occurred_at <= :until AND {_BY_PEOPLE}
        ORDER BY activity.occurred_at DESC LIMIT :most
    ) AS latest
    JOIN customer ON customer.tenant_id = :tenant_id AND customer.id = latest.customer_id
    {_ZONES}
    GROUP BY latest.club_id, hour
""")  # noqa: S608
_KNOWN_ZONES = text("SELECT name FROM pg_timezone_names")
_both_know: list[frozenset[str]] = []
_SOME = text("""
    SELECT customer_id FROM segment_member WHERE tenant_id = :tenant_id AND segment_id = :segment_id
    ORDER BY hashtext(CAST(customer_id AS text)), customer_id LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Chosen:
    """At which hour of their own day somebody gets it, and of how many opens and clicks of theirs that was told."""

    hour: int
    zone: str
    at: datetime
    own: int
    around: int
    """So many of those were at that hour, or the one before or after it."""

    @property
    def by_own(self) -> bool:
        """Return whether their own habits decided it."""
        return self.own >= FEWEST


@dataclass(frozen=True, slots=True)
class Habits:
    """How people's opens lie in the day: of each club, and of all together (None); each adds up to one."""

    by_club: Mapping[UUID | None, Sequence[float]]

    def of(self, club_id: UUID | None) -> Sequence[float]:
        """Return those of a club, or of all where it has none."""
        return self.by_club.get(club_id) or self.by_club[None]


def habits(session: Session, campaign: Campaign, *, now: datetime) -> Habits:
    """Return when the people of the clubs open, up to a moment."""
    counted: dict[UUID | None, Counter[int]] = {None: Counter()}
    for row in session.execute(_CLUBS_DID, _values(session, campaign, now) | {"most": MOST_OF_CLUBS}):
        counted[None][row.hour] += row.times
        if row.club_id is not None:
            counted.setdefault(row.club_id, Counter())[row.hour] += row.times
    everybody = _shares(_spread(counted[None].elements()), [1 / HOURS] * HOURS)
    found: dict[UUID | None, Sequence[float]] = {
        club: _shares(_spread(hours.elements()), everybody) for club, hours in counted.items() if club is not None
    }
    return Habits(found | {None: everybody})


_of_run: dict[UUID, Habits] = {}


def habits_of(session: Session, campaign: Campaign, run: CampaignRun) -> Habits:
    """Return the habits that a run goes by, told once for all the people this process puts into it.

    They are what was known when the run began, and reading them takes up to twice MOST_OF_CLUBS rows.
    """
    if run.id not in _of_run:
        found = habits(session, campaign, now=run.created_at)
        _of_run.clear()
        _of_run[run.id] = found
    return _of_run[run.id]


def choose(
    session: Session, campaign: Campaign, people: Collection[UUID], known: Habits, *, begins: datetime, now: datetime
) -> dict[UUID, Chosen]:
    """Return when each of these people gets a campaign that begins at a moment: within the day after it."""
    values = _values(session, campaign, now) | {"people": array(people)}
    moments: dict[tuple[str, int], datetime] = {}
    best_of_club: dict[tuple[UUID | None, str], int] = {}
    found: dict[UUID, Chosen] = {}
    for row in session.execute(_DID, values):
        first = begins.astimezone(ZoneInfo(row.zone)).hour
        own = row.hours or ()
        if len(own) < FEWEST:
            place = (row.club_id, row.zone)
            hour = best_of_club.get(place, -1)
            if hour < 0:
                hour = best_of_club[place] = best(known.of(row.club_id), (), first)
        else:
            hour = best(known.of(row.club_id), own, first)
        at = moments.get((row.zone, hour))
        if at is None:
            at = moments[row.zone, hour] = moment(begins, hour, ZoneInfo(row.zone))
        around = sum((one - hour) % HOURS in (0, 1, HOURS - 1) for one in own)
        found[row.id] = Chosen(hour, row.zone, at, len(own), around)
    return found


def best(club: Sequence[float], own: Iterable[int], first: int) -> int:
    """Return the hour that speaks most for itself; of equals the one that comes soonest from `first` on."""
    did = _spread(own)
    return max(range(HOURS), key=lambda hour: (round(did[hour] + CLUB * club[hour], 6), -((hour - first) % HOURS)))


def moment(begins: datetime, hour: int, zone: ZoneInfo) -> datetime:
    """Return when an hour comes in a zone from a moment on, in UTC; at once where it is that hour already."""
    here = begins.astimezone(zone)
    if here.hour == hour:
        return begins
    day = here.date() if here.hour < hour else here.date() + timedelta(days=1)
    return max(clock.instant(datetime.combine(day, time(hour)), zone), begins)


@dataclass(frozen=True, slots=True)
class Outlook:
    """How many of a segment would get it in which hour, by the campaign's clocks, and of how many of them their own
    habits tell. `estimated`: told from some of them."""

    hours: Sequence[tuple[datetime, int]]
    people: int
    by_own: int
    estimated: bool


def outlook(*, tenant_id: UUID, campaign: Campaign, people: int, begins: datetime, now: datetime) -> Outlook:
    """Return when the `people` of a campaign's segment would get it if it began at a moment."""
    zone = ZoneInfo(campaign.timezone)
    with transaction(tenant_id) as session:
        values = {"tenant_id": tenant_id, "segment_id": campaign.segment_id, "most": LOOKED_AT}
        some = list(session.scalars(_SOME, values))
        known = habits(session, campaign, now=now)
        chosen = choose(session, campaign, some, known, begins=begins, now=now).values()
    share = people / len(some) if some and people > len(some) else 1.0
    counted = Counter(
        one.at.astimezone(zone).replace(minute=0, second=0, microsecond=0, tzinfo=None, fold=0) for one in chosen
    )
    hours = [(hour, round(times * share)) for hour, times in sorted(counted.items())]
    return Outlook(hours, people, round(sum(one.by_own for one in chosen) * share), share > 1)


def of_one(session: Session, campaign: Campaign, who: UUID, *, begins: datetime, now: datetime) -> Chosen | None:
    """Return when somebody gets a campaign that begins at a moment, by what was known up to `now`."""
    known = habits(session, campaign, now=now)
    return choose(session, campaign, [who], known, begins=begins, now=now).get(who)


def in_words(chosen: Chosen) -> str:
    """Return why somebody gets it at their hour, in a sentence."""
    at = f"{chosen.hour:02}:00"
    if not chosen.own:
        return f"They have opened nothing in the last {DAYS} days; people of their club open most around {at}."
    if not chosen.by_own:
        did = "once" if chosen.own == 1 else f"only {chosen.own} times"
        return (
            f"They opened or clicked {did} in the last {DAYS} days, too little to tell by; people of their club open"
            f" most around {at}."
        )
    times = "once" if chosen.own == 1 else f"{chosen.own} times"
    around = "once" if chosen.around == 1 else "never" if not chosen.around else f"{chosen.around} times"
    return (
        f"They opened or clicked {times} in the last {DAYS} days, {around} around {at} where they are. With how people"
        f" of their club read, {at} is their best hour."
    )


def _values(session: Session, campaign: Campaign, now: datetime) -> dict[str, Any]:
    zones = _known_zones(session)
    return {
        "tenant_id": campaign.tenant_id,
        "zones": array(zones),
        "own": campaign.timezone if campaign.timezone in zones else "UTC",
        "types": array(TYPES),
        "since": now - timedelta(days=DAYS),
        "until": now,
    }


def _known_zones(session: Session) -> frozenset[str]:
    """Return the zones that both the database and we know; asked once a process, it reads files."""
    if not _both_know:
        _both_know.append(frozenset(session.scalars(_KNOWN_ZONES)) & available_timezones())
    return _both_know[0]


def _spread(hours: Iterable[int]) -> list[float]:
    """Return how much speaks for each hour: opens of that hour, and by halves those of the hours beside it."""
    found = [0.0] * HOURS
    for hour in hours:
        found[hour] += 1 - _NEIGHBOUR
        found[hour - 1] += _NEIGHBOUR / 2
        found[(hour + 1) % HOURS] += _NEIGHBOUR / 2
    return found


def _shares(counted: Sequence[float], before: Sequence[float]) -> list[float]:
    """Return counts as shares, as if a day's worth had been seen of `before` already."""
    total = sum(counted) + HOURS
    return [(one + HOURS * likely) / total for one, likely in zip(counted, before, strict=True)]
