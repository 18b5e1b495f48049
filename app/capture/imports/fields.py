"""What the columns of a file can be, and how their cells are read. A cell that can't be read is left out and noted."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from app.capture.imports.preset import VISITS, Preset
from app.capture.imports.reading import original
from app.events.addresses import email_key, phone_key
from app.events.places import Places
from app.events.readers import EARLIEST_BIRTH, MAX_TEXT, a_handicap, a_text

MAX_NOTE = 10_000
MAX_NUMBER = 200
CONSENTS = ("email_opt_in", "sms_opt_in", "push_opt_in", "whatsapp_opt_in")
OF_MEMBERS: dict[str, str] = {
    "member_number": "Member number",
    "email": "E-mail",
    "phone": "Mobile phone",
    "title": "Title",
    "first_name": "First name",
    "last_name": "Last name",
    "date_of_birth": "Date of birth",
    "club": "Club",
    "membership_tier": "Membership tier",
    "membership_status": "Membership status",
    "joined_on": "Joined on",
    "handicap_index": "Handicap index",
    "email_opt_in": "Consent to e-mail",
    "sms_opt_in": "Consent to SMS",
    "push_opt_in": "Consent to push",
    "whatsapp_opt_in": "Consent to WhatsApp",
    "home_phone": "Home phone (kept, not for knowing people by)",
    "account_balance": "Account balance (kept)",
    "lifetime_spend": "Lifetime spend (kept)",
    "last_visit_on": "Last visit (kept)",
    "note": "Note (kept)",
}
OF_VISITS: dict[str, str] = {
    "visit_id": "Visit number",
    "member_number": "Member number",
    "visited_on": "Date",
    "visited_at": "Time",
    "visit_type": "Type",
    "amount": "Amount",
    "holes": "Holes",
}
# Legacy exports tell of those who left, or died, by the status alone.
FORMER = frozenset({"resigned", "deceased", "lapsed", "cancelled", "expelled", "former", "inactive"})
_YES = frozenset({"1", "y", "yes", "true", "t", "j", "ja", "x", "on"})
_NO = frozenset({"0", "n", "no", "false", "f", "nee", "off"})
_MONEY = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
# Formulas, not numbers of members.
_NUMBER = re.compile(r"[^\W_][\w./ -]*")
VISIT_TYPES = {"round": "round", "bar": "bar", "proshop": "shop", "pro shop": "shop", "shop": "shop"}


class Unfit(ValueError):
    """The row can't be taken; the message says why."""


@dataclass(frozen=True, slots=True)
class Setting:
    """All that reading a row takes besides the row."""

    preset: Preset
    places: Places
    zone: ZoneInfo
    now: datetime
    write_consent: bool


@dataclass(slots=True)
class Reading:
    """What a row says: the hints of an event's identity, its payload, and which cells were no use."""

    type: str
    occurred_at: datetime
    identity: dict[str, str] = field(default_factory=dict)
    payload: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read(cells: Mapping[str, str], setting: Setting) -> Reading:
    """Return what the cells, by our names for their columns, say; raise Unfit if the row can't be taken."""
    texts = {name: text for name, cell in cells.items() if (text := _tidy(original(cell)))}
    if not texts:
        raise Unfit("The row is empty")
    return _read_visit(texts, setting) if setting.preset.kind == VISITS else _read_member(texts, setting)


def _tidy(cell: str) -> str:
    return cell.replace("\u00a0", " ").strip()


def _read_member(texts: Mapping[str, str], setting: Setting) -> Reading:
    found = Reading("import.member", setting.now)
    # The club first: its country reads the phone number.
    for name in sorted(texts, key=lambda one: one != "club"):
        _READERS.get(name, _keep)(found, name, texts[name], setting)
    number = texts.get("member_number")
    if number:
        found.identity["scl_member_id"] = _member_number(number)
    if not found.identity:
        noted = f" ({'; '.join(found.notes)})" if found.notes else ""
        raise Unfit(f"Nothing to know them by: no member number, e-mail address or phone number that is one{noted}")
    if not {"first_name", "last_name", "email", "phone_number"} & {*found.payload, *found.identity}:
        raise Unfit("It names nobody: no name, no e-mail address, no phone number")
    status = str(found.payload.get("membership_status", "")).casefold()
    if number:
        found.payload["lifecycle_stage"] = "FORMER" if status in FORMER else "MEMBER"
    return found


def _member_number(text: str) -> str:
    if len(text) > MAX_NUMBER or not _NUMBER.fullmatch(text) or not any(sign.isdigit() for sign in text):
        raise Unfit(f"“{text[:40]}” is no member number")
    return text


Reader = Callable[[Reading, str, str, Setting], None]


def _keep(found: Reading, name: str, text: str, _setting: Setting) -> None:
    found.payload[name] = text[:MAX_NOTE]


def _name(found: Reading, name: str, text: str, _setting: Setting) -> None:
    tidy = a_text(text)
    if tidy:
        found.payload[name] = tidy
    else:
        found.notes.append(f"{OF_MEMBERS[name]} is longer than {MAX_TEXT} characters")


def _email(found: Reading, _name: str, text: str, _setting: Setting) -> None:
    if email_key(text):
        found.identity["email"] = text
    else:
        found.notes.append("E-mail address not valid")


def _phone(found: Reading, _name: str, text: str, setting: Setting) -> None:
    # People of two countries: a number that is none where the club is may be one where another club is.
    countries = dict.fromkeys((*(one for _, one in setting.places.clubs.values()), setting.places.country))
    club = setting.places.clubs.get(str(found.payload.get("club", "")).casefold())
    preferred = club[1] if club else setting.preset.country or setting.places.country
    for country in dict.fromkeys((preferred, *countries)):
        key = phone_key(text, country)
        if key:
            found.identity["phone_number"] = key
            return
    found.notes.append("Phone number not valid")


def _number(_found: Reading, _name: str, _text: str, _setting: Setting) -> None:
    """Read last, by itself: the row is refused if it is none."""


def _day(found: Reading, name: str, text: str, setting: Setting) -> None:
    day = a_day(text, setting.preset.days)
    if day is None or day > (setting.now + timedelta(days=1)).date() or day <= EARLIEST_BIRTH:
        found.notes.append(f"{OF_MEMBERS[name].partition(' (')[0]} not a date of the past")
    else:
        found.payload[name] = day.isoformat()


def a_day(text: str, formats: tuple[str, ...]) -> date | None:
    """Return the day that a text is in the first of the formats that reads it; a year of two figures is a past one."""
    for one in formats:
        try:
            found = datetime.strptime(text, one).replace(tzinfo=UTC).date()
        except ValueError:
            continue
        if "%y" in one and found > datetime.now(UTC).date():
            found = found.replace(year=found.year - 100)
        return found
    return None


def _handicap(found: Reading, name: str, text: str, _setting: Setting) -> None:
    # Golf writes a handicap better than scratch with a plus; exports also with a minus.
    plain = text.replace(",", ".")
    value = a_handicap(f"-{plain[1:]}" if plain.startswith("+") else plain)
    if value is None:
        found.notes.append("Handicap index not valid")
    else:
        found.payload[name] = str(value)


def _flag(found: Reading, name: str, text: str, setting: Setting) -> None:
    word = text.casefold()
    if word not in _YES and word not in _NO:
        found.notes.append(f"{OF_MEMBERS[name]} neither yes nor no")
    elif setting.write_consent:
        found.payload[name] = word in _YES


def an_amount(text: str) -> Decimal | None:
    """Return an amount of money, whatever its currency's sign and grouping: "R 1 730.47", "£1,000.91", "1.234,50"."""
    plain = re.sub(r"[^\d,.-]", "", text)
    if re.search(r",\d{1,2}$", plain):
        plain = plain.replace(".", "").replace(",", ".")
    plain = plain.replace(",", "")
    if not _MONEY.fullmatch(plain) or len(plain) > 18:
        return None
    try:
        return Decimal(plain)
    except InvalidOperation:
        return None


def _money(found: Reading, name: str, text: str, setting: Setting) -> None:
    amount = an_amount(text)
    if amount is None:
        found.notes.append(f"{OF_MEMBERS.get(name, name).partition(' (')[0]} not an amount")
    else:
        found.payload[name] = str(amount)
        if setting.preset.currency:
            found.payload["currency"] = setting.preset.currency


_READERS: dict[str, Reader] = {
    "member_number": _number,
    "email": _email,
    "phone": _phone,
    "title": _name,
    "first_name": _name,
    "last_name": _name,
    "club": _name,
    "membership_tier": _name,
    "membership_status": _name,
    "date_of_birth": _day,
    "joined_on": _day,
    "last_visit_on": _day,
    "handicap_index": _handicap,
    "account_balance": _money,
    "lifetime_spend": _money,
    **dict.fromkeys(CONSENTS, _flag),
}


def _read_visit(texts: Mapping[str, str], setting: Setting) -> Reading:
    if "member_number" not in texts:
        raise Unfit("It names no member")
    kind = texts.get("visit_type", "")
    found = Reading(f"visit.{VISIT_TYPES.get(kind.casefold(), 'function')}", _moment(texts, setting))
    found.identity["scl_member_id"] = _member_number(texts["member_number"])
    for name in ("visit_id", "visit_type"):
        if name in texts:
            found.payload[name] = texts[name][:MAX_NUMBER]
    if "amount" in texts:
        amount = an_amount(texts["amount"])
        if amount is None:
            raise Unfit("Its amount is none")
        found.payload["amount"] = str(amount)
        if setting.preset.currency:
            found.payload["currency"] = setting.preset.currency
    if texts.get("holes", "").isdecimal():
        found.payload["holes"] = int(texts["holes"][:3])
    return found


def _moment(texts: Mapping[str, str], setting: Setting) -> datetime:
    day = a_day(texts.get("visited_on", ""), setting.preset.days)
    if day is None:
        raise Unfit("Its date is none")
    time = texts.get("visited_at", "12:00")
    try:
        clock = datetime.strptime(time[:5], "%H:%M").replace(tzinfo=UTC).time()
    except ValueError:
        raise Unfit("Its time is none") from None
    moment = datetime.combine(day, clock, setting.zone).astimezone(UTC)
    if moment > setting.now + timedelta(days=1):
        raise Unfit("It lies in the future")
    if moment.year < 1990:
        raise Unfit("It lies before 1990")
    return moment
