"""Whom a campaign's letters are from, and variants that differ in that or in the hour at which they go out."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.campaigns.readiness import NotReady
from app.infra.errors import Invalid
from app.infra.ids import new_id
from app.messaging import sending_domains
from tests.campaigns.conftest import ACTOR, NOON, Club
from tests.campaigns.test_experiment import Trial
from tests.campaigns.test_experiment_pages import variants
from tests.campaigns.test_pages import form_of, only
from tests.messaging.sink import Sink
from tests.page_client import ApiClient, PageClient

HOUR = timedelta(hours=1)


class Senders:
    """Two senders of a proven domain: that of all clubs, and that of one."""

    def __init__(self, club: Club) -> None:
        self.club = club
        made = sending_domains.add(tenant_id=club.tenant_id, name="news.club.example", actor=ACTOR, now=NOON)
        self.prove(True)
        [row] = club.rows("SELECT id FROM club LIMIT 1")
        self.pro = self.set("The pro", "pro", row.id)
        self.office = self.set("The office", "office", None)
        self.domain_id = made.id

    def set(self, name: str, local: str, club_id: UUID | None) -> UUID:
        return sending_domains.set_sender(
            tenant_id=self.club.tenant_id,
            name=name,
            address=f"{local}@news.club.example",
            club_id=club_id,
            actor=ACTOR,
        )

    def prove(self, proven: bool) -> None:
        self.club.rows("UPDATE sending_domain SET proven_at = :at RETURNING 1", at=NOON if proven else None)


@pytest.fixture
def senders(club: Club) -> Senders:
    return Senders(club)


@pytest.fixture
def trial(club: Club, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Trial:
    return Trial(club, monkeypatch)


def froms(sink: Sink) -> list[str]:
    return sorted({one.mail["From"].addresses[0].display_name for one in sink.letters})


def test_a_campaign_is_from_whom_was_chosen(club: Club, sink: Sink, senders: Senders) -> None:
    """Not from the sender of the reader's club; and from that one where nobody was chosen."""
    for chosen in (senders.pro, None):
        sink.letters.clear()
        campaign = club.campaign(club.people(2), sender_id=chosen)
        club.act("start", campaign)
        club.work()
        assert froms(sink) == ["The pro" if chosen else "The office"]


def test_variants_from_two_senders_and_the_rest_from_the_winner(
    club: Club, sink: Sink, senders: Senders, trial: Trial
) -> None:
    tried = {
        "variants": [
            {"name": "Pro", "share": 20, "sender_id": str(senders.pro)},
            {"name": "Office", "share": 20, "sender_id": str(senders.office)},
        ],
        "rule": "by_hand",
    }
    campaign = club.campaign(trial.people, experiment=tried)
    club.act("start", campaign)
    club.work()
    assert froms(sink) == ["The office", "The pro"]
    sink.letters.clear()
    trial.choose(campaign, "a")
    club.work()
    assert (len(sink.letters), froms(sink)) == (12, ["The pro"])


def test_a_sender_that_can_t_be_is_said_before_and_does_no_harm_after(
    club: Club, sink: Sink, senders: Senders, trial: Trial
) -> None:
    with pytest.raises(Invalid, match="no such sender"):
        club.campaign([], sender_id=new_id())
    campaign = club.campaign(trial.people, sender_id=senders.pro)
    senders.prove(False)
    with pytest.raises(NotReady) as refused:
        club.act("start", campaign)
    assert "has to prove its domain" in refused.value.errors["sender_id"]
    senders.prove(True)
    club.act("start", campaign)
    sending_domains.remove_sender(tenant_id=club.tenant_id, sender_id=senders.pro, actor=ACTOR)
    club.work()
    assert (len(sink.letters), froms(sink)) == (20, ["The office"])
    assert only(club).sender_id is None


def test_a_variant_at_another_hour_goes_out_then(club: Club, sink: Sink, trial: Trial) -> None:
    """It is 14:00 at the club: 18:00 is in four hours, 09:00 tomorrow morning. The winner has its hour too."""
    tried: dict[str, Any] = {
        "variants": [
            {"name": "Evening", "share": 20, "local_time": "18:00"},
            {"name": "Morning", "share": 20, "local_time": "09:00"},
        ],
        "rule": "clicks",
        "after_minutes": 60,
    }
    campaign = club.campaign(trial.people, experiment=tried)
    club.act("start", campaign)

    def sent(after: timedelta) -> int:
        club.work(after)
        return club.stats(campaign).sent

    assert sent(timedelta(0)) == 0
    assert sent(3.9 * HOUR) == 0
    assert sent(4 * HOUR) == 4
    # Half of the people have not had theirs: nothing is chosen.
    assert sent(18 * HOUR) == 4
    assert trial.run().winner is None
    assert sent(19 * HOUR) == 8
    club.work(19 * HOUR + timedelta(seconds=20))
    assert sent(20.1 * HOUR) == 8
    assert trial.run().winner == "a"
    assert sent(27.9 * HOUR) == 8
    assert sent(28 * HOUR) == 20


def test_at_each_reader_s_own_hour(club: Club, sink: Sink, trial: Trial) -> None:
    """14:30 at the club's and 18:00: two readers of the evening are in California, nine or ten hours behind."""
    club.rows(
        "UPDATE customer SET timezone = 'America/Los_Angeles' WHERE id = ANY(:ids) RETURNING 1", ids=trial.people[:2]
    )
    tried = {
        "variants": [{"name": "Evening", "share": 20, "local_time": "18:00"}, {"name": "Then", "share": 20}],
        "rule": "by_hand",
    }
    when = {"mode": "recipient_zone", "start_at": "2026-11-20T14:30"}
    campaign = club.campaign(trial.people, experiment=tried, schedule=when)
    club.act("schedule_", campaign)
    club.work(0.5 * HOUR)
    assert club.stats(campaign).sent == 4
    club.work(4 * HOUR)
    assert club.stats(campaign).sent == 6
    club.work(13.9 * HOUR)
    assert club.stats(campaign).sent == 6
    club.work(14 * HOUR)
    assert club.stats(campaign).sent == 8


def test_each_reader_s_best_hour_leaves_no_time_to_try(club: Club, trial: Trial) -> None:
    def campaign(share: int, **more: Any) -> Any:
        a = {"share": share, "templates": {"EMAIL": str(trial.a)}} | more
        tried = {"variants": [a, {"share": 50, "templates": {"EMAIL": str(trial.b)}}]}
        return club.campaign(trial.people, experiment=tried, schedule={"mode": "best_time"})

    for refused in (campaign(20), campaign(50, local_time="18:00")):
        with pytest.raises(NotReady, match="best hour does not go with"):
            club.act("start", refused)
    club.act("start", campaign(50))
    club.work(25 * HOUR)
    assert trial.got() == {("a", "Subject A"): 10, ("b", "Subject B"): 10}


def test_in_the_way_of_a_campaign(client: PageClient, sign_in: Any, club: Club, senders: Senders) -> None:
    sign_in("marketer")
    campaign = club.campaign(club.people(20))
    path = f"/campaigns/{campaign.id}"
    page = client.get(f"{path}/what").text
    assert "The pro &lt;pro@news.club.example&gt;" in page
    own = {"email_template_id": str(club.template_id), "sender_id": str(senders.office)} | form_of(page)
    given = own | variants(("A", "20", None), ("B", "20", None))
    wrong = given | {"variants-0-local_time": "25:00", "variants-1-sender_id": str(new_id())}
    page = client.post(f"{path}/what", wrong, status=422).text
    assert 'id="variants-0-local_time-error"' in page
    page = client.post(f"{path}/what", wrong | {"variants-0-local_time": ""}, status=422).text
    assert 'id="variants-1-sender_id-error"' in page
    client.post(f"{path}/what", given, status=302)
    assert "A and B are the same." in client.get(f"{path}/review").text
    given |= {"variants-0-local_time": "18:00", "variants-1-sender_id": str(senders.pro)}
    hidden = form_of(client.get(f"{path}/what").text)
    client.post(f"{path}/what", given | hidden, status=302)
    page = client.get(f"{path}/what").text
    assert 'value="18:00"' in page
    review = client.get(f"{path}/review").text
    assert "From: office@news.club.example, At: 18:00" in review
    assert "From: pro@news.club.example" in review
    assert "Send now" in review


def test_over_the_api(api: ApiClient, club: Club, senders: Senders) -> None:
    campaign = club.campaign(club.people(1))
    tried = {"variants": [{"share": 10, "local_time": "18:00"}, {"share": 10, "sender_id": str(senders.pro)}]}
    found = api.patch(f"/campaigns/{campaign.id}", {"sender_id": str(senders.office), "experiment": tried}).get_json()
    assert found["sender_id"] == str(senders.office)
    assert [one.get("local_time") for one in found["experiment"]["variants"]] == ["18:00", None]
    tried["variants"][0]["local_time"] = "6pm"
    assert api.patch(f"/campaigns/{campaign.id}", {"experiment": tried}).status_code == 422
