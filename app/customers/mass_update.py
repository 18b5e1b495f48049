"""Changing many customers alike with one statement: what journeys and lists may do to profiles.

Only the columns of SETTABLE can be reached. Consent is not among them: it changes with a proof of its own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app.customers import custom_fields, tag_rows
from app.customers.field_kind import CustomFieldInfo
from app.customers.numbers import read_number
from app.customers.records import CUSTOM
from app.events.readers import LIFECYCLE_STAGES
from app.infra import clock
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.words import is_printable, is_visible

SETTABLE: dict[str, str] = {
    "title": "Title",
    "first_name": "First name",
    "last_name": "Last name",
    "membership_tier": "Membership tier",
    "membership_status": "Membership status",
    "lifecycle_stage": "Lifecycle stage",
    "timezone": "Time zone",
}
MAX_TEXT = 200
MAX_TAG = 60


def tag_problem(value: object) -> str | None:
    """Return what is wrong with a tag, or None."""
    if not isinstance(value, str) or not is_visible(value):
        return "Give the tag a name."
    if len(value.strip()) > MAX_TAG or not is_printable(value.strip()):
        return f"A tag is at most {MAX_TAG} printable characters."
    return None


def field_problem(field: str, value: object) -> str | None:
    """Return what is wrong with a value for a field of SETTABLE (None and "" clear it), or None."""
    if field == "lifecycle_stage":
        return None if value in LIFECYCLE_STAGES else f"Choose one of: {', '.join(LIFECYCLE_STAGES)}."
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT or not is_printable(value) or not is_visible(value):
        return f"Give a text of at most {MAX_TEXT} printable characters."
    if field == "timezone" and value not in available_timezones():
        return "Choose a time zone such as Africa/Johannesburg."
    return None


def custom_problem(about: CustomFieldInfo, value: object) -> str | None:
    """Return what is wrong with a value for a custom field (None and "" clear it), or None."""
    try:
        custom_fields.read({about.key: value}, [about])
    except Invalid as error:
        return error.errors[about.name]
    return None


def change_all(
    *,
    tenant_id: UUID,
    customer_ids: Sequence[UUID],
    set_fields: Mapping[str, Any] | None = None,
    add_tags: Sequence[str] = (),
    remove_tags: Sequence[str] = (),
    adds: Mapping[str, float] | None = None,
    now: datetime | None = None,
) -> int:
    """Set fields, add and remove tags of the customers alike; return how many it changed.

    `adds` adds to custom fields by `custom.key`: to a number, where one that is missing counts as 0, or days to a
    date; a date that is missing stays so, as does a number that would grow too long.

    Customers who have it all already are left alone. Fields that aren't in SETTABLE, and values and tags that
    `field_problem` and `tag_problem` find fault with, raise ValueError. Custom fields are set by `custom.key`, as far
    as they are there and in use: a field that was archived since is passed over.
    """
    fields = {name: value if value != "" else None for name, value in (set_fields or {}).items()}
    own = {name: fields.pop(name) for name in list(fields) if name.startswith(CUSTOM)}
    for name, value in fields.items():
        if name not in SETTABLE or field_problem(name, value):
            raise ValueError(f"customers' {name} can't be set to this value")
    adding, removing = ([tag.strip() for tag in tags] for tags in (add_tags, remove_tags))
    if any(tag_problem(tag) for tag in (*adding, *removing)):
        raise ValueError("this is no tag")
    change = _Change(now or clock.now())
    wanted = adds or {}
    with transaction(tenant_id) as session:
        change.say(fields, _own(session, tenant_id, own), _amounts(session, tenant_id, wanted))
        change.tag(adding, removing)
        if not change.unlike:
            return 0
        tag_rows.meet(session, tenant_id, adding)
        ids = array(sorted(customer_ids, key=attrgetter("int")))
        changed = session.execute(change.statement(), {**change.values, "tenant_id": tenant_id, "ids": ids})
        return int(changed.rowcount)  # type: ignore[attr-defined]


def read_value(known: Mapping[str, CustomFieldInfo], field: str, value: str) -> Any:
    """Return a text as a field of SETTABLE, or a custom field by `custom.key`, keeps it; raise ValueError."""
    if field in known:
        return custom_fields.kind_of(known[field]).read(value, known[field])
    if field not in SETTABLE:
        raise ValueError("There is no such field any more.")
    problem = field_problem(field, value)
    if problem:
        raise ValueError(problem)
    return value


def to_write(session: Session, tenant_id: UUID) -> dict[str, CustomFieldInfo]:
    """Return the custom fields in use by `custom.key`; they stay as they are until the transaction ends."""
    return {one.name: one for one in custom_fields.load_to_write(session, tenant_id) if one.archived_at is None}


def change_each(session: Session, tenant_id: UUID, values: Mapping[UUID, Mapping[str, Any]], *, now: datetime) -> None:
    """Set fields of customers, each to values of their own, by customer and field: what `read_value` returned."""
    names = sorted({name for one in values.values() for name in one if name in SETTABLE})
    people = []
    for customer_id, given in values.items():
        own = {name.removeprefix(CUSTOM): value for name, value in given.items() if name.startswith(CUSTOM)}
        said = {name: value for name, value in given.items() if name in SETTABLE}
        people.append({"id": customer_id, "said": said, "own": own, "spoken": dict.fromkeys(given, now)})
    if not people:
        return
    told = {
        name: f"CASE WHEN jsonb_exists(r.said, '{name}') THEN r.said ->> '{name}' ELSE c.{name} END" for name in names
    }
    sets = "".join(f", {name} = {one}" for name, one in told.items())
    unlike = " OR ".join(
        ["c.custom || r.own <> c.custom", *(f"c.{name} IS DISTINCT FROM {told[name]}" for name in names)]
    )
    statement = text(
        f"UPDATE customer c SET updated_at = :now, custom = c.custom || r.own, facts_at = c.facts_at || r.spoken{sets}"  # noqa: S608 - names come from SETTABLE only
        " FROM jsonb_to_recordset(CAST(:people AS jsonb)) AS r(id uuid, said jsonb, own jsonb, spoken jsonb)"
        f" WHERE c.tenant_id = :tenant_id AND c.id = r.id AND ({unlike})"
    )
    session.execute(statement, {"tenant_id": tenant_id, "now": now, "people": orjson.dumps(people).decode()})


_SUMS = {
    "NUMBER": """(
        SELECT CASE WHEN abs(sum) < 1e9 OR (sum = trunc(sum) AND abs(sum) < 1e15)
            THEN jsonb_build_object(CAST(:key# AS text), trim_scale(sum)) ELSE '{}' END
        FROM (
            SELECT round(CAST(:amount# AS numeric) + CASE jsonb_typeof(custom -> CAST(:key# AS text))
                WHEN 'number' THEN CAST(custom ->> CAST(:key# AS text) AS numeric) ELSE 0 END, 6) AS sum
        ) AS one)""",
    "DATE": """(
        CASE WHEN custom ->> CAST(:key# AS text) ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'
            THEN jsonb_build_object(CAST(:key# AS text),
                to_char(CAST(custom ->> CAST(:key# AS text) AS date) + CAST(:amount# AS int), 'YYYY-MM-DD'))
            ELSE '{}' END)""",
}
"""What is put over the custom fields of a customer where something is added to one of them, by its kind."""
ADDABLE = tuple(_SUMS)
MOST_DAYS = 36_600


def amount_problem(about: CustomFieldInfo, amount: object) -> str | None:
    """Return why so much can't be added to a custom field, or None."""
    if about.kind not in ADDABLE:
        return "Nothing can be added to this field; set it."
    try:
        number = read_number(amount)
    except ValueError as error:
        return str(error)
    if not number:
        return "Write how much."
    if about.kind == "DATE" and (number != int(number) or abs(number) > MOST_DAYS):
        return "Write how many days, as a whole number."
    return None


def _amounts(session: Session, tenant_id: UUID, adds: Mapping[str, float]) -> list[tuple[str, str, float]]:
    """Return (kind, key, how much) of what is added to custom fields that are in use; others are passed over."""
    if not adds:
        return []
    known = {one.name: one for one in custom_fields.load_to_write(session, tenant_id) if one.archived_at is None}
    found = [(known[name], amount) for name, amount in adds.items() if name in known]
    if any(amount_problem(about, amount) for about, amount in found):
        raise ValueError("so much can't be added to this field")
    return [(about.kind, about.key, amount) for about, amount in found]


class _Change:
    """What is written (`sets`), to whom (`unlike`: any of these), with which values. Every value is bound."""

    def __init__(self, now: datetime) -> None:
        self.sets, self.unlike = ["updated_at = :now"], list[str]()
        self.values: dict[str, Any] = {"now": now}

    def say(
        self, fields: Mapping[str, Any], own: Mapping[str, Any], adds: Sequence[tuple[str, str, float]] = ()
    ) -> None:
        """Give fields of SETTABLE, and custom fields by key, their values; `adds` are (kind, key, how much)."""
        for name, value in fields.items():
            self.sets.append(f"{name} = CAST(:{name} AS text)")
            self.unlike.append(f"{name} IS DISTINCT FROM CAST(:{name} AS text)")
            self.values[name] = value
        if own or adds:
            told = "custom || CAST(:own AS jsonb)"
            for place, (kind, key, amount) in enumerate(adds):
                told += f" || {_SUMS[kind].replace('#', str(place))}"
                self.values |= {f"key{place}": key, f"amount{place}": amount}
            self.sets.append(f"custom = jsonb_strip_nulls({told})")
            self.unlike.append(f"jsonb_strip_nulls({told}) <> custom")
            self.values["own"] = orjson.dumps(own).decode()
        spoken = [*fields, *(f"{CUSTOM}{key}" for key in own), *(f"{CUSTOM}{key}" for _, key, _ in adds)]
        if spoken:
            # Late events with an older word don't undo this one.
            self.sets.append("facts_at = facts_at || CAST(:spoken AS jsonb)")
            self.values["spoken"] = orjson.dumps(dict.fromkeys(spoken, self.values["now"])).decode()

    def tag(self, adding: Sequence[str], removing: Sequence[str]) -> None:
        """Add tags and take tags away; one that is both goes."""
        if not adding and not removing:
            return
        self.sets.append(
            "tags = array(SELECT tag FROM unnest(tags) AS tag WHERE tag <> ALL(CAST(:removing AS text[])))"
            " || array(SELECT tag FROM unnest(CAST(:adding AS text[])) AS tag WHERE tag <> ALL(tags))"
        )
        self.unlike.append("NOT tags @> CAST(:adding AS text[]) OR tags && CAST(:removing AS text[])")
        wanted = [tag for tag in dict.fromkeys(adding) if tag not in removing]
        self.values |= {"adding": wanted, "removing": list(removing)}

    def statement(self) -> TextClause:
        """Return the one statement of it all."""
        return text(
            f"UPDATE customer SET {', '.join(self.sets)}"  # noqa: S608 - names come from SETTABLE only
            f" WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[])) AND ({' OR '.join(self.unlike)})"
        )


def _own(session: Session, tenant_id: UUID, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of custom fields as they are kept, by key; what can't be read raises ValueError."""
    if not given:
        return {}
    known = {one.name: one for one in custom_fields.load_to_write(session, tenant_id) if one.archived_at is None}
    kept = {}
    for name, value in given.items():
        if name in known:
            about = known[name]
            kept[about.key] = None if value is None else custom_fields.kind_of(about).read(value, about)
    return kept
