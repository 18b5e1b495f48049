"""Consent by topic in conditions: the database answers as `consents.decide` does, whatever was said when."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from app.conditions import compile_sql, explain, parse
from app.customers import consents, custom_fields, topics
from app.customers.consent_fields import comes_to
from app.customers.consents import Proof, State, Word
from app.customers.models import Consent, Customer
from app.infra.db import transaction
from tests.journeys import helpers as journeys

THEN = datetime(2026, 1, 1, tzinfo=UTC)
PROOF = Proof("staff", "in_person")


def at(day: int) -> datetime:
    return THEN + timedelta(days=day)


def test_both_readers_come_to_the_same_whatever_was_said(tenant: Any) -> None:
    subjects = [topics.create(tenant_id=tenant.id, name=f"T{one}", actor="system", opt_in_only=one) for one in (0, 1)]
    people: list[UUID] = []
    with transaction(tenant.id) as session:
        for channel, asked, said, stop in product(
            (None, (True, 1), (True, 3), (False, 1), (False, 3), (False, None)),
            (None, ("pending", 2), ("pending", 4), ("subscribed", 4)),
            (None, ("subscribed", 2), ("pending", 2), ("unsubscribed", 2), ("subscribed", 3), ("subscribed", 5)),
            (None, "unsubscribed", "subscribed"),
        ):
            who = Customer(tenant_id=tenant.id, id=uuid4())
            if channel:
                who.email_opt_in, day = channel
                who.email_opt_in_at = at(day) if day else None
            session.add(who)
            session.flush()
            people.append(who.id)
            rows = [("EMAIL", None, *asked)] if asked else []
            rows += [("EMAIL", one.id, *said) for one in subjects] if said else []
            rows += [("ALL", None, stop, 1)] if stop else []
            session.add_all(
                Consent(
                    tenant_id=tenant.id, customer_id=who.id, channel=by, topic_id=topic, state=state, said_at=at(day)
                )
                for by, topic, state, day in rows
            )
        session.flush()
        answers = {
            one.id: {row[0]: row[1] for row in session.execute(select(Customer.id, comes_to(one, "EMAIL")))}
            for one in subjects
        }
    for who in people:
        known = consents.standing(tenant_id=tenant.id, customer_id=who)
        for one in subjects:
            line = known.line("EMAIL", one.id)
            assert answers[one.id][who] == line.comes_to, line


def test_a_condition_asks_for_a_topic_by_a_channel(tenant: Any) -> None:
    golf = topics.create(tenant_id=tenant.id, name="Golf trips", actor="system")
    yes, no, stopped, other = journeys.people(tenant.id, 4)
    for who, *words in (
        (yes, Word("EMAIL", State.SUBSCRIBED, golf.id), Word("SMS", State.UNSUBSCRIBED, golf.id)),
        (no, Word("EMAIL", State.UNSUBSCRIBED, golf.id)),
        (stopped, Word("EMAIL", State.SUBSCRIBED, golf.id), Word("ALL", State.UNSUBSCRIBED)),
        (other, Word("EMAIL", State.UNSUBSCRIBED)),
    ):
        consents.record(tenant_id=tenant.id, customer_id=who, words=words, proof=PROOF)
    rule = {"field": f"consent.{golf.key}.EMAIL", "operator": "eq", "value": "subscribed"}
    tree = parse([rule], custom_fields.catalogue(tenant_id=tenant.id))
    assert explain(tree) == "Agreed to Golf trips by e-mail"
    with transaction(tenant.id) as session:
        wanted = select(Customer.id).where(compile_sql(tree).is_(True))
        assert list(session.scalars(wanted)) == [yes]


def test_a_journey_goes_left_and_right_by_it_and_a_topic_that_was_archived_still_answers(tenant: Any) -> None:
    golf = topics.create(tenant_id=tenant.id, name="Golf trips", actor="system")
    rule = {"field": f"consent.{golf.key}.EMAIL", "operator": "eq", "value": "unsubscribed"}
    one = journeys.journey(
        tenant.id,
        [
            journeys.step("start", "TRIGGER", "ask", {"event_type": "MANUAL", "conditions": []}),
            journeys.asks("ask", "no", "yes", rule),
            journeys.tag("no", "end", "no trips"),
            journeys.tag("yes", "end", "trips"),
            journeys.step("end", "END"),
        ],
        trigger_type="MANUAL",
    )
    ann, ben = journeys.people(tenant.id, 2)
    consents.record(
        tenant_id=tenant.id, customer_id=ann, words=[Word("EMAIL", State.UNSUBSCRIBED, golf.id)], proof=PROOF
    )
    topics.update(tenant_id=tenant.id, topic_id=golf.id, changes={"archived": True}, actor="system")
    journeys.admit(tenant.id, one.id, [ann, ben])
    while journeys.advance_batch(tenant_id=tenant.id, now=journeys.NOW):
        pass
    with transaction(tenant.id) as session:
        tags = {row[0]: row[1] for row in session.execute(select(Customer.id, Customer.tags))}
    assert (tags[ann], tags[ben]) == (["no trips"], ["trips"])


def test_the_builder_offers_topics(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    topics.create(tenant_id=tenant.id, name="Golf trips", actor="system")
    one = journeys.journey(
        tenant.id,
        [
            journeys.step("start", "TRIGGER", "ask", {"event_type": "MANUAL", "conditions": []}),
            journeys.asks("ask", "end", "end", {"field": "consent.golf-trips.EMAIL", "operator": "eq", "value": "no"}),
            journeys.step("end", "END"),
        ],
        trigger_type="MANUAL",
        active=False,
    )
    assert "Wants Golf trips by e-mail" in client.get(f"/journeys/{one.id}/steps/ask", htmx=True).text
