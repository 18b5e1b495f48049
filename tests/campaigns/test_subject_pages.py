"""Variants' subjects on the pages and over the API: written, refused beside the field, looked at, tried, told of."""

import re
from html import unescape
from typing import Any

import pytest

from app.content import service as content
from app.messaging import sender
from tests.campaigns.conftest import NOON, Club
from tests.campaigns.test_experiment import Trial
from tests.campaigns.test_experiment_pages import variants
from tests.campaigns.test_pages import form_of, only
from tests.campaigns.test_subjects import two
from tests.forms import posted
from tests.messaging.sink import Sink
from tests.page_client import ApiClient, PageClient

OPEN = "{{ customer.first_name | default: “friend” }}, the greens are open".replace("“", '"').replace("”", '"')


@pytest.fixture
def trial(club: Club, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Trial:
    return Trial(club, monkeypatch)


def test_it_is_written_refused_beside_the_field_and_read_again(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in("marketer")
    path = f"/campaigns/{club.campaign(club.people(20)).id}"
    page = client.get(f"{path}/what").text
    assert 'data-subject="Welcome, {{ customer.first_name | default: &#39;friend&#39; }}"' in page
    assert 'data-insert="{{ customer.last_name }}"' in page
    assert "unsubscribe_url" not in page
    given = (
        {"email_template_id": str(club.template_id)} | form_of(page) | variants(("A", "20", None), ("B", "20", None))
    )
    wrong = client.post(f"{path}/what", given | {"variants-1-subject": "{{ customer.first_name"}, status=422).text
    assert re.search(r'aria-describedby="variants-1-subject-help variants-1-subject-error"[^>]*aria-invalid', wrong)
    assert "variants-0-subject-error" not in wrong
    assert 'value="{{ customer.first_name"' in wrong
    client.post(f"{path}/what", given | {"variants-0-subject": OPEN}, status=302)
    assert [one.get("subject") for one in only(club).experiment["variants"]] == [OPEN, None]  # type: ignore[index]
    # Sent again as it was shown it says the same.
    form = re.search(r'<form method="post" action="[^"]*/what".*?</form>', client.get(f"{path}/what").text, re.DOTALL)
    assert form is not None
    client.post(f"{path}/what", posted(form[0]), status=302)
    assert [one.get("subject") for one in only(club).experiment["variants"]] == [OPEN, None]  # type: ignore[index]
    one_more = client.post(f"{path}/what", given | {"variants-0-subject": OPEN, "act": "add"}, htmx=True).text
    assert OPEN in unescape(one_more)


def test_without_e_mail_it_is_left_out_as_templates_are(client: PageClient, sign_in: Any, club: Club) -> None:
    sign_in("marketer")
    sms = content.create(tenant_id=club.tenant_id, channel="SMS", name="Text", text="Hello").id
    path = f"/campaigns/{club.campaign(club.people(1)).id}"
    given = form_of(client.get(f"{path}/what").text) | variants(("A", "20", None), ("B", "20", None), channels=["SMS"])
    given |= {"sms_template_id": str(sms), "variants-0-subject": OPEN, "order": "SMS,EMAIL"}
    client.post(f"{path}/what", given, status=302)
    assert only(club).channels == ["SMS"]
    assert "subject" not in only(club).experiment["variants"][0]  # type: ignore[index]
    client.get(f"{path}/preview", status=404)


def test_both_subjects_are_told_wherever_the_variants_are(
    client: PageClient, sign_in: Any, club: Club, trial: Trial
) -> None:
    sign_in("marketer")
    campaign = club.campaign(trial.people, experiment=two("The greens are open"))
    path = f"/campaigns/{campaign.id}"
    both = (
        "Subject: “The greens are open”",
        "Subject: “Welcome, {{ customer.first_name | default: &#39;friend&#39; }}”",
    )
    review = client.get(f"{path}/review").text
    assert all(one in review for one in both)
    assert f'href="{path}/preview"' in review
    shown = client.get(path).text
    assert "“The greens are open”" in shown
    assert f'href="{path}/preview"' in shown
    club.act("start", campaign)
    club.work()
    content.update(tenant_id=club.tenant_id, template_id=club.template_id, changes={"subject": "Other"})
    for page in (client.get(path).text, client.get(f"{path}/report").text):
        assert all(one in page for one in both)
        assert "“Other”" not in page
    told = client.post(f"{path}/report/export", status=200).text
    assert "variant,First,sent,4" in told
    assert "variant,First,subject,The greens are open" in told
    assert "variant,Second,subject,\"Welcome, {{ customer.first_name | default: 'friend' }}\"" in told
    for key, subject in (("a", "The greens are open"), ("b", "Welcome, Alex")):
        assert f"<strong>{subject}</strong>" in client.get(f"{path}/report?variant={key}", htmx=True).text
    [message] = club.rows("SELECT id FROM message WHERE variant = 'a' LIMIT 1")
    assert "<h1>The greens are open" in client.get(f"/messages/{message.id}").text
    [who] = club.rows("SELECT customer_id FROM message WHERE id = :id", id=message.id)
    assert "The greens are open" in client.get(f"/customers/{who.customer_id}/messages").text


def test_where_nobody_chose_a_subject_none_is_told(client: PageClient, sign_in: Any, club: Club, trial: Trial) -> None:
    sign_in("marketer")
    campaign = trial.begin("by_hand")
    assert "Subject:" not in client.get(f"/campaigns/{campaign.id}/report").text
    assert ",subject," not in client.post(f"/campaigns/{campaign.id}/report/export", status=200).text


def test_what_is_to_be_mended_names_the_subject(client: PageClient, sign_in: Any, club: Club, trial: Trial) -> None:
    sign_in("marketer")
    subject = "{{ customer.frist_name }}"
    path = f"/campaigns/{club.campaign(trial.people, experiment=two(subject)).id}"
    review = client.get(f"{path}/review").text
    assert f"with the subject “{subject}”" in review
    assert "The subject is empty for this reader." in review
    assert "Nothing fills in “customer.frist_name”." in review
    client.post(f"{path}/start", status=302)
    assert only(club).status == "draft"
    unreadable = club.campaign(trial.people, experiment=two("{{ 1 | divided_by: 0 }}"))
    assert "The subject of First can&#39;t be sent" in client.get(f"/campaigns/{unreadable.id}/review").text
    assert 'id="variants-0-subject-error"' in client.get(f"/campaigns/{unreadable.id}/what?lacks=1").text


def test_each_is_looked_at_as_a_customer_and_tried(
    client: PageClient, sign_in: Any, club: Club, sink: Sink, trial: Trial
) -> None:
    sign_in("marketer")
    zoe = club.customer(first_name="Zoë", last_name="Alvarez")
    path = f"/campaigns/{club.campaign(trial.people, experiment=two(OPEN)).id}/preview"
    page = client.get(path).text
    assert "<strong>Alex, the greens are open</strong>" in page
    assert "The variant’s own" in page
    found = re.search(r'href="([^"]*customer_id[^"]*)">Zoë Alvarez', client.get(f"{path}?q=alvarez&variant=a").text)
    assert found is not None
    page = client.get(unescape(found[1])).text
    assert "<strong>Zoë, the greens are open</strong>" in page
    assert "As Zoë Alvarez would get it." in page
    other = client.get(f"{path}?variant=b&customer_id={zoe}").text
    assert "<strong>Welcome, Zoë</strong>" in other
    assert "The template’s" in other
    for shown, subject in ((page, "[Test] Zoë, the greens are open"), (other, "[Test] Welcome, Zoë")):
        form = re.search(r'<form method="post" action="([^"]*/preview/test[^"]*)".*?</form>', shown, re.DOTALL)
        assert form is not None
        for _ in range(2):
            client.post(unescape(form[1]), posted(form[0]), status=302)
        sender.send_batch(tenant_id=club.tenant_id, now=NOON.replace(year=2100))
        [letter] = sink.letters
        assert letter.mail["Subject"] == subject
        sink.letters.clear()
    client.get(f"{path}?variant=z", status=422)


def test_a_variant_that_has_no_letter_yet_is_not_among_them(
    client: PageClient, sign_in: Any, club: Club, trial: Trial
) -> None:
    sign_in("marketer")
    tried = two(None, "Two")
    tried["variants"][1]["templates"] = {"EMAIL": str(trial.b)}
    path = f"/campaigns/{club.campaign(trial.people, email_template_id=None, experiment=tried).id}"
    page = client.get(f"{path}/preview").text
    assert "<strong>Two</strong>" in page
    assert "variant=a" not in page
    assert f'href="{path}/preview"' in client.get(path).text
    neither = club.campaign(trial.people, email_template_id=None, experiment=two("One"))
    assert "/preview" not in client.get(f"/campaigns/{neither.id}").text
    client.get(f"/campaigns/{neither.id}/preview", status=404)


def test_an_empty_subject_is_not_tried(client: PageClient, sign_in: Any, club: Club, sink: Sink, trial: Trial) -> None:
    sign_in("marketer")
    path = f"/campaigns/{club.campaign(trial.people, experiment=two('{{ customer.frist_name }}')).id}/preview"
    client.post(f"{path}/test", status=302)
    assert "No test was sent. The subject is empty" in client.get(path).text
    assert not club.rows("SELECT FROM message")


@pytest.mark.parametrize(("role", "sees"), [("viewer", True), ("staff", False)])
def test_who_may_look_and_who_may_try(client: PageClient, sign_in: Any, club: Club, role: str, sees: bool) -> None:
    path = f"/campaigns/{club.campaign(club.people(1)).id}/preview"
    sign_in(role)
    page = client.get(path, status=200 if sees else 403).text
    assert "Send me a test" not in page
    client.post(f"{path}/test", status=403)


def test_over_the_api(api: ApiClient, club: Club, trial: Trial) -> None:
    campaign = club.campaign(trial.people)
    tried = two(OPEN)
    found = api.patch(f"/campaigns/{campaign.id}", {"experiment": tried}).get_json()
    assert [one.get("subject") for one in found["experiment"]["variants"]] == [OPEN, None]
    tried["variants"][0]["subject"] = "{% oops %}"
    refused = api.patch(f"/campaigns/{campaign.id}", {"experiment": tried})
    assert refused.status_code == 422
    assert "experiment.variants[0].subject" in refused.text
    club.act("start", campaign)
    club.work()
    told = api.get(f"/campaigns/{campaign.id}/runs/{trial.run().id}/variants").get_json()["items"]
    assert {one["key"]: one["subject"] for one in told} == {"a": OPEN, "b": None}
