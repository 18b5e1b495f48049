"""Customers' rows as acts work on them: locked in one order, changed in memory, written with one statement."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app.events.addresses import national
from app.events.readers import LIFECYCLE_STAGES
from app.infra.arrays import array

COLUMNS: dict[str, str] = {
    "title": "text",
    "first_name": "text",
    "last_name": "text",
    "date_of_birth": "date",
    "email": "text",
    "phone": "text",
    "club_id": "uuid",
    "membership_tier": "text",
    "membership_status": "text",
    "joined_on": "date",
    "handicap_index": "numeric",
    "lifecycle_stage": "text",
    "email_opt_in": "boolean",
    "email_opt_in_at": "timestamptz",
    "sms_opt_in": "boolean",
    "sms_opt_in_at": "timestamptz",
    "push_opt_in": "boolean",
    "push_opt_in_at": "timestamptz",
    "whatsapp_opt_in": "boolean",
    "whatsapp_opt_in_at": "timestamptz",
    "last_activity_at": "timestamptz",
    "last_activity_type": "text",
    "last_email_open_at": "timestamptz",
    "last_email_click_at": "timestamptz",
    "search_extra": "text",
    "custom": "jsonb",
}
"""What a record may change, with its type in Postgres. Tags have acts of their own, which need no record."""
CUSTOM = "custom."
"""What the name of a custom field begins with, where fields are named."""
FIRST_STAGE = LIFECYCLE_STAGES[0]
# What most events change, and nothing else. An update that leaves the names and addresses out does not work out
# again what is searched by: it takes half the time.
OFTEN = ("last_activity_at", "last_activity_type", "club_id", "handicap_index")
SEEN = frozenset(("last_activity_at", "last_activity_type"))
"""All that most events change."""
_OFTEN = frozenset((*OFTEN, "facts_at"))
NAMED = ("first_name", "last_name", "email", "phone", "search_extra")
"""What customers are searched by, and sorted by."""
# Naming any of those in an update costs as much as the rest of it, though none is another than before.
UNNAMED = tuple(name for name in COLUMNS if name not in NAMED)


@dataclass(slots=True)
class Record:
    """One customer: `values` by column, `facts_at` by field (see app.customers.facts). `is_new`: not written yet.

    `changed` is told of any of it, `touched` are the columns among it, "facts_at" too.
    """

    id: UUID
    values: dict[str, Any]
    facts_at: dict[str, Any]
    is_new: bool = False
    changed: bool = False
    touched: set[str] = field(default_factory=set)

    def set(self, column: str, value: Any) -> None:
        """Give a column another value."""
        if self.values[column] != value:
            self.values[column] = value
            self.touched.add(column)
            self.changed = True

    def get(self, field: str) -> Any:
        """Return the value of a field: a column, or a custom field as `custom.key`. None: there is none."""
        if field.startswith(CUSTOM):
            return self.values["custom"].get(field.removeprefix(CUSTOM))
        return self.values[field]

    def give(self, field: str, value: Any) -> None:
        """Give a field, as `get` names it, another value; None takes a custom field's value away."""
        if not field.startswith(CUSTOM):
            self.set(field, value)
            return
        key = field.removeprefix(CUSTOM)
        rest = {name: one for name, one in self.values["custom"].items() if name != key}
        self.set("custom", rest if value is None else rest | {key: value})

    def mark(self, field: str, said: str | None) -> None:
        """Note when a field's value was said (see app.customers.facts); None: it is nobody's word any more."""
        if said is None:
            del self.facts_at[field]
        else:
            self.facts_at[field] = said
        self.touched.add("facts_at")
        self.changed = True

    @property
    def words(self) -> frozenset[str]:
        """Return the words the customer is found by beside names and addresses."""
        return frozenset((self.values["search_extra"] or "").split())

    def find_by(self, words: Iterable[str]) -> None:
        """Let the customer be found by these words too."""
        self._say_words(self.words.union(words))

    def lose(self, words: Iterable[str]) -> None:
        """Let the customer no longer be found by these words."""
        self._say_words(self.words.difference(words))

    def _say_words(self, words: frozenset[str]) -> None:
        if words != self.words:
            self.set("search_extra", found_by(words))


def blank(id_: UUID) -> Record:
    """Return the record of a customer who is to be made."""
    values = dict.fromkeys(COLUMNS)
    values["lifecycle_stage"] = FIRST_STAGE
    values["custom"] = {}
    return Record(id_, values, {}, is_new=True, changed=True)


# Documents as text: orjson reads them in a fraction of the driver's time, and most of "custom" are empty.
_READ = ", ".join("cast(custom AS text)" if name == "custom" else name for name in COLUMNS)
_SELECT = (
    f"SELECT id, cast(facts_at AS text), {_READ} FROM customer"  # noqa: S608 - the columns are ours
    " WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[])) ORDER BY id"
)
_LOOK = text(_SELECT)
_LOCK = text(f"{_SELECT} FOR NO KEY UPDATE")


def _rows(columns: Iterable[str]) -> str:
    typed = ", ".join(f"{name} {COLUMNS[name]}" for name in columns)
    return f"jsonb_to_recordset(cast(:rows AS jsonb)) AS r(id uuid, facts_at jsonb, {typed})"


def _update(columns: Iterable[str]) -> TextClause:
    sets = ", ".join(f"{name} = r.{name}" for name in columns)
    return text(
        f"UPDATE customer c SET facts_at = r.facts_at, updated_at = :now, {sets} FROM {_rows(columns)}"  # noqa: S608 - the columns are ours
        " WHERE c.tenant_id = :tenant_id AND c.id = r.id"
    )


_INSERT = text(
    f"INSERT INTO customer (tenant_id, id, facts_at, created_at, updated_at, {', '.join(COLUMNS)})"  # noqa: S608 - the columns are ours
    f" SELECT :tenant_id, r.id, r.facts_at, :now, :now, {', '.join(f'r.{name}' for name in COLUMNS)}"
    f" FROM {_rows(COLUMNS)}"
)
_UPDATE = _update(COLUMNS)
_UPDATE_UNNAMED = _update(UNNAMED)
_UPDATE_OFTEN = _update(OFTEN)
_UPDATE_SEEN = text("""
    UPDATE customer c SET last_activity_at = r.at, last_activity_type = r.type, updated_at = :now
    FROM unnest(cast(:ids AS uuid[]), cast(:times AS timestamptz[]), cast(:types AS text[])) AS r(id, at, type)
    WHERE c.tenant_id = :tenant_id AND c.id = r.id
""")


def lock(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, Record]:
    """Return the customers by id, locked until the transaction ends. All who lock many take them in order of id."""
    return _read(session, tenant_id, ids, _LOCK)


def look(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, Record]:
    """Return the customers by id, to look at and not to save: others may change them meanwhile."""
    return _read(session, tenant_id, ids, _LOOK)


def _read(session: Session, tenant_id: UUID, ids: Collection[UUID], query: TextClause) -> dict[UUID, Record]:
    if not ids:
        return {}
    records = {}
    for id_, facts_at, *row in session.execute(query, {"tenant_id": tenant_id, "ids": array(ids)}).all():
        values = dict(zip(COLUMNS, row, strict=True))
        values["custom"] = orjson.loads(values["custom"])
        records[id_] = Record(id_, values, orjson.loads(facts_at))
    return records


def save(session: Session, tenant_id: UUID, records: Iterable[Record], now: datetime) -> None:
    """Write the changed records: new customers with one statement, the others with up to four."""
    changed = [one for one in records if one.changed]
    known = [one for one in changed if not one.is_new]
    seen = [one for one in known if one.touched <= SEEN]
    more = [one for one in known if not one.touched <= SEEN]
    rest = [one for one in more if not one.touched <= _OFTEN]
    for statement, columns, rows in (
        (_INSERT, COLUMNS, [one for one in changed if one.is_new]),
        (_UPDATE, COLUMNS, [one for one in rest if not one.touched.isdisjoint(NAMED)]),
        (_UPDATE_UNNAMED, UNNAMED, [one for one in rest if one.touched.isdisjoint(NAMED)]),
        (_UPDATE_OFTEN, OFTEN, [one for one in more if one.touched <= _OFTEN]),
    ):
        if rows:
            document = orjson.dumps([_told(one, columns) for one in rows], default=_plain).decode()
            session.execute(statement, {"tenant_id": tenant_id, "rows": document, "now": now})
    if seen:
        values = {
            "ids": array(one.id for one in seen),
            "times": array(one.values["last_activity_at"] for one in seen),
            "types": array(one.values["last_activity_type"] for one in seen),
        }
        session.execute(_UPDATE_SEEN, {"tenant_id": tenant_id, "now": now, **values})
    for one in changed:
        one.is_new = one.changed = False
        one.touched.clear()


def _told(record: Record, columns: Iterable[str]) -> dict[str, Any]:
    """Return a record as statements read it; what is not there is null."""
    found = {"id": record.id, "facts_at": record.facts_at}
    for name in columns:
        value = record.values[name]
        if value is not None:
            found[name] = value
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value)} in a customer's row")


def found_by(words: Iterable[str]) -> str | None:
    """Return the words a customer is found by besides their own names, as they are kept."""
    return " ".join(sorted(words)) or None


def hint_words(hints: Iterable[tuple[str, str]]) -> set[str]:
    """Return the words by which ids (kind, value) and contact points (kind, key) are looked up."""
    found: set[str] = set()
    for kind, value in hints:
        if kind in ("phone", "whatsapp"):
            found.update((value.lstrip("+"), national(value)))
        elif kind != "push" and not any(letter.isspace() for letter in value):
            found.add(value.lower())
    return found
