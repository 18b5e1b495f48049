"""What the columns of a file can be, and how their cells are read. A cell that can't be read is left out and noted."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.capture.imports.preset import VISITS, Preset
from app.customers.custom_fields import kind_of
from app.customers.field_kind import CustomFieldInfo, Manner
from app.customers.mass_update import tag_problem
from app.customers.records import CUSTOM
from app.events.addresses import email_key, phone_key
from app.events.places import Places
from app.events.readers import EARLIEST_BIRTH, MAX_TEXT, a_handicap, a_joining_date, a_text
from app.infra.spreadsheet import original
from app.infra.words import is_visible

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
    "home_phone": "Home phone (timeline only)",
    "account_balance": "Account balance (timeline only)",
    "lifetime_spend": "Lifetime spend (timeline only)",
    "last_visit_on": "Last visit (timeline only)",
    "auth_user_id": "Sign-in id",
    "teetime_player_id": "Tee time player id",
    "messaging_contact_id": "Messaging contact id",
    "tag": "Tags",
    "note": "Note",
}
EXTERNAL_ID = "external_id:"
"""Before the name of another system: its id of somebody."""
CONSENT = "consent:"
"""Before `topic:CHANNEL`: what somebody said of a topic on a channel."""
SEVERAL = {"tag": ",", "note": "\n"}
"""What more than one column of a file may be, and what stands between their cells then."""
MAX_TAGS = 20
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
# What exports write where somebody has none: an id of everybody would make one person of all.
_NO_ID = frozenset({"", "na", "n/a", "none", "null", "nil", "unknown", "tbc", "nan", "undefined"})
VISIT_TYPES = {"round": "round", "bar": "bar", "proshop": "shop", "pro shop": "shop", "shop": "shop"}


class Unfit(ValueError):
    """The row can't be taken; the message says why."""


@dataclass(frozen=True, slots=True)
class Setting:
    """All that reading a row takes besides the row.

    `custom` are the tenant's own fields by name (`custom.key`); `locale` and, by club, `locales` say how numbers of
    theirs are written.
    """

    preset: Preset
    places: Places
    zone: ZoneInfo
    now: datetime
    write_consent: bool
    custom: Mapping[str, CustomFieldInfo] = field(default_factory=dict)
    locale: str = "en"
    locales: Mapping[UUID, str] = field(default_factory=dict)

    def locale_of(self, club: Any) -> str:
        """Return the locale of the club of that name, else the tenant's."""
        found = self.places.club_id(club)
        return self.locales.get(found, self.locale) if found else self.locale


@dataclass(slots=True)
class Reading:
    """What a row says: the hints of an event's identity, its payload, and which cells were no use.

    `unknown_club` is the club it names, if that is none of the tenant's.
    """

    type: str
    occurred_at: datetime
    identity: dict[str, Any] = field(default_factory=dict)
    payload: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unknown_club: str | None = None


def read(cells: Mapping[str, str], setting: Setting) -> Reading:
    """Return what the cells, by our names for their columns, say; raise Unfit if the row can't be taken."""
    texts = {name: text for name, cell in cells.items() if (text := _tidy(original(cell)))}
    if not texts:
        raise Unfit("The row is empty")
    return _read_visit(texts, setting) if setting.preset.kind == VISITS else _read_member(texts, setting)


def _tidy(cell: str) -> str:
    """Return what a cell says; nothing, where there is nothing to be seen in it."""
    tidy = cell.replace("\u00a0", " ").strip()
    return tidy if is_visible(tidy) else ""


def _read_member(texts: Mapping[str, str], setting: Setting) -> Reading:
    found = Reading("import.member", setting.now)
    # The club first: its country reads the phone number.
    for name in sorted(texts, key=lambda one: one != "club"):
        _reader(name)(found, name, texts[name], setting)
    number = texts.get("member_number")
    if number:
        found.identity["scl_member_id"] = _member_number(number)
    if not found.identity:
        noted = f" ({'; '.join(found.notes)})" if found.notes else ""
        raise Unfit(f"Nothing to know them by: no id, e-mail address or phone number that is one{noted}")
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


def _club(found: Reading, name: str, text: str, setting: Setting) -> None:
    _name(found, name, text, setting)
    if name in found.payload and setting.places.club_id(found.payload[name]) is None:
        found.unknown_club = found.payload[name]


def _email(found: Reading, _name: str, text: str, _setting: Setting) -> None:
    if email_key(text):
        found.identity["email"] = text
    else:
        found.notes.append("E-mail address not valid")


def _phone(found: Reading, _name: str, text: str, setting: Setting) -> None:
    # People of two countries: a number that is none where the club is may be one where another club is.
    club = setting.places.clubs.get(str(found.payload.get("club", "")).casefold())
    preferred = club[1] if club else setting.preset.country or setting.places.country
    for country in (preferred, *setting.places.countries):
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
        found.notes.append(f"{OF_MEMBERS[name].partition(' (')[0]} not a date that can be read, or none of the past")
    else:
        found.payload[name] = day.isoformat()


@lru_cache(50_000)
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


def _joined(found: Reading, name: str, text: str, setting: Setting) -> None:
    day = a_joining_date(a_day(text, setting.preset.days))
    if day is None:
        found.notes.append(f"{OF_MEMBERS[name]} not between 1900 and a year from now")
    else:
        found.payload[name] = day.isoformat()


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


def _topic(found: Reading, name: str, text: str, setting: Setting) -> None:
    word, subject = text.casefold(), name.removeprefix(CONSENT)
    if word not in _YES and word not in _NO:
        found.notes.append(f"Consent to {subject.partition(':')[0]} neither yes nor no")
    elif setting.write_consent:
        found.payload.setdefault("topics", {})[subject] = word in _YES


def _id(found: Reading, name: str, text: str, _setting: Setting) -> None:
    kind = name.removeprefix(EXTERNAL_ID)
    if len(text) > MAX_NUMBER or not text.isprintable() or text.strip("0-./#").casefold() in _NO_ID:
        found.notes.append(f"{kind} is no id")
    elif kind != name:
        found.identity.setdefault("external_ids", {})[kind] = text
    else:
        found.identity[kind] = text


def _tags(found: Reading, _name: str, text: str, _setting: Setting) -> None:
    names = dict.fromkeys(" ".join(one.split()) for one in re.split(r"[,;|\n]", text))
    fit = [one for one in names if one and tag_problem(one) is None]
    if len(fit) < len([one for one in names if one]):
        found.notes.append("A tag is too long or holds what a tag can't")
    if len(fit) > MAX_TAGS:
        found.notes.append(f"More than {MAX_TAGS} tags")
    if fit:
        found.payload["tags"] = fit[:MAX_TAGS]


def _custom(found: Reading, name: str, text: str, setting: Setting) -> None:
    about = setting.custom.get(name)
    if about is None:
        found.notes.append(f"There is no field {name.removeprefix(CUSTOM)} any more")
        return
    manner = Manner(setting.locale_of(found.payload.get("club")), setting.preset.days)
    try:
        kept = kind_of(about).parse(text, about, manner)
    except ValueError as error:
        found.notes.append(f"{about.label}: {error}")
        return
    if kept is not None:
        found.payload.setdefault("custom", {})[about.key] = kept


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
    "club": _club,
    "membership_tier": _name,
    "membership_status": _name,
    "date_of_birth": _day,
    "joined_on": _joined,
    "last_visit_on": _day,
    "handicap_index": _handicap,
    "account_balance": _money,
    "lifetime_spend": _money,
    "auth_user_id": _id,
    "teetime_player_id": _id,
    "messaging_contact_id": _id,
    "tag": _tags,
    **dict.fromkeys(CONSENTS, _flag),
}
_PREFIXES: dict[str, Reader] = {EXTERNAL_ID: _id, CONSENT: _topic, CUSTOM: _custom}


@cache
def _reader(name: str) -> Reader:
    """Return what reads the cells of a column, by our name for it; what has no reader of its own is kept."""
    for prefix, reader in _PREFIXES.items():
        if name.startswith(prefix):
            return reader
    return _READERS.get(name, _keep)


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
