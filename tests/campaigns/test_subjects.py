"""Variants that differ in their subject: what is sent, what is refused before, and where it is shown."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import event

from app.campaigns import readiness, running, seal, service
from app.campaigns.models import Campaign
from app.campaigns.readiness import NotReady
from app.content import service as content
from app.content import snippet_service as snippets
from app.infra.db import db, transaction
from app.infra.errors import Invalid
from tests.campaigns.conftest import ACTOR, NOON, Club
from tests.campaigns.test_experiment import Trial
from tests.messaging.sink import Sink
from tests.messaging.test_header_injection import HOSTILE


@pytest.fixture
def trial(club: Club, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Trial:
    return Trial(club, monkeypatch)


def two(first: str | None, second: str | None = None, **more: Any) -> dict[str, Any]:
    """Return an experiment whose variants have these subjects, each to four of twenty."""
    variants = [
        {"name": "First", "share": 20, "subject": first},
        {"name": "Second", "share": 20, "subject": second},
    ]
    return {"variants": variants, "rule": "by_hand"} | more


def subjects(sink: Sink) -> Counter[str]:
    return Counter(str(one.mail["Subject"]) for one in sink.letters)


def test_each_variant_s_letters_are_called_what_it_says(club: Club, sink: Sink, trial: Trial) -> None:
    """One template, three subjects: a variant's own, that of the template, and the winner's for the rest."""
    club.rows("UPDATE customer SET first_name = 'Zoë' WHERE id = :id RETURNING 1", id=trial.people[0])
    campaign = club.campaign(trial.people, experiment=two("{{ customer.first_name }}, the greens are open"))
    club.act("start", campaign)
    club.work()
    own = {"Zoë, the greens are open": 1, "Ann, the greens are open": 3}
    assert subjects(sink) == own | {"Welcome, Ann": 4}
    sink.letters.clear()
    trial.choose(campaign, "a")
    club.work()
    assert subjects(sink) == {"Ann, the greens are open": 12}
    assert trial.got()["a_rest", "Ann, the greens are open"] == 12
    bodies = {one.mail.get_body(("html",)).get_content().split("<p style")[0] for one in sink.letters}  # type: ignore[union-attr]
    assert len(bodies) == 12, "each has links of its own"
    assert all("Hello Ann" in one for one in bodies)


def test_what_is_changed_after_the_beginning_changes_nothing(club: Club, sink: Sink, trial: Trial) -> None:
    campaign = club.campaign(trial.people, experiment=two("One", "Two"))
    club.act("start", campaign)
    running.run_step(tenant_id=club.tenant_id, now=NOON)
    club.rows("UPDATE campaign SET experiment = jsonb_set(experiment, '{variants,0,subject}', '\"Other\"') RETURNING 1")
    club.work()
    assert subjects(sink) == {"One": 4, "Two": 4}
    content.update(tenant_id=club.tenant_id, template_id=club.template_id, changes={"subject": "Other"})
    trial.choose(campaign, "b")
    club.work()
    assert subjects(sink) == {"One": 4, "Two": 16}


def test_a_run_that_nobody_is_in_yet_says_what_the_campaign_says_when_it_is_resumed(
    club: Club, sink: Sink, trial: Trial
) -> None:
    campaign = club.campaign(trial.people, experiment=two("One", "Two"))
    club.act("start", campaign)
    club.act("pause", campaign)
    club.rows("UPDATE campaign SET experiment = jsonb_set(experiment, '{variants,0,subject}', '\"Three\"') RETURNING 1")
    club.act("resume", campaign)
    club.work()
    assert subjects(sink) == {"Three": 4, "Two": 4}


def test_no_value_in_a_subject_adds_a_header(club: Club, sink: Sink, trial: Trial) -> None:
    for who, name in zip(trial.people, HOSTILE, strict=False):
        club.rows("UPDATE customer SET first_name = :name WHERE id = :id RETURNING 1", name=name, id=who)
    tried = two("For\r\nBcc: victim@example.com\r\n{{ customer.first_name }}", "B {{ customer.first_name }}")
    for one in tried["variants"]:
        one["share"] = 50
    club.act("start", club.campaign(trial.people, experiment=tried))
    club.work()
    assert len(sink.letters) == 20
    for one in sink.letters:
        assert one.mail["Bcc"] is None
        assert len(one.mail.get_all("Subject")) == 1
        assert "victim@example.com" not in one.recipient
    assert sum(str(one.mail["Subject"]).startswith("For Bcc: victim@example.com") for one in sink.letters) == 10


def test_what_goes_out_on_another_channel_has_no_subject(club: Club, sink: Sink, trial: Trial) -> None:
    words = content.create(tenant_id=club.tenant_id, channel="SMS", name="Text", text="Come by").id
    club.rows(
        "UPDATE customer SET phone = '+2782475' || (1000 + place) FROM unnest(CAST(:people AS uuid[]))"
        " WITH ORDINALITY AS one(id, place) WHERE customer.id = one.id RETURNING 1",
        people=trial.people,
    )
    both = {"channels": ["EMAIL", "SMS"], "channel_mode": "all", "sms_template_id": words}
    club.rows("UPDATE customer SET sms_opt_in = true RETURNING 1")
    club.act("start", club.campaign(trial.people, experiment=two("One", "Two"), **both))
    club.work()
    told = Counter((row.channel, row.subject) for row in club.rows("SELECT * FROM message WHERE status = 'sent'"))
    assert told == {("EMAIL", "One"): 4, ("EMAIL", "Two"): 4, ("SMS", "Come by"): 8}


def test_a_batch_asks_once_and_only_where_something_may_be_chosen(club: Club, sink: Sink, trial: Trial) -> None:
    asked: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "subjects FROM message_run" in statement:
            asked.append(statement)

    plain = club.campaign(club.people(20))
    tried = club.campaign(trial.people, experiment=two("One", "Two"))
    event.listen(db.engine, "before_cursor_execute", note)
    try:
        club.act("start", plain)
        club.work()
        assert asked == []
        club.act("start", tried)
        club.work()
        assert len(sink.letters) == 28
        assert len(asked) == 1
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def refused(club: Club, subject: str, **given: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as found:
        club.campaign([], experiment=two("One", subject), **given)
    return found.value.errors


def test_what_no_template_could_be_called_is_refused_in_the_same_words(club: Club) -> None:
    for subject in ("{{ customer.first_name", "x" * 501, "{% snippet 'gone' %}", "{% nothing %}"):
        with pytest.raises(Invalid) as found:
            content.create(tenant_id=club.tenant_id, name="T", subject=subject, text="Hello")
        assert refused(club, subject) == {"experiment.variants[1].subject": found.value.errors["subject"]}
    assert not club.rows("SELECT FROM campaign")


def kept(club: Club, campaign: Campaign) -> list[Any]:
    [row] = club.rows("SELECT experiment FROM campaign WHERE id = :id", id=campaign.id)
    return [one.get("subject", "template's") for one in row.experiment["variants"]]


def test_empty_means_the_template_s(club: Club) -> None:
    assert kept(club, club.campaign([], experiment=two("  ", " Two "))) == ["template's", "Two"]


def test_a_copy_of_the_campaign_has_them(club: Club) -> None:
    campaign = club.campaign([], experiment=two("One", "Two"))
    copy = service.duplicate(tenant_id=club.tenant_id, campaign_id=campaign.id, actor=ACTOR, actor_name="")
    assert kept(club, copy) == ["One", "Two"]


def test_variants_that_differ_in_nothing_else_are_not_the_same(club: Club, trial: Trial) -> None:
    """But one that says what the template says is the same as one that says nothing, and so it is without e-mail."""
    [row] = club.rows("SELECT subject FROM template WHERE id = :id", id=club.template_id)

    def lacks(first: str | None, second: str | None, **more: Any) -> dict[str, str]:
        campaign = club.campaign(trial.people, experiment=two(first, second), **more)
        with transaction(club.tenant_id) as session:
            return readiness.lacks(session, campaign)

    same = "First and Second are the same. Choose another template, subject, sender or time for one of them."
    assert lacks("One", "Two") == {}
    assert lacks("One", None) == {}
    for first, second in ((None, None), ("One", "One"), (None, row.subject)):
        assert lacks(first, second) == {"experiment.variants[1].templates": same}
    assert lacks("One", "Two", channels=["SMS"])["experiment.variants[1].templates"] == same


def test_what_can_t_be_rendered_is_said_before_it_is_sent(club: Club, trial: Trial) -> None:
    campaign = club.campaign(trial.people, experiment=two("{{ 1 | divided_by: 0 }}"))
    with pytest.raises(NotReady) as found:
        club.act("start", campaign)
    [(field, words)] = found.value.errors.items()
    assert field == "experiment.variants[0].subject"
    assert words.startswith("The subject of First can't be sent: ")


def test_snippets_in_a_subject_are_filled_in_and_sealed(club: Club, sink: Sink, trial: Trial) -> None:
    made = snippets.create(tenant_id=club.tenant_id, key="season", name="Season", html="Autumn")
    campaign = club.campaign(trial.people, experiment=two('{% snippet "season" %} is here'))
    with transaction(club.tenant_id) as session:
        before = seal.seal(session, campaign)
    snippets.update(tenant_id=club.tenant_id, snippet_id=made.id, changes={"html": "Winter"})
    with transaction(club.tenant_id) as session:
        assert seal.seal(session, campaign)["what"] != before["what"]
    club.act("start", campaign)
    club.work()
    assert subjects(sink) == {"Winter is here": 4, "Welcome, Ann": 4}


def test_what_a_second_person_said_yes_to_has_the_subjects(club: Club, trial: Trial) -> None:
    campaign = club.campaign(trial.people, experiment=two("One"))
    with transaction(club.tenant_id) as session:
        before = seal.seal(session, campaign)
    changed = service.change(
        tenant_id=club.tenant_id, campaign_id=campaign.id, actor=ACTOR, changes={"experiment": two("Two")}, now=NOON
    )
    with transaction(club.tenant_id) as session:
        assert seal.seal(session, changed)["what"] != before["what"]


def test_what_is_to_be_looked_at_is_said_of_each_subject(club: Club, trial: Trial) -> None:
    plain = club.other_template("{{ customer.title }}")
    tried = two("{{ customer.frist_name }} {{ customer.last_name }}", "{{ customer.last_name | default: '' }}")
    campaign = club.campaign(trial.people, email_template_id=plain, experiment=tried)
    unknown = "Nothing fills in “customer.frist_name”. Did you mean “customer.first_name”?"
    found = {one.subject: [finding.message for finding in told] for one, told in readiness.unfilled(campaign).items()}
    assert found == {tried["variants"][0]["subject"]: [unknown]}
    again = club.campaign(trial.people, email_template_id=plain, experiment=two("One", "{{ event.x }}"))
    assert {one.subject for one in readiness.unfinished(again)} == {"{{ event.x }}"}
    # What nothing is called by is not asked about: no letter has the template's subject.
    [missing] = readiness.without_value(campaign)
    assert (missing.tag, missing.people, missing.of) == ("customer.last_name", 20, 20)
