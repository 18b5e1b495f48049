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


def test_the_first_step_posted_twice_makes_one_draft(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in("marketer")
    segment = club.segment(club.people(1))
    form = client.get("/campaigns/new").text
    key = form.split('name="key"')[1].split('value="')[1].split('"')[0]
    given = {"key": key, "name": "Spring", "segment_id": str(segment)}
    first = client.post("/campaigns/new", data=given, status=302)
    # Back, another name, and on again: the same draft.
    second = client.post("/campaigns/new", data=given | {"name": "Spring sale"}, status=302)
    assert first.headers["Location"] == second.headers["Location"]
    assert [row.name for row in club.rows("SELECT name FROM campaign")] == ["Spring sale"]
