"""What events say of topics: of these alone, the later word holds, moved events take their words with them."""

from typing import Any
from uuid import UUID

import pytest

from app.capture import merging
from app.customers import consents, topics
from app.customers.consents import Proof, State, Word
from app.road import HANDLERS
from tests.capture.people import NOW, STAFF, event, member, owner, post, query

UPDATED = "contactPreference.updated"


@pytest.fixture
def trips(tenant: Any) -> topics.Topic:
    return topics.create(tenant_id=tenant.id, name="Golf trips", actor="system")


def said(tenant: Any, customer: UUID, topic: topics.Topic, channel: str = "EMAIL") -> State:
    return consents.standing(tenant_id=tenant.id, customer_id=customer).line(channel, topic.id).state


def says(number: int, payload: dict[str, Any], **hints: Any) -> dict[str, Any]:
    return event(number, UPDATED, payload, **({"scl_member_id": "M1"} | hints))


def channels(tenant: Any) -> tuple[Any, ...]:
    (row,) = query(tenant, "SELECT email_opt_in, sms_opt_in FROM customer")
    return tuple(row)


@pytest.mark.parametrize("name", ["golf-trips", "Golf Trips", "id"])
def test_a_flag_beside_a_topic_is_about_the_topic_alone(tenant: Any, trips: topics.Topic, name: str) -> None:
    called = str(trips.id) if name == "id" else name
    post(
        tenant,
        member(1, "Ann", "M1", email="ann@example.com"),
        says(2, {"topic": called, "email_opt_in": True, "sms_opt_in": False}),
    )
    ann = owner(tenant, 1)
    assert (said(tenant, ann, trips), said(tenant, ann, trips, "SMS")) == (State.SUBSCRIBED, State.UNSUBSCRIBED)
    assert said(tenant, ann, trips, "PUSH") is State.NEVER
    assert channels(tenant) == (None, None)
    rows = query(tenant, "SELECT channel, state, how, source FROM consent_change WHERE topic_id IS NOT NULL ORDER BY 1")
    assert [tuple(row) for row in rows] == [
        ("EMAIL", "subscribed", "event", "test"),
        ("SMS", "unsubscribed", "event", "test"),
    ]
    (row,) = query(tenant, f"SELECT title FROM activity WHERE type = '{UPDATED}'")
    assert row.title == f"Contact preferences: {called} by e-mail on, SMS off"


def test_several_topics_times_channels_and_one_nobody_knows(tenant: Any, trips: topics.Topic) -> None:
    news = topics.create(tenant_id=tenant.id, name="Club letters", actor="system")
    post(
        tenant,
        member(1, "Ann", "M1"),
        says(2, {"topics": ["golf-trips", news.key, "nothing"], "email_opt_in": False, "sms_opt_in": True}),
        says(3, {"topic": "nothing", "email_opt_in": False}),
    )
    ann = owner(tenant, 1)
    for one in (trips, news):
        assert (said(tenant, ann, one), said(tenant, ann, one, "SMS")) == (State.UNSUBSCRIBED, State.SUBSCRIBED)
    assert channels(tenant) == (None, None)
    assert query(tenant, "SELECT reason FROM inbound_event WHERE status = 'failed'") == []


def test_without_a_topic_the_flags_are_about_the_channels(tenant: Any, trips: topics.Topic) -> None:
    post(tenant, member(1, "Ann", "M1"), says(2, {"email_opt_in": True, "topic": "", "topics": []}))
    assert channels(tenant) == (True, None)
    assert said(tenant, owner(tenant, 1), trips) is State.NEVER


@pytest.mark.parametrize("order", [(2, 3), (3, 2)])
def test_the_later_word_holds_in_whatever_order_they_come(tenant: Any, trips: topics.Topic, order: Any) -> None:
    post(tenant, member(1, "Ann", "M1"))
    for number in order:
        post(tenant, says(number, {"topic": "golf-trips", "email_opt_in": number == 2}))
    assert said(tenant, owner(tenant, 1), trips) is State.UNSUBSCRIBED
    # In one batch too; and what somebody says now is later than both.
    post(
        tenant,
        says(5, {"topic": "golf-trips", "email_opt_in": False}),
        says(4, {"topic": "golf-trips", "email_opt_in": True}),
    )
    assert said(tenant, owner(tenant, 1), trips) is State.UNSUBSCRIBED
    consents.record(
        tenant_id=tenant.id,
        customer_id=owner(tenant, 1),
        words=[Word("EMAIL", State.SUBSCRIBED, trips.id)],
        proof=Proof("customer", "preference_page"),
        now=NOW,
    )
    post(tenant, says(6, {"topic": "golf-trips", "email_opt_in": False}))
    assert said(tenant, owner(tenant, 1), trips) is State.SUBSCRIBED


def test_a_yes_to_a_topic_with_double_opt_in_waits_and_is_asked_for_once(tenant: Any) -> None:
    trips = topics.create(tenant_id=tenant.id, name="Golf trips", actor="system", double_opt_in=True)
    late = {"timestamp": NOW.isoformat()}
    yes = {"topic": "golf-trips", "email_opt_in": True, "sms_opt_in": True}
    post(tenant, member(1, "Ann", "M1", email="ann@example.com"), handlers=HANDLERS)
    post(tenant, says(2, yes) | late, handlers=HANDLERS)
    ann = owner(tenant, 1)
    assert (said(tenant, ann, trips), said(tenant, ann, trips, "SMS")) == (State.PENDING, State.SUBSCRIBED)
    asked = "SELECT customer_id, to_address FROM message WHERE builtin = 'confirm_consent'"
    assert [tuple(row) for row in query(tenant, asked)] == [(ann, "ann@example.com")]
    # Told again, or of the channel: no second mail. Confirmed, a yes told again stays one.
    post(tenant, says(3, {"sms_opt_in": True}) | late, handlers=HANDLERS)
    assert len(query(tenant, asked)) == 1
    consents.record(
        tenant_id=tenant.id,
        customer_id=ann,
        words=[Word("EMAIL", State.SUBSCRIBED, trips.id)],
        proof=Proof("customer", "double_opt_in"),
        now=NOW,
    )
    post(tenant, says(4, yes) | late, handlers=HANDLERS)
    assert said(tenant, ann, trips) is State.SUBSCRIBED
    assert len(query(tenant, asked)) == 1


def test_a_yes_of_long_ago_and_one_that_was_taken_back_ask_nobody(tenant: Any) -> None:
    topics.create(tenant_id=tenant.id, name="Golf trips", actor="system", double_opt_in=True)
    post(
        tenant,
        member(1, "Ann", "M1", email="ann@example.com"),
        says(2, {"topic": "golf-trips", "email_opt_in": True}),
        handlers=HANDLERS,
    )
    late = {"timestamp": NOW.isoformat()}
    yes = says(3, {"topic": "golf-trips", "email_opt_in": True}) | late
    post(tenant, yes, says(4, {"email_opt_in": False}) | late, handlers=HANDLERS)
    assert query(tenant, "SELECT 1 FROM message WHERE builtin = 'confirm_consent'") == []


def test_undoing_a_merge_gives_the_words_since_to_whose_they_are(tenant: Any, trips: topics.Topic) -> None:
    post(
        tenant,
        member(1, "Ann", "M1", email="ann@example.com"),
        says(2, {"topic": "golf-trips", "email_opt_in": True}),
        member(4, "Ben", "M2", email="ben@example.com"),
    )
    ann, ben = owner(tenant, 1), owner(tenant, 4)
    done = merging.merge_customers(tenant_id=tenant.id, winner_id=ann, loser_id=ben, actor=STAFF, now=NOW)
    post(tenant, says(5, {"topic": "golf-trips", "sms_opt_in": True}, scl_member_id="M2"))
    assert said(tenant, ann, trips, "SMS") is State.SUBSCRIBED
    assert merging.undo(tenant_id=tenant.id, merge_id=done, actor=STAFF, now=NOW).given_back == 1
    assert (said(tenant, ann, trips), said(tenant, ann, trips, "SMS")) == (State.SUBSCRIBED, State.NEVER)
    assert (said(tenant, ben, trips), said(tenant, ben, trips, "SMS")) == (State.NEVER, State.SUBSCRIBED)


def test_a_moved_event_takes_its_word_along_and_what_was_said_before_holds_again(
    tenant: Any, trips: topics.Topic
) -> None:
    shared = "family@example.com"
    post(
        tenant,
        member(1, "Ann", "M1", email=shared),
        says(2, {"topic": "golf-trips", "email_opt_in": False, "sms_opt_in": False}),
        event(3, UPDATED, {"topic": "golf-trips", "email_opt_in": True}, email=shared, phone_number="0824751967"),
    )
    ann = owner(tenant, 3)
    assert (ann, said(tenant, ann, trips)) == (owner(tenant, 1), State.SUBSCRIBED)
    # The number proves to be Ben's, and so does what came with it.
    post(tenant, member(4, "Ben", "M2", email=shared, phone_number="0824751967"))
    ben = owner(tenant, 4)
    assert owner(tenant, 3) == ben
    assert (said(tenant, ann, trips), said(tenant, ben, trips)) == (State.UNSUBSCRIBED, State.SUBSCRIBED)
    assert said(tenant, ann, trips, "SMS") is State.UNSUBSCRIBED
    assert said(tenant, ben, trips, "SMS") is State.NEVER
