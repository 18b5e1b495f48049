"""Putting the demo into the database, once."""

from datetime import datetime
from random import Random

from sqlalchemy import text

from app.cli.demo_data import segments, story, write
from app.cli.demo_data.history import history
from app.cli.demo_data.people import YEAR, people
from app.cli.demo_data.places import SEED, SIZE, TENANT_ID
from app.customers import household_suggestions, households
from app.infra import clock
from app.infra.db import transaction
from app.infra.paging import MAX_LIMIT

UNDECIDED = 4
"""Of so many families one waits as a suggestion."""


def seed(*, size: int = SIZE, now: datetime | None = None) -> bool:
    """Make the demo's organisation with `size` customers in one transaction; return False if it is there already."""
    moment = (now or clock.now()).replace(microsecond=0)
    with transaction(TENANT_ID) as session:
        # Two starts at once: the second waits here, and then finds it done.
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": str(TENANT_ID)})
        if session.scalar(text("SELECT true FROM tenant WHERE id = :id"), {"id": TENANT_ID}):
            return False
        random = Random(SEED)  # noqa: S311 - made-up people, no secrets
        everybody = people(random, size, moment)
        happenings = history(random, everybody, moment)
        write.organisation(session, moment - YEAR, moment)
        write.customers(session, random, everybody, happenings)
        write.activities(session, random, happenings, moment)
        write.notes(session, random, everybody, moment)
        _households(moment)
        story.tell(session, random, happenings, moment)
        segments.make(random, everybody, moment)
    return True


def _households(now: datetime) -> None:
    """Let most of the families be households already; the others wait for somebody's decision."""
    household_suggestions.look_at_all(tenant_id=TENANT_ID, now=now)
    found = household_suggestions.suggested(tenant_id=TENANT_ID, limit=MAX_LIMIT).items
    settled = [one.id for place, one in enumerate(found) if place % UNDECIDED]
    households.accept(tenant_id=TENANT_ID, ids=settled, actor="system", now=now)
