"""Erasing a person, step by step: each step is a transaction, or several, that may be run again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.customers import erased
from app.events.capture_lock import lock_tenant
from app.infra.arrays import array
from app.infra.errors import Conflict
from app.journeys.engine.exits import exit_customers
from app.messaging import suppression
from app.messaging.channel import installed
from app.privacy import elsewhere, file_names
from app.privacy.models import EXPIRED, Kind, PrivacyRequest
from app.privacy.person import Traces, lead_of, told_from_json, traces
from app.privacy.redact import from_json
from app.privacy.registry import BY_NAME, TABLES, AtErase, Table, whose

BATCH = 5000
# Of these somebody may have tens of thousands of rows: they go first, some at a time.
LARGE = ("inbound_event", "activity")


class Progress(Enum):
    """How a step went: the next one comes, or this one again, at once or a little later."""

    DONE = "done"
    MORE = "more"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Step:
    """One step, with words for what it does."""

    label: str
    run: Callable[[Session, PrivacyRequest, datetime], Progress]


class MergedMeanwhile(Conflict):
    """The profile went into another one while the erasure waited."""

    def __init__(self) -> None:
        super().__init__(
            "The profile was merged into another one meanwhile, so it was not erased. Look at the other one, undo the"
            " merge or erase that one."
        )


_STOP = text("""
    UPDATE message SET status = 'skipped', reason = 'erased'
    WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:ids AS uuid[])) AND status IN ('queued', 'held')
""")
# A letter that is in the air is waited for: what became of it is written down a moment later.
_IN_THE_AIR = text("""
    SELECT EXISTS (SELECT FROM message
        WHERE tenant_id = :tenant_id AND customer_id = ANY(cast(:ids AS uuid[])) AND status = 'sending')
""")
_MAILS = text("""
    DELETE FROM mailbox_mail m
    WHERE m.tenant_id = :tenant_id AND substring(m.message_id from '[0-9a-f]{8}-[0-9a-f-]{27}') IN (
        SELECT cast(x.id AS text) FROM message x
        WHERE x.tenant_id = :tenant_id AND x.customer_id = ANY(cast(:ids AS uuid[])))
""")
_EXPORTS = text("""
    UPDATE privacy_request SET status = :expired, due_at = NULL, at = NULL
    WHERE tenant_id = :tenant_id AND kind = :export AND customer_id = ANY(cast(:ids AS uuid[])) AND status <> :expired
""")
_FILES = text("""
    DELETE FROM privacy_file f USING privacy_request r
    WHERE f.tenant_id = :tenant_id AND r.tenant_id = :tenant_id AND r.id = f.request_id AND r.kind = :export
        AND r.customer_id = ANY(cast(:ids AS uuid[]))
""")
SOON = timedelta(seconds=3)


def stop(session: Session, request: PrivacyRequest, now: datetime) -> Progress:
    """Find out who it is, and let nothing more be sent to them or begin with them."""
    found = _traces(session, request)
    # First: it may wait for an import's batch, and so has nothing yet that the batch might want.
    file_names.forget(session, request)
    values = {"tenant_id": request.tenant_id, "ids": array(found.ids)}
    session.execute(_STOP, values)
    exit_customers(tenant_id=request.tenant_id, customer_ids=found.ids, reason="erased", now=now)
    return Progress.DONE


def _traces(session: Session, request: PrivacyRequest) -> Traces:
    lead = lead_of(session, request.tenant_id, request.customer_id)
    if lead not in (None, request.customer_id):
        raise MergedMeanwhile
    # Events go first: what they called the person is kept until the end.
    found = traces(session, request.tenant_id, request.customer_id, told_from_json(request.work.get("told")))
    if found.ids:
        wanted = found.needles().also(request.work.get("files", ()))
        request.work = {**request.work, "needles": wanted.as_json(), "told": found.told.as_json()}
        session.flush()
    return found


def _large(name: str) -> Callable[[Session, PrivacyRequest, datetime], Progress]:
    table = BY_NAME[name]
    statement = text(f"""
        DELETE FROM {name} WHERE tenant_id = :tenant_id AND id IN (
            SELECT t.id FROM {name} t WHERE t.tenant_id = :tenant_id AND ({whose(table)}) LIMIT :limit)
    """)  # noqa: S608 - the names are the registry's

    def run(session: Session, request: PrivacyRequest, _now: datetime) -> Progress:
        values = {"tenant_id": request.tenant_id, "ids": _ids(request), "limit": BATCH}
        done = session.execute(statement, values).rowcount  # type: ignore[attr-defined]
        count(request, "deleted", name, done)
        return Progress.MORE if done == BATCH else Progress.DONE

    return run


def person(session: Session, request: PrivacyRequest, now: datetime) -> Progress:
    """Erase all that is the person's own, at once, and keep the hashes by which they are known again."""
    if session.scalar(_IN_THE_AIR, {"tenant_id": request.tenant_id, "ids": _ids(request)}):
        return Progress.WAIT
    # Nobody makes, merges or divides people meanwhile, so that no event finds half a person.
    lock_tenant(session, request.tenant_id)
    found = _traces(session, request)
    tenant_id = request.tenant_id
    values = {"tenant_id": tenant_id, "ids": _ids(request), "export": Kind.EXPORT, "expired": EXPIRED}
    exit_customers(tenant_id=tenant_id, customer_ids=found.ids, reason="erased", now=now)
    for name, channel in installed():
        addresses = [key for kind, key in found.points if kind == channel.customer_field]
        suppression.hide(tenant_id=tenant_id, addresses=addresses, actor=request.requested_by, channel_name=name)
    erased.remember(session, tenant_id, found.hints(), now)
    count(request, "deleted", "mailbox_mail", session.execute(_MAILS, values).rowcount)  # type: ignore[attr-defined]
    session.execute(_FILES, values)
    session.execute(_EXPORTS, values)
    for table, statement in _STATEMENTS:
        done = session.execute(text(statement), values).rowcount  # type: ignore[attr-defined]
        count(request, "blanked" if table.at_erase is AtErase.BLANK else "deleted", table.name, done)
    request.work = {**request.work, "erased_at": now.isoformat()}
    request.report = {**request.report, "shared_addresses": len(found.shared_points)}
    session.flush()
    return Progress.DONE


def _statement(table: Table) -> str:
    if table.at_erase is AtErase.BLANK:
        sets = ", ".join(f"{column} = {value}" for column, value in table.blank.items())
        return f"UPDATE {table.name} t SET {sets} WHERE t.tenant_id = :tenant_id AND ({whose(table)})"  # noqa: S608
    return f"DELETE FROM {table.name} t WHERE t.tenant_id = :tenant_id AND ({whose(table)})"  # noqa: S608


def _statements() -> list[tuple[Table, str]]:
    """Return what is done to each table: what hangs on a row before the row, the customers last."""
    mine = [one for one in TABLES if one.is_of_people and one.at_erase in (AtErase.DELETE, AtErase.BLANK)]
    ordered = sorted(mine, key=lambda one: (one.name == "customer", not one.through))
    return [(one, _statement(one)) for one in ordered]


_STATEMENTS = _statements()


def finish(session: Session, request: PrivacyRequest, _now: datetime) -> Progress:
    """Forget what was looked for, and enter into the audit trail who erased whom, by id."""
    request.work, request.at = {}, None
    session.flush()
    audit.record(session, request.requested_by, "customer.erased", "customer", request.customer_id, request.report)
    return Progress.DONE


def count(request: PrivacyRequest, what: str, table: str, done: int) -> None:
    """Add to the report how many rows of a table were treated in which way."""
    if done > 0:
        counts = dict(request.report.get(what, {}))
        counts[table] = counts.get(table, 0) + done
        request.report = {**request.report, what: counts}


def _ids(request: PrivacyRequest) -> str:
    kept = request.work.get("needles")
    return array(UUID(one) for one in from_json(kept).ids) if kept else array([request.customer_id])


def _search(table: Table) -> Step:
    def run(session: Session, request: PrivacyRequest, _now: datetime) -> Progress:
        what, done, more = elsewhere.search(session, request, table)
        count(request, what, table.name, done)
        return Progress.MORE if more else Progress.DONE

    return Step(f"Looking through: {table.holds.lower()}", run)


def _mailbox(session: Session, request: PrivacyRequest, _now: datetime) -> Progress:
    done, more = elsewhere.search_mailbox(session, request)
    count(request, "deleted", "mailbox_mail", done)
    return Progress.MORE if more else Progress.DONE


def _files(session: Session, request: PrivacyRequest, _now: datetime) -> Progress:
    found = elsewhere.search_files(session, request)
    if found is None:
        return Progress.WAIT
    count(request, "deleted", "import_chunk", found)
    return Progress.DONE


STEPS: tuple[Step, ...] = (
    Step("Stopping messages and journeys", stop),
    *(Step(f"Erasing: {BY_NAME[name].holds.lower()}", _large(name)) for name in LARGE),
    Step("Erasing the person, once no letter is on its way", person),
    Step("Looking through files of imports, once none of theirs is running", _files),
    *(_search(table) for table in TABLES if table.searched or table.ids),
    Step("Looking through the local mailbox", _mailbox),
    Step("Writing the audit trail", finish),
)
