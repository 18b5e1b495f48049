"""UPDATE: fields are filled in for each person by merge tags, and consents are taken back."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.accounts.models import Tenant
from app.blueprints.journeys.people import outcome
from app.customers import consents, custom_fields, topics
from app.customers.consents import Proof, State, Word
from app.infra.ids import new_id
from app.journeys.engine import enrol
from app.journeys.kinds import check_graph, read_graph, words_of
from app.journeys.step_type import Known
from tests.journeys.helpers import JOINED, NOW, Json, admit, event, happen, journey, paths, people, rows, run, step
from tests.journeys.test_update import FIELDS, change

DAY = timedelta(days=1)
BY_EVENT = {"event_type": JOINED}


def results(tenant_id: UUID) -> dict[UUID, Json]:
    found = rows(
        tenant_id,
        "SELECT e.customer_id, s.result FROM journey_enrollment_step s JOIN journey_enrollment e"
        " ON e.id = s.enrollment_id WHERE s.step_key = 'u'",
    )
    return {row.customer_id: row.result for row in found}


def custom(tenant_id: UUID, customer_id: UUID) -> Json:
    found: Json = rows(tenant_id, "SELECT custom FROM customer WHERE id = :id", id=customer_id)[0].custom
    return found


def test_fields_are_filled_in_for_each_person(tenant: Tenant) -> None:
    for label, kind in (("Visits", "NUMBER"), ("Renewal", "DATE"), ("Locker", "TEXT")):
        custom_fields.add(tenant_id=tenant.id, actor="system", key=label.lower(), label=label, kind=kind)
    updates = [
        change("custom.locker", "set", "{{ event.competition }} of {{ customer.first_name }}"),
        change("custom.renewal", "set", '{{ event.on | date: "%Y-%m-%d" }}'),
        change("custom.visits", "set", "{{ event.rounds }}"),
        change("title", "set", "{{ event.title }}"),
        change("tags", "add", "seen"),
    ]
    journey(tenant.id, [step("t", "TRIGGER", "u", BY_EVENT), step("u", "UPDATE", None, {"updates": updates})])
    whole, odd, bare = people(tenant.id, 3, custom={"visits": 7}, title="Dr")
    happen(
        tenant.id,
        event(whole, {"competition": "Spring Medal", "on": "2026-11-22T08:00:00Z", "rounds": 12, "title": "Ms"}),
        event(odd, {"competition": "Cup", "on": "soon", "rounds": "many", "title": "x" * 300}),
        event(bare, {}),
    )
    run(tenant.id)
    assert {path[-1] for path in paths(tenant.id).values()} == {("u", "COMPLETED")}
    assert custom(tenant.id, whole) == {"locker": "Spring Medal of Thandi0", "renewal": "2026-11-22", "visits": 12}
    # What does not fit, and what comes out empty, leaves what is there alone.
    assert custom(tenant.id, odd) == {"locker": "Cup of Thandi1", "visits": 7}
    assert custom(tenant.id, bare) == {"locker": "of Thandi2", "visits": 7}
    titles = dict(rows(tenant.id, "SELECT id, title FROM customer"))
    assert titles == {whole: "Ms", odd: "Dr", bare: "Dr"}
    told = results(tenant.id)
    assert "kept" not in told[whole]
    assert set(told[odd]["kept"]) == {"custom.renewal", "custom.visits", "title"}
    assert told[odd]["updated"] == ["custom.locker", "tags"]
    assert outcome("COMPLETED", {"updated": ["tags"], "kept": {"title": "It came out empty."}}) == (
        "Changed: tags. title stayed as it was: It came out empty."
    )
    marks = dict(rows(tenant.id, "SELECT id, facts_at FROM customer"))
    assert {"custom.visits", "title"} <= set(marks[whole])
    assert "title" not in marks[odd]


def test_one_who_walks_twice_at_once_is_counted_twice(tenant: Tenant) -> None:
    custom_fields.add(tenant_id=tenant.id, actor="system", key="visits", label="Visits", kind="NUMBER")
    updates = [change("custom.visits", "add", 1), change("title", "set", "{{ event.booking_id }}")]
    steps = [step("t", "TRIGGER", "u", BY_EVENT), step("u", "UPDATE", None, {"updates": updates})]
    journey(tenant.id, steps, reentry="each", reentry_key="booking_id")
    (who,) = people(tenant.id)
    happen(tenant.id, event(who, {"booking_id": "b1"}), event(who, {"booking_id": "b2"}))
    run(tenant.id)
    assert custom(tenant.id, who) == {"visits": 2}
    assert rows(tenant.id, "SELECT title FROM customer")[0].title in ("b1", "b2")


def opt_out(channel: str, what: object) -> Json:
    return change(f"consent.{channel}", "opt_out", str(what))


def test_a_yes_is_taken_back_with_its_proof(tenant: Tenant) -> None:
    topic = topics.create(tenant_id=tenant.id, name="Golf trips", actor="system")
    agreed, silent, no = people(tenant.id, 3, sms_opt_in=None)
    for who, state in ((agreed, State.SUBSCRIBED), (no, State.UNSUBSCRIBED)):
        words = [Word("EMAIL", state, topic.id), Word("SMS", state)]
        consents.record(tenant_id=tenant.id, customer_id=who, words=words, proof=Proof("customer", "staff"), now=NOW)
    before = rows(tenant.id, "SELECT count(*) FROM consent_change")[0][0]
    updates = [opt_out("EMAIL", topic.id), opt_out("SMS", "everything")]
    made = journey(tenant.id, [step("u", "UPDATE", None, {"updates": updates})])
    admit(tenant.id, made.id, [agreed, silent, no])
    run(tenant.id)
    for who in (agreed, silent, no):
        stands = consents.standing(tenant_id=tenant.id, customer_id=who)
        assert stands.line("EMAIL", topic.id).comes_to is State.UNSUBSCRIBED
        assert stands.line("SMS").comes_to is State.UNSUBSCRIBED
        assert stands.line("EMAIL").comes_to is State.SUBSCRIBED
    proofs = rows(tenant.id, "SELECT * FROM consent_change WHERE how = 'journey' ORDER BY id")
    # Who had said no before has no proof of another one.
    assert {row.customer_id for row in proofs} == {agreed, silent}
    assert {(row.channel, row.topic_id, row.state, row.source) for row in proofs} == {
        ("EMAIL", topic.id, "unsubscribed", "journey"),
        ("SMS", None, "unsubscribed", "journey"),
    }
    assert all(row.evidence == {"journey_id": str(made.id), "step": "u"} for row in proofs)
    assert rows(tenant.id, "SELECT count(*) FROM consent_change")[0][0] == before + 4
    events = rows(
        tenant.id, "SELECT identity, payload FROM inbound_event WHERE payload ->> 'how' = 'journey' ORDER BY id"
    )
    assert {row.identity["customer_id"] for row in events} == {str(agreed), str(silent)}
    assert all(row.payload["sms_opt_in"] is False for row in events)


def test_out_of_everything_takes_back_what_was_agreed_to_since_an_earlier_no(tenant: Tenant) -> None:
    topic = topics.create(tenant_id=tenant.id, name="Golf trips", actor="system")
    agreed, asked, earlier = people(tenant.id, 3)
    yes, no = Word("EMAIL", State.SUBSCRIBED, topic.id), Word("EMAIL", State.UNSUBSCRIBED)
    for who, words in ((agreed, [no, yes]), (asked, [no, Word("EMAIL", State.PENDING)]), (earlier, [yes, no])):
        consents.record(
            tenant_id=tenant.id, customer_id=who, words=words, proof=Proof("customer", "staff"), now=NOW - 9 * DAY
        )
    made = journey(tenant.id, [step("u", "UPDATE", None, {"updates": [opt_out("EMAIL", "everything")]})])
    admit(tenant.id, made.id, [agreed, asked, earlier])
    run(tenant.id)
    for who in (agreed, asked, earlier):
        stands = consents.standing(tenant_id=tenant.id, customer_id=who)
        assert stands.line("EMAIL", topic.id).comes_to is State.UNSUBSCRIBED
        assert stands.line("EMAIL").comes_to is State.UNSUBSCRIBED
    proofs = rows(tenant.id, "SELECT customer_id FROM consent_change WHERE how = 'journey'")
    assert {row.customer_id for row in proofs} == {agreed, asked}


def test_their_own_word_comes_after_it(tenant: Tenant) -> None:
    (who,) = people(tenant.id)
    made = journey(tenant.id, [step("u", "UPDATE", None, {"updates": [opt_out("EMAIL", "everything")]})])
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    words = [Word("EMAIL", State.SUBSCRIBED)]
    consents.record(tenant_id=tenant.id, customer_id=who, words=words, proof=Proof("customer", "preference_page"))
    assert consents.standing(tenant_id=tenant.id, customer_id=who).line("EMAIL").comes_to is State.SUBSCRIBED


TOPIC = new_id()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (opt_out("EMAIL", new_id()), "updates[0].value"),
        (opt_out("EMAIL", ""), "updates[0].value"),
        (opt_out("PIGEON", "everything"), "updates[0].field"),
        (change("consent.EMAIL", "set", True), "updates[0].operation"),
        (change("consent.EMAIL", "clear"), "updates[0].operation"),
        (change("email_opt_in", "opt_out", "everything"), "updates[0].operation"),
        (change("tags", "opt_out", "vip"), "updates[0].operation"),
        (change("title", "set", "{{ event.title"), "updates[0].value"),
        (change("title", "set", "{{ event.title | shout }}"), "updates[0].value"),
        (change("email", "set", "{{ event.email }}"), "updates[0].field"),
    ],
)
def test_nobody_is_opted_in_and_what_is_wrong_is_told(changed: Json, field: str) -> None:
    graph = read_graph(
        {
            "steps": [
                step("t", "TRIGGER", "u", {"event_type": "MANUAL"}),
                step("u", "UPDATE", None, {"updates": [changed]}),
            ]
        }
    )
    assert [one.field for one in check_graph(graph, Known(custom=FIELDS, topics={TOPIC: "Golf trips"}))] == [field]


def test_words() -> None:
    updates = [opt_out("EMAIL", TOPIC), opt_out("SMS", "everything"), change("title", "set", "{{ event.title }}")]
    graph = read_graph({"steps": [step("u", "UPDATE", None, {"updates": updates})]})
    known = Known(topics={TOPIC: "Golf trips"})
    assert words_of(graph.steps["u"], known) == (
        "Take them out of “Golf trips” by e-mail; Take them out of all marketing by SMS; "
        "Set title to “{{ event.title }}”"
    )
    assert not [one for one in check_graph(graph, known) if one.step_key == "u" and one.field]


def test_everybody_of_a_batch_is_taken_out(tenant: Tenant) -> None:
    made = journey(tenant.id, [step("u", "UPDATE", None, {"updates": [opt_out("EMAIL", "everything")]})])
    everybody = people(tenant.id, 1100)
    enrol.enrol_manually(tenant_id=tenant.id, journey_id=made.id, customer_ids=everybody, now=NOW)
    run(tenant.id)
    assert rows(tenant.id, "SELECT count(*) FROM customer WHERE email_opt_in")[0][0] == 0
    assert rows(tenant.id, "SELECT count(*) FROM inbound_event")[0][0] == 1100
