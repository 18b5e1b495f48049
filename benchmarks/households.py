"""Two legacy member exports and a month of events of made-up people, and who each row and event really is.

The same for one seed. Of a hundred people three share the mailbox of somebody in the same house and two a phone (times
`families`); one in two hundred is a father or a son of one name; eight stand there twice, in one file or in both, under
two numbers: with a nickname or an initial, a slip, a maiden name, a birth date that is missing, turned or wrong, an
address or number that is no use or another. Events name some of what their person is known by, and a name only from one
system.
"""

import csv
import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.people import HINTS, TYPES
from benchmarks.rows import HEADER

PEOPLE = 3000
EVENTS = 10_000
CLUBS: dict[str, tuple[str, ...]] = {
    "ZA": ("Highveld Links", "Umhlanga Country Club", "Table Bay Golf Club"),
    "GB": ("St Brannock's Links", "Harrow Down Golf Club"),
}
FILES = {"ZA": "mca_v1_za_members.csv", "GB": "mca_v1_uk_members.csv"}


def _words(text: str, between: str | None = None) -> list[str]:
    return text.split(between)


HEADER_GB = _words(
    "Member No;Club Name;Salutation;Forename;Surname;E-mail;Mobile;Landline;DOB;Joined;Category;WHS Index;"
    "Marketing Email;Marketing Text;Balance;Total Spend;Last Seen;State;Comment",
    ";",
)
FIRST = _words(
    "Johan Thabo Anna Maria David Michael Sipho Nomsa Lerato Pieter Susan Fiona James Priya Ayanda Sarah Themba Karen"
    " Andrew Zanele Mohammed Chloë Seán Zoë René Iain Gareth Bongani Naledi Willem Ravi Fatima Grace Kagiso Imraan"
    " Deborah Colin Palesa Mandla Simone Neil Rajesh Yusuf Robert William Elizabeth Thomas Catherine Richard Edward"
)
LAST = _words(
    "Smith Naidoo Dlamini Botha Nkosi Pillay Jones Khumalo Venter Williams Govender Mokoena Müller Brown Zulu Jacobs"
    " Coetzee Ndlovu Taylor Fourie O'Brien Mahlangu Nel Evans Sithole Roux Moyo Wilson Abrahams Kruger Thompson Mthembu"
)
NICKNAMES = {"Robert": "Bob", "William": "Bill", "Elizabeth": "Liz", "Thomas": "Tom", "Catherine": "Kate"}
NICKNAMES |= {"Richard": "Rick", "Edward": "Ted", "Michael": "Mike", "James": "Jim", "Andrew": "Andy", "David": "Dave"}
JUNK_EMAILS = ("n/a", "none", "x@", "unknown@unknown", "")
JUNK_PHONES = ("0", "12345", "082 555", "99999999999999999999", "")


@dataclass(frozen=True)
class Person:
    """What is true of somebody; `person` is their name in the truth files."""

    person: str
    country: str
    club: str
    first: str
    last: str
    born: date
    email: str
    phone: str
    number: str


def write(directory: Path, seed: int, families: float = 1) -> None:
    """Write the two exports, the events and both truth files into the directory."""
    draw = Random(seed)
    people = _people(draw, families)
    truth: list[tuple[str, int, str, str]] = []
    for country, name in FILES.items():
        truth += _write_members(directory / name, draw, people, country)
    with (directory / "truth_members.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "record", "member_id", "person"), *truth])
    events = list(_events(draw, people))
    (directory / "events.jsonl").write_text("\n".join(json.dumps(one) for one, _ in events) + "\n", "utf-8")
    with (directory / "truth_events.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("event_id", "person"), *((one["id"], person) for one, person in events)])


def _people(draw: Random, families: float) -> list[Person]:
    found: list[Person] = []
    while len(found) < PEOPLE:
        one = _person(draw, len(found))
        found.append(one)
        chance = draw.random()
        if chance < 0.004:
            # A son of the father's name: often at the same mailbox, sometimes with the father's number.
            son = replace(_person(draw, len(found)), first=one.first, last=one.last, country=one.country, club=one.club)
            son = replace(son, born=one.born.replace(year=one.born.year + 28, day=draw.randrange(1, 28)))
            email = one.email if draw.random() < 0.6 else son.email
            found.append(replace(son, email=email, phone=one.phone if draw.random() < 0.2 else son.phone))
        elif chance < 0.004 + 0.035 * families:
            other = _person(draw, len(found))
            while other.first == one.first:
                other = _person(draw, len(found))
            last = one.last if draw.random() < 0.9 else other.last
            other = replace(other, last=last, country=one.country, club=one.club)
            both = draw.random()
            email = one.email if both < 0.65 else other.email
            found.append(replace(other, email=email, phone=one.phone if both > 0.5 else other.phone))
    return found


def _person(draw: Random, at: int) -> Person:
    country = "ZA" if draw.random() < 0.6 else "GB"
    first, last = draw.choice(FIRST), draw.choice(LAST) + draw.choice(("", "", "son", "ton", "-Marais"))
    plain = f"{first}.{last}{at}".encode("ascii", "ignore").decode().replace("'", "")
    digits = f"82{draw.randrange(10_000_000):07}" if country == "ZA" else f"7400{draw.randrange(1_000_000):06}"
    return Person(
        person=f"P{at:05}",
        country=country,
        club=draw.choice(CLUBS[country]),
        first=first,
        last=last,
        born=date(draw.randrange(1935, 1985), draw.randrange(1, 13), draw.randrange(1, 29)),
        email=f"{plain}@example.com",
        phone=f"+{'27' if country == 'ZA' else '44'}{digits}",
        number=f"{country}{draw.randrange(1, 9)}{at:06}",
    )


def _write_members(path: Path, draw: Random, people: list[Person], country: str) -> list[tuple[str, int, str, str]]:
    """Write an export: who is of that country, and some of both again."""
    rows = [_row(draw, one, _cells(one)) for one in people if one.country == country]
    twice = [one for one in people if draw.random() < (0.05 if one.country == country else 0.035)]
    rows += [_again(draw, one, country) for one in twice]
    draw.shuffle(rows)
    delimiter, encoding = (",", "utf-8") if country == "ZA" else (";", "cp1252")
    header = HEADER if country == "ZA" else HEADER_GB
    with path.open("w", newline="", encoding=encoding) as file:
        table = csv.writer(file, delimiter=delimiter)
        table.writerow(header)
        for cells, _ in rows:
            day = cells["born"] and cells["born"].strftime("%Y/%m/%d" if country == "ZA" else "%d/%m/%Y")
            named = [cells["number"], cells["club"], "", cells["first"], cells["last"], cells["email"], cells["phone"]]
            table.writerow([*named, "", day or "", *[""] * (len(header) - 9)])
    return [(path.name, at, cells["number"], person) for at, (cells, person) in enumerate(rows, start=2)]


def _cells(one: Person) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("number", "club", "first", "last", "email", "phone", "born")}


def _row(draw: Random, one: Person, cells: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the cells as a clerk wrote them: spaces and case, some left out or no use."""
    cells["email"] = _spelt(draw, cells["email"]) if draw.random() > 0.03 else draw.choice(JUNK_EMAILS)
    cells["phone"] = _dialled(draw, cells["phone"]) if draw.random() > 0.03 else draw.choice(JUNK_PHONES)
    if draw.random() < 0.05:
        cells["born"] = None
    return cells, one.person


def _again(draw: Random, one: Person, country: str) -> tuple[dict[str, Any], str]:
    """Return somebody entered a second time, under another number."""
    cells = _cells(one) | {"number": f"{country}9{one.person[1:]}{draw.randrange(10)}D"}
    fate = draw.random()
    if fate < 0.2:
        cells["email"] = ""
    elif fate < 0.21:
        cells["email"] = f"{one.first}{one.person}@mail.example.com".encode("ascii", "ignore").decode()
    elif fate < 0.36:
        cells["phone"] = draw.choice(JUNK_PHONES)
    elif fate < 0.37:
        cells["phone"] = one.phone[:-4] + f"{draw.randrange(10_000):04}"
    fate = draw.random()
    if fate < 0.03:
        cells["first"] = NICKNAMES.get(one.first, one.first)
    elif fate < 0.04:
        cells["first"] = f"{one.first[0]}."
    elif fate < 0.043:
        cells["first"] = _slip(draw, one.first)
    elif fate < 0.055:
        cells["last"] = _slip(draw, one.last)
    elif fate < 0.06:
        cells["last"] = draw.choice(LAST)
    elif fate < 0.065:
        cells["first"], cells["last"] = one.last, one.first
    fate = draw.random()
    if fate < 0.01:
        cells["born"] = None
    elif fate < 0.015 and one.born.day <= 12:
        cells["born"] = one.born.replace(month=one.born.day, day=one.born.month)
    elif fate < 0.018:
        cells["born"] = one.born.replace(year=one.born.year - 10)
    return _row(draw, one, cells)


def _slip(draw: Random, name: str) -> str:
    at = draw.randrange(1, len(name) - 1)
    return draw.choice((name[:at] + name[at + 1 :], name[:at] + name[at + 1] + name[at] + name[at + 2 :]))


def _spelt(draw: Random, email: str) -> str:
    return draw.choice((email, email.lower(), email.upper(), f" {email} "))


def _dialled(draw: Random, phone: str) -> str:
    if not phone.startswith("+"):
        return phone
    local = f"0{phone[3:]}"
    return draw.choice((phone, f"00{phone[1:]}", local, f"{local[:4]} {local[4:]}", phone[1:]))


def _events(draw: Random, people: list[Person]) -> Any:
    """Yield events and whose each is: some people do much, many little."""
    often = [draw.expovariate(1) for _ in people]
    start = datetime(2026, 10, 1, tzinfo=UTC)
    told = draw.choices([names for names, _ in HINTS], [weight for _, weight in HINTS], k=EVENTS)
    kinds = draw.choices(list(TYPES), [weight for _, weight in TYPES.values()], k=EVENTS)
    for at, (one, names, kind) in enumerate(zip(draw.choices(people, often, k=EVENTS), told, kinds, strict=True)):
        known = {
            "email": _spelt(draw, one.email),
            "phone_number": _dialled(draw, one.phone),
            "teetime_player_id": f"TT-{one.person}",
            "scl_member_id": one.number,
        }
        payload: dict[str, Any] = {"club": one.club}
        if kind.startswith("scl.member."):
            names = tuple({*names, "scl_member_id"} - {"teetime_player_id"})
            payload |= {"first_name": one.first, "last_name": one.last, "date_of_birth": one.born.isoformat()}
        elif kind == "contactPreference.updated":
            payload["email_opt_in"] = draw.random() < 0.8
        yield (
            {
                "id": f"evt-{at:06}",
                "type": kind,
                "source": TYPES[kind][0],
                "timestamp": (start + timedelta(minutes=4 * at)).isoformat(),
                "identity": {name: known[name] for name in sorted(names)},
                "payload": payload,
            },
            one.person,
        )
