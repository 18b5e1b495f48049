"""A campaign's report: numbers that are those of the messages, and each opens its people."""

import csv
import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from sqlalchemy import text

from app.campaigns import report
from app.campaigns.models import Campaign
from app.content import service as content
from app.infra.db import transaction
from app.messaging import clicks, provider_words
from app.messaging.provider_words import Answer
from app.messaging.tally import Kind as Did
from app.messaging.tokens import TrackedLink
from app.messaging.tracking import Kind, Visit, record
from app.privacy.registry import BY_NAME, whose
from app.segments import queries as segments
from app.segments import work
from tests.campaigns.conftest import ACTOR, NOON, Club
from tests.campaigns.test_conversions import FOR_PAYMENTS, HOUR, PERSON, Happenings
from tests.messaging.sink import Sink
from tests.page_client import ApiClient, PageClient

BOOK = "https://club.example/book?a=1&b=2"
OTHER = "https://club.example/other"
ROBOT = Visit("GET", "Some-Scanner/1.0 (bot)")


class Read(Happenings):
    """A campaign to five people that some of them read."""

    def __init__(self, club: Club) -> None:
        super().__init__(club)
        (self.club_id,) = [row.id for row in club.rows("SELECT id FROM club")]
        emails = ("a@gmail.com", "b@gmail.com", "c@hotmail.co.uk", "d@club.example", None)
        self.people = [
            club.customer(email=email, first_name=name, club_id=self.club_id if name in "AB" else None)
            for name, email in zip("ABCDE", emails, strict=True)
        ]
        self.campaign: Campaign = self.sent(self.people, goal=FOR_PAYMENTS)
        a, b, c, _, _ = self.people
        self.click(a, BOOK, HOUR)
        self.click(a, OTHER, 2 * HOUR)
        self.click(a, BOOK, timedelta(days=1))
        self.click(b, BOOK, HOUR)
        self.visit(self.message(self.campaign, c), Kind.OPENED, 3 * HOUR)
        link = TrackedLink(club.tenant_id, self.message(self.campaign, c), OTHER)
        record(kind=Kind.CLICKED, link=link, visit=ROBOT, now=NOON + HOUR)
        self.apply(timedelta(days=1))
        self.event(a, 4 * HOUR, amount=10, currency="ZAR")

    def click(self, who: UUID, url: str, after: timedelta) -> None:
        link = TrackedLink(self.club.tenant_id, self.message(self.campaign, who), url)
        record(kind=Kind.CLICKED, link=link, visit=PERSON, now=NOON + after)

    @property
    def runs(self) -> list[UUID]:
        return report.runs_of(tenant_id=self.club.tenant_id, campaign_id=self.campaign.id)

    def behind(self, what: str, url: str | None = None) -> set[str]:
        found = report.people(tenant_id=self.club.tenant_id, run_ids=self.runs, what=what, url=url)
        return {one["customer_name"] for one in found.items}


@pytest.fixture
def read(club: Club, sink: Sink) -> Read:
    return Read(club)


@pytest.mark.parametrize(
    ("what", "who"),
    [
        ("audience", "ABCDE"),
        ("sent", "ABCD"),
        ("delivered", "ABCD"),
        ("skipped", "E"),
        ("failed", ""),
        ("not_opened", "D"),
        ("not_clicked", "CD"),
        (Did.OPENED, "ABC"),
        (Did.CLICKED, "AB"),
        (Did.MACHINE_CLICKED, "C"),
        (Did.CONVERTED, "A"),
    ],
)
def test_each_number_opens_its_people(read: Read, what: str, who: str) -> None:
    assert read.behind(what) == set(who)
    counted = {one.what: one.number for one in report.tally.counts(tenant_id=read.club.tenant_id, run_ids=read.runs)}
    assert counted.get(what, len(who)) == len(who)


def test_people_come_in_pages(read: Read) -> None:
    seen, cursor = [], None
    for _ in range(3):
        found = report.people(tenant_id=read.club.tenant_id, run_ids=read.runs, what="sent", cursor=cursor, limit=2)
        seen += [one["customer_name"] for one in found.items]
        cursor = found.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == list("ABCD")


def test_links_are_counted_per_person_and_machines_apart(read: Read) -> None:
    found = clicks.links(tenant_id=read.club.tenant_id, run_ids=read.runs)
    assert [(one.url, one.people, one.times, one.machines) for one in found] == [(BOOK, 2, 3, 0), (OTHER, 1, 1, 1)]
    assert read.behind("clicked", BOOK) == {"A", "B"}
    assert read.behind("clicked", OTHER) == {"A"}
    assert read.behind("clicked", "https://club.example/none") == set()


def test_by_club_provider_segment_and_channel(read: Read) -> None:
    def by(side: str) -> dict[str, tuple[int, int, int, int]]:
        found = report.by(tenant_id=read.club.tenant_id, run_ids=read.runs, side=side)
        return {one.label: (one.sent, one.opened, one.clicked, one.converted) for one in found}

    assert by(report.CLUB) == {"Cape Links Golf Club": (2, 2, 2, 1), "": (2, 1, 0, 0)}
    assert by(report.PROVIDER) == {"Gmail": (2, 2, 2, 1), "Outlook": (1, 1, 0, 0), "Others": (1, 0, 0, 0), "": (0,) * 4}
    assert by(report.CHANNEL) == {"EMAIL": (4, 3, 2, 1)}
    read.club.segment(read.people[:1])
    found = report.by(tenant_id=read.club.tenant_id, run_ids=read.runs, side=report.SEGMENT)
    assert sorted((one.sent, one.clicked) for one in found) == [(1, 1), (4, 2)]


def test_what_nobody_knows_the_fate_of_is_not_counted_as_sent(
    client: PageClient, api: ApiClient, sign_in: Any, club: Club, sink: Sink
) -> None:
    sign_in()
    sink.on_letter = lambda address, _: "drop" if address == "b@gmail.com" else None
    (club_id,) = [row.id for row in club.rows("SELECT id FROM club")]
    people = [club.customer(email=f"{name}@gmail.com", first_name=name, club_id=club_id) for name in "abc"]
    campaign = club.campaign(people)
    club.act("start", campaign)
    club.work()
    found = club.stats(campaign)
    assert (found.sent, found.unknown) == (2, 1)
    runs = report.runs_of(tenant_id=club.tenant_id, campaign_id=campaign.id)
    path = f"/campaigns/{campaign.id}/report"
    given = client.post(f"{path}/export", status=200).text
    for side in report.SIDES:
        (row,) = report.by(tenant_id=club.tenant_id, run_ids=runs, side=side)
        assert (row.sent, row.unknown) == (2, 1)
        assert f"{side},{row.label},sent,2" in given
        assert f"{side},{row.label},unknown,1" in given
        shown = client.get(f"{path}?by={side}", htmx=True).text
        for what, number in (("Sent", 2), ("Unknown", 1)):
            address = f"{path}/people?what={what.lower()}&amp;by={side}&amp;of={row.key or ''}"
            assert f'<td data-label="{what}" class="text-end"><a href="{address}">{number}</a></td>' in shown
    assert ",,unknown,1" in given
    for what, number in (("sent", 2), ("unknown", 1), ("not_opened", 2), ("not_clicked", 2)):
        behind = report.people(tenant_id=club.tenant_id, run_ids=runs, what=what)
        assert len(behind.items) == number
    (side,) = api.get(f"/campaigns/{campaign.id}/breakdown?by=provider").get_json()["items"]
    assert (side["sent"], side["unknown"]) == (2, 1)


def test_each_number_of_a_side_opens_its_people(read: Read, client: PageClient, sign_in: Any, club: Club) -> None:
    club.segment(read.people[:2])
    names = ("sent", "unknown", "opened", "clicked", "converted", "bounced", "unsubscribed", "complained")
    for side in report.SIDES:
        for row in report.by(tenant_id=club.tenant_id, run_ids=read.runs, side=side):
            among = report.Among(side, row.key or "")
            for what in names:
                found = report.people(tenant_id=club.tenant_id, run_ids=read.runs, what=what, among=among)
                assert len(found.items) == getattr(row, what), (side, row.label, what)

    sign_in("owner")
    path = f"/campaigns/{read.campaign.id}/report/people"
    asked = {"what": "opened", "by": "club", "of": str(read.club_id)}
    shown = client.get(path, query_string=asked).text
    (name,) = [row.name for row in club.rows("SELECT name FROM club")]
    assert f"Opened it: {name}" in shown
    assert [f">{who}</a>" in shown for who in "ABCD"] == [True, True, False, False]
    for wrong in ("", "moon"):
        client.get(path, query_string=asked | {"by": "segment", "of": wrong}, status=422)
    none = client.get(path, query_string=asked | {"of": ""}).text
    assert "Opened it: No club" in none
    assert [f">{who}</a>" in none for who in "ABCD"] == [False, False, True, False]
    given = client.post(f"{path}/export", asked, status=200).text
    assert given.count("gmail.com") == 2
    assert "hotmail" not in given
    made = client.post(f"{path}/segment", asked | {"name": "Keen of the club"}, status=302).headers["Location"]
    while work.run_step(tenant_id=club.tenant_id):
        pass
    found = segments.members(tenant_id=club.tenant_id, segment_id=UUID(made.rpartition("/")[2]))
    assert {one.customer.first_name for one in found.items} == {"A", "B"}
    client.get(path, query_string=asked | {"of": "x"}, status=422)


def test_over_time(read: Read) -> None:
    found = {(one.what, one.hour - NOON): one.number for one in report.hours(
        tenant_id=read.club.tenant_id, run_ids=read.runs)}  # fmt: skip
    assert found["sent", timedelta(0)] == 4
    assert found["opened", HOUR] == 2
    assert found["opened", 3 * HOUR] == 1
    assert found["converted", 4 * HOUR] == 1


def test_a_segment_of_those_behind_a_number(read: Read) -> None:
    made = report.make_segment(
        tenant_id=read.club.tenant_id, run_ids=read.runs, what="not_opened", name="Wake up", actor=ACTOR
    )
    while work.run_step(tenant_id=read.club.tenant_id):
        pass
    found = segments.members(tenant_id=read.club.tenant_id, segment_id=made)
    assert [one.customer.first_name for one in found.items] == ["D"]


def test_of_whoever_was_erased_no_link_stays(read: Read) -> None:
    with transaction(read.club.tenant_id) as session:
        rows = session.execute(
            text(f"SELECT url FROM message_click t WHERE {whose(BY_NAME['message_click'])}"),
            {"tenant_id": read.club.tenant_id, "ids": [read.people[0]]},
        )
        assert sorted(row.url for row in rows) == [BOOK, OTHER]


def test_the_page(client: PageClient, sign_in: Any, read: Read) -> None:
    sign_in("marketer")
    path = f"/campaigns/{read.campaign.id}"
    assert f'href="{path}/report"' in client.get(path).text
    page = client.get(f"{path}/report").text
    assert "5 in all = 0 waiting + 0 sending + 4 sent + 1 skipped + 0 failed + 0 unknown" in page
    assert BOOK.replace("&", "&amp;") in page
    for side in report.SIDES:
        assert "By " in client.get(f"{path}/report?by={side}").text
        shown = client.get(f"{path}/report?by={side}", htmx=True).text
        assert "<h1" not in shown
        assert 'data-label="Unknown"' not in shown
    mail = client.http.get(f"{path}/report/mail")
    assert mail.headers["Content-Security-Policy"].startswith("sandbox;")
    assert "2 people" in mail.text
    people = client.get(f"{path}/report/people?what=clicked").text
    assert people.count('data-label="Who"') == 2
    client.get(f"{path}/report/people?what=nothing", status=422)
    made = client.post(f"{path}/report/people/segment", {"what": "clicked", "name": "Keen"}, status=302)
    assert "/segments/" in made.headers["Location"]
    again = client.post(f"{path}/report/people/segment", {"what": "clicked", "name": "Keen"}, status=422).text
    assert "Keen" in again
    told = client.post(f"{path}/report/export", status=200).text
    assert "opened,3" in told
    # By the clocks of Johannesburg, as its page.
    assert "hour,2026-11-20T14:00:00+02:00,sent,4" in told


def test_the_people_behind_a_number_are_given_out(client: PageClient, sign_in: Any, read: Read) -> None:
    sign_in("marketer")
    path = f"/campaigns/{read.campaign.id}/report/people"

    def downloaded(shown: str) -> list[str]:
        (action,) = re.findall(r'action="([^"]+/export[^"]*)"', shown)
        rows = csv.DictReader(client.post(unescape(action), status=200).text.removeprefix("\ufeff").splitlines())
        return sorted(row["customer_name"] for row in rows)

    assert downloaded(client.get(f"{path}?what=clicked").text) == ["A", "B"]
    assert downloaded(client.get(f"{path}?{urlencode({'what': 'clicked', 'url': OTHER})}").text) == ["A"]
    assert downloaded(
        client.get(f"{path}?{urlencode({'what': 'clicked', 'url': BOOK, 'run': read.runs[0]})}").text
    ) == ["A", "B"]
    # A name that is refused shows the same people again, at an address without a query.
    refused = client.post(f"{path}/segment", {"what": "not_opened", "name": ""}, status=422).text
    assert downloaded(refused) == ["D"]


def test_who_may_not_see_people(client: PageClient, sign_in: Any, read: Read) -> None:
    sign_in("viewer")
    assert client.get(f"/campaigns/{read.campaign.id}/report").status_code == 200
    client.post(f"/campaigns/{read.campaign.id}/report/people/segment", {"what": "clicked", "name": "Keen"}, status=403)


def test_over_the_api(api: ApiClient, read: Read) -> None:
    path = f"/campaigns/{read.campaign.id}"
    links = api.get(f"{path}/links").get_json()["items"]
    assert links[0] == {"url": BOOK, "people": 2, "times": 3, "machines": 0}
    by = api.get(f"{path}/breakdown?by=provider").get_json()["items"]
    assert (by[0]["label"], by[0]["clicked"]) == ("Gmail", 2)
    hours = api.get(f"{path}/hours").get_json()["items"]
    assert {"what": "sent", "hour": "2026-11-20T12:00:00Z", "number": 4} in hours
    people = api.get(f"{path}/people?what=converted").get_json()["items"]
    assert [one["customer_id"] for one in people] == [str(read.people[0])]
    assert api.get(f"{path}/people?what=nothing").status_code == 422
    assert api.get(f"{path}/breakdown?by=moon").status_code == 422
    clubs = {row["key"] or "": row["opened"] for row in api.get(f"{path}/breakdown?by=club").get_json()["items"]}
    for of, number in clubs.items():
        behind = api.get(f"{path}/people?what=opened&by=club&of={of}").get_json()["items"]
        assert len(behind) == number
    assert sorted(clubs.values()) == [1, 2]
    for wrong in ("by=moon&of=x", "by=segment&of=", "by=club&of=moon"):
        assert api.get(f"{path}/people?{wrong}").status_code == 422


def test_a_stop_to_a_text_counts_as_unsubscribed_and_nobody_opens_it(
    client: PageClient, sign_in: Any, club: Club, sink: Sink
) -> None:
    sign_in()
    words = content.create(tenant_id=club.tenant_id, name="Text", channel="SMS", text="Hi").id
    people = [club.customer(phone=f"+2782475196{last}", sms_opt_in=True) for last in range(2)]
    with transaction(club.tenant_id) as session:
        session.execute(
            text("""INSERT INTO contact_point (tenant_id, customer_id, kind, key, value, source)
                    SELECT tenant_id, id, 'phone', phone, phone, 'test' FROM customer"""),
        )
    campaign = club.campaign(people, channels=["SMS"], sms_template_id=words)
    club.act("start", campaign)
    club.work()
    stop = Answer(channel="SMS", number="+27824751961", id="SM1", body="Stop")
    provider_words.receive(tenant_id=club.tenant_id, answer=stop, now=NOON + timedelta(minutes=5))
    assert club.stats(campaign).unsubscribed == 1
    behind = client.get(f"/campaigns/{campaign.id}/report/people?what=unsubscribed").text
    assert str(people[1]) in behind
    assert str(people[0]) not in behind
    shown = client.get(f"/campaigns/{campaign.id}/report").text
    assert "Opened</span>" not in shown
    assert "Who did not open it" not in shown
    assert f"/campaigns/{campaign.id}/report/people?what=unsubscribed" in client.get(f"/campaigns/{campaign.id}").text
