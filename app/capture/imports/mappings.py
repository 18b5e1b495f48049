"""Mappings that people save under a name to use them again, and finding the one that fits a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.accounts import audit
from app.capture.imports import preset
from app.capture.imports.apply import columns_of, plain
from app.capture.imports.fields import OF_MEMBERS
from app.capture.imports.models import ImportMapping
from app.capture.imports.targets import IGNORE, identifies
from app.customers import custom_fields
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid, NotFound

MAX_NAME = 80
MAX_MAPPINGS = 100
_TOO_MANY = f"There are {MAX_MAPPINGS} mappings already. Delete one first."
# Any constant: advisory locks on the mappings of a tenant. How many there are is no row that could be locked.
_SPACE = 0x4641_494D
_LOCK = text("SELECT pg_advisory_xact_lock(:space, hashtext(:tenant))")
# Half of a preset's columns and more, and somebody can be known by them: the file is of that system.
FITS = 0.5
# What people call columns elsewhere, without blanks and signs.
_ELSEWHERE = {
    "forename": "first_name",
    "givenname": "first_name",
    "name": "first_name",
    "surname": "last_name",
    "familyname": "last_name",
    "emailaddress": "email",
    "mail": "email",
    "mobile": "phone",
    "mobilenumber": "phone",
    "cell": "phone",
    "cellphone": "phone",
    "telephone": "phone",
    "phonenumber": "phone",
    "dob": "date_of_birth",
    "birthday": "date_of_birth",
    "birthdate": "date_of_birth",
    "memberid": "member_number",
    "memberno": "member_number",
    "membershipnumber": "member_number",
    "handicap": "handicap_index",
    "hcp": "handicap_index",
    "tier": "membership_tier",
    "category": "membership_tier",
    "status": "membership_status",
    "joindate": "joined_on",
    "joined": "joined_on",
    "homeclub": "club",
    "tags": "tag",
    "notes": "note",
    "comment": "note",
    "comments": "note",
}


class CannotRestore(Conflict):
    """A deletion can't be taken back as things stand now."""


class NoSuchMapping(NotFound):
    """The tenant has no saved mapping of this id."""

    def __init__(self) -> None:
        super().__init__("There is no such mapping (any more).")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a file's columns most likely are. `saved` is the id of a saved mapping, `preset` the name of a preset."""

    mapping: dict[str, str]
    preset: str | None = None
    saved: UUID | None = None
    formats: dict[str, str] = field(default_factory=dict)


def saved(*, tenant_id: UUID) -> list[ImportMapping]:
    """Return the tenant's mappings by name."""
    wanted = select(ImportMapping).where(ImportMapping.tenant_id == tenant_id, ImportMapping.deleted_at.is_(None))
    with transaction(tenant_id) as session:
        return list(session.scalars(wanted.order_by(ImportMapping.name, ImportMapping.id).limit(MAX_MAPPINGS)))


def one(*, tenant_id: UUID, mapping_id: UUID) -> ImportMapping:
    """Return a saved mapping, or raise NoSuchMapping."""
    for found in saved(tenant_id=tenant_id):
        if found.id == mapping_id:
            return found
    raise NoSuchMapping


def save(
    *,
    tenant_id: UUID,
    name: str,
    preset_name: str | None,
    columns: Mapping[str, str],
    formats: Mapping[str, str],
    actor: str,
    now: datetime | None = None,
) -> UUID:
    """Save a mapping under a name, in place of the one that had it; return its id. Raises Invalid by `save_as`."""
    tidy = " ".join(name.split())
    if not tidy or len(tidy) > MAX_NAME or not tidy.isprintable():
        raise Invalid({"save_as": f"Give the mapping a name of at most {MAX_NAME} printable characters."})
    moment = now or clock.now()
    values = {"preset": preset_name, "columns": dict(columns), "formats": dict(formats), "updated_at": moment}
    statement = (
        insert(ImportMapping)
        .values(tenant_id=tenant_id, name=tidy, created_by=actor, created_at=moment, **values)
        .on_conflict_do_update(
            index_elements=["tenant_id", "name"], index_where=ImportMapping.deleted_at.is_(None), set_=values
        )
        .returning(ImportMapping.id)
    )
    with transaction(tenant_id) as session:
        known = _locked(session, tenant_id)
        if len(known) >= MAX_MAPPINGS and tidy not in {mapping.name for mapping in known}:
            raise Invalid({"save_as": _TOO_MANY})
        made: UUID = session.execute(statement).scalar_one()
        audit.record(session, actor, "import_mapping.saved", "import_mapping", made, {"name": tidy})
        return made


def delete(*, tenant_id: UUID, mapping_id: UUID, actor: str, now: datetime | None = None) -> None:
    """Put a mapping aside; imports made with it stay. Raises NoSuchMapping."""
    _set_deleted(tenant_id, mapping_id, now or clock.now(), actor, "import_mapping.deleted")


def restore(*, tenant_id: UUID, mapping_id: UUID, actor: str) -> None:
    """Take a deletion back. Raises NoSuchMapping, or CannotRestore where another has the name or there are too many."""
    _set_deleted(tenant_id, mapping_id, None, actor, "import_mapping.restored")


def _set_deleted(tenant_id: UUID, mapping_id: UUID, at: datetime | None, actor: str, act: str) -> None:
    with transaction(tenant_id) as session:
        known = _locked(session, tenant_id)
        found = session.get(ImportMapping, (tenant_id, mapping_id), populate_existing=True)
        if found is None or (found.deleted_at is None) == (at is None):
            raise NoSuchMapping
        if at is None and found.name in {one.name for one in known}:
            raise CannotRestore(f"There is another mapping called {found.name} by now. Delete that one first.")
        if at is None and len(known) >= MAX_MAPPINGS:
            raise CannotRestore(_TOO_MANY)
        found.deleted_at = at
        session.flush()
        audit.record(session, actor, act, "import_mapping", mapping_id, {"name": found.name})


def _locked(session: Session, tenant_id: UUID) -> list[ImportMapping]:
    """Return the tenant's mappings; nobody else saves, deletes or restores one until the transaction ends."""
    session.execute(_LOCK, {"space": _SPACE, "tenant": str(tenant_id)})
    return saved(tenant_id=tenant_id)


def suggest(*, tenant_id: UUID, header: Sequence[str]) -> Suggestion:
    """Return the saved mapping or the preset that fits the header best; where none does, guess column by column."""
    cells = {plain(cell) for cell in header if cell.strip()}
    found: tuple[float, Suggestion] = (0.0, Suggestion({}))
    for mine in saved(tenant_id=tenant_id):
        score = _fit(cells, mine.columns, header)
        # Of two that fit alike the tenant's own is meant.
        if score >= FITS and score + 0.001 > found[0]:
            found = (score + 0.001, Suggestion(dict(mine.columns), mine.preset, mine.id, dict(mine.formats)))
    for kind in preset.known():
        score = _fit(cells, kind.columns, header)
        if score >= FITS and score > found[0]:
            found = (score, Suggestion(dict(kind.columns), kind.name))
    if found[0]:
        return found[1]
    return Suggestion(guess(tenant_id=tenant_id, header=header))


def _fit(cells: set[str], columns: Mapping[str, str], header: Sequence[str]) -> float:
    """Return which part of the file's columns a mapping knows; 0 where it knows nobody by them."""
    named = {name for name in columns_of(header, columns) if name}
    known = cells & {plain(name) for name in columns}
    return len(known) / len(cells) if cells and identifies(named) else 0.0


def guess(*, tenant_id: UUID, header: Sequence[str]) -> dict[str, str]:
    """Return what columns most likely are by their names alone, the tenant's own fields too; IGNORE for the others."""
    own = custom_fields.fields(tenant_id=tenant_id)
    names = {_bare(one.key): one.name for one in own} | {_bare(one.label): one.name for one in own}
    names |= {_bare(name): name for name in OF_MEMBERS} | {_bare(label): name for name, label in OF_MEMBERS.items()}
    names |= _ELSEWHERE
    for kind in preset.known():
        if not kind.by_target and kind.kind == preset.MEMBERS:
            names = {_bare(column): target for column, target in kind.columns.items()} | names
    found: dict[str, str] = {}
    for cell in header:
        name = names.get(_bare(cell))
        if name and cell.strip() and name not in found.values():
            found[cell] = name
    return {cell: found.get(cell, IGNORE) for cell in header}


def _bare(name: str) -> str:
    return "".join(sign for sign in plain(name).partition(" (")[0] if sign.isalnum())
