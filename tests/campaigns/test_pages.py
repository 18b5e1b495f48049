"""Campaigns' pages: the list, the way from whom to send, the page that moves, the calendar, and who may."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from app.campaigns import queries, running
from app.campaigns.models import Campaign
from app.content import link_checks
from app.content import service as content
from app.infra import clock
from app.infra.db import transaction
from app.messaging import policy, sender
from tests.campaigns.conftest import ACTOR, NOON, Club
from tests.campaigns.test_conversions import FOR_PAYMENTS
from tests.messaging.sink import Sink
from tests.page_client import PageClient


def work(club: Club, seconds: int = 0) -> None:
    """Do all that is due by the real clock, which the pages go by."""
    moment = clock.now() + timedelta(seconds=seconds)
    while running.run_step(tenant_id=club.tenant_id, now=moment) + sender.send_batch(
        tenant_id=club.tenant_id, now=moment
    ):
        pass


def only(club: Club) -> Campaign:
    (found,) = queries.page(tenant_id=club.tenant_id).items
    return found


def form_of(page: str) -> dict[str, str]:
    """Return the hidden fields that a form of the page carries."""
    return dict(re.findall(r'<input[^>]*name="(version)"[^>]*value="([^"]*)"', page))


def test_from_whom_to_sent_without_javascript(client: PageClient, sign_in: Any, club: Club, sink: Sink) -> None:
    sign_in("marketer")
    segment = club.segment([*club.people(2), *club.people(1, email_opt_in=False)])
    first = client.get(f"/campaigns/new?segment={segment}", status=302).headers["Location"]
    assert client.get(first).text.count("selected") >= 1
    made = client.post("/campaigns/new", {"name": "Spring", "segment_id": str(segment), "campaign_type": ""})
    campaign = only(club)
    path = f"/campaigns/{campaign.id}"
    assert made.headers["Location"] == f"{path}/what"
    hidden = form_of(client.get(f"{path}/what").text)
    assert hidden == {"version": "1"}
    done = client.post(
        f"{path}/what", hidden | {"channels": ["EMAIL"], "email_template_id": str(club.template_id), "topic_id": ""}
    )
    assert done.headers["Location"] == f"{path}/when"
    hidden = form_of(client.get(f"{path}/when").text)
    done = client.post(f"{path}/when", hidden | {"type": "ONE_TIME", "mode": "now", "timezone": ""})
    assert done.headers["Location"] == f"{path}/goal"
    hidden = form_of(client.get(f"{path}/goal").text)
    done = client.post(f"{path}/goal", hidden | {"event_type": "", "cost": "", "cost_currency": ""})
    assert done.headers["Location"] == f"{path}/review"
    review = client.get(f"{path}/review").text
    assert re.search(r"Would be sent.*?>2<", review, re.DOTALL)
    assert "The customer said no to e-mail." in review
    client.post(f"{path}/start", status=302)
    work(club)
    work(club, 5)
    page = client.get(path).text
    assert "3 in all = 0 waiting + 0 sending + 2 sent + 1 skipped + 0 failed + 0 unknown" in page
    assert len(sink.letters) == 2
    link = re.search(r'href="(/messages\?[^"]*status=skipped[^"]*)"', page)
    assert link is not None
    assert client.get(link[1].replace("&amp;", "&")).text.count('data-label="To"') == 1


def test_what_is_wrong_stands_beside_the_field_and_what_was_typed_stays(
    client: PageClient, sign_in: Any, club: Club
) -> None:
    sign_in()
    page = client.post("/campaigns/new", {"name": " ", "description": "Typed by me"}, status=422).text
    assert 'id="name-error"' in page
    assert "Typed by me" in page
    campaign = club.campaign(club.people(1))
    wrong = {"type": "RECURRING", "mode": "at", "repeat": "RULE", "rrule": "FREQ=HOURLY", "time": "09:00", "every": "x"}
    page = client.post(f"/campaigns/{campaign.id}/when", wrong, status=422).text
    assert 'id="every-error"' in page
    page = client.post(f"/campaigns/{campaign.id}/when", wrong | {"every": "1"}, status=422).text
    assert 'id="rrule-error"' in page
    assert "FREQ=HOURLY" in page


def test_a_time_that_has_passed_is_refused_beside_its_day(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    campaign = club.campaign(club.people(1))
    path = f"/campaigns/{campaign.id}/when"
    given = {"type": "ONE_TIME", "time": "09:00", "every": "1"}
    for mode in ("at", "recipient_zone"):
        page = client.post(path, given | {"mode": mode, "date": "2026-01-05"}, status=422).text
        assert "This time has passed." in page.split('id="date-error"')[1][:200]
        assert 'value="2026-01-05"' in page
        page = client.post(path, given | {"mode": mode, "date": ""}, status=422).text
        assert "Choose the day on which it is sent." in page.split('id="date-error"')[1][:200]
    client.post(path, given | {"mode": "best_time", "date": ""}, status=302)
    client.post(path, given | {"mode": "at", "date": "2199-01-05"}, status=302)
    assert only(club).schedule["start_at"] == "2199-01-05T09:00"


def test_what_is_not_written_yet_is_written_for_its_channel(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    page = client.get(f"/campaigns/{club.campaign(club.people(1)).id}/what").text
    for channel, noun in (("EMAIL", "an e-mail"), ("SMS", "an SMS"), ("PUSH", "a push message")):
        assert f'<a href="/templates/new?channel={channel}">Write {noun}</a>' in page


def test_two_who_save_don_t_overwrite_each_other(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    campaign = club.campaign(club.people(1))
    path = f"/campaigns/{campaign.id}/whom"
    hidden = form_of(client.get(path).text)
    given = hidden | {"name": "Mine", "segment_id": str(campaign.segment_id)}
    client.post(path, given, status=302)
    page = client.post(path, given | {"name": "Theirs"}, status=409).text
    assert "Somebody else has changed this campaign" in page
    assert "Theirs" in page
    assert only(club).name == "Mine"


@pytest.mark.parametrize("mode", ["at", "recipient_zone"])
def test_a_time_that_the_clocks_leave_out_is_said(client: PageClient, sign_in: Any, club: Club, mode: str) -> None:
    sign_in()
    campaign = club.campaign(club.people(1), timezone="Europe/Berlin")
    path = f"/campaigns/{campaign.id}"
    for day, words in (("2027-03-28", "03:00 (the clocks leave out 02:30 that night)"), ("2027-10-31", "02:30")):
        given = {"type": "ONE_TIME", "mode": mode, "date": day, "time": "02:30", "timezone": "Europe/Berlin"}
        client.post(f"{path}/when", given, status=302)
        [shown] = re.findall(r"<li>Sunday, (.*?)</li>", client.get(f"{path}/review").text)
        assert re.sub("<[^>]*>", "", shown).endswith(f" {words}")
    daily = given | {"type": "RECURRING", "repeat": "DAILY", "every": "1", "date": "2027-03-27"}
    client.post(f"{path}/when", daily, status=302)
    assert client.get(f"{path}/review").text.count("the clocks leave out") == 1


@pytest.mark.parametrize(
    ("fields", "rule", "words"),
    [
        ({"repeat": "DAILY", "every": "2"}, "FREQ=DAILY;INTERVAL=2", "Every 2 days"),
        ({"repeat": "WEEKLY", "days": ["MO", "FR"]}, "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,FR", "on Monday and Friday"),
        ({"repeat": "MONTHLY", "month_day": "-1"}, "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=-1", "on the last day"),
        ({"repeat": "RULE", "rrule": "FREQ=MONTHLY;BYDAY=2TU"}, "FREQ=MONTHLY;BYDAY=2TU", "By the rule"),
    ],
)
def test_a_recurrence_is_said_shown_and_said_again(
    client: PageClient, sign_in: Any, club: Club, fields: dict[str, Any], rule: str, words: str
) -> None:
    sign_in()
    campaign = club.campaign(club.people(1))
    path = f"/campaigns/{campaign.id}"
    given = {"type": "RECURRING", "mode": "at", "time": "08:15", "every": "1"} | fields
    client.post(f"{path}/when", given, status=302)
    assert only(club).schedule["rrule"] == rule
    review = client.get(f"{path}/review").text
    assert words in review
    assert len(re.findall(r"<li>[A-Z][a-z]+day, [^<]*08:15</li>", review)) == 5
    form = client.get(f"{path}/when").text
    assert 'value="08:15"' in form
    assert re.search(rf'<option value="{given["repeat"]}" selected|<option selected value="{given["repeat"]}"', form)
    client.post(f"{path}/start", status=302)
    assert only(club).status == "scheduled"


def test_a_recurrence_by_the_week_names_its_days(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    campaign = club.campaign(club.people(1))
    path = f"/campaigns/{campaign.id}"
    given = {"type": "RECURRING", "mode": "at", "time": "08:15", "every": "1", "repeat": "WEEKLY"}
    page = client.post(f"{path}/when", given, status=422).text
    assert 'id="days-error"' in page
    assert "Tick at least one day of the week." in page
    # "As soon as I press Send" is for what is sent once.
    assert re.search(r'data-shown-when="type: ONE_TIME"><input[^>]*value="now"', page)
    # Monday is the day of the 18th of January 2027.
    weekly = {"mode": "at", "rrule": "FREQ=WEEKLY", "start_at": "2027-01-18", "local_time": "08:15"}
    other = club.campaign(club.people(1), type="RECURRING", schedule=weekly)
    assert re.search(r'<input[^>]*checked[^>]*value="MO"', client.get(f"/campaigns/{other.id}/when").text)


def test_channels_are_asked_in_the_order_that_is_chosen(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    sms = content.create(tenant_id=club.tenant_id, name="Text", channel="SMS", text="Hello").id
    people = [*club.people(2), *club.people(3, phone="+27821234567", sms_opt_in=True)]
    campaign = club.campaign(people)
    path = f"/campaigns/{campaign.id}"
    given = {"channels": ["EMAIL", "SMS"], "email_template_id": str(club.template_id), "sms_template_id": str(sms)}
    page = client.post(f"{path}/what", given | {"act": "earlier-SMS", "order": "EMAIL,SMS"}).text
    assert re.search(r'name="order"[^>]*value="SMS,EMAIL', page)
    assert page.index('value="SMS"') < page.index('value="EMAIL"')
    client.post(f"{path}/what", given | {"order": "SMS,EMAIL"}, status=302)
    assert only(club).channels == ["SMS", "EMAIL"]
    review = client.get(f"{path}/review").text
    assert "on the first of these channels that reaches them, in this order" in review
    assert re.search(r">SMS</td><td[^>]*>3</td>.*?>E-mail</td><td[^>]*>2</td>", review, re.DOTALL)


def test_what_may_have_arrived_is_told_with_what_can_be_done(
    client: PageClient, sign_in: Any, club: Club, sink: Sink
) -> None:
    sign_in()
    sink.on_letter = lambda *_: "drop"
    campaign = club.campaign(club.people(1))
    club.act("start", campaign)
    club.work()
    path = f"/campaigns/{campaign.id}"
    page = client.get(path).text
    line = re.search(r"<li><a href=\"([^\"]*)\">1 unknown</a>: (.*?)</li>", page)
    assert line
    assert "The connection broke after the message was handed over, so it may have arrived." in line[2]
    assert client.get(line[1].replace("&amp;", "&")).text.count('data-label="To"') == 1
    people = re.search(r"<a href=\"([^\"]*)\">make a segment of them</a>", line[2])
    assert people
    told = client.get(people[1]).text
    assert "Nobody can tell whether it arrived" in told
    assert "Make a segment of them" in told


def test_the_page_of_a_paused_campaign_moves_while_letters_are_on_their_way(
    client: PageClient, sign_in: Any, club: Club, sink: Sink
) -> None:
    sign_in()
    campaign = club.campaign(club.people(3))
    club.act("start", campaign)
    running.run_step(tenant_id=club.tenant_id, now=NOON)
    club.act("pause", campaign)
    path = f"/campaigns/{campaign.id}"
    assert "data-poll" not in client.get(path).text
    with transaction(club.tenant_id) as session:
        session.execute(text("UPDATE message SET status = 'sending', sending_at = now() WHERE status = 'queued'"))
    assert "data-poll" in client.get(path).text


def test_the_page_moves_while_it_sends(client: PageClient, sign_in: Any, club: Club, sink: Sink) -> None:
    sign_in()
    campaign = club.campaign(club.people(3))
    path = f"/campaigns/{campaign.id}"
    assert "data-poll" not in client.get(path).text
    assert f'href="{path}/report"' not in client.get(path).text
    client.post(f"{path}/start")
    # The head of the page doesn't move: what is wanted later is there when it is sent.
    assert f'href="{path}/report"' in client.get(path).text
    client.get(f"{path}/report")
    running.run_step(tenant_id=club.tenant_id)
    part = client.get(path, htmx=True).text
    assert "data-poll" in part
    assert "<h1" not in part
    client.post(f"{path}/pause")
    assert "Resume" in client.get(path).text
    client.post(f"{path}/resume")
    work(club)
    work(club, 5)
    assert "data-poll" not in client.get(path, htmx=True).text
    assert len(sink.letters) == 3
    assert "that is completed can" in client.get(client.post(f"{path}/cancel").headers["Location"]).text


def test_an_unfinished_letter_is_sent_only_on_purpose(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    html = '<p>Hello <a href="https://www.example.com/">book</a> <a href="{{ unsubscribe_url }}">out</a></p>'
    letter = content.create(tenant_id=club.tenant_id, name="Half done", subject="Hello", html=html)
    later = {"mode": "at", "start_at": "2131-05-14T09:00"}
    campaign = club.campaign(club.people(1), email_template_id=letter.id, schedule=later)
    path = f"/campaigns/{campaign.id}"
    review = client.get(f"{path}/review").text
    assert "A link still has the address of the example." in review
    assert f'href="/templates/{letter.id}"' in review
    assert review.count('name="anyway"') == 2
    for act in ("schedule", "start"):
        refused = client.post(f"{path}/{act}")
        assert refused.headers["Location"] == f"{path}/review"
        assert "What it says is not finished. Mend it" in client.get(f"{path}/review").text
        assert only(club).status == "draft"
    client.post(f"{path}/schedule", {"anyway": "1"}, status=302)
    assert only(club).status == "scheduled"


def test_nothing_is_to_be_ticked_where_the_letter_is_finished(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    review = client.get(f"/campaigns/{club.campaign(club.people(1)).id}/review").text
    assert "not finished" not in review
    assert 'name="anyway"' not in review


def test_the_review_says_what_was_found_of_links_and_values(
    client: PageClient, sign_in: Any, club: Club, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in()
    html = '<p>Dear {{ customer.first_name }}</p><a href="https://gone.invalid/x">x</a>'
    made = content.create(tenant_id=club.tenant_id, name="Links", subject="Hi {{ event.nick }}", html=html)
    campaign = club.campaign([*club.people(2), *club.people(1, first_name=None)])
    path = f"/campaigns/{campaign.id}"
    form = {"channels": "EMAIL", "email_template_id": str(made.id), "channel_mode": "first", "version": "1"}
    client.post(f"{path}/what", form, status=302)
    # The way to the next step has them tried.
    assert "Trying the links" in client.get(f"{path}/review").text
    monkeypatch.setattr("app.infra.http.resolve", lambda *_: [])
    link_checks.run_batch(tenant_id=club.tenant_id, now=clock.now())
    told = client.get(f"/templates/{made.id}/links?campaign={campaign.id}", htmx=True)
    assert told.headers["HX-Refresh"] == "true"
    review = client.get(f"{path}/review").text
    assert review.count("A link is broken. There is no host called gone.invalid.") == 1
    assert "Send it all the same" in review
    assert re.search(r"customer\.first_name</code> is empty for\s+1 of\s+3 people in the segment", review)
    unfilled = (
        r"E-mail: <a href=\"/templates/" + str(made.id) + r"\">Links</a></p>\s*<ul.*\s.*Nothing fills in “event.nick”"
    )
    assert re.search(unfilled, review)


def test_the_review_says_how_many_are_left_out_by_chance(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    people = [*club.people(20), *club.people(1, email_opt_in=False)]
    campaign = club.campaign(people, holdout_percent=10, goal=FOR_PAYMENTS)
    assert "10 of a hundred, to measure what it changes" in client.get(f"/campaigns/{campaign.id}").text
    review = client.get(f"/campaigns/{campaign.id}/review").text
    assert re.search(r"Would be sent, about.*?>18<.*?Left out by chance, about.*?>2<", review, re.DOTALL)
    assert "about 18 people get it. About 2 more are left out by chance" in review
    whole = client.get(f"/campaigns/{club.campaign(people).id}/review").text
    assert "It begins at once: 20 people get it. You can pause it" in whole
    assert "Left out by chance" not in whole


def test_the_pages_say_until_when_quiet_hours_hold_it(client: PageClient, sign_in: Any, club: Club, sink: Sink) -> None:
    sign_in()
    hour = clock.now().astimezone(ZoneInfo("Africa/Johannesburg"))
    quiet = {"from": f"{hour - timedelta(hours=2):%H:%M}", "to": f"{hour + timedelta(hours=2):%H:%M}"}
    policy.save(tenant_id=club.tenant_id, actor=ACTOR, changes={"quiet": {"EMAIL": quiet}})
    campaign = club.campaign(club.people(2))
    path, until = f"/campaigns/{campaign.id}", f"{quiet['to']} (Africa/Johannesburg)"
    review = client.get(f"{path}/review").text
    # Beside the numbers, and when one is asked whether to send it.
    assert len(re.findall(rf"Of these 2 wait until [^(]*{re.escape(until)}, because", review)) == 2
    client.post(f"{path}/start", status=302)
    work(club)
    assert re.search(rf"They wait until [^(]*{re.escape(until)}\.", client.get(path).text)


def test_the_review_says_what_quiet_hours_do_to_the_time_it_is_planned_for(
    client: PageClient, sign_in: Any, club: Club
) -> None:
    sign_in()
    quiet = {"EMAIL": {"from": "21:00", "to": "08:00"}}
    policy.save(tenant_id=club.tenant_id, actor=ACTOR, changes={"quiet": quiet})
    day = clock.now() + timedelta(days=2)
    people = [*club.people(2), *club.people(1, timezone="Pacific/Auckland")]

    def review(mode: str, at: str) -> str:
        campaign = club.campaign(people, schedule={"mode": mode, "start_at": f"{day:%Y-%m-%d}T{at}"})
        # What is asked before it is sent now is told of now.
        return re.sub(r'data-confirm-text="[^"]*"', "", client.get(f"/campaigns/{campaign.id}/review").text)

    # 11:30 at the club is half past ten or eleven in the evening at Auckland.
    assert "Of these 1 waits until" in review("at", "11:30")
    assert f"Of these 2 wait until {day:%A, %-d %B}, 08:00" in review("at", "07:00")
    assert f"Of these 3 wait until {day - timedelta(days=1):%A}" in review("recipient_zone", "07:00")
    assert "because quiet hours" not in review("recipient_zone", "11:30")
    assert "because quiet hours" not in review("best_time", "23:00")


def test_the_pace_is_said_by_the_organisation_s_limits_too(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    people = [*club.people(4), *club.people(1, email="ann@slow.example")]
    quick = club.campaign(people)
    assert "as quickly as the server takes it" in client.get(f"/campaigns/{quick.id}/review").text
    limits = [
        {"channel": "EMAIL", "most": 2, "seconds": 60},
        {"channel": "EMAIL", "domain": "slow.example", "most": 1, "seconds": 86400},
        {"channel": "SMS", "most": 1, "seconds": 60},
    ]
    policy.save(tenant_id=club.tenant_id, actor=ACTOR, changes={"rates": limits[:1] + limits[2:], "quiet": {}})
    review = client.get(f"/campaigns/{quick.id}/review").text
    assert "your organisation allows 2 a minute (set by owners and admins): about 2 minutes for 5" in review
    policy.save(tenant_id=club.tenant_id, actor=ACTOR, changes={"rates": limits})
    hurried = club.campaign(people, throttle_per_hour=60, expires_hours=3)
    review = client.get(f"/campaigns/{hurried.id}/review").text
    assert (
        "at most 60 an hour, your organisation allows 2 a minute, 1 a day to slow.example (set by owners and admins):"
        in review
    )
    assert "what is not out 3 hours after its time is left out" in review
    assert "your organisation allows 2 a minute" in client.get(f"/campaigns/{quick.id}").text


def test_a_step_is_ticked_only_where_nothing_is_missing_in_it(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    variants = [{"name": one, "share": 10, "templates": {"EMAIL": str(club.template_id)}} for one in "AB"]
    tried = {"variants": variants, "rule": "clicks", "after_minutes": 60}
    path = f"/campaigns/{club.campaign(club.people(1), email_template_id=None, experiment=tried).id}"
    page = client.get(f"{path}/when").text
    assert re.search(r'class="way-done"><a [^>]*>Whom<', page)
    assert re.search(r'class="way-lacks"><a [^>]*>What</a><span[^>]*> is not finished<', page)
    review = client.get(f"{path}/review").text
    assert f"{path}/what?lacks=1" in review
    assert "each variant may then say something else" in client.get(f"{path}/what?lacks=1").text


def test_what_waits_is_listed_held_or_not(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    campaign = club.campaign(club.people(3))
    club.act("start", campaign)
    club.work(send=False)
    club.rows(
        "UPDATE message SET status = 'held', reason = 'quiet_hours'"
        " WHERE id IN (SELECT id FROM message ORDER BY id LIMIT 2) RETURNING 1"
    )
    link = re.search(r'href="(/messages\?[^"]*status=waiting[^"]*)"', client.get(f"/campaigns/{campaign.id}").text)
    assert link is not None
    page = client.get(link[1].replace("&amp;", "&")).text
    assert page.count('data-label="To"') == 3
    assert re.search(r'<option[^>]*value="waiting"[^>]*selected|<option selected[^>]*value="waiting"', page)
    assert client.get("/messages?status=held").text.count('data-label="To"') == 2


def test_the_list_is_searched_filtered_and_undone(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    first, second = club.campaign([], name="Alpha", campaign_type="birthday"), club.campaign([], name="Beta")
    names = lambda query: re.findall(r">(Alpha|Beta)</a>", client.get(f"/campaigns?{query}").text)  # noqa: E731
    assert names("sort=name") == ["Alpha", "Beta"]
    assert names("q=alp") == names("campaign_type=birthday") == ["Alpha"]
    assert names("status=sending") == []
    assert names("status=&sort=") == ["Beta", "Alpha"]
    gone = client.post(f"/campaigns/{first.id}/archive").headers["Location"]
    assert "Undo" in client.get(gone).text
    assert names("") == ["Beta"]
    client.post(f"/campaigns/{first.id}/unarchive", {"back": "list"})
    client.post(f"/campaigns/{second.id}/delete")
    assert names("") == ["Alpha"]
    client.post(f"/campaigns/{first.id}/duplicate")
    assert "Copy of Alpha" in client.get("/campaigns").text


def test_the_calendar_shows_and_moves(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    campaign = club.campaign([], schedule={"start_at": "2131-05-14T09:00"})
    club.act("schedule_", campaign)
    page = client.get("/campaigns/calendar?month=2131-05").text
    assert re.search(r'data-day="2131-05-14".*?09:00</span> News', page, re.DOTALL)
    moved = client.post(f"/campaigns/{campaign.id}/move", {"date": "2131-05-20"})
    assert moved.headers["Location"] == "/campaigns/calendar?month=2131-05"
    assert only(club).schedule == {"mode": "at", "start_at": "2131-05-20T09:00"}
    assert '<input type="hidden" name="month" value="2131-05">' in page
    for wrong in ("", "x", "1999-01-01", "2001-01-01"):
        refused = client.post(f"/campaigns/{campaign.id}/move", {"date": wrong, "month": "2131-05"}, status=302)
        # What is refused moves nobody to another month.
        assert refused.headers["Location"] == "/campaigns/calendar?month=2131-05"
    assert only(club).schedule["start_at"] == "2131-05-20T09:00"


def test_the_calendar_shows_each_day_of_a_recurring_one(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    given = {"start_at": "2131-05-01T09:00", "rrule": "FREQ=WEEKLY;BYDAY=MO"}
    campaign = club.campaign([], type="RECURRING", schedule=given)
    club.act("schedule_", campaign)
    page = client.get("/campaigns/calendar?month=2131-05").text
    assert len(re.findall(r"09:00</span> News", page)) == 4
    assert "data-move" not in page


def test_why(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in()
    people: list[UUID] = club.people(1, first_name="Zoe", email_opt_in=False)
    campaign = club.campaign(people)
    path = f"/campaigns/{campaign.id}/why"
    assert "Zoe" in client.get(f"{path}?q=zoe").text
    told = client.get(f"{path}?customer_id={people[0]}").text
    assert "They are in the segment now." in told
    assert "The customer said no to e-mail." in told


@pytest.mark.parametrize("role", ["staff", "ops"])
def test_staff_see_nothing_of_it(client: PageClient, sign_in: Any, club: Club, role: str) -> None:
    campaign = club.campaign([])
    sign_in(role)
    for path in ("", "/calendar", "/new", f"/{campaign.id}", f"/{campaign.id}/why"):
        client.get(f"/campaigns{path}", status=403)
    client.post(f"/campaigns/{campaign.id}/start", status=403)


def test_viewers_read(client: PageClient, sign_in: Any, club: Club) -> None:
    campaign = club.campaign([])
    sign_in("viewer")
    page = client.get(f"/campaigns/{campaign.id}").text
    assert "Review and send" not in page
    assert "New campaign" not in client.get("/campaigns").text
    client.post(f"/campaigns/{campaign.id}/start", status=403)
    client.get(f"/campaigns/{campaign.id}/review", status=403)


def test_the_goal_is_chosen_asked_of_and_kept(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in("marketer")
    campaign = club.campaign(club.people(1))
    path = f"/campaigns/{campaign.id}/goal"
    page = client.get(path).text
    assert "Payment received" in page
    assert "Only if" not in page
    hidden = form_of(page)
    # Without scripts a button shows what can be asked of the event.
    chosen = {"event_type": "payment.received", "window_days": "14", "cost": "99.50", "cost_currency": ""}
    assert "Only if" in client.post(path, hidden | chosen | {"act": "event"}).text
    told = client.post(path, hidden | chosen | {"act": "event"}, htmx=True).text
    assert "Only if" in told
    assert "<h1" not in told
    rule = {
        "conditions.0.key": "1",
        "conditions.0.field": "amount",
        "conditions.0.operator": "gt",
        "conditions.0.value": "much",
        "conditions.of": "event:payment.received",
    }
    refused = client.post(path, hidden | chosen | rule, status=422).text
    assert "give a number" in refused
    wrong = client.post(path, hidden | chosen | {"window_days": "900", "cost": "lots"}, status=422).text
    assert "Give an amount" in wrong
    client.post(path, hidden | chosen | rule | {"conditions.0.value": "100"}, status=302)
    kept = only(club)
    assert kept.goal is not None
    assert (kept.goal["window_days"], str(kept.cost), kept.cost_currency) == (14, "99.50", "ZAR")
    assert kept.goal["conditions"]["rules"][0]["value"] == 100
    review = client.get(f"/campaigns/{campaign.id}/review").text
    assert "Payment received within 14 days, where" in review
    assert 'value="100"' in client.get(path).text
    again = client.post(path, hidden | chosen, status=409).text
    assert "Somebody else" in again
