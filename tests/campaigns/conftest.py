"""What the tests of campaigns share: people in a segment, a template, a campaign, and an SMTP peer to count at."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.campaigns import lifecycle, queries, running, service
from app.campaigns.models import Campaign
from app.content import service as content
from app.infra.db import transaction
from app.infra.ids import new_id
from app.messaging import sender, tally
from app.messaging.states import Status as MessageStatus
from app.segments import work as segments
from tests.messaging.conftest import MakeCustomer, customer, sink, template
from tests.segments.crowd import filled

__all__ = ["customer", "sink", "template"]

NOON = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
"""14:00 at the club."""
ACTOR = "user:0190f3a1-7b1c-7000-8000-000000000001"


class Club:
    """A club's campaigns, worked on at moments the test chooses."""

    def __init__(self, tenant_id: UUID, template_id: UUID, customer: MakeCustomer) -> None:
        self.tenant_id, self.template_id, self.customer = tenant_id, template_id, customer

    def people(self, number: int, **fields: Any) -> list[UUID]:
        return [self.customer(**fields) for _ in range(number)]

    def segment(self, people: list[UUID]) -> UUID:
        return filled(self.tenant_id, f"Segment {new_id()}", people)

    def campaign(self, people: list[UUID] | UUID, **given: Any) -> Campaign:
        segment = self.segment(people) if isinstance(people, list) else people
        return service.create(
            tenant_id=self.tenant_id,
            actor=ACTOR,
            now=NOON,
            given={"name": "News", "segment_id": segment, "email_template_id": self.template_id} | given,
        )

    def act(self, name: str, campaign: Campaign, after: timedelta = timedelta(0), **more: Any) -> Campaign:
        do = getattr(lifecycle, name)
        done: Campaign = do(tenant_id=self.tenant_id, campaign_id=campaign.id, actor=ACTOR, now=NOON + after, **more)
        return done

    def work(self, after: timedelta = timedelta(0), *, send: bool = True, steps: int = 1000) -> None:
        """Do all that is due: refreshes, runs, mails, and what follows from them."""
        moment = NOON + after
        for _ in range(steps):
            done = segments.run_step(tenant_id=self.tenant_id, now=moment)
            done += running.run_step(tenant_id=self.tenant_id, now=moment)
            done += sender.send_batch(tenant_id=self.tenant_id, now=moment) if send else 0
            if not done:
                return
        raise AssertionError("it goes on for ever")

    def status(self, campaign: Campaign) -> str:
        return queries.one(tenant_id=self.tenant_id, campaign_id=campaign.id).status

    def stats(self, campaign: Campaign) -> queries.Stats:
        """Return the numbers, which always add up and are what counting the messages gives."""
        found = queries.stats(tenant_id=self.tenant_id, campaign_id=campaign.id)
        by_hand = self.rows(
            "SELECT run_id, coalesce(variant, '') AS variant, status, coalesce(reason, '') AS reason, count(*) AS n"
            " FROM message WHERE run_id IS NOT NULL GROUP BY 1, 2, 3, 4"
        )
        runs = [row.id for row in self.rows("SELECT id FROM message_run")]
        states = set(MessageStatus)
        kept = [one for one in tally.counts(tenant_id=self.tenant_id, run_ids=runs) if one.what in states]
        assert sorted(map(tuple, by_hand)) == sorted(
            (one.run_id, one.variant, one.what, one.reason, one.number) for one in kept
        )
        assert found.adds_up
        assert found.audience == found.queued + found.sending + found.done
        return found

    def rows(self, query: str, **values: Any) -> list[Any]:
        with transaction(self.tenant_id) as session:
            return list(session.execute(text(query), values))

    def fates(self) -> Counter[tuple[str, str | None]]:
        return Counter((row.status, row.reason) for row in self.rows("SELECT status, reason FROM message"))

    def other_template(self, subject: str) -> UUID:
        return content.create(tenant_id=self.tenant_id, name=subject, subject=subject, text="Hello").id


@pytest.fixture
def club(tenant: Any, template: UUID, customer: MakeCustomer) -> Club:
    return Club(tenant.id, template, customer)
