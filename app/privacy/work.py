"""What a worker does with a request: one step of it in one transaction, with the place it came to."""

import logging
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import delete, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.accounts import answers
from app.capture.imports import service as imports
from app.infra.db import transaction
from app.infra.errors import UserError
from app.privacy import erasing, exporting
from app.privacy.erasing import SOON, Progress
from app.privacy.models import COMPLETED, EXPIRED, FAILED, RUNNING, Kind, PrivacyFile, PrivacyRequest

log = logging.getLogger(__name__)

ATTEMPTS = 6
_CLAIM = text("""
    SELECT id FROM privacy_request WHERE tenant_id = :tenant_id AND due_at <= :now
    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
""")


def forget_old(*, tenant_id: UUID, now: datetime) -> None:
    """Delete what was kept for a while: answers to requests over the API, files of imports nobody went on with."""
    answers.forget_old(tenant_id=tenant_id, now=now)
    imports.forget_old(tenant_id=tenant_id, now=now)


def run_batch(*, tenant_id: UUID, now: datetime) -> int:
    """Do the next step of the tenant's oldest due request; return 1, or 0 where nothing is due.

    A step that fails is tried again, later and later; after ATTEMPTS the request waits for somebody to look at it.
    """
    claimed: list[UUID] = []
    try:
        with transaction(tenant_id) as session:
            return _next(session, tenant_id, now, claimed)
    except OperationalError:
        # The database's own trouble is no request's fault: the tick tries again.
        raise
    except Exception as error:
        if not claimed:
            raise
        _failed(tenant_id, claimed[0], error, now)
        return 1


def _next(session: Session, tenant_id: UUID, now: datetime, claimed: list[UUID]) -> int:
    request_id = session.scalar(_CLAIM, {"tenant_id": tenant_id, "now": now})
    if request_id is None:
        return 0
    claimed.append(request_id)
    request = session.get(PrivacyRequest, (tenant_id, request_id), populate_existing=True)
    assert request is not None
    if request.status == COMPLETED:
        _expire(session, request)
        return 1
    request.status = RUNNING
    steps = exporting.STEPS if request.kind == Kind.EXPORT else erasing.STEPS
    # A step fewer than when it was asked for: the version after has less to do.
    came_to = steps[request.step].run(session, request, now) if request.step < len(steps) else Progress.DONE
    request.attempts, request.error = 0, None
    if came_to is Progress.DONE:
        request.step, request.at = request.step + 1, None
    request.due_at = now + SOON if came_to is Progress.WAIT else now
    request.steps = len(steps)
    if request.step >= len(steps):
        request.status, request.finished_at = COMPLETED, now
        request.due_at = request.expires_at
    session.flush()
    return 1


def _expire(session: Session, request: PrivacyRequest) -> None:
    file = PrivacyFile
    session.execute(delete(file).where(file.tenant_id == request.tenant_id, file.request_id == request.id))
    request.status, request.due_at = EXPIRED, None
    session.flush()


def _failed(tenant_id: UUID, request_id: UUID, error: Exception, now: datetime) -> None:
    reference = uuid4().hex[:12]
    log.error("Request %s of %s failed, reference %s", request_id, tenant_id, reference, exc_info=error)
    with transaction(tenant_id) as session:
        request = session.get(PrivacyRequest, (tenant_id, request_id), populate_existing=True, with_for_update=True)
        if request is None or request.due_at is None:
            return
        request.attempts += 1
        is_final = isinstance(error, UserError) or request.attempts >= ATTEMPTS
        told = error.message if isinstance(error, UserError) else f"{type(error).__name__}, reference {reference}"
        request.error = told
        request.status = FAILED if is_final else RUNNING
        request.due_at = None if is_final else now + timedelta(seconds=10 * 2**request.attempts)
        if isinstance(error, UserError):
            # It is not gone on with: what was looked for, and what was collected, is forgotten.
            request.work, request.at, request.step = {}, None, 0
            file = PrivacyFile
            session.execute(delete(file).where(file.tenant_id == tenant_id, file.request_id == request_id))
        session.flush()
