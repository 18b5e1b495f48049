"""Where others' rows name the person: a table is gone through by its key, some thousand rows a transaction."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, text, update
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.infra.db import Base
from app.infra.ids import first_id_at
from app.mailbox import letters
from app.privacy.models import PrivacyRequest
from app.privacy.redact import Needles, Redactor, from_json, patterns
from app.privacy.registry import Table

ROWS = 20_000
MAILS = 500
# An import that was read to its end needs its file no more, or can be given it again.
_FILES = text("""
    SELECT r.id, r.status IN ('PENDING', 'RUNNING') AS is_running FROM import_run r
    WHERE r.tenant_id = :tenant_id AND r.id <= :until AND EXISTS (
        SELECT FROM import_chunk c WHERE c.tenant_id = :tenant_id AND c.run_id = r.id)
    ORDER BY r.id
""")
_PIECES = text("SELECT data FROM import_chunk WHERE tenant_id = :tenant_id AND run_id = :run_id ORDER BY number")
_DROP_FILE = text("DELETE FROM import_chunk WHERE tenant_id = :tenant_id AND run_id = :run_id")
_SOME_MAILS = text("""
    SELECT id, source, mail_from, rcpt_to FROM mailbox_mail
    WHERE tenant_id = :tenant_id AND id > :after AND id <= :until ORDER BY id LIMIT :limit
""")
_DROP_MAILS = text("DELETE FROM mailbox_mail WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[]))")
# The longest thing looked for is shorter than this: pieces of a file overlap by as much.
_OVERLAP = 1000
_NOWHERE = UUID(int=0)
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def search(session: Session, request: PrivacyRequest, table: Table) -> tuple[str, int, bool]:
    """Go through the next rows; return what was done to how many ("deleted" or "redacted"), and whether more follow."""
    wanted = from_json(request.work["needles"])
    model = Base.metadata.tables[table.name]
    keys = [column.name for column in model.primary_key if column.name != "tenant_id"]
    values: dict[str, Any] = {"tenant_id": request.tenant_id, "limit": ROWS, "until": _until(request)}
    after = ""
    if request.at:
        values |= {f"after{number}": value for number, value in enumerate(request.at)}
        after = f"AND ({_listed(keys)}) > ({_places(model, keys, 'after')})"
    # What was written since speaks of somebody who came back, if of anybody.
    bound = f"AND t.{keys[0]} <= cast(:until AS uuid)" if _is_uuid(model, keys[0]) else ""
    # The names are the models'.
    last = session.execute(
        text(
            f"SELECT {_listed(keys)} FROM {table.name} t WHERE t.tenant_id = :tenant_id {after} {bound}"  # noqa: S608
            f" ORDER BY {_listed(keys)} OFFSET :limit - 1 LIMIT 1"
        ),
        values,
    ).first()
    if last:
        values |= {f"last{number}": value for number, value in enumerate(last)}
        bound = f"AND ({_listed(keys)}) <= ({_places(model, keys, 'last')})"
    done = _treat(session, request, table, model, wanted, f"{after} {bound}", values, keys)
    request.at = [str(one) for one in last] if last else None
    session.flush()
    return ("deleted" if table.drop_found else "redacted"), done, last is not None


def _until(request: PrivacyRequest) -> UUID:
    return first_id_at(datetime.fromisoformat(request.work["erased_at"]) + timedelta(seconds=1))


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(f"t.{one}" for one in keys)


def _places(model: SqlTable, keys: Sequence[str], name: str) -> str:
    kinds = (model.columns[one].type.compile(dialect=_DIALECT) for one in keys)
    return ", ".join(f"cast(:{name}{number} AS {kind})" for number, kind in enumerate(kinds))


def _is_uuid(model: SqlTable, column: str) -> bool:
    return bool(model.columns[column].type.python_type is UUID)


def _treat(
    session: Session,
    request: PrivacyRequest,
    table: Table,
    model: SqlTable,
    wanted: Needles,
    window: str,
    values: dict[str, Any],
    keys: list[str],
) -> int:
    """Treat the rows of the window that name the person; return how many there were."""
    if table.ids:
        _take_ids(session, table, wanted, window, values)
    if not table.searched:
        return 0
    said = ", ".join(_said(model, one) for one in table.searched)
    with_names = not table.addresses
    looked_for = {*wanted.exact, *(wanted.names if with_names else ()), *(wanted.ids if table.looks_for_ids else ())}
    found = session.execute(
        text(
            f"SELECT {_listed([*keys, *table.searched])}{_owner(table)} FROM {table.name} t"  # noqa: S608
            f" WHERE t.tenant_id = :tenant_id {window}"
            f" AND lower(concat_ws(chr(31), {said})) LIKE ANY(cast(:patterns AS text[]))"
        ),
        {**values, "patterns": array(patterns(looked_for))},
    ).all()
    redactor = Redactor(wanted, with_names=with_names)
    if table.drop_found:
        found = [row for row in found if _is_named(table, row, redactor)]
    if not found:
        return 0
    if table.drop_found:
        places = _places(model, keys, "key")
        which = f"t.tenant_id = :tenant_id AND ({_listed(keys)}) = ({places})"
        statement = text(f"DELETE FROM {table.name} t WHERE {which}")  # noqa: S608
        rows = [{"tenant_id": request.tenant_id} | {f"key{at}": row[at] for at in range(len(keys))} for row in found]
        session.execute(statement, rows)
        return len(rows)
    return _redact(session, request, table, model, redactor, found, keys)


def _is_named(table: Table, row: Row[Any], redactor: Redactor) -> bool:
    """Return whether a row that holds one of the words holds it as such: "12345" is not in "+27123456789".

    A text is taken as it was found: it may be JSON, in which signs beside the word mean something else.
    """
    said = [getattr(row, one) for one in table.searched]
    return any(
        isinstance(one, str) or redactor.finds(words := _text(one)) or any(id_ in words for id_ in redactor.people)
        for one in said
        if one is not None
    )


def _said(model: SqlTable, column: str) -> str:
    """Return what is searched of a column: of a row's cells also what they say side by side, first and last name."""
    said = f"cast(t.{column} AS text)"
    return f"{said}, array_to_string(t.{column}, ' ')" if isinstance(model.columns[column].type, ARRAY) else said


def _owner(table: Table) -> str:
    return f", t.{table.of[0]} AS owner" if table.alone else ""


def _redact(
    session: Session,
    request: PrivacyRequest,
    table: Table,
    model: SqlTable,
    redactor: Redactor,
    found: Sequence[Row[Any]],
    keys: list[str],
) -> int:
    """Write the rows back without what names the person; return how many it was in."""
    blank, done = [], 0
    # One by one: each is cleaned in its own way, and rows of others that name the person are few.
    for row in found:
        if _tells_only_of_them(table, row, redactor):
            blank.append(row.id)
            continue
        old = {one: getattr(row, one) for one in (*table.words, *table.addresses)}
        new = {one: cleaned for one, value in old.items() if (cleaned := redactor.clean(value)) != value}
        emptied = [one for one in table.empty_found if _finds(redactor, getattr(row, one))]
        if not new and not emptied:
            continue
        done += 1
        where = [model.columns[one] == getattr(row, one) for one in keys]
        sets = {**new, **{one: text(table.empty_found[one].replace("t.", f"{table.name}.")) for one in emptied}}
        session.execute(update(model).where(model.columns["tenant_id"] == request.tenant_id, *where).values(sets))
    if blank and table.alone:
        table.alone[1](session, request.tenant_id, blank, request.created_at)
    return done + len(blank)


def _tells_only_of_them(table: Table, row: Row[Any], redactor: Redactor) -> bool:
    """Return whether a row that is nobody's yet is the person's."""
    return table.alone is not None and row.owner is None and redactor.finds(_text(getattr(row, table.alone[0])))


def _finds(redactor: Redactor, value: Any) -> bool:
    side_by_side = isinstance(value, list) and redactor.finds(" ".join(map(str, value)))
    return side_by_side or redactor.finds(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(map(_text, value))
    if isinstance(value, dict):
        return "\n".join(map(_text, [*value.keys(), *value.values()]))
    return str(value)


def _take_ids(session: Session, table: Table, wanted: Needles, window: str, values: dict[str, Any]) -> None:
    for column in table.ids:
        session.execute(
            text(f"""
                UPDATE {table.name} t SET {column} = ARRAY(
                    SELECT one FROM unnest(t.{column}) AS one WHERE one <> ALL(cast(:people AS uuid[])))
                WHERE t.tenant_id = :tenant_id {window} AND t.{column} && cast(:people AS uuid[])
            """),  # noqa: S608
            {**values, "people": array(wanted.ids)},
        )


def search_mailbox(session: Session, request: PrivacyRequest) -> tuple[int, bool]:
    """Delete, of the next mails, those in which the person stands; return how many, and whether more follow."""
    redactor = Redactor(from_json(request.work["needles"]))
    after = UUID(request.at[0]) if request.at else _NOWHERE
    values = {"tenant_id": request.tenant_id, "after": after, "until": _until(request), "limit": MAILS}
    mails = session.execute(_SOME_MAILS, values).all()
    found = [row.id for row in mails if any(redactor.finds(one) for one in _mail_texts(row))]
    if found:
        session.execute(_DROP_MAILS, {"tenant_id": request.tenant_id, "ids": array(found)})
    more = len(mails) == MAILS
    request.at = [str(mails[-1].id)] if more else None
    session.flush()
    return len(found), more


def _mail_texts(row: Row[Any]) -> Iterator[str]:
    letter = letters.read(bytes(row.source))
    yield from (row.mail_from, *row.rcpt_to, letter.text or "", letter.html or "")
    yield from (value for _, value in letter.headers)
    yield letter.source


def search_files(session: Session, request: PrivacyRequest) -> int | None:
    """Delete the kept files of imports in which the person stands; return how many, None while one is being read."""
    wanted = from_json(request.work["needles"])
    values = {"tenant_id": request.tenant_id, "until": _until(request)}
    done = 0
    for run in session.execute(_FILES, values).all():
        if not _is_in_file(session, request.tenant_id, run.id, wanted):
            continue
        if run.is_running:
            return None
        session.execute(_DROP_FILE, {"tenant_id": request.tenant_id, "run_id": run.id})
        done += 1
    return done


def _is_in_file(session: Session, tenant_id: UUID, run_id: UUID, wanted: Needles) -> bool:
    looked_for = (*wanted.exact, *wanted.names)
    before = ""
    for piece in session.scalars(_PIECES, {"tenant_id": tenant_id, "run_id": run_id}).yield_per(20):
        # A character that the end of a piece cuts is no great loss: what is looked for has others.
        here = before + bytes(piece).decode("utf-8", "ignore").lower()
        if any(one in here for one in looked_for):
            return True
        before = here[-_OVERLAP:]
    return False
