"""Batches that were begun: whoever makes its worker die is found, and the others go on.

Of a batch whose worker dies nothing is left but its note, which was committed beside it: who is in it. The batch holds
a lock on its note for as long as its transaction lasts, however that ends, and takes the note away with its commit. A
note that nobody holds is of a worker that died. Its people are walked in smaller batches, and where it dies again one
by one, a step at a time; at whose step it dies three times so, they have failed.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.infra.db import beside
from app.infra.ids import new_id

log = logging.getLogger(__name__)

PARTS = 50
"""Into so many batches one is divided whose worker died; a smaller one into people."""
PUT_OFF = timedelta(minutes=1)
# Any constant: the first of the two keys of the advisory locks on notes.
_SPACE = 0x6265_6775

_LOCK = text("SELECT pg_advisory_xact_lock(:space, hashtext(:id))")
_FREE = text("""
    SELECT id FROM journey_batch
    WHERE tenant_id = :tenant_id AND (begun OR due_at IS NULL OR due_at <= :now)
        AND pg_try_advisory_xact_lock(:space, hashtext(CAST(id AS text)))
    LIMIT 1
""")
# When the whole server was started anew, the batch died with that. The moment stays where Postgres restarts only its
# own processes, after one of them crashed.
_READ = text("""
    SELECT people, deaths, begun AND noted_at > pg_postmaster_start_time() AS died FROM journey_batch
    WHERE tenant_id = :tenant_id AND id = :id
""")
_NOTE = text("""
    INSERT INTO journey_batch (tenant_id, id, people, begun, due_at)
    VALUES (:tenant_id, :id, CAST(:people AS uuid[]), :begun, :due_at)
""")
_TAKE_UP = text("""
    UPDATE journey_batch SET begun = true, deaths = :deaths, noted_at = now() WHERE tenant_id = :tenant_id AND id = :id
""")
_LEAVE = text("UPDATE journey_batch SET begun = false WHERE tenant_id = :tenant_id AND id = :id")
_FORGET = text("DELETE FROM journey_batch WHERE tenant_id = :tenant_id AND id = :id")
# Who is alone goes on alone, until something makes them wait.
_KEEP = text("""
    UPDATE journey_batch note SET begun = false, deaths = :deaths, due_at = person.due_at
    FROM journey_enrollment person
    WHERE note.tenant_id = :tenant_id AND note.id = :id AND person.tenant_id = note.tenant_id
        AND person.id = note.people[1] AND person.status = 'ACTIVE' AND (person.due_at <= :now OR :deaths > 0)
    RETURNING note.id
""")
# Whom others hold, or whose journey is paused, is taken up again later: how often a worker died is not forgotten.
_PUT_OFF = text("""
    UPDATE journey_batch note SET begun = false, deaths = greatest(note.deaths, :deaths), due_at = :later
    FROM journey_enrollment person
    WHERE note.tenant_id = :tenant_id AND note.id = :id AND person.tenant_id = note.tenant_id
        AND person.id = note.people[1] AND person.status = 'ACTIVE' AND person.due_at <= :now
        AND greatest(note.deaths, :deaths) > 0
    RETURNING note.id
""")


@dataclass(frozen=True, slots=True)
class Lost:
    """People with whom a worker died. `died`: so often it did at the step of who is `alone`; that is not tried then."""

    people: Sequence[UUID]
    alone: bool
    died: int


class Note:
    """The note of one batch."""

    def __init__(self, tenant_id: UUID) -> None:
        self._tenant_id = tenant_id
        self._id: UUID | None = None
        self._lost: Lost | None = None

    def lost(self, session: Session, now: datetime) -> Lost | None:
        """Take up some people with whom a worker died, for this batch; None: there are none that others don't have."""
        while (free := session.scalar(_FREE, {"tenant_id": self._tenant_id, "now": now, "space": _SPACE})) is not None:
            row = session.execute(_READ, self._of(free)).one_or_none()
            if row is None:
                # Its worker came to the end of it while this was asked.
                return None
            if row.died and len(row.people) > 1:
                log.error("A worker died with %s people in journeys of %s", len(row.people), self._tenant_id)
                self._divide(free, row.people, now)
                continue
            # Once may be chance, of which the person need not hear.
            deaths = row.deaths + (1 if row.died else 0)
            self._id = free
            self._lost = Lost(row.people, len(row.people) == 1, deaths if row.died and deaths > 1 else 0)
            if not self._lost.died:
                with beside(self._tenant_id) as connection:
                    connection.execute(_TAKE_UP, self._of(free) | {"deaths": deaths})
            return self._lost
        return None

    def begin(self, session: Session, people: Sequence[UUID]) -> None:
        """Note who is in the batch, before anything is done with them."""
        self._id = new_id()
        session.execute(_LOCK, {"space": _SPACE, "id": str(self._id)})
        with beside(self._tenant_id) as connection:
            self._write(connection, self._id, people)

    def end(self, session: Session, now: datetime, *, walked: bool) -> None:
        """Take the note away with the commit of the batch; that of somebody alone stays while they are due.

        Not `walked`: nobody of it could be claimed. Nothing may fail after it: the row of the note is locked.
        """
        if self._id is None:
            return
        note, self._id = self._of(self._id), None
        if self._lost is not None and self._lost.alone:
            told = note | {"now": now, "later": now + PUT_OFF, "deaths": self._lost.died}
            if session.execute(_KEEP if walked else _PUT_OFF, told).first() is not None:
                return
        session.execute(_FORGET, note)

    def take_back(self, error: Exception) -> None:
        """Say that the worker lives, though the batch comes to nothing; asked inside its transaction."""
        lost_connection = isinstance(error, DBAPIError) and error.connection_invalidated
        # Whoever makes the server's side die is found in the same way.
        if self._id is None or lost_connection or (self._lost is not None and self._lost.died):
            return
        try:
            with beside(self._tenant_id) as connection:
                connection.execute(_FORGET if self._lost is None else _LEAVE, self._of(self._id))
        except SQLAlchemyError as also:
            log.warning("The note of a batch of %s stays, as if its worker had died: %s", self._tenant_id, also)

    def _divide(self, id: UUID, people: Sequence[UUID], now: datetime) -> None:
        with beside(self._tenant_id) as connection:
            connection.execute(_FORGET, self._of(id))
            for part in _parts(people):
                self._write(connection, new_id(), part, now)

    def _write(self, connection: Connection, id: UUID, people: Sequence[UUID], due_at: datetime | None = None) -> None:
        begun = due_at is None
        connection.execute(_NOTE, self._of(id) | {"people": array(people), "begun": begun, "due_at": due_at})

    def _of(self, id: UUID) -> dict[str, object]:
        return {"tenant_id": self._tenant_id, "id": id}


def _parts(people: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    size = max(1, len(people) // PARTS)
    return (people[at : at + size] for at in range(0, len(people), size))
