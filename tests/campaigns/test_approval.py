"""A second person's yes: when it is needed, who may give it, what it is to, and what is kept back without it."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event, text

from app.accounts.models import ApiKey
from app.campaigns import approval, awaiting, lifecycle, queries, running, service
from app.campaigns.approval import NotApproved, NothingToApprove, NotTheirOwn, State
from app.campaigns.models import Campaign
from app.campaigns.states import Status, WrongStatus
from app.content import service as content
from app.content import snippet_service
from app.infra import clock
from app.infra.db import db, transaction
from app.infra.errors import Invalid
from app.messaging import policy
from app.segments import service as segments
from tests.campaigns.conftest import ACTOR, NOON, Club
from tests.messaging.sink import Sink
from tests.page_client import ApiClient, PageClient, make_user

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def above(club: Club) -> None:
    policy.save(tenant_id=club.tenant_id, actor="system", changes={"approval_above": 2})


@pytest.fixture
def admin(club: Club) -> str:
    """Somebody who may approve."""
    return f"user:{make_user(club.tenant_id, 'admin')}"


def ask(club: Club, campaign: Campaign, actor: str = ACTOR, note: str = "") -> Any:
    return approval.ask(
        tenant_id=club.tenant_id, campaign_id=campaign.id, actor=actor, actor_name="Asker", note=note, now=NOON
    )


def answer(club: Club, campaign: Campaign, actor: str, *, approve: bool = True, note: str = "") -> Any:
    return approval.decide(
        tenant_id=club.tenant_id,
        campaign_id=campaign.id,
        actor=actor,
        actor_name="Second",
        approve=approve,
        note=note,
        now=NOON,
    )


def standing(club: Club, campaign: Campaign) -> approval.Standing:
    return approval.of(tenant_id=club.tenant_id, campaign=campaign)


def test_few_people_need_no_yes(club: Club, sink: Sink) -> None:
    campaign = club.campaign(club.people(2))
    assert standing(club, campaign).state is State.NOT_NEEDED
    with pytest.raises(NothingToApprove):
        ask(club, campaign)
    club.act("start", campaign)


@pytest.mark.parametrize("act", ["start", "schedule_"])
def test_many_are_sent_nothing_before_somebody_else_said_yes(club: Club, sink: Sink, admin: str, act: str) -> None:
    campaign = club.campaign(club.people(3))
    with pytest.raises(NotApproved, match=r"has 3 people; above 2 a second person’s yes is needed. Ask for it"):
        club.act(act, campaign)
    ask(club, campaign)
    with pytest.raises(NotApproved, match=r"Asker asked for it; it waits"):
        club.act(act, campaign)
    answer(club, campaign, admin)
    club.act(act, campaign)
    club.work()
    club.work(MINUTE)
    assert club.stats(campaign).sent == 3


def test_nobody_approves_their_own(club: Club, admin: str) -> None:
    campaign = service.create(
        tenant_id=club.tenant_id,
        actor=admin,
        now=NOON,
        given={"name": "Mine", "segment_id": club.segment(club.people(3)), "email_template_id": club.template_id},
    )
    with pytest.raises(NothingToApprove, match=r"Nobody else may approve it"):
        ask(club, campaign)
    other = f"user:{make_user(club.tenant_id, 'owner')}"
    ask(club, campaign)
    for own in (admin, ACTOR):
        with pytest.raises(NotTheirOwn):
            answer(club, campaign, own)
    answer(club, campaign, other)
    with pytest.raises(NothingToApprove, match=r"answered already"):
        answer(club, campaign, other)
    assert standing(club, campaign).words == "Second approved it for a segment of up to 3 people."


def test_declined_with_a_word_and_asked_again(club: Club, admin: str) -> None:
    campaign = club.campaign(club.people(3))
    ask(club, campaign)
    answer(club, campaign, admin, approve=False, note="The price is wrong.")
    with pytest.raises(NotApproved, match=r"Second declined it: “The price is wrong.” Change it, and ask again"):
        club.act("start", campaign)
    ask(club, campaign)
    answer(club, campaign, admin)
    told = [(one.decision, one.answer) for one in approval.history(tenant_id=club.tenant_id, campaign_id=campaign.id)]
    assert told == [("approved", ""), ("declined", "The price is wrong.")]
    with pytest.raises(Invalid):
        ask(club, club.campaign(club.people(3)), note="x" * 2001)


def test_what_is_not_ready_is_not_put_up(club: Club, admin: str) -> None:
    campaign = club.campaign(club.people(3), email_template_id=None)
    with pytest.raises(Invalid):
        ask(club, campaign)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"experiment": "other"}, "what it says has changed"),
        ({"name": "Other", "cost": 12, "cost_currency": "ZAR", "throttle_per_hour": 100}, None),
        ({"schedule": {"mode": "at", "start_at": "2026-12-01T09:00"}}, None),
        ({"one_copy": False}, "what it says has changed"),
        ({"segment_id": "other"}, "whom it goes to has changed"),
        ({"type": "RECURRING", "schedule": {"rrule": "FREQ=DAILY"}}, "how often it is sent has changed"),
    ],
)
def test_what_was_approved_is_what_is_sent(club: Club, admin: str, changes: dict[str, Any], words: str | None) -> None:
    campaign = club.campaign(club.people(3))
    ask(club, campaign)
    answer(club, campaign, admin)
    if "segment_id" in changes:
        changes = {"segment_id": club.segment(club.people(3))}
    if "experiment" in changes:
        other = {"share": 20, "templates": {"EMAIL": str(club.other_template("Other"))}}
        changes = {"experiment": {"variants": [{"share": 10}, other]}}
    changed = service.change(tenant_id=club.tenant_id, campaign_id=campaign.id, actor=ACTOR, changes=changes, now=NOON)
    found = standing(club, changed)
    assert found.state is (State.OUTDATED if words else State.APPROVED)
    if words:
        with pytest.raises(NotApproved, match=f"Since it was approved, {words}. Ask again"):
            club.act("start", campaign)


def test_a_template_or_snippet_that_is_changed_is_asked_for_again(club: Club, admin: str) -> None:
    tenant_id = club.tenant_id
    inner = snippet_service.create(tenant_id=tenant_id, key="inner", name="Inner", html="old")
    snippet_service.create(tenant_id=tenant_id, key="outer", name="Outer", html='{% snippet "inner" %}')
    template = content.create(tenant_id=tenant_id, name="T", subject="Hi", text='Hello {% snippet "outer" %}').id
    campaign = club.campaign(club.people(3), email_template_id=template)
    ask(club, campaign)
    snippet_service.update(tenant_id=tenant_id, snippet_id=inner.id, changes={"html": "new"})
    with pytest.raises(NothingToApprove, match=r"Since it was asked for, what it says has changed"):
        answer(club, campaign, admin)
    ask(club, campaign)
    answer(club, campaign, admin)
    content.update(tenant_id=tenant_id, template_id=template, changes={"subject": "Other"})
    assert standing(club, campaign).state is State.OUTDATED


def test_a_tenth_more_people_are_in_and_more_are_asked_for_again(club: Club, admin: str) -> None:
    people = club.people(13)
    where = club.segment(people[:10])
    campaign = club.campaign(where)
    ask(club, campaign)
    answer(club, campaign, admin)
    grow(club, where, people[10:11])
    assert standing(club, campaign).state is State.APPROVED
    grow(club, where, people[11:])
    with pytest.raises(NotApproved, match=r"its segment has grown from 10 to 13 people. Ask again"):
        club.act("start", campaign)


def grow(club: Club, segment: UUID, people: list[UUID]) -> None:
    for one in people:
        club.rows(
            "INSERT INTO segment_member (tenant_id, segment_id, customer_id, entered_at)"
            " VALUES (:t, :s, :c, now()) RETURNING 1",
            t=club.tenant_id,
            s=segment,
            c=one,
        )
    club.rows(
        "UPDATE segment SET member_count = (SELECT count(*) FROM segment_member WHERE segment_id = :s)"
        " WHERE id = :s RETURNING 1",
        s=segment,
    )


def test_what_grew_until_its_time_came_is_kept_back_asked_for_and_goes_on(club: Club, sink: Sink, admin: str) -> None:
    people = club.people(5)
    where = club.segment(people[:2])
    campaign = club.campaign(where, schedule={"mode": "at", "start_at": "2026-11-20T15:00"})
    club.act("schedule_", campaign)
    grow(club, where, people[2:])
    hour = timedelta(hours=1)
    club.work(hour)
    assert club.status(campaign) == Status.PAUSED
    assert standing(club, campaign).state is State.WAITING
    (asked,) = approval.history(tenant_id=club.tenant_id, campaign_id=campaign.id)
    assert (asked.asked_by, asked.people) == ("system", 5)
    (run,) = club.rows("SELECT error, people FROM campaign_run")
    assert run.people == 0
    assert run.error.startswith("It was kept back. Its segment has 5 people")
    with pytest.raises(NotApproved):
        club.act("resume", campaign, hour)
    answer(club, campaign, admin)
    club.act("resume", campaign, hour)
    club.work(hour)
    club.work(hour + MINUTE)
    assert club.stats(campaign).sent == 5
    assert club.rows("SELECT error FROM campaign_run")[0].error is None
    letters = [one for one in sink.letters if "waits for your yes" in one.mail["Subject"]]
    assert len(letters) == 1


def test_the_mail_writes_numbers_as_the_organisation_does(club: Club, sink: Sink, admin: str) -> None:
    club.rows("UPDATE tenant SET locale = 'de_DE' RETURNING id")
    made = "INSERT INTO customer (tenant_id, first_name) SELECT :of, 'Ann' FROM generate_series(1, 1234) RETURNING id"
    with transaction(club.tenant_id) as session:
        people = list(session.scalars(text(made), {"of": club.tenant_id}))
    campaign = club.campaign(people)
    ask(club, campaign)
    club.work()
    (letter,) = [one.mail for one in sink.letters if "waits for your yes" in one.mail["Subject"]]
    assert "a segment of 1.234 people" in letter.get_body().get_content()


def test_what_is_kept_back_says_numbers_as_the_organisation_writes_them(club: Club, sink: Sink, admin: str) -> None:
    club.rows("UPDATE tenant SET locale = 'de_DE' RETURNING id")
    where = club.segment(club.people(2))
    club.act("schedule_", club.campaign(where, schedule={"mode": "at", "start_at": "2026-11-20T15:00"}))
    made = "INSERT INTO customer (tenant_id, first_name) SELECT :of, 'Ann' FROM generate_series(1, 1234) RETURNING id"
    with transaction(club.tenant_id) as session:
        grown = list(session.scalars(text(made), {"of": club.tenant_id}))
    grow(club, where, grown)
    club.work(timedelta(hours=1))
    (run,) = club.rows("SELECT error FROM campaign_run")
    assert run.error.startswith("It was kept back. Its segment has 1.236 people")


def test_a_snippet_that_is_changed_while_it_goes_out_keeps_the_rest_back(club: Club, sink: Sink, admin: str) -> None:
    tenant_id = club.tenant_id
    snippet = snippet_service.create(tenant_id=tenant_id, key="words", name="Words", html="old")
    template = content.create(tenant_id=tenant_id, name="T", subject="Hi", text='Hello {% snippet "words" %}').id
    campaign = club.campaign(club.people(3), email_template_id=template, throttle_per_hour=1)
    ask(club, campaign)
    answer(club, campaign, admin)
    club.act("start", campaign)
    club.work()
    assert club.stats(campaign).sent == 1
    snippet_service.update(tenant_id=tenant_id, snippet_id=snippet.id, changes={"html": "new"})
    # A template's own words are pinned: they are of no matter to what is under way.
    content.update(tenant_id=tenant_id, template_id=template, changes={"text": 'Bye {% snippet "words" %}'})
    club.work(MINUTE)
    assert club.status(campaign) == Status.PAUSED
    assert standing(club, campaign).state is State.WAITING
    with pytest.raises(NotApproved, match="it waits"):
        club.act("resume", campaign, MINUTE)
    club.work(5 * HOUR)
    assert club.stats(campaign).sent == 1
    answer(club, campaign, admin)
    club.act("resume", campaign, 5 * HOUR)
    club.work(5 * HOUR)
    club.work(9 * HOUR)
    assert club.stats(campaign).sent == 3


def test_a_list_that_grows_while_people_are_put_in_is_kept_back(
    club: Club, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    people = club.people(9)
    where = club.segment(people[:3])
    campaign = club.campaign(where)
    ask(club, campaign)
    answer(club, campaign, admin)
    club.act("start", campaign)
    running.run_step(tenant_id=club.tenant_id, now=NOON)
    assert club.rows("SELECT people FROM campaign_run")[0].people == 2
    grow(club, where, people[3:])
    club.work(send=False)
    assert club.rows("SELECT people FROM campaign_run")[0].people == 2
    assert club.status(campaign) == Status.PAUSED


def test_what_a_key_of_theirs_asks_is_their_own(club: Club, admin: str) -> None:
    campaign = club.campaign(club.people(3))
    with transaction(club.tenant_id) as session:
        made_by = UUID(admin.partition(":")[2])
        key = ApiKey(
            tenant_id=club.tenant_id,
            name="Till",
            hint="fw",
            secret_hash="x",
            scopes=["campaigns.run"],
            created_by=made_by,
        )
        session.add(key)
        session.flush()
        actor = f"key:{key.id}"
    make_user(club.tenant_id, "owner")
    ask(club, campaign, actor=actor)
    assert not approval.waiting_for(tenant_id=club.tenant_id, actor=admin)
    with pytest.raises(NotTheirOwn):
        answer(club, campaign, admin)


def test_each_occurrence_is_looked_at(club: Club, sink: Sink, admin: str) -> None:
    people = club.people(4)
    where = club.segment(people[:3])
    campaign = club.campaign(where, type="RECURRING", schedule={"rrule": "FREQ=DAILY", "local_time": "15:00"})
    ask(club, campaign)
    answer(club, campaign, admin)
    club.act("start", campaign)
    day = timedelta(days=1)
    club.work(timedelta(hours=1))
    club.work(timedelta(hours=1, minutes=1))
    assert club.stats(campaign).sent == 3
    # What is said changes between two of them.
    content.update(tenant_id=club.tenant_id, template_id=club.template_id, changes={"subject": "Unseen"})
    club.work(day + timedelta(hours=1))
    assert club.status(campaign) == Status.PAUSED
    answer(club, campaign, admin)
    club.act("resume", campaign, day + 2 * timedelta(hours=1))
    club.work(day + 2 * timedelta(hours=1))
    club.work(day + 3 * timedelta(hours=1))
    assert club.stats(campaign).sent == 6
    subjects = {row.subject for row in club.rows("SELECT subject FROM message WHERE run_id IS NOT NULL")}
    assert "Unseen" in subjects


def test_an_occurrence_that_is_kept_back_does_not_keep_back_the_one_before(
    client: PageClient, sign_in: Any, club: Club, sink: Sink, admin: str
) -> None:
    sign_in("marketer")
    where = club.segment(club.people(30))
    campaign = club.campaign(
        where, type="RECURRING", schedule={"rrule": "FREQ=DAILY", "local_time": "15:00"}, throttle_per_hour=1
    )
    ask(club, campaign)
    answer(club, campaign, admin)
    club.act("start", campaign)
    club.work(HOUR)
    assert club.stats(campaign).sent == 1
    content.update(tenant_id=club.tenant_id, template_id=club.template_id, changes={"subject": "Unseen"})
    day = timedelta(days=1)
    club.work(day + HOUR)
    assert [row.status for row in club.rows("SELECT status FROM campaign_run ORDER BY id")] == ["sending", "paused"]
    assert club.status(campaign) == Status.PAUSED
    before = club.stats(campaign).sent
    club.work(day + 3 * HOUR)
    assert club.stats(campaign).sent > before

    # Both are paused by hand: the one that has its yes can go on, the other waits for its own.
    with pytest.raises(NotApproved):
        club.act("resume", campaign, day + 3 * HOUR)
    page = client.get(f"/campaigns/{campaign.id}").text
    assert "One occurrence still goes out" in page
    assert f"/campaigns/{campaign.id}/pause" in page
    club.act("pause", campaign, day + 3 * HOUR)
    assert [row.status for row in club.rows("SELECT status FROM campaign_run ORDER BY id")] == ["paused", "paused"]
    assert f"/campaigns/{campaign.id}/pause" not in client.get(f"/campaigns/{campaign.id}").text
    with pytest.raises(WrongStatus):
        club.act("pause", campaign, day + 3 * HOUR)
    club.act("resume", campaign, day + 4 * HOUR)
    assert [row.status for row in club.rows("SELECT status FROM campaign_run ORDER BY id")] == ["sending", "paused"]
    assert club.rows("SELECT due_at FROM campaign")[0].due_at is None
    answer(club, campaign, admin)
    club.act("resume", campaign, day + 4 * HOUR)
    assert [row.status for row in club.rows("SELECT status FROM campaign_run ORDER BY id")] == ["sending", "preparing"]
    assert club.rows("SELECT due_at FROM campaign")[0].due_at is not None


@pytest.mark.parametrize("changed", ["campaign", "template", "segment", "snippet"])
def test_who_changes_what_was_approved_does_not_approve_it_when_fairway_asks(
    club: Club, sink: Sink, admin: str, changed: str
) -> None:
    tenant_id, other = club.tenant_id, f"user:{make_user(club.tenant_id, 'owner')}"
    snippet = snippet_service.create(tenant_id=tenant_id, key="words", name="Words", html="old")
    template = content.create(tenant_id=tenant_id, name="T", subject="Hi", text='Hello {% snippet "words" %}').id
    where = club.segment(club.people(3))
    campaign = club.campaign(where, email_template_id=template, schedule={"mode": "at", "start_at": "2026-11-20T15:00"})
    ask(club, campaign)
    answer(club, campaign, admin)
    club.act("schedule_", campaign)
    if changed == "campaign":
        service.change(tenant_id=tenant_id, campaign_id=campaign.id, actor=admin, changes={"one_copy": False}, now=NOON)
    elif changed == "template":
        content.update(tenant_id=tenant_id, template_id=template, changes={"subject": "Mine"}, actor=admin)
    elif changed == "segment":
        segments.change(tenant_id=tenant_id, segment_id=where, changes={"name": "Mine"}, users=(), actor=admin)
        grow(club, where, club.people(2))
    else:
        snippet_service.update(tenant_id=tenant_id, snippet_id=snippet.id, changes={"html": "mine"}, actor=admin)
    club.work(HOUR)
    assert club.status(campaign) == Status.PAUSED
    with pytest.raises(NotTheirOwn):
        answer(club, campaign, admin)
    assert not approval.waiting_for(tenant_id=tenant_id, actor=admin)
    assert [one.id for one, _ in approval.waiting_for(tenant_id=tenant_id, actor=other)] == [campaign.id]

    # Once a person asks for it as it is, two have seen it.
    ask(club, campaign)
    with pytest.raises(NothingToApprove):
        ask(club, campaign)
    assert answer(club, campaign, admin).decision == approval.APPROVED


def a_list(club: Club, actor: str = ACTOR) -> UUID:
    """Return a list of three, made by somebody and filled by nobody."""
    made = segments.create(tenant_id=club.tenant_id, name="A list", type="STATIC", actor=actor, now=NOON).id
    grow(club, made, club.people(3))
    return made


@pytest.mark.parametrize("made", ["template.create", "template.copy", "segment.create", "segment.snapshot"])
def test_who_made_what_somebody_else_put_in_since_does_not_approve_it_when_fairway_asks(
    club: Club, sink: Sink, admin: str, made: str
) -> None:
    tenant_id, other = club.tenant_id, f"user:{make_user(club.tenant_id, 'owner')}"
    where = club.segment(club.people(3))
    campaign = club.campaign(where, schedule={"mode": "at", "start_at": "2026-11-20T15:00"})
    ask(club, campaign)
    answer(club, campaign, admin)
    club.act("schedule_", campaign)
    by = {"tenant_id": tenant_id, "actor": admin}
    if made == "template.create":
        put = {"email_template_id": content.create(**by, name="T", subject="Hi", text="Mine").id}
    elif made == "template.copy":
        put = {"email_template_id": content.copy(**by, template_id=club.template_id).id}
    elif made == "segment.create":
        put = {"segment_id": a_list(club, admin)}
    else:
        put = {"segment_id": segments.snapshot(**by, segment_id=a_list(club), now=NOON).id}
    service.change(tenant_id=tenant_id, campaign_id=campaign.id, actor=ACTOR, changes=put, now=NOON)
    club.work(HOUR)
    assert club.status(campaign) == Status.PAUSED
    with pytest.raises(NotTheirOwn):
        answer(club, campaign, admin)
    assert [one.id for one, _ in approval.waiting_for(tenant_id=tenant_id, actor=other)] == [campaign.id]


@pytest.mark.parametrize("through", [0, 1])
def test_a_segment_that_its_segment_names_is_asked_for_again_once_it_means_others(
    club: Club, sink: Sink, admin: str, through: int
) -> None:
    """As many others in the segment that was approved, because another one it asks about has other conditions now."""
    tenant_id, other = club.tenant_id, f"user:{make_user(club.tenant_id, 'owner')}"
    club.people(3, first_name="Approved")
    club.people(3, first_name="Others")

    def called(name: str) -> dict[str, Any]:
        return {"combinator": "AND", "rules": [{"field": "first_name", "operator": "eq", "value": name}]}

    def whoever_is_in(segment: UUID) -> dict[str, Any]:
        return {"combinator": "AND", "rules": [{"field": "segments", "operator": "in", "value": [str(segment)]}]}

    new: dict[str, Any] = {"tenant_id": tenant_id, "now": NOON}
    inner = where = segments.create(**new, actor=ACTOR, name="Inner", criteria=called("Approved")).id
    for number in range(through + 1):
        where = segments.create(**new, actor=ACTOR, name=f"Outer {number}", criteria=whoever_is_in(where)).id
    club.work()
    campaign = club.campaign(where, schedule={"mode": "at", "start_at": "2026-11-20T15:00"})
    ask(club, campaign)
    answer(club, campaign, admin)
    club.act("schedule_", campaign)
    segments.change(**new, segment_id=inner, changes={"criteria": called("Others")}, users=(), actor=admin)
    club.work()
    found = standing(club, campaign)
    assert (found.state, found.people, found.changed) == (State.OUTDATED, 3, ("whom it goes to",))

    # Fairway asks, when its time has come: who changed it is no second person.
    club.work(HOUR)
    club.work(HOUR + MINUTE)
    assert club.status(campaign) == Status.PAUSED
    assert not club.rows("SELECT 1 FROM message WHERE run_id IS NOT NULL")
    with pytest.raises(NotTheirOwn):
        answer(club, campaign, admin)
    assert answer(club, campaign, other).decision == approval.APPROVED


def test_whose_many_campaigns_are_is_asked_at_once(club: Club, sink: Sink, admin: str) -> None:
    """Also where Fairway asked, and who changed what is sent since has to be found."""
    tenant_id, other = club.tenant_id, f"user:{make_user(club.tenant_id, 'owner')}"
    asked: list[int] = []

    def statements() -> int:
        count = 0

        def one(*_: object) -> None:
            nonlocal count
            count += 1

        event.listen(db.engine, "before_cursor_execute", one)
        try:
            asked.append(len(approval.waiting_for(tenant_id=tenant_id, actor=other)))
        finally:
            event.remove(db.engine, "before_cursor_execute", one)
        return count

    found = []
    for number in (1, 3):
        for _ in range(number):
            ask(club, club.campaign(club.people(3)))
        club.rows("UPDATE campaign_approval SET asked_by = 'system' RETURNING id")
        found.append(statements())
    assert asked == [1, 4]
    assert found[0] == found[1]


def test_what_was_sent_is_not_put_up(club: Club, sink: Sink, admin: str) -> None:
    campaign = club.campaign(club.people(3))
    ask(club, campaign)
    answer(club, campaign, admin)
    club.act("start", campaign)
    club.work()
    club.work(MINUTE)
    with pytest.raises(WrongStatus):
        ask(club, campaign)


def test_over_the_api(app: Flask, api: ApiClient, club: Club, sink: Sink) -> None:
    marketer = ApiClient(app, club.tenant_id, "marketer")
    segment = club.segment(club.people(3))
    made = marketer.post(
        "/campaigns",
        {"name": "Big", "segment_id": str(segment), "email_template_id": str(club.template_id)},
    ).get_json()
    path = f"/campaigns/{made['id']}"
    refused = marketer.post(f"{path}/start")
    assert refused.status_code == 409
    assert refused.get_json()["title"] == "A second person has to approve it"
    assert "Ask for it" in refused.get_json()["detail"]
    assert marketer.get(f"{path}/approval").get_json()["state"] == "missing"
    asked = marketer.post(f"{path}/approval", {"note": "For Friday"})
    assert asked.status_code == 201
    assert (asked.get_json()["state"], asked.get_json()["latest"]["note"]) == ("waiting", "For Friday")
    assert marketer.post(f"{path}/approval", {}).status_code == 409
    assert marketer.post(f"{path}/approve", {}).status_code == 403
    assert api.post(f"{path}/approve", {"note": "Fine"}).get_json()["state"] == "approved"
    assert marketer.post(f"{path}/start").status_code == 202
    assert api.patch("/sending-policy", json={"caps": []}).get_json()["approval_above"] == 2
    assert api.patch("/sending-policy", json={"approval_above": None}).get_json()["approval_above"] is None


def test_on_pages_asked_told_and_answered(client: PageClient, sign_in: Any, club: Club, sink: Sink) -> None:
    owner = client.sign_in("owner", club.tenant_id)
    marketer = sign_in("marketer")
    made = client.post("/campaigns/new", {"name": "Big", "segment_id": str(club.segment(club.people(3)))})
    path = made.headers["Location"].removesuffix("/what")
    client.post(f"{path}/what", {"version": "1", "channels": ["EMAIL"], "email_template_id": str(club.template_id)})
    review = client.get(f"{path}/review").text
    assert "above 2 a second person’s yes is needed" in review
    assert f'action="{path}/start"' not in review
    client.post(f"{path}/ask-approval", {"note": "For Friday"}, status=302)
    assert "Waiting for your yes" not in client.get("/").text
    assert f'action="{path}/approve"' not in client.get(path).text
    client.post(f"{path}/approve", status=403)
    sign_in("owner", None)
    home = client.get("/").text
    assert "Waiting for your yes" in home
    assert f"{path}#approval" in home
    shown = client.get(path).text
    assert "“For Friday”" in shown
    assert f'action="{path}/approve"' in shown
    client.post(f"{path}/decline", {"note": "Not on a Friday"}, status=302)
    assert "declined it: “Not on a Friday”" in client.get(path).text
    assert "Waiting for your yes" not in client.get("/").text
    club.work(clock.now() - NOON)
    told = {one.recipient for one in sink.letters}
    mails = {row.id: row.email for row in club.rows("SELECT id, email FROM users")}
    assert {mails[owner], mails[marketer]} <= told
    (no,) = [one for one in sink.letters if one.recipient == mails[marketer]]
    assert "was declined" in no.mail["Subject"]
    assert "Not on a Friday" in no.mail.get_content()


def test_the_setting_is_typed_shown_and_refused(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in("owner")
    times = {f"{end}_{name}": at for name in policy.CHANNELS for end, at in (("from", "21:00"), ("to", "08:00"))}
    client.post("/settings/limits", times | {"approval_above": "1500"}, status=302)
    assert policy.get(tenant_id=club.tenant_id).approval_above == 1500
    assert re.search(r'name="approval_above"[^>]*value="1500"', client.get("/settings/limits").text)
    page = client.post("/settings/limits", times | {"approval_above": "many"}, status=422).text
    assert 'id="approval_above-error"' in page
    assert 'value="many"' in page
    client.post("/settings/limits", times | {"approval_above": ""}, status=302)
    assert policy.get(tenant_id=club.tenant_id).approval_above is None


def test_two_answers_at_once_are_one(club: Club, admin: str) -> None:
    campaign = club.campaign(club.people(3))
    ask(club, campaign)
    answer(club, campaign, admin, approve=False)
    with pytest.raises(NothingToApprove):
        answer(club, campaign, f"user:{make_user(club.tenant_id, 'owner')}")


def lapsed(club: Club, maker: str, admin: str) -> Campaign:
    """Return a scheduled campaign of a maker's that was approved, and grew by more than a tenth since."""
    people = club.people(6)
    where = club.segment(people[:3])
    campaign = service.create(
        tenant_id=club.tenant_id,
        actor=maker,
        given={
            "name": "Grown",
            "segment_id": where,
            "email_template_id": club.template_id,
            "schedule": {"mode": "at", "start_at": f"{clock.now() + 3 * HOUR:%Y-%m-%dT%H:%M}"},
        },
    )
    ask(club, campaign, maker)
    answer(club, campaign, admin)
    lifecycle.schedule_(tenant_id=club.tenant_id, campaign_id=campaign.id, actor=maker)
    assert not awaiting.of_mine(tenant_id=club.tenant_id, actor=maker)
    grow(club, where, people[3:])
    return campaign


def test_a_scheduled_campaign_whose_yes_has_lapsed_says_so_everywhere(
    client: PageClient, sign_in: Any, club: Club, admin: str
) -> None:
    maker = f"user:{sign_in('marketer')}"
    campaign = lapsed(club, maker, admin)
    shown = client.get(f"/campaigns/{campaign.id}").text
    assert "Waits for approval again" in shown
    assert "is kept back when its time comes" in shown
    assert "Waits for approval again" in client.get("/campaigns").text
    assert queries.one(tenant_id=club.tenant_id, campaign_id=campaign.id).due_at is not None
    month = f"{clock.now() + 3 * HOUR:%Y-%m}"
    assert "Waits for approval again" in client.get(f"/campaigns/calendar?month={month}").text
    home = client.get("/").text
    assert "Since it was approved, its segment has grown from 3 to 6 people. Ask again." in home
    client.post(f"/campaigns/{campaign.id}/ask-approval", status=302)
    assert "it waits for an answer" in client.get("/").text
    assert "Waits for approval" in client.get("/campaigns").text
    sign_in("marketer", None)
    assert "Grown" not in client.get("/").text


def test_drafts_that_nobody_asked_about_cost_home_nothing(club: Club, admin: str) -> None:
    maker = f"user:{make_user(club.tenant_id, 'marketer')}"
    segment = club.segment(club.people(3))
    count = 0

    def one(*_: Any) -> None:
        nonlocal count
        count += 1

    def mine() -> tuple[int, int]:
        nonlocal count
        count = 0
        event.listen(db.engine, "before_cursor_execute", one)
        try:
            return len(awaiting.of_mine(tenant_id=club.tenant_id, actor=maker, now=NOON)), count
        finally:
            event.remove(db.engine, "before_cursor_execute", one)

    given = {"segment_id": segment, "email_template_id": club.template_id}
    made = [
        service.create(tenant_id=club.tenant_id, actor=maker, given={**given, "name": f"Draft {number}"})
        for number in range(3)
    ]
    none, few = mine()
    for number in range(3, 9):
        service.create(tenant_id=club.tenant_id, actor=maker, given={**given, "name": f"Draft {number}"})
    assert mine() == (none, few) == (0, few)
    ask(club, made[0], maker)
    ask(club, made[1], maker)
    answer(club, made[1], admin)
    assert mine()[0] == 2
    club.rows("UPDATE campaign_approval SET decided_at = decided_at - interval '8 days' RETURNING id")
    assert mine()[0] == 1


def test_whose_it_is_hears_of_it_before_its_time_and_when_it_is_kept_back(club: Club, sink: Sink, admin: str) -> None:
    maker = make_user(club.tenant_id, "marketer")
    campaign = lapsed(club, f"user:{maker}", admin)
    for _ in range(2):
        awaiting.warn(tenant_id=club.tenant_id)
    now = clock.now() - NOON
    club.work(now)
    (mail,) = [one.mail for one in sink.letters if one.mail["Subject"] == "“Grown” waits for approval"]
    assert "its segment has grown from 3 to 6 people" in mail.get_content()
    club.work(now + 4 * HOUR)
    assert club.status(campaign) == Status.PAUSED
    address = club.rows("SELECT email FROM users WHERE id = :id", id=maker)[0].email
    (mail,) = [one.mail for one in sink.letters if one.mail["Subject"] == "“Grown” was kept back"]
    assert mail["To"] == address
    assert "Those who may approve it were asked" in mail.get_content()


def test_what_has_its_yes_is_told_on_home_and_nobody_is_warned_of_it(
    client: PageClient, sign_in: Any, club: Club, sink: Sink, admin: str
) -> None:
    maker = f"user:{sign_in('marketer')}"
    campaign = club.campaign(club.people(3))
    ask(club, campaign, maker)
    assert "News</a>: Its segment has 3 people" in client.get("/").text
    approval.decide(tenant_id=club.tenant_id, campaign_id=campaign.id, actor=admin, actor_name="Second", approve=True)
    assert "Second approved it for a segment of up to 3 people. You can schedule or send it." in client.get("/").text
    with transaction(club.tenant_id) as session:
        session.execute(text("UPDATE campaign_approval SET decided_at = decided_at - interval '8 days'"))
    assert "approved it" not in client.get("/").text
    awaiting.warn(tenant_id=club.tenant_id)
    assert not club.rows("SELECT id FROM message WHERE builtin = 'campaign_unapproved'")
