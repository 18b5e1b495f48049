"""Custom fields: what a tenant wants to know of its customers besides what everybody does.

A field's key never changes: it is where values are kept, and what events, the API and conditions call it. Its kind may
change as long as nobody has a value, nor is being given one (`load_to_write`). A field that is no longer wanted is
archived: it is not asked for any more, values and conditions stay.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from babel.core import get_global
from psycopg.errors import LockNotAvailable
from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.accounts import queries as accounts
from app.conditions import Catalogue, Choice, Field, Phrases, profile
from app.customers import condition_fields, consent_fields, topics
from app.customers.field_kind import CustomFieldInfo, FieldKind, field_kinds
from app.customers.models import Customer, Topic
from app.customers.records import CUSTOM
from app.infra import clock
from app.infra.db import once, transaction
from app.infra.errors import Conflict, Invalid, NotFound
from app.infra.words import is_printable, is_visible

MAX_FIELDS = 100
MAX_CHOICES = 200
MAX_WORDS = 60
HEADING = "More about them"
_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_COLUMNS = "id, key, label, kind, heading, choices, currency, archived_at"
_LIST = text(f"""
    SELECT {_COLUMNS} FROM custom_field WHERE tenant_id = :tenant_id ORDER BY position, id
""")  # noqa: S608 - the columns are ours
_ONE = text(f"SELECT {_COLUMNS} FROM custom_field WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")  # noqa: S608
_ADD = text("""
    INSERT INTO custom_field (tenant_id, key, label, kind, heading, choices, currency, position)
    SELECT :tenant_id, :key, :label, :kind, :heading, :choices, :currency, coalesce(max(position), 0) + 1
    FROM custom_field WHERE tenant_id = :tenant_id
    ON CONFLICT (tenant_id, key) DO NOTHING RETURNING id
""")
_SET = text("""
    UPDATE custom_field SET label = :label, kind = :kind, heading = :heading, choices = :choices, currency = :currency
    WHERE tenant_id = :tenant_id AND id = :id
""")
_ARCHIVE = text("UPDATE custom_field SET archived_at = :at WHERE tenant_id = :tenant_id AND id = :id")
_ORDER = text("""
    UPDATE custom_field f SET position = o.position
    FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS o(id, position)
    WHERE f.tenant_id = :tenant_id AND f.id = o.id
""")
# Any constant: advisory locks on what the custom fields of a tenant are.
_SPACE = 0x4641_4346
_WRITING = text("SELECT pg_advisory_xact_lock_shared(:space, hashtext(:tenant))")
_CHANGING = text("SELECT pg_advisory_xact_lock(:space, hashtext(:tenant))")
# Shorter than Postgres waits before it looks for deadlocks: who writes values never gives way to who changes a field.
_PATIENCE, _NO_MATTER = text("SET LOCAL lock_timeout = '500ms'"), text("SET LOCAL lock_timeout = DEFAULT")
_USED = text("""
    SELECT EXISTS (SELECT FROM customer WHERE tenant_id = :tenant_id AND jsonb_exists(custom, :key))
""")


_TOPIC = tuple(one.key for one in inspect(Topic).column_attrs)


class NoSuchCustomField(NotFound):
    """There is no custom field with this id."""

    def __init__(self) -> None:
        super().__init__("There is no such field.")


class BeingWritten(Conflict):
    """Values are being written at this moment."""

    def __init__(self) -> None:
        super().__init__("Values of your fields are being written just now. Try again in a moment.")


def fields(*, tenant_id: UUID, archived: bool = False) -> list[CustomFieldInfo]:
    """Return the tenant's custom fields in their order; archived ones too if asked for."""
    with transaction(tenant_id) as session:
        return [one for one in load(session, tenant_id) if archived or one.archived_at is None]


def field(*, tenant_id: UUID, field_id: UUID) -> CustomFieldInfo:
    """Return one custom field, or raise NoSuchCustomField."""
    for one in fields(tenant_id=tenant_id, archived=True):
        if one.id == field_id:
            return one
    raise NoSuchCustomField


@once
def load(session: Session, tenant_id: UUID) -> list[CustomFieldInfo]:
    """Return all custom fields, archived ones too, in the open transaction."""
    return [_info(row) for row in session.execute(_LIST, {"tenant_id": tenant_id})]


def load_to_write(session: Session, tenant_id: UUID) -> list[CustomFieldInfo]:
    """Return what `load` does; until the open transaction ends no field becomes of another kind."""
    session.execute(_WRITING, {"space": _SPACE, "tenant": str(tenant_id)})
    return load(session, tenant_id)


def catalogue(*, tenant_id: UUID) -> Catalogue:
    """Return what conditions may ask of this tenant's customers: the fields of all, its topics, and its own fields.

    Archived topics and fields are among them: what asks of them goes on working.
    """
    return vocabulary(tenant_id=tenant_id).catalogue()


@dataclasses.dataclass(frozen=True, slots=True)
class Vocabulary:
    """What conditions of one tenant may ask beside what all may: two that are equal make the same catalogue.

    `about` is what is known of each topic, `topics` the same as rows.
    """

    fields: tuple[CustomFieldInfo, ...]
    about: tuple[tuple[Any, ...], ...]
    topics: tuple[Topic, ...] = dataclasses.field(compare=False, repr=False)

    def catalogue(self) -> Catalogue:
        """Return the catalogue."""
        return catalogue_of(self.fields, self.topics)


def vocabulary(*, tenant_id: UUID) -> Vocabulary:
    """Return what makes this tenant's catalogue differ from others': its topics and its own fields, archived or not."""
    with transaction(tenant_id):
        known = topics.topics(tenant_id=tenant_id, archived=True)
        # Nothing that is changed meanwhile changes these: rows of a session are whatever was read last.
        rows = [{name: getattr(one, name) for name in _TOPIC} for one in known]
        about = tuple(tuple(row.values()) for row in rows)
        own = tuple(fields(tenant_id=tenant_id, archived=True))
    return Vocabulary(own, about, tuple(Topic(**row) for row in rows))


def catalogue_of(known: Sequence[CustomFieldInfo], about: Sequence[Topic] = ()) -> Catalogue:
    """Return the catalogue of the fields everybody has, of consent to these topics, and of these custom fields."""
    found = (*profile, *consent_fields.fields(about), *map(condition_field, known))
    return Catalogue(condition_fields.in_order(found), behaviours=profile.behaviours)


def condition_field(about: CustomFieldInfo) -> Field:
    """Return a custom field as conditions know it, answered in SQL and by a mapping `{"custom": {key: value}}`."""
    kind = kind_of(about)
    label = f"{about.label} (archived)" if about.archived_at else about.label
    choices = tuple(Choice(one, one) for one in about.choices)
    column = kind.column(Customer.custom, about.key)
    phrases = Phrases(money=about.currency or "")
    return Field(
        about.name, label, about.heading, kind.condition_type, column, choices, from_payload=True, phrases=phrases
    )


def kind_of(about: CustomFieldInfo) -> FieldKind:
    """Return the kind of a field."""
    return field_kinds().get(about.kind)


def read(values: Mapping[str, Any], known: Sequence[CustomFieldInfo]) -> dict[str, Any]:
    """Return values by key as they are kept (None empties one); raise Invalid with messages by `custom.key`."""
    by_key = {one.key: one for one in known if one.archived_at is None}
    found: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for key, value in values.items():
        about = by_key.get(key)
        if about is None:
            errors[f"{CUSTOM}{key}"] = "There is no such field."
            continue
        try:
            found[key] = None if value is None else kind_of(about).read(value, about)
        except ValueError as error:
            errors[about.name] = str(error)
    if errors:
        raise Invalid(errors)
    return found


def heard(values: Mapping[str, Any], known: Sequence[CustomFieldInfo], *, archived: bool = False) -> dict[str, Any]:
    """Return what an event says of custom fields, by `custom.key`: what can't be read says nothing."""
    found = {}
    for about in known:
        value = values.get(about.key)
        if value is None or (about.archived_at is not None and not archived):
            continue
        try:
            kept = kind_of(about).read(value, about)
        except ValueError:
            continue
        if kept is not None:
            found[about.name] = kept
    return found


def add(
    *,
    tenant_id: UUID,
    key: str,
    label: str,
    kind: str,
    heading: str = "",
    choices: Sequence[str] = (),
    currency: str | None = None,
    actor: str,
) -> CustomFieldInfo:
    """Add a field at the end; an empty key is made from the label. Raises Invalid with messages by input."""
    key = key.strip() or _key_of(label)
    currency = currency or accounts.tenant_info(tenant_id=tenant_id).currency
    values = _checked(label, kind, heading, choices, currency)
    if not _KEY.fullmatch(key):
        raise Invalid({"key": "A key is small letters, digits and _, beginning with a letter; at most 40."})
    with transaction(tenant_id) as session:
        if len(load(session, tenant_id)) >= MAX_FIELDS:
            raise Conflict(f"There can be {MAX_FIELDS} custom fields, archived ones among them.")
        id_: UUID | None = session.scalar(_ADD, {"tenant_id": tenant_id, "key": key, **values})
        if id_ is None:
            raise Invalid({"key": "Another field has this key, maybe an archived one."})
        audit.record(session, actor, "custom_field.created", "custom_field", id_, {"key": key, "kind": kind})
        return _one(session, tenant_id, id_)


def change(*, tenant_id: UUID, field_id: UUID, changes: Mapping[str, Any], actor: str) -> CustomFieldInfo:
    """Change a field's label, heading, choices, currency, or kind; return it.

    A choice that is taken away stays with those who have it. Raises NoSuchCustomField, or Invalid with messages by
    input: a kind (and a currency) changes only as long as nobody has a value. Raises BeingWritten while somebody is
    being given values.
    """
    with transaction(tenant_id) as session:
        before = _one(session, tenant_id, field_id)
        now = {
            name: changes[name] if name in changes else getattr(before, name)
            for name in ("label", "kind", "heading", "choices", "currency")
        }
        currency = now["currency"] or accounts.tenant_info(tenant_id=tenant_id).currency
        values = _checked(now["label"], now["kind"], now["heading"], now["choices"], currency)
        fixed = [name for name in ("kind", "currency") if values[name] != getattr(before, name)]
        if fixed:
            _keep_from_writing(session, tenant_id)
        if fixed and session.scalar(_USED, {"tenant_id": tenant_id, "key": before.key}):
            raise Invalid(
                {fixed[0]: "Customers have values of this field, so this can't be changed. Add another field."}
            )
        session.execute(_SET, {"tenant_id": tenant_id, "id": field_id, **values})
        audit.record(session, actor, "custom_field.changed", "custom_field", field_id, {"key": before.key})
        return _one(session, tenant_id, field_id)


def archive(
    *, tenant_id: UUID, field_id: UUID, archived: bool = True, actor: str, now: datetime | None = None
) -> CustomFieldInfo:
    """Archive a field or take it back; values stay. Raises NoSuchCustomField."""
    with transaction(tenant_id) as session:
        before = _one(session, tenant_id, field_id)
        at = (now or clock.now()) if archived else None
        session.execute(_ARCHIVE, {"tenant_id": tenant_id, "id": field_id, "at": at})
        act = "custom_field.archived" if archived else "custom_field.restored"
        audit.record(session, actor, act, "custom_field", field_id, {"key": before.key})
        return _one(session, tenant_id, field_id)


def move(*, tenant_id: UUID, field_id: UUID, up: bool) -> None:
    """Move a field before or after its neighbour among those in use. Raises NoSuchCustomField."""
    with transaction(tenant_id) as session:
        _one(session, tenant_id, field_id)
        known = sorted(load(session, tenant_id), key=lambda one: one.archived_at is not None)
        ids = [one.id for one in known]
        at = ids.index(field_id)
        other = at - 1 if up else at + 1
        if 0 <= other < len(ids):
            ids[at], ids[other] = ids[other], ids[at]
        session.execute(_ORDER, {"tenant_id": tenant_id, "ids": ids})


def _keep_from_writing(session: Session, tenant_id: UUID) -> None:
    """Let nobody write values until the open transaction ends; raise BeingWritten if somebody goes on doing so."""
    try:
        with session.begin_nested():
            session.execute(_PATIENCE)
            session.execute(_CHANGING, {"space": _SPACE, "tenant": str(tenant_id)})
            session.execute(_NO_MATTER)
    except OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        raise BeingWritten from None


def _key_of(label: str) -> str:
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    return "_".join(re.findall(r"[a-z0-9]+", plain)).lstrip("0123456789_")[:40].rstrip("_")


def _one(session: Session, tenant_id: UUID, field_id: UUID) -> CustomFieldInfo:
    row = session.execute(_ONE, {"tenant_id": tenant_id, "id": field_id}).first()
    if row is None:
        raise NoSuchCustomField
    return _info(row)


def _info(row: Any) -> CustomFieldInfo:
    return CustomFieldInfo(
        row.id, row.key, row.label, row.kind, row.heading, tuple(row.choices), row.currency, row.archived_at
    )


def _checked(label: str, kind: str, heading: str | None, choices: Sequence[str], currency: str) -> dict[str, Any]:
    errors: dict[str, str] = {}
    label, heading = " ".join(label.split()), " ".join((heading or "").split()) or HEADING
    for name, words in (("label", label), ("heading", heading)):
        if not is_visible(words) or len(words) > MAX_WORDS or not is_printable(words):
            errors[name] = f"Give it a name of at most {MAX_WORDS} printable characters."
    if kind not in field_kinds():
        names = ", ".join(one for one, _ in field_kinds())
        raise Invalid(errors | {"kind": f"Choose one of: {names}."})
    found = field_kinds().get(kind)
    kept = (
        list(dict.fromkeys(tidy for one in choices if (tidy := " ".join(one.split())))) if found.takes_choices else []
    )
    if found.needs_choices and not kept:
        errors["choices"] = "Give at least one choice, each on a line of its own."
    if len(kept) > MAX_CHOICES or any(len(one) > MAX_WORDS or "," in one or not is_printable(one) for one in kept):
        errors["choices"] = f"Give at most {MAX_CHOICES} choices of at most {MAX_WORDS} characters, without commas."
    if found.has_currency and currency not in get_global("all_currencies"):
        errors["currency"] = "Give the currency's three letters, such as ZAR or GBP."
    if errors:
        raise Invalid(errors)
    currency_kept = currency if found.has_currency else None
    return {"label": label, "kind": kind, "heading": heading, "choices": kept, "currency": currency_kept}
