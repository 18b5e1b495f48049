"""Made-up members: who they are, how they are reached, what they agreed to."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from app.cli.demo_data.draw import chance, id_at
from app.cli.demo_data.names import Community, community
from app.cli.demo_data.places import CLUBS, DemoClub

YEAR = timedelta(days=365)
MAIL_DOMAINS = ("kelpmail.example", "inbox.example", "postbox.example")
# Blocks of mobile numbers that are valid and, as far as anybody knows, nobody's.
PHONE_PREFIXES = {"ZA": "+2766000", "GB": "+44740000"}
CHANNELS = {"email": (60, 15, 25), "sms": (45, 20, 35), "whatsapp": (30, 10, 60), "push": (18, 7, 75)}
"""How many of a hundred said yes, said no, were never asked."""
TIERS = (("Platinum", 9), ("Gold", 22), ("Silver", 27), ("Weekday", 19), ("Social", 23))
STATUSES = (("Active", 84), ("Suspended", 3), ("Lapsed", 8), ("Resigned", 5))
ROUNDS = {"Platinum": 17, "Gold": 13, "Silver": 8, "Weekday": 11, "Junior": 8, "Social": 1, None: 1}
"""Rounds a year, about, by tier; None: guests."""
TITLES = {"F": ("Mrs", "Ms", "Ms", "Dr"), "M": ("Mr", "Mr", "Mr", "Dr")}


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody said about one channel, and when."""

    channel: str
    opted_in: bool
    at: datetime


@dataclass(slots=True)
class Person:
    """One customer of the demo. `rounds` a year; after `quiet_from` nothing is heard of them.

    `is_in_family`: the e-mail address is not theirs alone.
    """

    id: UUID
    club: DemoClub
    created_at: datetime
    title: str | None
    first_name: str
    last_name: str
    born: date | None
    email: str | None
    phone: str | None
    tier: str | None
    status: str | None
    stage: str
    joined: date | None
    handicap: Decimal | None
    scl_id: str | None
    teetime_id: str | None
    rounds: float
    quiet_from: datetime
    is_in_family: bool = False
    answers: list[Answer] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)

    @property
    def ids(self) -> dict[str, str]:
        """Return the ids other systems know the person by."""
        known = {"scl_member_id": self.scl_id, "teetime_player_id": self.teetime_id}
        return {kind: value for kind, value in known.items() if value}

    @property
    def points(self) -> dict[str, str]:
        """Return the contact points, by kind."""
        return {kind: key for kind, key in (("email", self.email), ("phone", self.phone)) if key}


def people(random: Random, size: int, now: datetime) -> list[Person]:
    """Return `size` people, some of them in families that share a mailbox."""
    maker = _Maker(random, now)
    found: list[Person] = []
    while len(found) < size:
        found.extend(maker.household(size - len(found)))
    return found


class _Maker:
    """Makes households; remembers the numbers and addresses it has given out."""

    def __init__(self, random: Random, now: datetime) -> None:
        self.random = random
        self.now = now
        self.taken: set[str] = set()
        self.phones = {country: _numbers(random, prefix) for country, prefix in PHONE_PREFIXES.items()}
        self.number = 100_000

    def household(self, room: int) -> Iterator[Person]:
        """Yield one person, or a family with one address between them."""
        club = self.random.choices(CLUBS, [one.share for one in CLUBS])[0]
        names = community(self.random, club.country)
        family = self.random.choice(names.families)
        if room < 2 or not chance(self.random, 0.06):
            yield self._person(club, names, family, adult=chance(self.random, 0.94))
            return
        size = min(self.random.choice((2, 2, 3, 4)), room)
        shared = self._address(f"{_plain(family)}.family")
        phone = next(self.phones[club.country])
        first_names: set[str] = set()
        for place in range(size):
            person = self._person(club, names, family, adult=place < 2, others=first_names)
            first_names.add(person.first_name)
            person.email, person.is_in_family = shared, True
            if (place == 1 and chance(self.random, 0.4)) or place == 0:
                person.phone = phone
            yield person

    def _person(
        self, club: DemoClub, names: Community, family: str, *, adult: bool, others: set[str] | None = None
    ) -> Person:
        random = self.random
        sex = random.choices("FM", (36, 64))[0]
        # Two of one given name at one mailbox would be taken for one person, and rightly.
        given = random.choice([one for one in (names.women if sex == "F" else names.men) if one not in (others or ())])
        born = self._born(adult)
        is_member = chance(random, 0.93) or not adult
        joined = self._joined(born) if is_member else None
        tier = status = None
        if is_member:
            tier = _weighted(random, TIERS) if adult else "Junior"
            status = _weighted(random, STATUSES)
        stage = _stage(status) if is_member else random.choice(("SUBSCRIBER", "LEAD", "LEAD", "PROSPECT"))
        rounds = ROUNDS[tier] * random.gammavariate(3, 1 / 3)
        plays = rounds >= 1
        self.number += random.randint(1, 9)
        created = self._created(joined)
        person = Person(
            id=id_at(random, created),
            club=club,
            created_at=created,
            title=random.choice(TITLES[sex]) if adult and chance(random, 0.7) else None,
            first_name=given,
            last_name=family,
            born=born if chance(random, 0.95) else None,
            email=self._address(f"{_plain(given)}.{_plain(family)}") if chance(random, 0.95) else None,
            phone=next(self.phones[club.country]) if adult and chance(random, 0.9) else None,
            tier=tier,
            status=status,
            stage=stage,
            joined=joined,
            handicap=_handicap(random, tier) if plays and is_member else None,
            scl_id=f"TO{self.number}" if is_member else None,
            teetime_id=f"TOP-{self.number}" if plays or not is_member else None,
            rounds=rounds if plays else 0.0,
            quiet_from=self._quiet_from(status, created),
        )
        person.answers = self._answers(person, adult)
        person.tags = self._tags(person, sex)
        return person

    def _address(self, stem: str) -> str:
        name = stem
        while name in self.taken:
            name = f"{stem}{self.random.randint(2, 99)}"
        self.taken.add(name)
        return f"{name}@{self.random.choice(MAIL_DOMAINS)}"

    def _born(self, adult: bool) -> date:
        years = self.random.triangular(19, 86, 52) if adult else self.random.uniform(9, 17.5)
        return (self.now - YEAR * years).date()

    def _joined(self, born: date) -> date:
        earliest = max(born + 8 * YEAR, date(1985, 1, 1))
        latest = self.now.date() - timedelta(days=2)
        if chance(self.random, 0.06):
            earliest = max(earliest, latest - timedelta(days=120))
        span = max((latest - earliest).days, 0)
        # More people joined lately than long ago.
        return latest - timedelta(days=int(span * self.random.random() ** 1.8))

    def _created(self, joined: date | None) -> datetime:
        """Return since when Fairway knows the person: the club moved in a year ago."""
        first = self.now - YEAR
        if joined is None:
            return first + YEAR * (self.random.random() * 0.98)
        at = datetime.combine(joined, time(8), UTC) + timedelta(seconds=self.random.randrange(30_000))
        return max(at, first + timedelta(seconds=self.random.randrange(3600)))

    def _quiet_from(self, status: str | None, created: datetime) -> datetime:
        if status in ("Lapsed", "Resigned") or chance(self.random, 0.1):
            return created + (self.now - created) * self.random.uniform(0.1, 0.8)
        return self.now + YEAR

    def _answers(self, person: Person, adult: bool) -> list[Answer]:
        """Return what the person was asked and answered. Juniors are not asked; some adults change their mind."""
        random = self.random
        found: list[Answer] = []
        if not adult:
            return found
        first = (person.created_at + timedelta(minutes=random.randint(2, 90))).replace(microsecond=0)
        until = min(self.now, person.quiet_from)
        for channel, (yes, no, _) in CHANNELS.items():
            # The shares are of everybody, juniors included.
            roll = random.random() * 100
            if roll >= (yes + no) * 1.08:
                continue
            opted_in = roll < yes * 1.08
            if chance(random, 0.1):
                found.append(Answer(channel, not opted_in, first))
                changed = first + (until - first) * random.uniform(0.1, 0.9)
                found.append(Answer(channel, opted_in, changed.replace(microsecond=0)))
            else:
                found.append(Answer(channel, opted_in, first))
        return found

    def _tags(self, person: Person, sex: str) -> list[str]:
        random = self.random
        age = (self.now.date() - person.born).days // 365 if person.born else 0
        tags = [
            (person.tier == "Junior", 0.8, "junior-academy"),
            (age >= 60, 0.55, "seniors"),
            (sex == "F" and person.rounds > 4, 0.5, "ladies-section"),
            (person.rounds > 12, 0.45, "early-bird"),
            (0 < person.rounds < 8, 0.3, "nine-holes"),
            (person.tier == "Platinum", 0.35, "vip"),
            (person.tier in ("Platinum", "Gold", "Social"), 0.25, "wine-club"),
            (person.stage == "MEMBER", 0.06, "volunteer"),
            (True, 0.08, "golf-trips"),
            (person.joined is not None and (self.now.date() - person.joined).days < 90, 1, "new-member"),
        ]
        return sorted(tag for fits, share, tag in tags if fits and chance(random, share))


def _numbers(random: Random, prefix: str) -> Iterator[str]:
    digits = 12 if prefix.startswith("+27") else 13
    free = digits - len(prefix)
    return iter(f"{prefix}{one:0{free}d}" for one in random.sample(range(10**free), 10**free))


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.lower())
    return "".join(letter for letter in folded if letter.isascii() and letter.isalpha())


def _weighted(random: Random, choices: tuple[tuple[str, int], ...]) -> str:
    names, weights = zip(*choices, strict=True)
    return str(random.choices(names, weights)[0])


def _stage(status: str | None) -> str:
    return "FORMER" if status in ("Lapsed", "Resigned") else "MEMBER"


def _handicap(random: Random, tier: str | None) -> Decimal | None:
    if not chance(random, 0.9):
        return None
    middle = {"Platinum": 12.0, "Gold": 14.0, "Junior": 26.0, "Social": 28.0}.get(tier or "", 18.0)
    return Decimal(str(round(min(max(random.gauss(middle, 7.5), -3.0), 54.0), 1)))
