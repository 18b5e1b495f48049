"""A customer's "Why not?": choose a campaign or a step of a journey, and read what was looked at."""

from datetime import timedelta
from typing import Any

from app.campaigns import why
from app.infra.ids import new_id
from app.messaging import policy
from tests.campaigns.conftest import ACTOR, NOON, Club
from tests.journeys.helpers import journey as make_journey
from tests.journeys.helpers import send, step
from tests.messaging.sink import Sink
from tests.page_client import PageClient


def test_a_campaign_and_a_step_are_told_of(client: PageClient, sign_in: Any, club: Club, tenant: Any) -> None:
    sign_in("marketer")
    ann, ben = club.customer(first_name="Ann"), club.customer(first_name="Ben", email_opt_in=False)
    campaign = club.campaign([ann, ben])
    journey = make_journey(tenant.id, [send("hello", "end", club.template_id), step("end", "END", None)])
    empty = client.get(f"/customers/{ann}/why").text
    assert "Welcome: Send “Welcome”" in empty
    assert "Choose what you mean" in empty
    shown = client.get(f"/customers/{ben}/why?about=campaign:{campaign.id}").text
    assert "They are in the segment now." in shown
    assert "The customer said no to e-mail." in shown
    assert "What could change it: A yes of their own to the channel." in shown
    told = client.get(f"/customers/{ann}/why?about=step:{journey.id}:hello").text
    assert "They never entered it." in told
    assert "They said yes to e-mail." in told
    for odd in (f"campaign:{new_id()}", f"step:{journey.id}:end", f"step:{new_id()}:x", "campaign:x", "x", "step"):
        assert "There is nothing to tell" in client.get(f"/customers/{ann}/why?about={odd}").text


def test_a_message_says_what_is_looked_at(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in("viewer")
    campaign = club.campaign([club.customer(email_opt_in=False)])
    club.act("start", campaign)
    club.work()
    [row] = club.rows("SELECT id FROM message")
    shown = client.get(f"/messages/{row.id}").text
    assert "What happened, in order" in shown
    assert "The customer said no to e-mail." in shown


def test_who_waits_for_the_morning_is_told_so_once(club: Club, sink: Sink) -> None:
    quiet = {"EMAIL": {"from": "13:00", "to": "15:00"}}
    policy.save(tenant_id=club.tenant_id, actor=ACTOR, changes={"quiet": quiet}, now=NOON)
    [ann] = club.people(1)
    campaign = club.campaign([ann])
    club.act("start", campaign)
    club.work()
    [told] = why.of(tenant_id=club.tenant_id, campaign_id=campaign.id, customer_id=ann, now=NOON)
    [quiet_step] = [step for step in told.steps if step.what == "Quiet hours"]
    assert (quiet_step.holds, quiet_step.at) == (None, NOON + timedelta(hours=1))
    assert "they last from 13:00 to 15:00" in quiet_step.words


def test_who_waits_in_a_paused_campaign_is_told_so(club: Club) -> None:
    [ann] = club.people(1)
    campaign = club.campaign([ann])
    club.act("start", campaign)
    club.work(send=False)
    club.act("pause", campaign)
    [told] = why.of(tenant_id=club.tenant_id, campaign_id=campaign.id, customer_id=ann, now=NOON)
    [paused] = [step for step in told.steps if step.what == "Campaign"]
    assert (paused.holds, paused.words, paused.at) == (None, "It is paused.", NOON)
    assert paused.could_change == "Somebody’s resuming it."


def test_nobody_is_told_they_were_not_in_a_segment_that_was_never_asked(club: Club) -> None:
    [ann] = club.people(1)
    campaign = club.campaign([ann])
    club.act("start", campaign)
    club.act("pause", campaign)
    [told] = why.of(tenant_id=club.tenant_id, campaign_id=campaign.id, customer_id=ann, now=NOON)
    assert [(step.what, step.holds) for step in told.steps] == [("Campaign", None), ("Audience", None)]
    club.act("cancel", campaign)
    [told] = why.of(tenant_id=club.tenant_id, campaign_id=campaign.id, customer_id=ann, now=NOON)
    [step] = told.steps
    assert (step.what, step.holds) == ("Campaign", False)
    assert step.words == "It was called off before it had come to them."


def test_chance_that_leaves_some_out_is_told_of_before_it_does(club: Club) -> None:
    [ann] = club.people(1)
    goal = {"event_type": "payment.received", "conditions": {}, "window_days": 7}
    campaign = club.campaign([ann], goal=goal, holdout_percent=10)
    [told] = why.of(tenant_id=club.tenant_id, campaign_id=campaign.id, customer_id=ann, now=NOON)
    [step] = [step for step in told.steps if step.what == "Chance"]
    assert "10% of all" in step.words


def test_what_holds_a_campaign_back_for_a_while_is_no_refusal(club: Club) -> None:
    quiet = {"EMAIL": {"from": "13:00", "to": "15:00"}}
    policy.save(tenant_id=club.tenant_id, actor=ACTOR, changes={"quiet": quiet}, now=NOON)
    ann, ben = club.customer(email="home@example.com"), club.customer(email="home@example.com")
    campaign = club.campaign([ann, ben], one_copy=True)

    def told(who: Any) -> dict[str, Any]:
        [trace] = why.of(tenant_id=club.tenant_id, campaign_id=campaign.id, customer_id=who, now=NOON)
        return {step.what: step for step in trace.steps}

    waits = told(ann)
    assert (waits["Quiet hours"].holds, waits["Quiet hours"].at) == (None, NOON + timedelta(hours=1))
    assert "night" not in waits["Quiet hours"].words
    assert waits["Gate"].holds is None
    assert waits["Gate"].words == "On E-mail it would wait if it were sent now, and go out later."
    second = told(ben)
    assert second["One copy an address"].holds is False
    assert second["One copy an address"].could_change == "If theirs is skipped, this one goes."
    assert second["Gate"].holds is False


def test_the_first_step_posted_twice_makes_one_draft(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in("marketer")
    segment = club.segment(club.people(1))
    page = client.get("/campaigns/new", status=302).headers["Location"]
    form = client.get(page).text
    key = form.split('name="key"')[1].split('value="')[1].split('"')[0]
    given = {"key": key, "name": "Spring", "segment_id": str(segment)}
    first = client.post("/campaigns/new", data=given, status=302)
    # Back, another name, and on again: the same draft.
    second = client.post("/campaigns/new", data=given | {"name": "Spring sale"}, status=302)
    assert first.headers["Location"] == second.headers["Location"]
    assert [row.name for row in club.rows("SELECT name FROM campaign")] == ["Spring sale"]
    # The page that Back leads to is of that draft, also where the browser asks for it anew.
    assert client.get(page, status=302).headers["Location"] == first.headers["Location"].replace("/what", "/whom")
