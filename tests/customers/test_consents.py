"""Consent by topic and channel: what holds, in which order, with which proof; and what a merge makes of two."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.capture import merging
from app.customers import consents, merge, topics
from app.customers.consents import ALL, NotAnAnswer, Proof, State, Word, decide, record, standing
from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import new_id
from tests.capture.people import NOW, query
from tests.capture.people import STAFF as STAFF_MEMBER

YES, NO, PENDING, NEVER = State.SUBSCRIBED, State.UNSUBSCRIBED, State.PENDING, State.NEVER
STAFF = Proof("staff", "phone", actor="system", wording="May we send you news?")


def a_customer(tenant: Any, **fields: Any) -> UUID:
    identity = new_id()
    with transaction(tenant.id) as session:
        session.add(Customer(tenant_id=tenant.id, id=identity, **({"email": "ann@example.com"} | fields)))
    return identity


@pytest.fixture
def ann(tenant: Any) -> UUID:
    return a_customer(tenant)


@pytest.fixture
def news(tenant: Any) -> UUID:
    return topics.named(tenant_id=tenant.id, name="news").id


def say(tenant: Any, customer_id: UUID, *words: Word, at: datetime | None = None, now: datetime = NOW) -> Any:
    return record(tenant_id=tenant.id, customer_id=customer_id, words=words, proof=STAFF, at=at, now=now)


def comes_to(tenant: Any, customer_id: UUID, topic_id: UUID | None = None, channel: str = "EMAIL") -> State:
    return standing(tenant_id=tenant.id, customer_id=customer_id).line(channel, topic_id).comes_to


EARLY, LATE = NOW, NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("channel", "topic", "result"),
    [
        ((NEVER, None), (NEVER, None), NEVER),
        ((YES, EARLY), (NEVER, None), YES),
        ((NO, EARLY), (NEVER, None), NO),
        ((PENDING, EARLY), (NEVER, None), PENDING),
        ((NEVER, None), (YES, EARLY), YES),
        ((YES, LATE), (NO, EARLY), NO),
        ((YES, EARLY), (NO, LATE), NO),
        ((NO, LATE), (YES, EARLY), NO),
        ((NO, EARLY), (YES, LATE), YES),
        ((NO, EARLY), (YES, EARLY), NO),
        ((NO, None), (YES, LATE), NO),
        ((YES, EARLY), (PENDING, LATE), PENDING),
        ((NO, LATE), (PENDING, EARLY), NO),
    ],
)
def test_how_channel_and_topic_combine(channel: Any, topic: Any, result: State) -> None:
    asked = {"channel": channel[0], "channel_at": channel[1], "topic": topic[0], "topic_at": topic[1]}
    assert decide(stopped=False, **asked) is result
    assert decide(stopped=True, **asked) is NO


def test_a_topic_that_asks_for_its_own_yes_takes_none_from_the_channel() -> None:
    assert decide(stopped=False, channel=YES, channel_at=EARLY, topic=NEVER, opt_in_only=True) is NEVER
    assert decide(stopped=False, channel=NO, channel_at=EARLY, topic=NEVER, opt_in_only=True) is NO


def test_every_tenant_begins_with_topics(tenant: Any) -> None:
    assert [one.name for one in topics.topics(tenant_id=tenant.id)] == [
        "Competitions & events",
        "News & offers",
        "Tee times",
    ]


def test_a_word_is_kept_with_its_proof(tenant: Any, ann: UUID, news: UUID) -> None:
    assert say(tenant, ann, Word("EMAIL", YES), Word("SMS", NO, news))
    assert (comes_to(tenant, ann), comes_to(tenant, ann, news)) == (YES, YES)
    assert comes_to(tenant, ann, news, "SMS") is NO
    (person,) = query(tenant, "SELECT email_opt_in, email_opt_in_at, sms_opt_in FROM customer")
    assert tuple(person) == (True, NOW, None)
    proofs = query(tenant, "SELECT * FROM consent_change ORDER BY channel")
    assert [(one.channel, one.topic_id, one.state, one.opted_in) for one in proofs] == [
        ("EMAIL", None, "subscribed", True),
        ("SMS", news, "unsubscribed", False),
    ]
    assert {(one.source, one.how, one.actor, one.wording) for one in proofs} == {
        ("staff", "phone", "system", "May we send you news?")
    }
    assert [one.address for one in proofs] == ["ann@example.com", None]


def test_a_late_word_undoes_nothing_newer_and_is_proven_all_the_same(tenant: Any, ann: UUID, news: UUID) -> None:
    say(tenant, ann, Word("EMAIL", NO, news), Word("EMAIL", NO))
    past = NOW - timedelta(days=30)
    assert say(tenant, ann, Word("EMAIL", YES, news), Word("EMAIL", YES), at=past) == frozenset()
    assert (comes_to(tenant, ann), comes_to(tenant, ann, news)) == (NO, NO)
    assert len(query(tenant, "SELECT FROM consent_change")) == 4


def test_of_two_words_of_one_moment_the_stricter_holds_in_either_order(tenant: Any, ann: UUID, news: UUID) -> None:
    for first, second in ((YES, NO), (NO, YES)):
        at = NOW - timedelta(days=1 if first is YES else 2)
        other = a_customer(tenant)
        say(tenant, other, Word("SMS", first, news), at=at)
        say(tenant, other, Word("SMS", second, news), at=at)
        assert comes_to(tenant, other, news, "SMS") is NO


def test_a_word_said_now_holds_over_a_clock_that_runs_ahead(tenant: Any, ann: UUID, news: UUID) -> None:
    say(tenant, ann, Word("EMAIL", YES, news), at=NOW + timedelta(minutes=4))
    say(tenant, ann, Word("EMAIL", NO, news))
    assert comes_to(tenant, ann, news) is NO


def test_the_global_stop_ends_all_and_lifting_it_brings_back_what_was(tenant: Any, ann: UUID, news: UUID) -> None:
    say(tenant, ann, Word("EMAIL", YES), Word("EMAIL", NO, news))
    say(tenant, ann, Word(ALL, NO))
    known = standing(tenant_id=tenant.id, customer_id=ann)
    assert known.stopped_at == NOW
    assert {one.comes_to for one in known.lines} == {NO}
    assert known.line("EMAIL").state is YES
    say(tenant, ann, Word(ALL, YES))
    assert (comes_to(tenant, ann), comes_to(tenant, ann, news)) == (YES, NO)


def test_a_yes_to_one_topic_after_a_no_to_the_channel_is_for_this_topic_alone(
    tenant: Any, ann: UUID, news: UUID
) -> None:
    say(tenant, ann, Word("EMAIL", NO), Word("EMAIL", YES, news))
    other = topics.named(tenant_id=tenant.id, name="tee-times").id
    assert [comes_to(tenant, ann, one) for one in (None, news, other)] == [NO, YES, NO]


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ([], "consents"),
        ([Word("PIGEON", YES)], "channel"),
        ([Word("EMAIL", NEVER)], "state"),
        ([Word("EMAIL", YES, UUID(int=1))], "topic"),
        ([Word(ALL, PENDING)], "channel"),
    ],
)
def test_what_nobody_can_say_is_refused(tenant: Any, ann: UUID, words: list[Word], field: str) -> None:
    with pytest.raises(NotAnAnswer) as refused:
        say(tenant, ann, *words)
    assert field in refused.value.errors


def test_a_moment_to_come_is_refused(tenant: Any, ann: UUID) -> None:
    with pytest.raises(NotAnAnswer, match="yet to come"):
        say(tenant, ann, Word("EMAIL", YES), at=NOW + timedelta(hours=1))


def join(tenant: Any, winner: UUID, loser: UUID, by: str = STAFF_MEMBER) -> UUID:
    pair = merge.Merge(winner, loser, "one person")
    with transaction(tenant.id) as session:
        merge.join(session, tenant.id, [pair], by=by, now=LATE)
    return pair.id


@pytest.mark.parametrize(
    ("mine", "theirs", "result"),
    [
        ([Word("EMAIL", YES)], [Word("EMAIL", NO, UUID(int=0))], NO),
        ([Word("EMAIL", YES, UUID(int=0))], [Word("EMAIL", NO, UUID(int=0))], NO),
        ([Word("EMAIL", YES, UUID(int=0))], [Word("EMAIL", NO)], NO),
        ([Word("EMAIL", YES, UUID(int=0)), Word("EMAIL", NO)], [Word("EMAIL", YES, UUID(int=0))], NO),
        ([Word("EMAIL", NO), Word("EMAIL", YES, UUID(int=0))], [Word("EMAIL", YES, UUID(int=0))], YES),
        ([Word("EMAIL", YES, UUID(int=0))], [], YES),
        ([Word("EMAIL", YES, UUID(int=0))], [Word("EMAIL", PENDING, UUID(int=0))], PENDING),
        ([Word("EMAIL", YES)], [Word(ALL, NO)], NO),
    ],
)
def test_of_two_profiles_the_stricter_holds_whichever_stays(
    tenant: Any, news: UUID, mine: list[Word], theirs: list[Word], result: State
) -> None:
    for first, second in ((mine, theirs), (theirs, mine)):
        winner, loser = a_customer(tenant), a_customer(tenant, email="bob@example.com")
        for whose, words in ((winner, first), (loser, second)):
            if words:
                said = [Word(one.channel, one.state, news if one.topic_id else None) for one in _topics(words, news)]
                say(tenant, whose, *said)
        join(tenant, winner, loser)
        assert comes_to(tenant, winner, news) is result


def _topics(words: list[Word], news: UUID) -> list[Word]:
    return [Word(one.channel, one.state, news if one.topic_id is not None else None) for one in words]


def test_of_profiles_that_were_one_all_along_the_last_word_holds(tenant: Any, ann: UUID, news: UUID) -> None:
    other = a_customer(tenant)
    say(tenant, ann, Word("EMAIL", NO, news), at=NOW - timedelta(days=2))
    say(tenant, other, Word("EMAIL", YES, news), at=NOW - timedelta(days=1))
    join(tenant, ann, other, by=merge.SYSTEM)
    assert comes_to(tenant, ann, news) is YES


def test_undoing_a_merge_gives_both_their_words_back_but_keeps_a_refusal(tenant: Any, ann: UUID, news: UUID) -> None:
    other = a_customer(tenant, email="bob@example.com")
    tee_times = topics.named(tenant_id=tenant.id, name="tee-times").id
    say(tenant, ann, Word("EMAIL", YES, news), Word("SMS", YES, news))
    say(tenant, other, Word("EMAIL", NO, news), Word("PUSH", YES, news))
    before = query(tenant, "SELECT * FROM consent ORDER BY id")
    merged = join(tenant, ann, other)
    assert comes_to(tenant, ann, news) is NO
    merging.undo(tenant_id=tenant.id, merge_id=merged, actor=STAFF_MEMBER, now=LATE)
    assert query(tenant, "SELECT * FROM consent ORDER BY id") == before
    again = join(tenant, ann, other)
    say(tenant, ann, Word("EMAIL", NO, tee_times), Word("SMS", NO, news), now=LATE)
    merging.undo(tenant_id=tenant.id, merge_id=again, actor=STAFF_MEMBER, now=LATE)
    assert [comes_to(tenant, one, tee_times) for one in (ann, other)] == [NO, NO]
    assert [comes_to(tenant, one, news, "SMS") for one in (ann, other)] == [NO, NO]
    assert [comes_to(tenant, one, news) for one in (ann, other)] == [YES, NO]


def test_proofs_go_with_the_profile(tenant: Any, ann: UUID, news: UUID) -> None:
    other = a_customer(tenant)
    say(tenant, other, Word("EMAIL", NO, news))
    join(tenant, ann, other)
    assert [row.customer_id for row in query(tenant, "SELECT customer_id FROM consent_change")] == [ann]
    with pytest.raises(consents.Merged):
        say(tenant, other, Word("EMAIL", YES, news))


def test_topics_are_added_renamed_described_and_archived(tenant: Any, ann: UUID) -> None:
    made = topics.create(tenant_id=tenant.id, name="  Süßes &  Saures ", actor="system")
    assert (made.name, made.key) == ("Süßes & Saures", "sues-saures")
    with pytest.raises(Invalid, match="Another topic"):
        topics.create(tenant_id=tenant.id, name="süßes & saures", actor="system")
    changes = {"name": "Sweets", "description": "Cake.", "archived": True}
    changed = topics.update(tenant_id=tenant.id, topic_id=made.id, changes=changes, actor="system")
    assert (changed.key, changed.name, changed.archived_at is not None) == ("sues-saures", "Sweets", True)
    assert made.id not in {one.id for one in topics.topics(tenant_id=tenant.id)}
    assert made.id not in {one.topic.id for one in standing(tenant_id=tenant.id, customer_id=ann).lines if one.topic}
    say(tenant, ann, Word("EMAIL", YES, made.id))
    assert comes_to(tenant, ann, made.id) is YES
    with pytest.raises(Invalid, match="Give the topic a name"):
        topics.update(tenant_id=tenant.id, topic_id=made.id, changes={"name": " "}, actor="system")


def test_another_tenants_topic_is_none_of_ours(tenant: Any, other_tenant: Any, ann: UUID) -> None:
    theirs = topics.named(tenant_id=other_tenant.id, name="news").id
    with pytest.raises(NotAnAnswer):
        say(tenant, ann, Word("EMAIL", YES, theirs))
    with pytest.raises(topics.NoSuchTopic):
        topics.topic(tenant_id=tenant.id, topic_id=theirs)
    with transaction(tenant.id) as session:
        assert session.execute(text("SELECT count(*) FROM consent")).scalar_one() == 0
