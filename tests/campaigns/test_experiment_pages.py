"""A/B tests on the pages: variants in a campaign's way, how they stand, choosing the winner, why somebody waits."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.campaigns import queries, templates
from app.campaigns.models import Campaign
from app.content import service as content
from app.content.service import InUse
from app.infra.db import transaction
from app.messaging import clicks
from app.messaging.clicks import Click
from app.messaging.tokens import TrackedLink
from app.messaging.tracking import Kind, Visit, record
from tests.campaigns.conftest import NOON, Club
from tests.campaigns.test_conversions import FOR_PAYMENTS
from tests.campaigns.test_experiment import Trial
from tests.campaigns.test_pages import form_of, only, work
from tests.messaging.sink import Sink
from tests.page_client import ApiClient, PageClient

MACHINE = Visit("GET", "Mozilla/5.0", prefetch=True)


def variants(*given: tuple[str, str, UUID | None], **more: Any) -> dict[str, Any]:
    """Return the fields of a form with these variants: name, share, template."""
    found: dict[str, Any] = {"tries": "y", "channels": ["EMAIL"], "rule": "clicks", "after_hours": "4"}
    for place, (name, share, template) in enumerate(given):
        at = f"variants-{place}"
        found |= {f"{at}-name": name, f"{at}-share": share, f"{at}-email_template_id": str(template or "")}
    return found | more


@pytest.fixture
def other(club: Club) -> UUID:
    return club.other_template("Subject B")


def drafted(club: Club, number: int = 20, **given: Any) -> tuple[Campaign, str]:
    campaign = club.campaign(club.people(number), **given)
    return campaign, f"/campaigns/{campaign.id}"


def test_variants_are_added_and_taken_out_without_javascript(
    client: PageClient, sign_in: Any, club: Club, other: UUID
) -> None:
    sign_in("marketer")
    _, path = drafted(club)
    page = client.get(f"{path}/what").text
    assert page.count('<fieldset class="variant">') == 2
    own = {"email_template_id": str(club.template_id)} | form_of(page)
    given = own | variants(("Short", "5", None), ("Long", "15", other))
    page = client.post(f"{path}/what", given | {"act": "add"}).text
    assert page.count('<fieldset class="variant">') == 3
    assert 'value="Short"' in page
    assert re.search(rf'<option [^>]*selected value="{other}">', page)
    part = client.post(f"{path}/what", given | {"act": "add"}, htmx=True).text
    assert "<h1" not in part
    assert part.count('<fieldset class="variant">') == 3
    three = own | variants(("Short", "5", None), ("Long", "15", other), ("C", "10", None))
    page = client.post(f"{path}/what", three | {"act": "remove-0"}).text
    assert page.count('<fieldset class="variant">') == 2
    assert 'value="Short"' not in page
    assert only(club).experiment is None


def test_what_is_wrong_with_a_variant_stands_beside_it(
    client: PageClient, sign_in: Any, club: Club, other: UUID
) -> None:
    sign_in("marketer")
    _, path = drafted(club)
    own = {"email_template_id": str(club.template_id)} | form_of(client.get(f"{path}/what").text)
    page = client.post(f"{path}/what", own | variants(("A", "x", None), ("B", "20", other)), status=422).text
    assert 'id="variants-0-share-error"' in page
    assert page.count("Give a share from 1 to 100 percent.") == 2
    page = client.post(f"{path}/what", own | variants(("A", "60", None), ("B", "50", other)), status=422).text
    assert "The shares come to more than 100 percent." in page
    page = client.post(f"{path}/what", own | variants(("A", "10", None), ("a", "10", other)), status=422).text
    assert 'id="variants-1-name-error"' in page
    for hours in ("", "0", "-1", "soon", "NaN", "Infinity", "1e9"):
        given = variants(("A", "10", None), ("B", "10", other), after_hours=hours)
        assert 'id="after_hours-error"' in client.post(f"{path}/what", own | given, status=422).text
    gone = variants(("A", "10", None), ("B", "10", UUID(int=7)))
    assert 'id="variants-1-email_template_id-error"' in client.post(f"{path}/what", own | gone, status=422).text
    assert only(club).experiment is None


def test_from_variants_to_the_winner_in_everybody_s_mailbox(
    client: PageClient, sign_in: Any, club: Club, other: UUID, sink: Sink
) -> None:
    sign_in("marketer")
    campaign, path = drafted(club, 40)
    own = {"email_template_id": str(club.template_id)} | form_of(client.get(f"{path}/what").text)
    given = own | variants(("Short", "25", None), ("Long", "25", other), rule="by_hand", after_hours="")
    assert client.post(f"{path}/what", given, status=302).headers["Location"] == f"{path}/when"
    review = client.get(f"{path}/review").text
    assert len(re.findall(r'data-label="People, about" class="text-end">10<', review)) == 2
    assert "The winner: chosen by hand" in review
    assert "about 20 of them now (Short and Long)" in review
    client.post(f"{path}/start", status=302)
    work(club)
    stats = queries.stats(tenant_id=club.tenant_id, campaign_id=campaign.id)
    page = client.get(path).text
    waiting = stats.held["awaiting_winner"]
    assert f"40 in all = 0 waiting + {waiting} waiting for the winner + 0 sending + {stats.sent} sent" in page
    link = re.search(r'href="(/messages\?[^"]*status=held&amp;reason=awaiting_winner)"', page)
    assert link is not None
    assert client.get(link[1].replace("&amp;", "&")).text.count('data-label="To"') == waiting
    assert 'data-label="To"' not in client.get(f"/messages?campaign={campaign.id}&status=in_line").text
    assert "The others wait until somebody chooses." in page
    assert "No difference to be seen with so few." in page
    run = re.search(r'name="run" value="([^"]+)"', page)
    assert run is not None
    client.post(f"{path}/winner", {"run": run[1], "variant": "b"}, status=302)
    work(club, 1)
    work(club, 20)
    page = client.get(path).text
    assert "Long goes to everybody else." in page
    assert "40 in all = 0 waiting + 0 sending + 40 sent" in page
    assert f"{waiting} more got the winner" in page
    assert "Choose Long" not in page
    assert sum(one.mail["Subject"] == "Subject B" for one in sink.letters) == waiting + (stats.sent - len_of(club, "a"))
    assert len({one.recipient for one in sink.letters}) == len(sink.letters) == 40
    client.post(f"{path}/winner", {"run": run[1], "variant": "a"}, status=302)
    assert "has been chosen already" in client.get(path).text
    report = client.get(f"{path}/report").text
    assert "Long goes to everybody else." in report
    download = client.post(f"{path}/report/export").text
    assert f"variant,Short,sent,{len_of(club, 'a')}" in download


def len_of(club: Club, variant: str) -> int:
    [row] = club.rows("SELECT count(*) AS n FROM message WHERE variant = :variant", variant=variant)
    return int(row.n)


def test_who_may_not_send_may_not_choose(client: PageClient, sign_in: Any, club: Club, trial: Trial) -> None:
    campaign = trial.begin("by_hand")
    path = f"/campaigns/{campaign.id}"
    sign_in("viewer")
    assert "Choose" not in client.get(path).text
    client.post(f"{path}/winner", {"run": str(trial.run().id), "variant": "a"}, status=403)
    sign_in("marketer")
    client.post(f"{path}/winner", {"run": "x", "variant": "a"}, status=404)
    client.post(f"{path}/winner", {"run": str(trial.run().id), "variant": "z"}, status=302)
    assert "There is no such variant." in client.get(path).text


@pytest.fixture
def trial(club: Club, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Trial:
    return Trial(club, monkeypatch)


def test_why_somebody_waits_and_what_they_get(client: PageClient, sign_in: Any, club: Club, trial: Trial) -> None:
    sign_in("marketer")
    campaign = trial.begin()

    def why(place: int) -> str:
        return client.get(f"/campaigns/{campaign.id}/why?customer_id={trial.people[place]}").text

    assert "Chance gave them First." in why(0)
    assert "Chance let them wait for the winner, which is not chosen yet." in why(19)
    trial.choose(campaign, "b")
    club.work()
    assert "They waited for the winner: B, chosen by somebody." in why(19)
    draft = club.campaign(trial.people, experiment=campaign.experiment)
    page = client.get(f"/campaigns/{draft.id}/why?customer_id={trial.people[0]}").text
    assert "Chance tells then which one they get" in page


def test_what_lacks_before_it_is_sent(client: PageClient, sign_in: Any, club: Club, other: UUID) -> None:
    sign_in("marketer")
    same = {"variants": [{"share": 10}, {"share": 10}], "rule": "conversions", "after_minutes": 60}
    _, path = drafted(club, 2, experiment=same)
    review = client.get(f"{path}/review").text
    assert "A and B are the same." in review
    assert f'there is no goal. Choose one, or another rule. <a href="{path}/goal?lacks=1"' in review
    assert "Send now" not in review
    telling = {"variants": [{"share": 10}, {"share": 10, "templates": {"EMAIL": str(other)}}], "rule": "conversions"}
    _, path = drafted(club, 2, experiment=telling, goal=FOR_PAYMENTS)
    assert "Send now" in client.get(f"{path}/review").text


def test_a_variant_s_template_is_in_use(club: Club, other: UUID) -> None:
    tried = {"variants": [{"share": 10}, {"share": 10, "templates": {"EMAIL": str(other)}}]}
    campaign = club.campaign(club.people(3), experiment=tried)
    nobody_s = club.other_template("Nobody's")
    with transaction(club.tenant_id) as session:
        found = templates.using(session, club.tenant_id, [other, club.template_id, nobody_s])
    assert {key: [one.id for one in uses] for key, uses in found.items()} == {
        other: [campaign.id],
        club.template_id: [campaign.id],
    }


def test_each_occurrence_has_a_test_of_its_own(club: Club, sink: Sink, other: UUID) -> None:
    tried = {
        "variants": [{"share": 30}, {"share": 30, "templates": {"EMAIL": str(other)}}],
        "rule": "clicks",
        "after_minutes": 60,
    }
    daily = {"mode": "at", "start_at": "2026-11-20T15:00", "rrule": "FREQ=DAILY", "local_time": "15:00"}
    campaign = club.campaign(club.people(30), type="RECURRING", schedule=daily, experiment=tried)
    club.act("start", campaign)
    for day in range(3):
        at = timedelta(days=day, hours=1)
        club.work(at)
        club.work(at + timedelta(hours=1, seconds=20))
        club.work(at + timedelta(hours=1, seconds=40))
    runs = queries.page_of_runs(tenant_id=club.tenant_id, campaign_id=campaign.id).items
    assert [(run.winner, run.status) for run in runs] == [("a", "completed")] * 3
    assert club.stats(campaign).sent == 90


def test_the_winner_is_not_chosen_before_all_had_their_time(club: Club, sink: Sink, trial: Trial) -> None:
    """Somebody who gets theirs late, by the pace, has as much time as the others."""
    campaign = trial.begin(throttle_per_hour=60, shares=(50, 40))
    for minute in range(1, 30):
        club.work(timedelta(minutes=minute))
    assert club.stats(campaign).sent == 18
    club.work(timedelta(minutes=60))
    assert trial.run().winner is None
    club.work(timedelta(minutes=80))
    assert trial.run().winner == "a"


def test_with_each_reader_s_own_time_the_winner_comes_not_before_it(club: Club, sink: Sink, trial: Trial) -> None:
    late = trial.people[19]
    club.rows("UPDATE customer SET timezone = 'America/Los_Angeles' WHERE id = :id RETURNING 1", id=late)
    when = {"mode": "recipient_zone", "start_at": "2026-11-20T14:30"}
    campaign = trial.draft("by_hand", schedule=when)
    club.act("schedule_", campaign)
    club.work(timedelta(minutes=30))
    trial.choose(campaign, "b", timedelta(hours=1))
    club.work(timedelta(hours=1))
    assert club.stats(campaign).sent == 19
    club.work(timedelta(hours=10, minutes=31))
    assert club.stats(campaign).sent == 20


def test_machines_choose_no_winner(club: Club, sink: Sink, trial: Trial) -> None:
    campaign = trial.begin("opens")
    for who in trial.people[:4]:
        link = TrackedLink(club.tenant_id, trial.message(campaign, who), "")
        record(kind=Kind.OPENED, link=link, visit=MACHINE, now=NOON + timedelta(minutes=5))
    trial.visit(trial.message(campaign, trial.people[5]), Kind.OPENED, timedelta(minutes=5))
    trial.apply(timedelta(minutes=6))
    club.work(timedelta(hours=1))
    assert trial.run().winner == "b"


def test_of_a_template_in_a_trial_nothing_is_archived(club: Club, sink: Sink, trial: Trial) -> None:
    trial.begin("by_hand")
    with pytest.raises(InUse):
        content.archive(tenant_id=club.tenant_id, template_id=trial.b, users=[templates.using])


def test_over_the_api_the_numbers_are_told(api: ApiClient, club: Club, trial: Trial) -> None:
    campaign = trial.begin()
    found = api.get(f"/campaigns/{campaign.id}/runs/{trial.run().id}/variants").get_json()
    assert (found["waiting"], found["rest"], found["measure"]) == (12, 0, "clicked")
    assert found["words"] == "No difference to be seen with so few."


def test_of_those_who_wait_it_is_said_how_many_will_get_it(
    client: PageClient, sign_in: Any, club: Club, sink: Sink, other: UUID
) -> None:
    sign_in("marketer")
    people = [*club.people(40), *club.people(40, email_opt_in=False)]
    tried = {"variants": [{"name": "A", "share": 30}, {"name": "B", "share": 30, "templates": {"EMAIL": str(other)}}]}
    campaign = club.campaign(people, experiment=tried | {"rule": "by_hand", "after_minutes": 60})
    club.act("start", campaign)
    club.work()
    stats = club.stats(campaign)
    waiting = stats.held["awaiting_winner"]
    will_get = round(waiting * stats.sent / (stats.sent + stats.total_skipped))
    assert 0 < will_get < waiting
    assert (
        f"{waiting} wait for the winner; about {will_get} of them will get it"
        in client.get(f"/campaigns/{campaign.id}").text
    )


def test_the_report_names_each_letter_and_draws_the_one_that_is_chosen(
    client: PageClient, sign_in: Any, club: Club, sink: Sink
) -> None:
    sign_in("marketer")
    letters = {}
    for key in "ab":
        link = f'<p><a href="https://club.example/{key}">Book {key}</a></p>'
        letters[key] = content.create(tenant_id=club.tenant_id, name=f"Letter {key}", subject=key, html=link).id
    tried = [{"name": key.upper(), "share": 50, "templates": {"EMAIL": str(letters[key])}} for key in "ab"]
    campaign = club.campaign(club.people(20), experiment={"variants": tried, "rule": "by_hand", "after_minutes": 60})
    path = f"/campaigns/{campaign.id}"
    club.act("start", campaign)
    club.work()
    with transaction(club.tenant_id) as session:
        for row in club.rows("SELECT id, variant FROM message"):
            both = [Click(row.id, f"https://club.example/{row.variant}", by_machine=False, at=NOON)]
            clicks.note(session, club.tenant_id, both)
    many = {key: len_of(club, key) for key in "ab"}
    for page in (client.get(path).text, client.get(f"{path}/report").text):
        assert re.search(r'<th scope="row" data-label="Variant">B<div[^>]*>E-mail: <a [^>]*>Letter b</a>', page)
    report = client.get(f"{path}/report").text
    assert f"{path}/report?variant=b#letter" in report
    # The table stays when another letter is chosen below it.
    assert report.count("Not in the letter of A, or not the same for all") == 1
    assert "in the letter below" not in report
    part = client.get(f"{path}/report?variant=b", htmx=True).text
    assert "<h1" not in part
    assert f"{path}/report/mail?variant=b" in part
    for key, other in ("ab", "ba"):
        drawn = client.get(f"{path}/report/mail?variant={key}").text
        assert f"{many[key]} people (100%)" in drawn
        assert f"Book {key}" in drawn
        assert f"Book {other}" not in drawn
