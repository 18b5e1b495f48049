"""Tasks that people of journeys wait for: whoever's is done goes on."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.infra.ids import as_id
from app.journeys.engine.waking import wake_people


def follow(session: Session, tenant_id: UUID, key: str, now: datetime) -> None:
    """Wake the person who waits for the task of that key, if there is one."""
    source, _, rest = key.partition(":")
    enrollment_id = as_id(rest.partition(":")[0])
    if source == "journey" and enrollment_id:
        wake_people(session, tenant_id, {(enrollment_id, f"task:{key}"): {"type": "task"}}, now)
