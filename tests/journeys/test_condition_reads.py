"""Every field says what kinds of rows its answer depends on: whoever changes another kind changes no answer of it."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.conditions import Catalogue, Field
from app.customers import custom_fields, households, topics
from app.customers.households import Newcomer
from app.customers.models import Activity, Consent, ContactPoint, Customer
from app.infra import clock
from app.infra.db import transaction
from app.journeys.models import JourneyEnrollment
from app.messaging.models import Suppression
from app.segments import service as segments
from app.segments.models import SegmentMember
from tests.journeys import helpers as journeys

PROFILE = {
    "first_name": "Nomsa",
    "last_name": "Dlamini",
    "title": "Dr",
    "email": "other@example.com",
    "phone": "+27820000009",
    "date_of_birth": date(1980, 2, 29),
    "tags": ["vip"],
    "created_at": clock.now() - timedelta(days=900),
    "membership_tier": "Gold",
    "membership_status": "active",
    "joined_on": date(2020, 1, 1),
    "handicap_index": Decimal("7.2"),
    "lifecycle_stage": "MEMBER",
    "email_opt_in": False,
    "sms_opt_in": True,
    "push_opt_in": True,
    "whatsapp_opt_in": True,
    "custom": {"shoe": 9},
}
LAST = {
    name: clock.now()
    for name in ("last_activity_at", "last_email_sent_at", "last_email_open_at", "last_email_click_at")
} | {"last_activity_type": "teetime.completed"}


class World:
    """One person, and what may be said of them."""

    def __init__(self, tenant_id: UUID) -> None:
        self.tenant_id = tenant_id
        self.topic = topics.create(tenant_id=tenant_id, name="Golf trips", actor="system").id
        custom_fields.add(tenant_id=tenant_id, key="shoe", label="Shoe size", kind="NUMBER", actor="system")
        (self.who,) = journeys.people(tenant_id, 1, phone="+27820000001", email="ann@example.com")
        steps = [journeys.step("start", "TRIGGER", "end", {"event_type": "MANUAL"}), journeys.step("end", "END")]
        self.journey = journeys.journey(tenant_id, steps, trigger_type="MANUAL").id
        self.segment = segments.create(tenant_id=tenant_id, actor="system", name="Any", type="STATIC").id
        self.before: dict[str, Any] = {}
        self.known: Catalogue = custom_fields.catalogue(tenant_id=tenant_id)

    def answers(self, session: Session) -> dict[str, Any]:
        """Return the value of every field."""
        session.flush()
        return {
            one.name: session.scalar(select(_value(one)).where(Customer.id == self.who))
            for one in self.known
            if one.in_sql
        }

    def add(self, session: Session, row: Any, /, **values: Any) -> None:
        session.add(row(tenant_id=self.tenant_id, customer_id=self.who, **values))

    def change(self, session: Session, values: dict[str, Any]) -> None:
        person = session.get(Customer, (self.tenant_id, self.who))
        assert person is not None
        for name, value in values.items():
            setattr(person, name, value)


def _value(field: Field) -> Any:
    if field.related is None:
        return field.column() if callable(field.column) else field.column
    rows = field.related()
    found = select(func.array_agg(rows.value)).where(rows.person_key == rows.person)
    return (found if rows.where is None else found.where(rows.where)).correlate(Customer.__table__).scalar_subquery()


def _profile(world: World, session: Session) -> None:
    world.change(session, PROFILE)


def _last(world: World, session: Session) -> None:
    world.change(session, LAST)


def _activity(world: World, session: Session) -> None:
    at = clock.now() - timedelta(days=1)
    world.add(session, Activity, type="teetime.completed", category="GOLF", title="Played", occurred_at=at, source="tt")


def _contact(world: World, session: Session) -> None:
    world.change(
        session, {"email": None, "push_opt_in": True, "whatsapp_opt_in": True, "sms_opt_in": True, "phone": None}
    )
    world.before = world.answers(session)
    for kind in ("email", "phone", "push", "whatsapp"):
        key = "ann@second.example" if kind == "email" else f"{kind}1"
        world.add(session, ContactPoint, kind=kind, key=key, value=key, verified_at=clock.now())


def _consent(world: World, session: Session) -> None:
    world.add(session, Consent, channel="EMAIL", topic_id=world.topic, state="unsubscribed", said_at=clock.now())
    world.add(session, Consent, channel="ALL", topic_id=None, state="unsubscribed", said_at=clock.now())


def _suppression(world: World, session: Session) -> None:
    session.add(
        Suppression(tenant_id=world.tenant_id, channel="EMAIL", address_key="ann@example.com", reason="hard_bounce")
    )


def _household(world: World, _: Session) -> None:
    households.make(tenant_id=world.tenant_id, members=[Newcomer(world.who, "head")], actor="system")


def _journey(world: World, session: Session) -> None:
    for entry, status in (("a", "ACTIVE"), ("b", "COMPLETED")):
        world.add(
            session, JourneyEnrollment, journey_id=world.journey, entry=entry, status=status, current_step_key="start"
        )


def _segment(world: World, session: Session) -> None:
    world.add(session, SegmentMember, segment_id=world.segment, entered_at=clock.now())


CHANGES: dict[str, tuple[Callable[[World, Session], None], set[str]]] = {
    "profile": (_profile, {*PROFILE, "can_be_mailed", "can_be_texted", "custom.shoe"} - {"custom"}),
    "last_activity": (_last, set(LAST)),
    "activity": (_activity, {"activity_count_30d"}),
    "contact": (
        _contact,
        {"contact_points", "verified_contact_points", "email_count", "can_be_mailed", "can_be_pushed"},
    ),
    "consent": (_consent, {"can_be_mailed", "can_be_mailed.golf-trips", "consent.golf-trips.EMAIL"}),
    "suppression": (_suppression, {"can_be_mailed", "email_dead", "email_suppressed"}),
    "household": (_household, {"in_household", "household_size", "household_role"}),
    "journey": (_journey, {"journeys", "journeys_ever", "journeys_finished", "journey_steps"}),
    "segment": (_segment, {"segments"}),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_field_reads_whatever_changes_its_answer(tenant: Any, kind: str) -> None:
    change, expected = CHANGES[kind]
    # The count of the last days is told anew by whatever was done: `last_activity` stands for it.
    reads = "last_activity" if kind == "activity" else kind
    world = World(tenant.id)
    with transaction(tenant.id) as session:
        world.before = world.answers(session)
        change(world, session)
        after = world.answers(session)
    changed = {name for name, value in after.items() if value != world.before[name]}
    assert expected <= changed
    silent = {name for name in changed if reads not in _reads(world.known, name)}
    assert not silent, f"they don't say that they read {reads}"


def test_no_field_reads_what_nobody_changes(tenant: Any) -> None:
    world = World(tenant.id)
    for one in world.known:
        assert _reads(world.known, one.name) <= CHANGES.keys(), one.name


def _reads(known: Catalogue, name: str) -> frozenset[str]:
    field = known.find(name)
    assert field is not None
    return frozenset((field.reads,)) if isinstance(field.reads, str) else field.reads
