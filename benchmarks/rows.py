"""A legacy member export of any size, made up: the same rows each time for one seed, as dirty as such exports are."""

import csv
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from random import Random

SEED = 20261125


def _words(text: str) -> list[str]:
    return text.split()


HEADER = _words(
    "MemberID Club Title FirstName Surname Email Cell HomeTel DateOfBirth JoinDate MembershipCategory HandicapIndex"
    " EmailOptIn SmsOptIn AccountBalance LifetimeSpend LastVisit Status Notes"
)
_FIRST = _words(
    "Johan Thabo Anna Maria David Michael Sipho Nomsa Lerato Pieter Susan Fiona James Priya Ayanda Sarah Themba Karen"
    " Andrew Zanele Mohammed Elize Chloë Seán Zoë René Iain Gareth Bongani Naledi Willem Charl Ravi Fatima Grace Lwazi"
    " Kagiso Hannes Marlene Imraan Deborah Colin Palesa Mandla Simone Estelle Neil Rajesh Hester Tumi Yusuf Katie Steve"
)
_LAST = _words(
    "Smith Naidoo Dlamini Botha Nkosi Pillay Jones Khumalo Venter Williams Govender Mokoena Müller Brown Zulu Jacobs"
    " Coetzee Ndlovu Taylor Fourie O'Brien Mahlangu Nel Evans Sithole Roux Moyo Wilson Abrahams Kruger Thompson Mthembu"
)
_HEADS = _words("Al Ber Cor Dan El Fer Gor Hal Ing Jor Kar Lan Mor Nor Ols Pen Quin Ras Sten Tor Ul Ver Wes Yor Zan")
_MIDDLES = _words("a e i o u an en in on el al er is us am")
_TAILS = _words("ber dal feld gate ham kamp land man ner rup sen ton ville wick zani thwa nisi mbe")
# An organisation that has a million members has them in many clubs.
CLUBS = tuple(
    f"{head}{tail} {kind}" for head in _HEADS for tail in ("stead", "haven") for kind in ("Links", "Golf Club")
)
_TIERS = ("Gold", "Platinum", "Silver", "Weekday", "Student", "Corporate")
_STATUSES = ("Active", "Active", "Active", "Active", "Active", "Active", "Suspended", "Resigned", "Lapsed")
_TITLES = ("", "", "Mr", "Mrs", "Ms", "Dr", "Prof")
_NOTES = ("", "", "", "", "Prefers to play early", 'Says: "mail only"', "naïve façade", "=1+2", "two\nlines")
_JUNK_EMAILS = ("n/a", "none", "john(at)example.com", "@example.com", "see notes")
_JUNK_PHONES = ("0", "unknown", "see notes", "00000")


def write(path: Path, count: int, seed: int = SEED) -> None:
    """Write an export of `count` rows after the header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(HEADER)
        table.writerows(rows(count, seed))


def rows(count: int, seed: int = SEED) -> Iterator[list[str]]:
    """Yield `count` rows.

    Of a hundred: four share the last row's mailbox (a family), two its number too; one and a half are somebody who
    stands there already, under another number, nicknames and changed addresses included; half of one says again what
    another row says; one names no e-mail address or number that is one; a few in ten thousand are cut short or blank.
    """
    draw = Random(seed)
    lasts = [*_LAST, *(head + middle + tail for head in _HEADS for middle in _MIDDLES for tail in _TAILS)]
    weights = list(accumulate(1 / (at + 4) for at in range(len(lasts))))
    kept: list[list[str]] = []
    before: list[str] | None = None
    for at in range(count):
        chance = draw.random()
        if chance < 0.0003:
            yield draw.choice((["TOTAL", str(at)], [""] * len(HEADER), [f"ZA{at:07}", draw.choice(CLUBS), "Ms"]))
            continue
        if kept and chance < 0.005:
            yield draw.choice(kept)
            continue
        if kept and chance < 0.02:
            row = _again(draw, draw.choice(kept), at)
        else:
            row = _new(draw, at, draw.choices(lasts, cum_weights=weights)[0])
            if before and chance > 0.94:
                row[4], row[5] = before[4], before[5]
                if chance > 0.98:
                    row[6] = before[6]
        before = row
        # A few thousand people from the whole of the file come up again.
        if len(kept) < 5000:
            kept.append(row)
        elif draw.random() < 0.01:
            kept[draw.randrange(5000)] = row
        yield row


def _new(draw: Random, at: int, last: str) -> list[str]:
    first = draw.choice(_FIRST)
    number = f"{820_000_000 + at % 30_000_000}"
    email = f"{first}.{last}{at}@example.com".replace("'", "").encode("ascii", "ignore").decode()
    phone = draw.choice((f"0{number}", f"0{number[:2]} {number[2:5]} {number[5:]}", f"+27{number}", f"27{number}"))
    if draw.random() < 0.01:
        email, phone = draw.choice(_JUNK_EMAILS), draw.choice(_JUNK_PHONES)
    return [
        f"ZA{at:07}",
        draw.choice(CLUBS),
        draw.choice(_TITLES),
        first,
        last,
        draw.choice((email, email.lower(), f" {email}")),
        phone,
        "" if draw.random() < 0.6 else f"021 {draw.randrange(1000):03} {draw.randrange(10_000):04}",
        _day(draw, 1935, 2008) if draw.random() < 0.9 else draw.choice(("", "1900/01/01", "0000/00/00")),
        _day(draw, 1980, 2025),
        draw.choice(_TIERS),
        f"{draw.randrange(360) / 10}".replace(".", draw.choice(",.")),
        draw.choice("YN1y "),
        draw.choice("YN0n "),
        f"R {draw.randrange(10)} {draw.randrange(1000):03}.{draw.randrange(100):02}",
        f"{draw.randrange(100_000)}.{draw.randrange(100):02}",
        _day(draw, 2020, 2025),
        draw.choice(_STATUSES),
        draw.choice(_NOTES),
    ]


def _again(draw: Random, row: list[str], at: int) -> list[str]:
    """Return somebody's row as another clerk entered it: another number, and one of the addresses another."""
    entered = [*row]
    entered[0] = f"ZB{at:07}"
    entered[10] = draw.choice(_TIERS)
    fate = draw.random()
    if fate < 0.3:
        entered[5] = f"{entered[3]}{at}@mail.example".encode("ascii", "ignore").decode()
    elif fate < 0.6:
        entered[6] = f"083{at % 10_000_000:07}"
    elif fate < 0.7:
        entered[3] = entered[3][:1]
    return entered


def _day(draw: Random, first: int, last: int) -> str:
    return f"{draw.randrange(first, last)}/{draw.randrange(1, 13):02}/{draw.randrange(1, 29):02}"
