"""A campaign from draft to completed: what goes out, counted at the SMTP peer, and what the numbers say of it."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from app.campaigns import lifecycle, queries, running, service
from app.campaigns.states import LEGAL, Act, Status, WrongStatus
from app.capture import merging
from app.content import service as content
from app.infra.errors import Invalid
from app.infra.ids import new_id
from app.infra.queue import Work
from app.messaging import gate, policy, results, sender
from app.road import SEGMENT_USERS, TEMPLATE_USERS
from app.segments import service as segments
from app.tasks.work import _due
from tests.campaigns.conftest import ACTOR, NOON, Club
from tests.messaging.families import household, sharing
from tests.messaging.sink import Sink
from tests.segments.helpers import GOLD, segment

LATER = timedelta(seconds=5)


def recipients(sink: Sink) -> Counter[str]:
    return Counter(one.recipient for one in sink.letters)


def test_everybody_in_the_segment_gets_it_once(club: Club, sink: Sink) -> None:
    campaign = club.campaign([*club.people(4), *club.people(1, email_opt_in=False), *club.people(1, email=None)])
    club.people(3)
    started = club.act("start", campaign)
    assert started.status == Status.PREPARING
    club.work()
    club.work(LATER)
    assert set(recipients(sink).values()) == {1}
    assert len(sink.letters) == 4
    found = club.stats(campaign)
    assert (found.status, found.audience, found.sent) == (Status.COMPLETED, 6, 4)
    assert found.skipped == {"no_address": 1, "opted_out": 1}


def test_nobody_in_the_segment_is_soon_over(club: Club, sink: Sink) -> None:
    campaign = club.campaign([])
    club.act("start", campaign)
    club.work()
    club.work(LATER)
    assert (club.status(campaign), club.stats(campaign).audience) == (Status.COMPLETED, 0)


def test_whoever_is_unknown_is_not_waited_for(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(2, email_opt_in=None))
    club.act("start", campaign)
    club.work()
    assert club.stats(campaign).skipped == {"no_opt_in": 2}


def test_the_audience_is_frozen_at_the_start(
    club: Club, sink: Sink, tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    people = club.people(5)
    where = club.segment(people)
    campaign = club.campaign(where)
    club.act("start", campaign)
    club.work(send=False)
    late = club.people(1)[0]
    club.rows("INSERT INTO segment_member (tenant_id, segment_id, customer_id, entered_at) VALUES (:t, :s, :c, now())"
              " RETURNING 1", t=tenant.id, s=where, c=late)  # fmt: skip
    club.rows("DELETE FROM segment_member WHERE customer_id = :c RETURNING 1", c=people[0])
    club.work()
    club.work(LATER)
    assert club.stats(campaign).sent == 5
    assert [row.id for row in club.rows("SELECT customer_id AS id FROM message WHERE customer_id = :c", c=late)] == []


def test_a_crash_while_people_are_put_in_leaves_no_gap_and_no_double(
    club: Club, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    campaign = club.campaign(club.people(7))
    club.act("start", campaign)
    for _ in range(3):
        assert running.run_step(tenant_id=club.tenant_id, now=NOON)
    # The last batch was committed, and that it was not: its people are put in again.
    club.rows("UPDATE campaign_run SET cursor = NULL, audience = 0, people = 0 RETURNING 1")
    club.rows("DELETE FROM message WHERE id IN (SELECT id FROM message LIMIT 4) RETURNING 1")
    club.rows("UPDATE campaign_run SET audience = (SELECT count(*) FROM message) RETURNING 1")
    club.work()
    club.work(LATER)
    assert club.stats(campaign).sent == 7
    assert set(recipients(sink).values()) == {1}


def test_a_dynamic_segment_is_told_anew_first(club: Club, sink: Sink, tenant: Any) -> None:
    gold = segment(tenant.id, GOLD, now=NOON - timedelta(hours=3))
    campaign = club.campaign(gold.id)
    people = club.people(3, membership_tier="Gold")
    # Nobody has looked at them yet.
    club.rows("DELETE FROM segment_due RETURNING 1")
    club.act("start", campaign)
    assert running.run_step(tenant_id=tenant.id, now=NOON) == 1
    assert club.stats(campaign).audience == 0
    club.work(timedelta(seconds=1))
    assert club.stats(campaign).people == len(people) == len(sink.letters)


def test_a_run_goes_on_as_soon_as_its_segment_is_told(club: Club, sink: Sink, tenant: Any) -> None:
    gold = segment(tenant.id, GOLD, now=NOON - timedelta(hours=3))
    campaign = club.campaign(gold.id)
    club.people(3, membership_tier="Gold")
    club.act("start", campaign)
    club.work()
    assert club.status(campaign) == Status.PREPARING
    running.segments_told(tenant_id=tenant.id, now=NOON)
    club.work()
    assert len(sink.letters) == 3


def test_a_segment_that_can_t_be_told_fails_the_run_in_words(club: Club, sink: Sink, tenant: Any) -> None:
    gold = segment(tenant.id, GOLD, now=NOON - timedelta(hours=3))
    campaign = club.campaign(gold.id)
    club.act("start", campaign)
    broken = '{"combinator": "AND", "rules": [{"field": "no_such_field", "operator": "eq", "value": 1}]}'
    club.rows("UPDATE segment SET criteria = CAST(:broken AS jsonb) RETURNING 1", broken=broken)
    for second in range(4):
        club.work(timedelta(seconds=second))
    (run,) = club.rows("SELECT status, error FROM campaign_run")
    assert run.status == club.status(campaign) == Status.FAILED
    assert run.error.startswith("Who is in the segment could not be told")


def test_pause_stops_within_a_batch_and_resume_leaves_no_gap(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(30))
    club.act("start", campaign)
    club.work(send=False)
    sender.send_batch(tenant_id=club.tenant_id, now=NOON, limit=10)
    in_hand = gate.claim(tenant_id=club.tenant_id, limit=5, now=NOON)
    assert club.act("pause", campaign).status == Status.PAUSED
    club.work(timedelta(minutes=1))
    assert len(sink.letters) == 10
    found = club.stats(campaign)
    assert (found.sent, found.sending, found.queued) == (10, 5, 15)
    results.record(
        tenant_id=club.tenant_id,
        attempt_id=in_hand.attempt_id,
        endings=[results.Ending(one["id"], results.Status.SENT, None, sent_at=NOON) for one in in_hand.letters],
    )
    assert club.act("resume", campaign, timedelta(minutes=2)).status == Status.SENDING
    club.work(timedelta(minutes=2))
    club.work(timedelta(minutes=3))
    assert len(sink.letters) == 25
    assert set(recipients(sink).values()) == {1}
    assert club.stats(campaign).sent == 30
    assert club.status(campaign) == Status.COMPLETED


def test_paused_while_people_are_put_in(club: Club, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    campaign = club.campaign(club.people(5))
    club.act("start", campaign)
    running.run_step(tenant_id=club.tenant_id, now=NOON)
    club.act("pause", campaign)
    club.work(LATER)
    assert club.stats(campaign).audience == 2
    assert club.act("resume", campaign, LATER).status == Status.PREPARING
    club.work(LATER)
    club.work(2 * LATER)
    assert len(sink.letters) == 5
    assert club.status(campaign) == Status.COMPLETED


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three people be put in first, then four at a time."""
    monkeypatch.setattr(running, "FIRST_BATCH", 3)
    monkeypatch.setattr(running, "BATCH", 4)


@pytest.mark.usefixtures("in_parts")
def test_letters_go_out_while_others_are_still_put_in(club: Club, sink: Sink) -> None:
    campaign = club.campaign([*club.people(11), *club.people(1, email_opt_in=False)])
    club.act("start", campaign)
    running.run_step(tenant_id=club.tenant_id, now=NOON)
    assert (str(Work.SEND_MESSAGES), club.tenant_id) in _due(NOON)
    sender.send_batch(tenant_id=club.tenant_id, now=NOON)
    found = club.stats(campaign)
    assert (found.status, found.audience, found.sent) == (Status.PREPARING, 3, 3)
    club.work()
    club.work(LATER)
    assert set(recipients(sink).values()) == {1}
    found = club.stats(campaign)
    assert (found.status, found.audience, found.sent, found.skipped) == (Status.COMPLETED, 12, 11, {"opted_out": 1})


@pytest.mark.usefixtures("in_parts")
def test_paused_and_called_off_while_letters_go_out_and_others_are_put_in(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(12))
    club.act("start", campaign)
    running.run_step(tenant_id=club.tenant_id, now=NOON)
    sender.send_batch(tenant_id=club.tenant_id, now=NOON, limit=2)
    assert club.act("pause", campaign).status == Status.PAUSED
    club.work(LATER)
    assert (len(sink.letters), club.stats(campaign).audience) == (2, 3)
    assert club.act("resume", campaign, LATER).status == Status.PREPARING
    # One was left waiting; it goes once there is somebody beside it.
    assert sender.send_batch(tenant_id=club.tenant_id, now=NOON + LATER) == 0
    running.run_step(tenant_id=club.tenant_id, now=NOON + LATER)
    sender.send_batch(tenant_id=club.tenant_id, now=NOON + LATER, limit=3)
    assert (len(sink.letters), club.stats(campaign).audience) == (5, 7)
    club.act("cancel", campaign, LATER)
    club.work(2 * LATER)
    found = club.stats(campaign)
    assert (found.audience, found.sent, found.skipped) == (7, 5, {"cancelled": 2})
    assert set(recipients(sink).values()) == {1}


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize(
    ("approval_above", "given"), [(None, {"throttle_per_hour": 3600}), (None, {"spread_minutes": 60}), (100, {})]
)
def test_what_goes_by_all_of_them_waits_until_all_are_in(
    club: Club, sink: Sink, approval_above: int | None, given: dict[str, int]
) -> None:
    policy.save(tenant_id=club.tenant_id, actor=ACTOR, changes={"approval_above": approval_above}, now=NOON)
    campaign = club.campaign(club.people(12), **given)
    club.act("start", campaign)
    for _ in range(3):
        running.run_step(tenant_id=club.tenant_id, now=NOON)
        assert sender.send_batch(tenant_id=club.tenant_id, now=NOON) == 0
    running.run_step(tenant_id=club.tenant_id, now=NOON)
    assert sender.send_batch(tenant_id=club.tenant_id, now=NOON) > 0


@pytest.mark.usefixtures("in_parts")
def test_one_copy_an_address_is_the_head_s_though_they_are_put_in_last(club: Club, sink: Sink) -> None:
    child, partner = sharing(club.customer, club.tenant_id, "home@example.com", "Ann", "Ben")
    # One who is not in the segment shares the address of one who is.
    alone, _ = sharing(club.customer, club.tenant_id, "both@example.com", "Cid", "Dora")
    others = club.people(9)
    (head,) = sharing(club.customer, club.tenant_id, "home@example.com", "Eve")
    household(club.tenant_id, [child, partner, head], ["child", "member", "head"])
    campaign = club.campaign([child, partner, *others, alone, head])
    club.act("start", campaign)
    running.run_step(tenant_id=club.tenant_id, now=NOON)
    sender.send_batch(tenant_id=club.tenant_id, now=NOON)
    assert club.fates() == {("held", "copy_pending"): 3}
    club.work()
    club.work(LATER)
    reached = recipients(sink)
    assert set(reached.values()) == {1}
    assert reached.keys() >= {"home@example.com", "both@example.com"}
    (got,) = club.rows("SELECT customer_id FROM message WHERE to_address = 'home@example.com' AND status = 'sent'")
    assert got.customer_id == head
    found = club.stats(campaign)
    assert (found.status, found.sent, found.skipped) == (Status.COMPLETED, 11, {"household_copy": 2})


def test_cancelled_is_skipped_and_told(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(12))
    club.act("start", campaign)
    club.work(send=False)
    sender.send_batch(tenant_id=club.tenant_id, now=NOON, limit=5)
    club.act("cancel", campaign)
    club.work(LATER)
    found = club.stats(campaign)
    assert (found.sent, found.skipped, found.queued) == (5, {"cancelled": 7}, 0)
    assert len(sink.letters) == 5
    with pytest.raises(WrongStatus):
        club.act("resume", campaign)


def test_many_are_called_off_at_once(club: Club, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BATCH", 3)
    campaign = club.campaign(club.people(8))
    club.act("start", campaign)
    club.work(send=False)
    club.act("cancel", campaign)
    club.work()
    assert club.stats(campaign).skipped == {"cancelled": 8}


def test_sent_now_what_was_planned_for_later_says_when_it_was(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(1), schedule={"start_at": "2026-12-24T09:00"})
    club.act("schedule_", campaign)
    started = club.act("start", campaign)
    assert started.schedule == {"mode": "now", "start_at": "2026-11-20T14:00"}
    club.work()
    assert len(sink.letters) == 1


def test_what_comes_back_after_a_cancel_is_called_off_too(club: Club, sink: Sink) -> None:
    sink.on_letter = lambda _address, _nth: "451 later"
    campaign = club.campaign(club.people(3))
    club.act("start", campaign)
    club.work(send=False)
    in_hand = gate.claim(tenant_id=club.tenant_id, limit=2, now=NOON)
    club.act("cancel", campaign)
    club.work(LATER)
    assert club.stats(campaign).sending == 2
    results.record(
        tenant_id=club.tenant_id,
        attempt_id=in_hand.attempt_id,
        endings=[
            results.Ending(one["id"], results.Status.QUEUED, results.Reason.TEMPORARY_FAILURE)
            for one in in_hand.letters
        ],
    )
    club.work(2 * LATER)
    assert club.stats(campaign).skipped == {"cancelled": 3}


def test_started_twice_is_one_run(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(2))
    club.act("start", campaign)
    with pytest.raises(WrongStatus):
        club.act("start", campaign)
    club.work()
    assert len(club.rows("SELECT 1 FROM campaign_run")) == 1


def test_scheduled_it_begins_at_its_time_at_the_club(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(2), schedule={"start_at": "2026-11-20T15:00"})
    done = club.act("schedule_", campaign)
    assert done.status == Status.SCHEDULED
    assert done.due_at == NOON + timedelta(hours=1)
    club.work(timedelta(minutes=59))
    assert club.status(campaign) == Status.SCHEDULED
    assert not sink.letters
    club.work(timedelta(hours=1))
    assert len(sink.letters) == 2


def test_to_each_at_the_time_of_their_zone(club: Club, sink: Sink) -> None:
    people = [*club.people(1, timezone="Asia/Tokyo"), *club.people(1, timezone="America/New_York"), *club.people(1)]
    campaign = club.campaign(people, schedule={"mode": "recipient_zone", "start_at": "2026-11-21T09:00"})
    done = club.act("schedule_", campaign)
    assert done.due_at is not None
    assert done.due_at.isoformat() == "2026-11-21T00:00:00+00:00"
    for hours, arrived in ((11.9, 0), (12, 1), (18.9, 1), (19, 2), (25.9, 2), (26, 3)):
        club.work(timedelta(hours=hours))
        assert len(sink.letters) == arrived
    club.work(timedelta(hours=27))
    assert club.status(campaign) == Status.COMPLETED


def test_who_has_no_zone_gets_it_at_the_time_of_their_club(club: Club, sink: Sink) -> None:
    (tokyo,) = club.rows(
        "INSERT INTO club (tenant_id, name, country, timezone, locale, currency)"
        " VALUES (:t, 'Bay Links', 'JP', 'Asia/Tokyo', 'en-GB', 'JPY') RETURNING id",
        t=club.tenant_id,
    )
    people = [*club.people(1, club_id=tokyo.id), *club.people(1, club_id=tokyo.id, timezone="America/New_York")]
    campaign = club.campaign(people, schedule={"mode": "recipient_zone", "start_at": "2026-11-21T09:00"})
    done = club.act("schedule_", campaign)
    assert done.due_at is not None
    assert done.due_at.isoformat() == "2026-11-21T00:00:00+00:00"
    for hours, arrived in ((11.9, 0), (12, 1), (25.9, 1), (26, 2)):
        club.work(timedelta(hours=hours))
        assert len(sink.letters) == arrived


def test_a_limit_an_hour_is_kept(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(20), throttle_per_hour=600)
    club.act("start", campaign)
    for second in range(0, 60, 2):
        club.work(timedelta(seconds=second))
    assert 9 <= len(sink.letters) <= 11


def test_spread_over_a_window(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(12), spread_minutes=60, throttle_per_hour=1000)
    club.act("start", campaign)
    for minute in range(31):
        club.work(timedelta(minutes=minute))
    assert 6 <= len(sink.letters) <= 8


def test_what_it_says_is_pinned_when_it_begins(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(4))
    club.act("start", campaign)
    club.work(send=False)
    sender.send_batch(tenant_id=club.tenant_id, now=NOON, limit=2)
    content.update(tenant_id=club.tenant_id, template_id=club.template_id, changes={"subject": "Something else"})
    club.work()
    assert {row.template_version for row in club.rows("SELECT template_version FROM message")} == {1}
    assert {one.mail["Subject"] for one in sink.letters} == {"Welcome, Ann"}


def test_illegal_moves_are_refused_in_words(club: Club) -> None:
    campaign = club.campaign(club.people(1))
    for name in ("pause", "resume", "cancel", "unschedule"):
        with pytest.raises(WrongStatus, match="that is draft can't"):
            club.act(name, campaign)
    assert {one for act in Act for one in LEGAL[act]} == set(Status)


def test_what_is_missing_is_told_by_field(club: Club) -> None:
    campaign = service.create(
        tenant_id=club.tenant_id, actor=ACTOR, given={"name": "Bare", "schedule": {"mode": "at"}}, now=NOON
    )
    with pytest.raises(Invalid) as refused:
        club.act("schedule_", campaign)
    assert set(refused.value.errors) == {"segment_id", "email_template_id", "schedule.start_at"}
    with pytest.raises(Invalid) as late:
        club.act("schedule_", club.campaign([]), when={"start_at": "2026-11-20T13:59"})
    assert set(late.value.errors) == {"schedule.start_at"}


def test_a_segment_that_is_sent_to_stays(club: Club) -> None:
    where = club.segment(club.people(1))
    campaign = club.campaign(where, schedule={"start_at": "2026-11-21T09:00"})
    club.act("schedule_", campaign)
    with pytest.raises(segments.InUse, match="campaign “News”"):
        segments.archive(tenant_id=club.tenant_id, segment_id=where, actor=ACTOR, users=SEGMENT_USERS)
    club.act("cancel", campaign)
    segments.delete(tenant_id=club.tenant_id, segment_id=where, actor=ACTOR, users=SEGMENT_USERS)
    assert club.status(campaign) == Status.CANCELLED


def test_a_template_that_is_sent_stays(club: Club) -> None:
    other = club.other_template("Other")
    campaign = club.campaign([], email_template_id=other, schedule={"start_at": "2026-11-21T09:00"})
    club.act("schedule_", campaign)
    with pytest.raises(content.InUse, match="campaign “News”"):
        content.archive(tenant_id=club.tenant_id, template_id=other, users=TEMPLATE_USERS)
    club.act("unschedule", campaign)
    content.archive(tenant_id=club.tenant_id, template_id=other, users=TEMPLATE_USERS)
    with pytest.raises(Invalid) as refused:
        club.act("start", campaign)
    assert set(refused.value.errors) == {"email_template_id"}


def test_only_the_run_that_is_paused_stands_still(club: Club, sink: Sink) -> None:
    first, second = club.campaign(club.people(3)), club.campaign(club.people(3), name="Other")
    for one in (first, second):
        club.act("start", one)
    club.work(send=False)
    club.act("pause", first)
    club.work()
    assert (club.stats(first).sent, club.stats(second).sent) == (0, 3)


def test_no_such_campaign(club: Club) -> None:
    with pytest.raises(service.NoSuchCampaign):
        lifecycle.start(tenant_id=club.tenant_id, campaign_id=new_id(), actor=ACTOR)


def test_two_who_became_one_meanwhile_get_it_once(club: Club, sink: Sink) -> None:
    stays, goes, other = club.people(3)
    campaign = club.campaign([stays, goes, other])
    club.act("start", campaign)
    club.work(send=False)
    merging.merge_customers(tenant_id=club.tenant_id, winner_id=stays, loser_id=goes, actor=ACTOR)
    club.work()
    club.work(LATER)
    found = club.stats(campaign)
    assert (found.sent, found.skipped) == (2, {"twice": 1})
    assert set(recipients(sink).values()) == {1}
    assert len(sink.letters) == 2


def test_what_no_letter_can_be_made_of_is_not_begun(club: Club, sink: Sink) -> None:
    endless = "{% for one in (1..1000000000) %}x{% endfor %}"
    made = content.create(tenant_id=club.tenant_id, name="Endless", subject="Hello", text=endless)
    campaign = club.campaign(club.people(1), email_template_id=made.id)
    with pytest.raises(Invalid) as refused:
        club.act("start", campaign)
    assert list(refused.value.errors) == ["email_template_id"]
    assert "loops too often" in refused.value.errors["email_template_id"]
    assert club.status(campaign) == Status.DRAFT


def test_numbers_of_a_run_that_is_not_are_not_told(club: Club) -> None:
    campaign = club.campaign(club.people(1))
    with pytest.raises(queries.NoSuchRun):
        queries.stats(tenant_id=club.tenant_id, campaign_id=campaign.id, run_id=new_id())


def test_each_is_reached_by_the_first_channel_that_reaches_them_or_by_all(club: Club, sink: Sink) -> None:
    text_template = content.create(tenant_id=club.tenant_id, name="Text", channel="SMS", text="Hi").id
    [mail] = club.people(1)
    [phone] = club.people(1, email_opt_in=False, phone="+27824751967", sms_opt_in=True)
    [both] = club.people(1, phone="+27824751968", sms_opt_in=True)
    [neither] = club.people(1, email_opt_in=False)
    everybody = [mail, phone, both, neither]
    for mode in ("first", "all"):
        campaign = club.campaign(
            everybody, channels=["EMAIL", "SMS"], channel_mode=mode, sms_template_id=text_template, name=mode
        )
        club.act("start", campaign)
        club.work()
        rows = club.rows("SELECT customer_id, channel, status FROM message WHERE campaign_id = :id", id=campaign.id)
        found = {(row.customer_id, row.channel) for row in rows}
        sent = {(row.customer_id, row.channel) for row in rows if row.status == "sent"}
        first = {(mail, "EMAIL"), (phone, "SMS"), (both, "EMAIL")}
        if mode == "first":
            assert (found, sent) == (first | {(neither, "EMAIL")}, first)
        else:
            assert found == {(one, channel) for one in everybody for channel in ("EMAIL", "SMS")}
            assert sent == first | {(both, "SMS")}
