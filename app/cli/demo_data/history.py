"""A year of what made-up members do: rounds, payments, purchases, competitions, enquiries, reviews."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.cli.demo_data.draw import Days, chance, id_at
from app.cli.demo_data.people import YEAR, Person
from app.cli.demo_data.places import CLUBS, DemoClub

AHEAD = timedelta(days=10)
"""How far ahead tee times are booked."""
COMPETITIONS = ("Monthly Medal", "Club Stableford", "Captain's Prize", "Midweek Open", "Winter League", "Founders Cup")
KINDS = ("golf_day", "wedding", "function", "trip", "membership")


@dataclass(frozen=True, slots=True)
class Happening:
    """One event, as a club's system would have sent it."""

    id: UUID
    person: Person
    type: str
    source: str
    at: datetime
    payload: dict[str, Any]


def history(random: Random, everybody: list[Person], now: datetime) -> list[Happening]:
    """Return what happened to everybody in the year up to `now`, the oldest first."""
    writer = _Writer(random, now)
    found = [one for person in everybody for one in writer.of(person)]
    return sorted(found, key=lambda one: (one.at, one.id))


class _Writer:
    def __init__(self, random: Random, now: datetime) -> None:
        self.random = random
        self.now = now
        self.since = now - YEAR
        self.bookings = 0
        first = self.since.date()
        span = ((now + AHEAD).date() - first).days
        self.days = {
            club.name: Days(first, [_busy(club, first + timedelta(days=one)) for one in range(span)]) for club in CLUBS
        }

    def of(self, person: Person) -> Iterator[Happening]:
        """Yield what happened to one person while Fairway knew them and they were about."""
        acts: tuple[Callable[[Person], Iterator[Happening]], ...] = (
            self._membership,
            self._preferences,
            self._rounds,
            self._payments,
            self._bar,
            self._enquiries,
        )
        for act in acts:
            for one in act(person):
                if max(person.created_at, self.since) <= one.at <= min(self.now, person.quiet_from):
                    yield one

    def _event(self, person: Person, type: str, source: str, at: datetime, **payload: Any) -> Happening:
        at = at.astimezone(UTC).replace(microsecond=0)
        return Happening(id_at(self.random, at), person, type, source, at, {"club": person.club.name, **payload})

    def _membership(self, person: Person) -> Iterator[Happening]:
        if person.joined is None:
            return
        payload: dict[str, Any] = {
            "first_name": person.first_name,
            "last_name": person.last_name,
            "membership_tier": person.tier,
            "joined_on": person.joined.isoformat(),
        }
        if person.born:
            payload["date_of_birth"] = person.born.isoformat()
        if person.joined >= self.since.date():
            yield self._event(person, "scl.member.created", "scl", person.created_at, **payload)
        if chance(self.random, 0.25) or person.status != "Active":
            at = min(person.quiet_from, person.created_at + (self.now - person.created_at) * self.random.random())
            yield self._event(person, "scl.member.updated", "scl", at, **payload, membership_status=person.status)

    def _preferences(self, person: Person) -> Iterator[Happening]:
        said: dict[datetime, dict[str, bool]] = {}
        for answer in person.answers:
            said.setdefault(answer.at, {})[f"{answer.channel}_opt_in"] = answer.opted_in
        for at, flags in said.items():
            yield self._event(person, "contactPreference.updated", "club", at, **flags)

    def _rounds(self, person: Person) -> Iterator[Happening]:
        random, zone = self.random, ZoneInfo(person.club.timezone)
        played: list[datetime] = []
        for _ in range(round(person.rounds)):
            day = self.days[person.club.name].draw(random)
            if person.tier == "Weekday" and day.weekday() > 4:
                day -= timedelta(days=2)
            tee = datetime.combine(day, time(person.club.first_tee), zone) + timedelta(minutes=8 * random.randrange(52))
            booked = tee - timedelta(days=random.randint(1, 9), minutes=random.randint(0, 600))
            self.bookings += 1
            holes = 9 if ("nine-holes" in person.tags and chance(random, 0.8)) or chance(random, 0.08) else 18
            payload = {
                "booking_id": f"D{self.bookings:06d}",
                "tee_time": tee.isoformat(timespec="minutes"),
                "holes": holes,
                "players": random.choices((1, 2, 3, 4), (8, 27, 20, 45))[0],
            }
            yield self._event(person, "teetime.booked", "teetime", booked, **payload)
            if chance(random, 0.1):
                at = tee - timedelta(hours=random.randint(2, 20))
                yield self._event(person, "teetime.cancelled", "teetime", at, **payload)
                continue
            if chance(random, 0.02):
                yield self._event(person, "teetime.missed", "teetime", tee + timedelta(minutes=30), **payload)
                continue
            end = tee + timedelta(minutes=holes * 14 + random.randint(-10, 15))
            yield self._event(person, "teetime.completed", "teetime", end, **payload)
            yield from self._after(person, tee, end)
            if end <= min(self.now, person.quiet_from):
                played.append(end)
        if person.handicap is not None:
            yield from self._handicaps(person, sorted(played), person.handicap)

    def _after(self, person: Person, tee: datetime, end: datetime) -> Iterator[Happening]:
        random = self.random
        if chance(random, 0.45):
            yield self._sale(person, end + timedelta(minutes=random.randint(10, 70)), 45, 620)
        if chance(random, 0.14):
            name = f"{random.choice(COMPETITIONS)} {tee:%B}"
            at = tee - timedelta(days=random.randint(2, 12))
            yield self._event(person, "competition.entered", "club", at, competition_id=name)
        if chance(random, 0.03):
            rating = random.choices((1, 2, 3, 4, 5), (2, 4, 12, 38, 44))[0]
            yield self._event(person, "review.submitted", "club", end + timedelta(hours=3), rating=rating)

    def _handicaps(self, person: Person, played: list[datetime], index: Decimal) -> Iterator[Happening]:
        """Yield new handicap indexes after some of the rounds; the last one is the person's present one."""
        for end in reversed(played):
            if not chance(self.random, 0.35):
                continue
            yield self._event(
                person,
                "teetime.handicap.updated",
                "teetime",
                end + timedelta(hours=self.random.randint(6, 14)),
                handicap_index=float(index),
            )
            step = Decimal(str(round(self.random.uniform(-0.6, 0.9), 1)))
            index = min(max(index + step, Decimal(-3)), Decimal(54))

    def _payments(self, person: Person) -> Iterator[Happening]:
        """Yield the subscription: in one payment, or month by month; a few card payments fail and are made good."""
        if person.joined is None:
            return
        random = self.random
        share = {"Platinum": 1.6, "Gold": 1.2, "Weekday": 0.7, "Social": 0.35, "Junior": 0.25}.get(person.tier or "", 1)
        year = person.club.subscription * share
        parts = 12 if chance(random, 0.4) else 1
        day = random.randint(0, 364)
        for month in range(parts):
            at = self.since + timedelta(days=(day + month * 365 / 12) % 365, minutes=random.randint(0, 700))
            paid = {"amount": f"{year / parts:.2f}", "currency": person.club.currency}
            if chance(random, 0.05):
                yield self._event(person, "payment.failed", "payment", at, **paid)
                at += timedelta(days=random.randint(1, 6))
            yield self._event(person, "payment.received", "payment", at, **paid)

    def _bar(self, person: Person) -> Iterator[Happening]:
        """Yield lunches, lessons and the shop, apart from rounds."""
        visits = self.random.gammavariate(1.6, 3 if person.tier == "Social" else 1.2)
        for _ in range(round(visits) if person.joined else 0):
            day = self.days[person.club.name].draw(self.random)
            at = datetime.combine(day, time(11), ZoneInfo(person.club.timezone))
            yield self._sale(person, at + timedelta(minutes=self.random.randint(0, 540)), 60, 1900)

    def _sale(self, person: Person, at: datetime, low: int, high: int) -> Happening:
        rate = 1 if person.club.currency == "ZAR" else 0.06
        amount = self.random.triangular(low, high, low * 2) * rate
        return self._event(person, "pos.purchase", "pos", at, amount=f"{amount:.2f}", currency=person.club.currency)

    def _enquiries(self, person: Person) -> Iterator[Happening]:
        random = self.random
        if not chance(random, 0.9 if person.joined is None else 0.05):
            return
        at = person.created_at + (self.now - person.created_at) * random.random()
        kind = random.choice(KINDS)
        rate = 1 if person.club.currency == "ZAR" else 0.06
        about = {
            "reference": f"E{random.randint(10_000, 99_999)}",
            "kind": kind,
            "value": f"{random.randint(40, 900) * 100 * rate:.2f}",
            "currency": person.club.currency,
        }
        steps = [("enquiry.created", 0.0, 1.0), ("quote.sent", 20, 0.8), ("quote.viewed", 9, 0.6)]
        steps.append(("booking.confirmed", 60, 0.6))
        if kind in ("trip", "golf_day"):
            steps.append(("trip.completed", 24 * 21, 0.8))
        for type, hours, share in steps:
            if not chance(random, share):
                return
            at += timedelta(hours=hours * random.uniform(0.5, 1.5))
            if type == "booking.confirmed":
                begins = datetime.combine(at.date() + timedelta(days=45), time(9), ZoneInfo(person.club.timezone))
                about["starts_at"] = begins.isoformat(timespec="minutes")
            yield self._event(person, type, "club", at, **about)


def _busy(club: DemoClub, day: date) -> float:
    return club.season[day.month - 1] * (1.9 if day.weekday() > 4 else 1.3 if day.weekday() == 2 else 0.8)
