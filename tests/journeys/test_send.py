"""SEND: the first channel that reaches somebody, and another way for whom nothing is sent to."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from app.accounts.models import Tenant
from app.content.models import Template as TemplateRow
from app.infra.db import transaction
from app.journeys import lifecycle, service, templates
from app.journeys.kinds import check_graph, exit_labels, read_graph
from app.journeys.step_type import Known, Template, step_types
from app.journeys.steps.send import FIRST_LOOK, SendConfig
from tests.journeys.helpers import (
    NOW,
    Json,
    admit,
    check_counters,
    journey,
    paths,
    people,
    rows,
    run,
    step,
    tag,
    template,
)


def text_template(tenant_id: UUID, name: str = "Short") -> UUID:
    with transaction(tenant_id) as session:
        made = TemplateRow(tenant_id=tenant_id, name=name, channel="SMS", subject="", html="", text="Hi")
        session.add(made)
        session.flush()
        return made.id


def sends(tenant_id: UUID, **more: object) -> Json:
    return {"channel": "EMAIL", "template_id": str(template(tenant_id)), **more}


def fate(tenant_id: UUID, customer_id: UUID, status: str, reason: str | None = None) -> None:
    """Let the message of somebody come to this."""
    rows(
        tenant_id,
        "UPDATE message SET status = :status, reason = :reason WHERE customer_id = :id RETURNING id",
        id=customer_id, status=status, reason=reason,
    )  # fmt: skip


def test_each_gets_the_first_that_reaches_them(tenant: Tenant) -> None:
    sms = {"channel": "SMS", "template_id": str(text_template(tenant.id))}
    made = journey(tenant.id, [step("s", "SEND", None, sends(tenant.id, others=[sms]))])
    [mailed] = people(tenant.id)
    [texted] = people(tenant.id, email=None, email_opt_in=False, phone="+27821234567", sms_opt_in=True)
    [unwilling] = people(tenant.id, email_opt_in=False, phone="+27821234568", sms_opt_in=True)
    [neither] = people(tenant.id, email=None, email_opt_in=None)
    admit(tenant.id, made.id, [mailed, texted, unwilling, neither])
    run(tenant.id)
    found = {row.customer_id: row.channel for row in rows(tenant.id, "SELECT customer_id, channel FROM message")}
    assert found == {mailed: "EMAIL", texted: "SMS", unwilling: "SMS", neither: "EMAIL"}
    told = rows(tenant.id, "SELECT DISTINCT result ->> 'channel' AS channel FROM journey_enrollment_step"
                " WHERE step_key = 's'")  # fmt: skip
    assert {row.channel for row in told} == {"EMAIL", "SMS"}


def test_what_needs_no_consent_goes_where_there_is_an_address(tenant: Tenant) -> None:
    sms = {"channel": "SMS", "template_id": str(text_template(tenant.id))}
    config = sends(tenant.id, others=[sms], purpose="transactional")
    made = journey(tenant.id, [step("s", "SEND", None, config)])
    [texted] = people(tenant.id, email=None, email_opt_in=None, phone="+27821234567")
    [mailed] = people(tenant.id, email_opt_in=False, phone="+27821234568")
    admit(tenant.id, made.id, [texted, mailed])
    run(tenant.id)
    found = {row.customer_id: row.channel for row in rows(tenant.id, "SELECT customer_id, channel FROM message")}
    assert found == {texted: "SMS", mailed: "EMAIL"}


def test_who_is_not_sent_it_goes_another_way_once_that_is_known(tenant: Tenant) -> None:
    config = sends(tenant.id, when_skipped="branch", known_within="1 hour")
    made = journey(tenant.id, [step("s", "SEND", "yes", config, next_skipped="no"), tag("yes", None, "got"),
                               tag("no", None, "not")])  # fmt: skip
    sent, skipped, failed, later, late = people(tenant.id, 5)
    admit(tenant.id, made.id, [sent, skipped, failed, later, late])
    assert run(tenant.id) == 5
    assert {taken[-1] for taken in paths(tenant.id).values()} == {("s", "IN_PROGRESS")}
    fate(tenant.id, sent, "sent")
    fate(tenant.id, skipped, "skipped", "opted_out")
    fate(tenant.id, failed, "failed", "refused")
    assert run(tenant.id, NOW + FIRST_LOOK) == 5
    last = {who: taken[-1][0] for who, taken in paths(tenant.id).items()}
    assert last == {sent: "yes", skipped: "no", failed: "no", later: "s", late: "s"}
    assert run(tenant.id, NOW + 2 * FIRST_LOOK) == 2
    fate(tenant.id, later, "skipped", "suppressed")
    assert run(tenant.id, NOW + 3 * FIRST_LOOK) == 0
    assert run(tenant.id, NOW + 4 * FIRST_LOOK) == 2
    run(tenant.id, NOW + timedelta(hours=1))
    last = {who: taken[-1][0] for who, taken in paths(tenant.id).items()}
    assert (last[later], last[late]) == ("no", "yes")
    assert len(rows(tenant.id, "SELECT 1 FROM message")) == 5
    check_counters(tenant.id, made.id)
    told = rows(tenant.id, "SELECT result FROM journey_enrollment_step WHERE exit = 'skipped' ORDER BY 1")
    assert {row.result["reason"] for row in told} == {"opted_out", "refused", "suppressed"}
    assert all(row.result["sent"] is False for row in told)


def test_who_waits_for_another_way_that_is_published_away_goes_on(tenant: Tenant) -> None:
    config = sends(tenant.id, when_skipped="branch")
    made = journey(tenant.id, [step("s", "SEND", "yes", config, next_skipped=None), tag("yes", None, "got")])
    [who] = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    plain = [step("s", "SEND", "yes", {**config, "when_skipped": "go_on"}), tag("yes", None, "got")]
    service.put_steps(tenant_id=tenant.id, journey_id=made.id, actor="system", steps=plain)
    lifecycle.publish(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW)
    fate(tenant.id, who, "skipped", "opted_out")
    run(tenant.id, NOW + FIRST_LOOK)
    assert paths(tenant.id)[who][-2:] == [("s", "COMPLETED"), ("yes", "COMPLETED")]
    check_counters(tenant.id, made.id)


def test_all_templates_of_a_step_are_in_use(tenant: Tenant) -> None:
    other = text_template(tenant.id)
    config = sends(tenant.id, others=[{"channel": "SMS", "template_id": str(other)}])
    named = templates.naming({"steps": [step("s", "SEND", None, config)]})
    assert named == {other, UUID(str(config["template_id"]))}


MAIL, SMS = uuid4(), uuid4()
KNOWN = Known(templates={MAIL: Template("Mail", "EMAIL"), SMS: Template("Short", "SMS")})
PLAIN: Json = {"channel": "EMAIL", "template_id": str(MAIL)}
BY_SMS: Json = {"channel": "SMS", "template_id": str(SMS)}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"others": [{"channel": "EMAIL", "template_id": str(SMS)}]}, "others[0]"),
        ({"others": [{"channel": "EMAIL", "template_id": str(MAIL)}]}, "others[0]"),
        ({"others": [BY_SMS, BY_SMS]}, "others[1]"),
        ({"others": [{"channel": "SMS", "template_id": ""}]}, "others[0].template_id"),
        ({"others": [{"channel": "SMS", "template_id": str(uuid4())}]}, "others[0]"),
        ({"known_within": "soon"}, "known_within"),
        ({"known_within": "0 days"}, "known_within"),
    ],
)
def test_what_is_wrong_is_told_beside_it(more: Json, field: str) -> None:
    trigger = step("t", "TRIGGER", "s", {"event_type": "MANUAL"})
    graph = read_graph({"steps": [trigger, step("s", "SEND", None, {**PLAIN, **more})]})
    assert [one.field for one in check_graph(graph, KNOWN)] == [field]


def test_words_and_ways() -> None:
    told = step_types().get("SEND").words(SendConfig.model_validate({**PLAIN, "others": [BY_SMS]}), KNOWN)
    assert told == "Send “Mail” or by SMS"
    branch = read_graph({"steps": [step("s", "SEND", None, {**PLAIN, "when_skipped": "branch"})]}).steps["s"]
    assert exit_labels(branch) == {"next": "Sent", "skipped": "Not sent"}
