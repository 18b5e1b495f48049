"""Reachability in conditions: the database answers as the gate does, whatever was said and wherever mail can't go."""

from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from app.conditions import compile_sql, parse
from app.content import service as content
from app.customers import custom_fields, topics
from app.customers.models import Consent, ContactPoint, Customer, Topic
from app.infra.db import transaction
from app.infra.ids import new_id
from app.messaging import condition_fields, gate, outbox, suppression
from app.messaging.models import Suppression
from app.messaging.states import Purpose

THEN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)
"""When the gate waits neither for a consent that may be on its way nor for events."""


def at(day: int) -> datetime:
    return THEN + timedelta(days=day)


def yes(tenant_id: UUID, *rules: Any) -> set[UUID]:
    """Return who is found by conditions."""
    tree = parse(list(rules), custom_fields.catalogue(tenant_id=tenant_id))
    with transaction(tenant_id) as session:
        return set(session.scalars(select(Customer.id).where(compile_sql(tree, now=LATER).is_(True))))


def rule(name: str, value: Any = True, operator: str = "eq") -> dict[str, Any]:
    return {"field": name, "operator": operator, "value": value}


def let_out(tenant_id: UUID, template_id: UUID, people: list[UUID], topic: Topic | None) -> set[UUID]:
    """Return to whom the gate would let marketing out: those of whom it says `sending`."""
    outbox.put(
        tenant_id=tenant_id,
        template_id=template_id,
        customer_ids=people,
        dedupe_keys=[f"{topic and topic.key}:{one}" for one in people],
        topic_id=topic.id if topic else None,
        purpose=Purpose.MARKETING,
        now=NOW,
    )
    found = gate.claim(tenant_id=tenant_id, limit=10_000, now=LATER)
    assert found.looked_at == len(people)
    return {one["reader_id"] for one in found.letters}


def told(tenant_id: UUID, people: list[UUID], topic: Topic | None, channel: str = "EMAIL") -> dict[UUID, str | None]:
    """Return why the database says that marketing would not go out, by customer."""
    asked = select(Customer.id, condition_fields.why_not(channel, topic)).where(Customer.id.in_(people))
    with transaction(tenant_id) as session:
        return {row[0]: row[1] for row in session.execute(asked)}


def recorded(tenant_id: UUID, topic: Topic | None) -> dict[UUID, str | None]:
    """Return why the gate skipped each message about a topic, or None where it let it out."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            text("SELECT customer_id, reason FROM message WHERE dedupe_key LIKE :key || ':%'"),
            {"key": str(topic and topic.key)},
        )
        return {row.customer_id: row.reason for row in rows}


class Crowd:
    """People by the hundred, each with consents and addresses of their own."""

    SAID = ("subscribed", "pending", "unsubscribed")

    def __init__(self, session: Any, tenant_id: UUID, chance: Random) -> None:
        self.session, self.tenant_id, self.chance = session, tenant_id, chance
        self.addresses: list[str] = []
        self.people: list[UUID] = []

    def add(self, subjects: list[Topic]) -> None:
        chance = self.chance
        own = [self.address() for _ in range(chance.choice((0, 1, 1, 2, 3, 12 if chance.random() < 0.1 else 1)))]
        who = Customer(
            tenant_id=self.tenant_id,
            id=new_id(),
            email=chance.choice([*own, *own, None, "not an address", "zoë@example.com", ""]),
            email_opt_in=chance.choice((True, True, True, False, None)),
            email_opt_in_at=chance.choice((None, at(2), at(4))),
        )
        self.session.add(who)
        self.session.flush()
        self.people.append(who.id)
        for place, one in enumerate(dict.fromkeys(own)):
            self.session.add(
                ContactPoint(
                    tenant_id=self.tenant_id,
                    customer_id=who.id,
                    kind="email",
                    key=one,
                    value=one.upper() if one.isascii() and chance.random() < 0.2 else one,
                    created_at=at(place),
                    verified_at=chance.choice((None, None, at(1))),
                )
            )
        words = {(one.id, "EMAIL"): self.SAID for one in subjects if chance.random() < 0.6}
        words |= {(None, "EMAIL"): ("pending", "subscribed")} if chance.random() < 0.3 else {}
        words |= {(None, "ALL"): ("unsubscribed", "subscribed")} if chance.random() < 0.15 else {}
        self.session.add_all(
            Consent(
                tenant_id=self.tenant_id,
                customer_id=who.id,
                channel=channel,
                topic_id=topic,
                state=chance.choice(states),
                said_at=at(chance.randint(1, 5)),
            )
            for (topic, channel), states in words.items()
        )

    def address(self) -> str:
        """Return a new address, or one that somebody has already."""
        if self.addresses and self.chance.random() < 0.2:
            return self.chance.choice(self.addresses)
        name = self.chance.choice(("ann", "ben", "ben", "jürgen"))
        domain = self.chance.choice(("example.com", "example.com", "bücher.example"))
        made = f"{name}{len(self.addresses)}@{domain}"
        self.addresses.append(made)
        return made

    def suppress(self) -> None:
        """Put many of the addresses on the list, for every reason; some were lifted."""
        reasons = ("hard_bounce", "hard_bounce", "invalid", "complaint", "manual")
        for one in self.addresses:
            if self.chance.random() < 0.6:
                self.session.add(
                    Suppression(
                        tenant_id=self.tenant_id,
                        channel="EMAIL",
                        address_key=one,
                        reason=self.chance.choice(reasons),
                        lifted_at=at(9) if self.chance.random() < 0.1 else None,
                    )
                )


@pytest.mark.parametrize("seed", range(3))
def test_can_be_mailed_is_what_the_gate_says(tenant: Any, template: UUID, seed: int) -> None:
    subjects = [topics.create(tenant_id=tenant.id, name=f"T{one}", actor="system", opt_in_only=one) for one in (0, 1)]
    with transaction(tenant.id) as session:
        crowd = Crowd(session, tenant.id, Random(seed))
        for _ in range(250):
            crowd.add(subjects)
        crowd.suppress()
    for topic in (None, *subjects):
        name = f"can_be_mailed.{topic.key}" if topic else "can_be_mailed"
        expected = let_out(tenant.id, template, crowd.people, topic)
        assert 0 < len(expected) < len(crowd.people)
        assert yes(tenant.id, rule(name)) == expected
        assert yes(tenant.id, rule(name, False)) == set(crowd.people) - expected
        assert told(tenant.id, crowd.people, topic) == recorded(tenant.id, topic)


def test_every_mix_of_words_comes_to_what_the_gate_says(tenant: Any, template: UUID) -> None:
    subjects = [topics.create(tenant_id=tenant.id, name=f"T{one}", actor="system", opt_in_only=one) for one in (0, 1)]
    people = []
    with transaction(tenant.id) as session:
        for channel, asked, said, stop in product(
            (None, (True, 1), (True, 3), (False, 1), (False, 3), (False, None)),
            (None, ("pending", 2), ("pending", 4)),
            (None, ("subscribed", 2), ("pending", 2), ("unsubscribed", 2), ("subscribed", 3), ("subscribed", 5)),
            (None, "unsubscribed"),
        ):
            opted_in, day = channel or (None, None)
            who = Customer(tenant_id=tenant.id, id=new_id(), email=f"p{len(people)}@example.com")
            who.email_opt_in, who.email_opt_in_at = opted_in, at(day) if day else None
            session.add(who)
            session.flush()
            people.append(who.id)
            rows = [("EMAIL", None, *asked)] if asked else []
            rows += [("EMAIL", one.id, *said) for one in subjects] if said else []
            rows += [("ALL", None, stop, 1)] if stop else []
            session.add_all(
                Consent(
                    tenant_id=tenant.id, customer_id=who.id, channel=by, topic_id=about, state=state, said_at=at(on)
                )
                for by, about, state, on in rows
            )
    for topic in (None, *subjects):
        name = f"can_be_mailed.{topic.key}" if topic else "can_be_mailed"
        assert yes(tenant.id, rule(name)) == let_out(tenant.id, template, people, topic), name
        assert told(tenant.id, people, topic) == recorded(tenant.id, topic), name


def test_other_channels_are_asked_for_address_and_consent_alike(tenant: Any) -> None:
    ways = {
        "can_be_texted": ("sms", "phone"),
        "can_be_pushed": ("push", "push"),
        "can_be_whatsapped": ("whatsapp",) * 2,
    }
    for name, (consent, kind) in ways.items():
        with transaction(tenant.id) as session:
            made = []
            for place, said in enumerate((True, False, None, True, True)):
                key = None if place == 3 else f"{kind}:{place}"
                who = Customer(tenant_id=tenant.id, id=new_id(), phone=key if kind == "phone" else None)
                setattr(who, f"{consent}_opt_in", said)
                session.add(who)
                session.flush()
                made.append(who.id)
                if key:
                    session.add(ContactPoint(tenant_id=tenant.id, customer_id=who.id, kind=kind, key=key, value=key))
            session.add(
                Suppression(tenant_id=tenant.id, channel=consent.upper(), address_key=f"{kind}:4", reason="manual")
            )
        assert yes(tenant.id, rule(name)) == {made[0]}


def test_why_an_address_is_not_written_to(tenant: Any) -> None:
    with transaction(tenant.id) as session:
        people = [Customer(tenant_id=tenant.id, id=new_id(), email=f"p{one}@example.com") for one in range(3)]
        session.add_all(people)
        session.flush()
        dead, complained, fine = (one.id for one in people)
    for place, because in enumerate(
        (suppression.SuppressedBecause.HARD_BOUNCE, suppression.SuppressedBecause.COMPLAINT)
    ):
        suppression.suppress(tenant_id=tenant.id, addresses=[f"p{place}@example.com"], because=because)
    assert yes(tenant.id, rule("email_dead")) == {dead}
    assert yes(tenant.id, rule("email_suppressed", "complaint")) == {complained}
    assert yes(tenant.id, {"field": "email_suppressed", "operator": "isNull"}) == {fine}


def test_topics_are_called_by_their_names(tenant: Any) -> None:
    golf = topics.create(tenant_id=tenant.id, name="Golf trips", actor="system")
    known = custom_fields.catalogue(tenant_id=tenant.id)
    assert [one.label for one in known.groups()[condition_fields.GROUP]][:2] == ["Can be mailed", "Can be sent SMS"]
    field = known.find(f"can_be_mailed.{golf.key}")
    assert field is not None
    assert field.label == "Can be mailed about Golf trips"
    topics.update(tenant_id=tenant.id, topic_id=golf.id, changes={"archived": True}, actor="system")
    field = custom_fields.catalogue(tenant_id=tenant.id).find(f"can_be_mailed.{golf.key}")
    assert field is not None
    assert field.label == "Can be mailed about Golf trips (archived)"


def test_texts_are_told_of_as_the_gate_does(tenant: Any) -> None:
    """Every kind of number, answer and entry on the list, crossed."""
    text_template = content.create(tenant_id=tenant.id, name="Text", channel="SMS", text="Hi").id
    people = []
    with transaction(tenant.id) as session:
        for place, (kind, answer, listed, second) in enumerate(
            product(
                (None, "plain", "bad", " "),
                (True, False, None),
                (None, "hard_bounce", "complaint"),
                (False, True),
            )
        ):
            number = {"plain": f"+27824{place:06d}", "bad": f"082{place:07d}", " ": " "}.get(kind or "")
            one = Customer(tenant_id=tenant.id, id=new_id(), phone=number, sms_opt_in=answer)
            session.add(one)
            session.flush()
            people.append(one.id)
            if listed and number and number.strip():
                session.add(Suppression(tenant_id=tenant.id, channel="SMS", address_key=number, reason=listed))
            # What is said of a mailbox is not said of a number.
            session.add(
                Suppression(tenant_id=tenant.id, channel="EMAIL", address_key=f"+27824{place:06d}", reason="manual")
            )
            if second:
                other = f"+27825{place:06d}"
                session.add(
                    ContactPoint(
                        tenant_id=tenant.id, customer_id=one.id, kind="phone", key=other, value=other, source="x"
                    )
                )
    outbox.put(
        tenant_id=tenant.id,
        template_id=text_template,
        customer_ids=people,
        dedupe_keys=[f"None:{one}" for one in people],
        channel_name="SMS",
        now=NOW,
    )
    gate.claim(tenant_id=tenant.id, limit=10_000, now=LATER)
    assert told(tenant.id, people, None, "SMS") == recorded(tenant.id, None)
    can = {one for one, reason in recorded(tenant.id, None).items() if reason is None}
    assert yes(tenant.id, rule("can_be_texted")) == can
    assert 0 < len(can) < len(people)
