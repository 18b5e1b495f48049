"""What an event must be before it is kept: each is judged alone, and refused with a reason its sender can act on."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from app.events import catalogue
from app.events.addresses import email_key

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20
MAX_ID = 200
MAX_ADDRESS = 320
MAX_NUMBER = 1e18
MAX_EXTERNAL_IDS = 20
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
FUTURE = timedelta(days=1)

EXACT_KINDS = ("auth_user_id", "scl_member_id", "teetime_player_id", "messaging_contact_id")
"""Hints that name one person in one system; any other system's go under `external_ids`."""
OWN_SOURCE = "fairway"
IMPORT_SOURCE = "import"
"""Events that are rows of a file somebody imports come from here."""

_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})?", re.ASCII
)
SYSTEM = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}", re.ASCII)
"""How another system is named whose ids somebody has."""
_KEYS = 6
"""So many keys of an event are read: id, type, source, timestamp, identity and payload."""
# Values that need no closer look: nothing nested, and no number that may be none.
_PLAIN_TYPES = frozenset((str, int, bool, type(None)))
# The seeds' own spelling, which some senders keep.
_SPELLINGS = {
    "phone": "phone_number",
    "phoneNumber": "phone_number",
    "authUserId": "auth_user_id",
    "sclMemberId": "scl_member_id",
    "teetimePlayerId": "teetime_player_id",
    "messagingContactId": "messaging_contact_id",
    "externalIds": "external_ids",
}


class Refused(ValueError):
    """The event can't be kept; the message says why, to its sender."""


@dataclass(slots=True)
class Incoming:
    """A valid event, ready to be written: `identity` holds the hints that say something, as they were sent."""

    source: str
    event_id: str
    type: str
    occurred_at: datetime
    identity: dict[str, Any]
    payload: dict[str, Any]


def parse(raw: str | bytes) -> tuple[Any, bool]:
    """Return the JSON value in `raw` and whether it is clean (see `validate`), or raise Refused.

    What orjson refuses whole (bytes that are no UTF-8, a lone surrogate, NaN, a huge number) is read the lenient way,
    so that one such event does not take the rest of its batch with it: `validate` then refuses it alone.
    """
    try:
        value = orjson.loads(raw)
        nul = "\\u0000" in raw if isinstance(raw, str) else b"\\u0000" in raw
        return value, not nul and len(raw) <= MAX_BYTES
    except orjson.JSONDecodeError:
        pass
    try:
        # Bytes that are no UTF-8 become halves of surrogate pairs.
        told = raw if isinstance(raw, str) else raw.decode("utf-8", "surrogateescape")
        return json.loads(told, parse_int=_int), False
    except RecursionError:
        raise Refused("nested too deep") from None
    except ValueError as error:
        raise Refused(f"not JSON: {error}") from None


def _int(digits: str) -> float | int:
    return int(digits) if len(digits) < 20 else math.inf


def validate(
    event: Any, *, now: datetime, valid_phone: Callable[[str, Any], bool], own: bool = False, clean: bool = False
) -> Incoming:
    """Return the event as it will be kept, or raise Refused.

    `clean`: it was in JSON that orjson read, no longer than one event may be and without a NUL character.
    `valid_phone(number, club)` is asked only where nothing but a phone number says whose the event is. `own` events
    come from Fairway itself: they may name their customer, and the source "fairway".
    """
    if not isinstance(event, dict):
        raise Refused("an event must be an object")
    _check_content(event, clean)
    payload = event.get("payload")
    if payload is None:
        payload = {}
    elif not isinstance(payload, dict):
        raise Refused("payload must be an object")
    type_ = event.get("type")
    if not isinstance(type_, str) or not type_:
        raise Refused("type is missing")
    if not is_name(type_):
        raise Refused("type must be up to 100 letters, digits, dots, dashes or underscores")
    if not own and _is_ours(type_):
        raise Refused(f'events of type "{type_}" are made by Fairway itself')
    source = event.get("source")
    if source is None:
        source = type_.partition(".")[0]
    elif not isinstance(source, str) or not is_name(source):
        raise Refused("source must be up to 100 letters, digits, dots, dashes or underscores")
    if source in (OWN_SOURCE, IMPORT_SOURCE) and not own:
        raise Refused(f'the source "{source}" is kept for Fairway itself')
    return Incoming(
        source=source,
        event_id=_event_id(event.get("id")),
        type=type_,
        occurred_at=_moment(event.get("timestamp"), now),
        identity=_identity(event.get("identity"), payload.get("club"), valid_phone, own),
        payload=payload,
    )


@lru_cache(1000)
def is_name(text: str) -> bool:
    """Return whether a text may name a type or a source; a club's systems use a handful."""
    return _TYPE.fullmatch(text) is not None


@lru_cache(1000)
def _is_ours(type_: str) -> bool:
    return catalogue.get(type_).ours


def _event_id(value: Any) -> str:
    name = _as_id(value)
    if not name:
        raise Refused("id is missing")
    if len(name) > MAX_ID:
        raise Refused(f"id is longer than {MAX_ID} characters")
    return name


def _as_id(value: Any) -> str:
    """Return an id as text; whole numbers are ids too. Anything else is no id: an empty text."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _moment(value: Any, now: datetime) -> datetime:
    if not isinstance(value, str) or not value:
        raise Refused("timestamp is missing")
    match = _MOMENT.fullmatch(value)
    try:
        moment = datetime.fromisoformat(value.upper()) if match else None
    except ValueError:
        moment = None
    if moment is None:
        raise Refused("timestamp must be an RFC 3339 time such as 2026-10-04T09:30:00Z")
    if moment.tzinfo is None:
        raise Refused("timestamp has no time zone; add Z or an offset such as +02:00")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise Refused("timestamp is out of range") from None
    if moment < EARLIEST:
        raise Refused("timestamp is before 1990")
    if moment > now + FUTURE:
        raise Refused("timestamp is more than a day in the future")
    return moment


def _identity(hints: Any, club: Any, valid_phone: Callable[[str, Any], bool], own: bool) -> dict[str, Any]:
    if not isinstance(hints, dict):
        raise Refused("identity must be an object")
    kept: dict[str, Any] = {}
    usable = False
    for given, value in hints.items():
        name = _SPELLINGS.get(given, given)
        if value is None or value == "":
            continue
        if name in ("email", "phone_number"):
            text = _as_id(value)
            if text:
                kept[name] = text[:MAX_ADDRESS]
        elif name in EXACT_KINDS:
            text = _as_id(value)
            if len(text) > MAX_ID:
                raise Refused(f"identity.{name} is longer than {MAX_ID} characters")
            if text:
                kept[name] = text
                usable = True
        elif name == "external_ids":
            ids = _external_ids(value)
            if ids:
                kept[name] = ids
                usable = True
        elif name == "customer_id" and own:
            kept[name] = str(UUID(str(value)))
            usable = True
    # Whether an address or a number is one is dear to tell, so it is asked last.
    if not usable and "email" in kept:
        usable = email_key(kept["email"]) is not None
    if not usable and "phone_number" in kept:
        usable = valid_phone(kept["phone_number"], club)
    if not usable:
        raise Refused("identity says nothing usable: send an id, a valid e-mail address or a valid phone number")
    return kept


def _external_ids(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise Refused("identity.external_ids must be an object")
    if len(value) > MAX_EXTERNAL_IDS:
        raise Refused(f"identity.external_ids holds more than {MAX_EXTERNAL_IDS} ids")
    ids = {}
    for kind, one in value.items():
        text = _as_id(one)
        if len(text) > MAX_ID or not SYSTEM.fullmatch(kind):
            raise Refused(f"identity.external_ids.{kind[:60]} is not a name and an id")
        if text:
            ids[kind] = text
    return ids


def _check_content(event: dict[Any, Any], clean: bool) -> None:
    """Refuse what Postgres or a reader would choke on. Dumping is the fast way to look at every character."""
    payload = event.get("payload")
    flat = payload is None or (isinstance(payload, dict) and _PLAIN_TYPES.issuperset(map(type, payload.values())))
    if clean and flat and len(event) <= _KEYS:
        return
    try:
        raw = orjson.dumps(event)
    except (TypeError, RecursionError, orjson.JSONEncodeError) as error:
        raise Refused(_unfit(str(error))) from None
    if len(raw) > MAX_BYTES:
        raise Refused(f"larger than {MAX_BYTES // 1024} kB")
    if b"\\u0000" in raw or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        _walk(event, 0)
    if not flat:
        _walk(payload, 1)


def _unfit(message: str) -> str:
    if "surrogate" in message:
        return "holds bytes that are no UTF-8, or half of a surrogate pair: no character"
    if "64-bit" in message:
        return "holds a number too large to keep"
    if "ecursion" in message:
        return "nested too deep"
    return "holds something that is not JSON"


def _walk(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Refused(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        if "\x00" in value:
            raise Refused("holds a NUL character")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise Refused("holds NaN or Infinity, which are no JSON numbers")
        if abs(value) > MAX_NUMBER:
            raise Refused("holds a number too large to keep")
    elif isinstance(value, dict):
        for key, one in value.items():
            _walk(key, depth)
            _walk(one, depth + 1)
    elif isinstance(value, list | tuple):
        for one in value:
            _walk(one, depth + 1)
