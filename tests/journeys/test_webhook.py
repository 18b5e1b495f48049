"""WEBHOOK: calls that are signed, made outside, repeated, given up, and answered."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.infra import crypto, webhooks
from app.infra.db import transaction
from app.journeys import calls, files, lifecycle, queries, service
from app.journeys.engine import exits, retry
from app.journeys.engine.enrol import enrol_manually
from app.journeys.kinds import words_of
from app.journeys.models import Journey
from app.tasks.work import _due
from tests.journeys.helpers import (
    NOW,
    admit,
    check_counters,
    in_the_way,
    journey,
    people,
    rows,
    run,
    send,
    statuses,
    step,
    tag,
    tags,
    template,
)
from tests.plans import plan_of, read
from tests.segments.receiver import Receiver, receiving

SOON = NOW + timedelta(minutes=30)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving(monkeypatch) as found:
        yield found


def secret(tenant: Any) -> tuple[str, str]:
    return calls.new_secret(tenant.id)


def webhook(tenant: Any, to: str | None, failed: str | None, config: dict[str, Any]) -> dict[str, Any]:
    sealed = secret(tenant)[1]
    return step("call", "WEBHOOK", to, {"secret": sealed, **config}, next_failed=failed)


def calling(tenant: Any, receiver: Receiver, **config: Any) -> Journey:
    """Return an active journey that calls, and marks who was taken and who was not."""
    steps = [
        webhook(tenant, "taken", "refused", {"url": receiver.url, **config}),
        tag("taken", None, "taken"),
        tag("refused", None, "refused"),
    ]
    return journey(tenant.id, steps)


def enter(tenant: Any, made: Journey, count: int = 1, data: dict[str, Any] | None = None) -> list[UUID]:
    members = people(tenant.id, count)
    enrol_manually(tenant_id=tenant.id, journey_id=made.id, customer_ids=members, data=data, now=NOW)
    run(tenant.id)
    return members


def call(tenant: Any, now: datetime = NOW) -> int:
    total = 0
    while made := calls.call_batch(tenant_id=tenant.id, now=now):
        total += made
    run(tenant.id, now)
    return total


def test_a_call_is_signed_and_json_whatever_people_are_called(tenant: Any, receiver: Receiver) -> None:
    plain, sealed = secret(tenant)
    body = '{"who": "{{ customer.first_name }}", "id": "{{ customer.id }}", "booking": "{{ event.booking }}", "n": 3}'
    made = calling(tenant, receiver, body=body, secret=sealed)
    [member] = people(tenant.id, first_name='Ann "Bo" \\ {{ 1 }}')
    enrol_manually(tenant_id=tenant.id, journey_id=made.id, customer_ids=[member], data={"booking": "B-7"}, now=NOW)
    run(tenant.id)
    assert receiver.told == []
    assert call(tenant) == 1
    [told] = receiver.told
    first = rows(tenant.id, "SELECT first_name FROM customer")[0].first_name
    assert told.json == {"who": first, "id": str(member), "booking": "B-7", "n": 3}
    assert told.signed_by(plain)
    assert tags(tenant.id, member) == ["taken"]
    assert rows(tenant.id, "SELECT id FROM journey_webhook") == []
    check_counters(tenant.id, made.id)


def test_what_is_answered_is_known_to_templates_further_on(tenant: Any, receiver: Receiver) -> None:
    steps = [webhook(tenant, "mail", None, {"url": receiver.url}), send("mail", None, template(tenant.id))]
    made = journey(tenant.id, steps)
    receiver.answer(200, body=b'{"voucher": "V-1", "left": 2}')
    enter(tenant, made)
    call(tenant)
    [message] = rows(tenant.id, "SELECT context FROM message")
    assert message.context["webhook"] == {"call": {"voucher": "V-1", "left": 2}}
    [taken] = rows(tenant.id, "SELECT result FROM journey_enrollment_step WHERE step_key = 'call'")
    assert taken.result == {"called": True, "status": 200, "answer": {"voucher": "V-1", "left": 2}}


def test_a_refusal_is_final_and_goes_the_other_way(tenant: Any, receiver: Receiver) -> None:
    made = calling(tenant, receiver)
    receiver.answer(404)
    [member] = enter(tenant, made)
    assert call(tenant) == 1
    assert tags(tenant.id, member) == ["refused"]
    [taken] = rows(tenant.id, "SELECT result, exit FROM journey_enrollment_step WHERE step_key = 'call'")
    assert (taken.exit, taken.result["said"]) == ("failed", "The receiver answered 404.")
    check_counters(tenant.id, made.id)


def test_trouble_is_tried_again_under_the_same_id(tenant: Any, receiver: Receiver) -> None:
    made = calling(tenant, receiver)
    receiver.answer(503)
    [member] = enter(tenant, made)
    assert call(tenant) == 1
    assert tags(tenant.id, member) == []
    assert call(tenant, NOW + timedelta(seconds=11)) == 1
    assert len({told.id for told in receiver.told}) == 1
    assert len({told.body for told in receiver.told}) == 1
    assert tags(tenant.id, member) == ["taken"]


def test_who_asks_for_peace_gets_it(tenant: Any, receiver: Receiver) -> None:
    made = calling(tenant, receiver)
    receiver.answer(429, {"Retry-After": "600"})
    members = enter(tenant, made, 1)
    assert call(tenant) == 1
    # Also for those who come later.
    members += enter(tenant, made, 1)
    assert call(tenant, NOW + timedelta(minutes=9)) == 0
    assert call(tenant, NOW + timedelta(minutes=11)) == 2
    assert {tuple(tags(tenant.id, one)) for one in members} == {("taken",)}


def test_a_host_that_is_down_is_tried_by_one_call_at_a_time(tenant: Any, receiver: Receiver) -> None:
    made = calling(tenant, receiver)
    for _ in range(3):
        receiver.answer(500)
        enter(tenant, made)
        assert calls.call_batch(tenant_id=tenant.id, now=NOW) == 1
    enter(tenant, made, 5)
    assert calls.call_batch(tenant_id=tenant.id, now=NOW) == 0
    assert ("call_webhooks", tenant.id) in _due(SOON)
    receiver.answer(500)
    assert calls.call_batch(tenant_id=tenant.id, now=SOON) == 1
    later = SOON + timedelta(hours=1)
    assert calls.call_batch(tenant_id=tenant.id, now=later) == 1
    assert calls.call_batch(tenant_id=tenant.id, now=later) == 7
    assert rows(tenant.id, "SELECT host FROM journey_webhook_host") == []


def test_a_call_nobody_takes_is_given_up(tenant: Any, receiver: Receiver) -> None:
    made = calling(tenant, receiver, give_up_after="20 minutes")
    for _ in range(20):
        receiver.answer(500)
    [member] = enter(tenant, made)
    for minutes in range(0, 20, 2):
        call(tenant, NOW + timedelta(minutes=minutes))
    run(tenant.id, NOW + timedelta(minutes=20))
    assert tags(tenant.id, member) == ["refused"]
    assert rows(tenant.id, "SELECT id FROM journey_webhook") == []


def test_who_is_told_to_go_on_waits_for_no_answer(tenant: Any, receiver: Receiver) -> None:
    made = calling(tenant, receiver)
    [member] = enter(tenant, made)
    [enrollment] = rows(tenant.id, "SELECT id FROM journey_enrollment")
    retry.skip_ahead(tenant_id=tenant.id, journey_id=made.id, enrollment_id=enrollment.id, actor="system", now=SOON)
    run(tenant.id, SOON)
    assert tags(tenant.id, member) == ["refused"]
    assert rows(tenant.id, "SELECT id FROM journey_webhook") == []
    assert call(tenant, SOON) == 0


@pytest.mark.parametrize("move_waits", [False, True])
def test_who_is_answered_while_the_journey_is_paused_goes_on_when_it_does(
    tenant: Any, receiver: Receiver, move_waits: bool
) -> None:
    made = calling(tenant, receiver)
    [member] = enter(tenant, made)
    act: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    lifecycle.pause(**act, now=NOW)
    call(tenant)
    assert len(receiver.told) == 1
    lifecycle.resume(**act, now=SOON, move_waits=move_waits)
    run(tenant.id, SOON)
    assert tags(tenant.id, member) == ["taken"]
    check_counters(tenant.id, made.id)


def test_who_has_left_is_told_of_no_more(tenant: Any, receiver: Receiver) -> None:
    made = calling(tenant, receiver)
    enter(tenant, made)
    lifecycle.archive(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW)
    assert call(tenant) == 0
    assert receiver.told == []
    assert {status for status, _ in statuses(tenant.id).values()} == {"EXITED"}


def test_only_what_is_claimed_is_judged(tenant: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "BATCH", 1)
    made = calling(tenant, receiver)
    [stays, gone] = enter(tenant, made, 2)
    exits.exit_customers(tenant_id=tenant.id, customer_ids=[gone], reason="manual", now=NOW)
    earlier = (
        "UPDATE journey_webhook w SET due_at = :then FROM journey_enrollment e"
        " WHERE e.id = w.enrollment_id AND e.customer_id = :who RETURNING w.id"
    )
    rows(tenant.id, earlier, then=NOW - timedelta(seconds=1), who=stays)
    waiting = "SELECT id FROM journey_webhook WHERE status = 'QUEUED'"
    assert calls.call_batch(tenant_id=tenant.id, now=NOW) == 1
    assert len(rows(tenant.id, waiting)) == 1, "the other one's turn has not come"
    assert calls.call_batch(tenant_id=tenant.id, now=NOW) == 0
    assert rows(tenant.id, waiting) == []
    assert len(receiver.told) == 1


def test_a_worker_that_dies_with_a_call_in_hand_costs_a_repeat(tenant: Any, receiver: Receiver) -> None:
    made = calling(tenant, receiver)
    [member] = enter(tenant, made)

    def die(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "_settle", lambda *_: die(None))
        with pytest.raises(KeyboardInterrupt):
            calls.call_batch(tenant_id=tenant.id, now=NOW)
    assert call(tenant) == 0
    assert call(tenant, NOW + calls.LEASE) == 1
    assert len({told.id for told in receiver.told}) == 1
    assert len(receiver.told) == 2
    assert tags(tenant.id, member) == ["taken"]


def test_a_call_that_is_over_is_forgotten_once_nobody_goes_by_it(tenant: Any, receiver: Receiver) -> None:
    made = calling(tenant, receiver, give_up_after="1 hour")
    [gone, waits] = enter(tenant, made, 2)
    on: dict[str, Any] = {"tenant_id": tenant.id, "journey_id": made.id, "actor": "system"}
    lifecycle.pause(**on, now=NOW)
    assert calls.call_batch(tenant_id=tenant.id, now=NOW) == 2
    exits.exit_customers(tenant_id=tenant.id, customer_ids=[gone], reason="manual", now=NOW)
    later = NOW + timedelta(hours=2)
    assert calls.forget_old(tenant_id=tenant.id, now=NOW) == 0
    assert calls.forget_old(tenant_id=tenant.id, now=later) == 1
    lifecycle.resume(**on, now=later)
    run(tenant.id, later)
    assert (tags(tenant.id, gone), tags(tenant.id, waits)) == ([], ["taken"])
    assert rows(tenant.id, "SELECT id FROM journey_webhook") == []


_BACKLOG = text("""
    WITH walk AS (
        INSERT INTO journey_enrollment
            (tenant_id, journey_id, customer_id, entry, current_step_key, current_step_number)
        SELECT :tenant_id, :journey_id, :customer, CAST(n AS text), 'call', 2 FROM generate_series(1, 4000) AS n
        RETURNING id
    )
    INSERT INTO journey_webhook
        (tenant_id, id, enrollment_id, step_number, method, url, host, secret, due_at, gives_up_at)
    SELECT :tenant_id, uuid7(), id, 2, 'POST', :url, 'hooks.example.com', 's', :now, :until FROM walk
""")


def test_a_backlog_of_calls_is_read_no_further_than_is_called(tenant: Any, receiver: Receiver) -> None:
    made = calling(tenant, receiver)
    values = {"tenant_id": tenant.id, "now": NOW, "until": NOW + timedelta(days=1), "lease": SOON}
    with transaction(tenant.id) as session:
        who = {"journey_id": made.id, "customer": people(tenant.id)[0], "url": receiver.url}
        session.execute(_BACKLOG, values | who)
        session.execute(text("SET LOCAL enable_seqscan = off"))
        values |= {"limit": calls.BATCH, "after": calls.LEFT_ALONE_AFTER}
        plan = plan_of(session, calls._CLAIM.text, values, run=True)
    assert max(read(node) for node in plan) <= calls.BATCH


def test_put_and_get(tenant: Any, receiver: Receiver) -> None:
    made = calling(tenant, receiver, method="GET", url=receiver.url + "?who={{ customer.first_name | url_encode }}")
    [member] = people(tenant.id, first_name="Ann & Bo")
    admit(tenant.id, made.id, [member])
    run(tenant.id)
    call(tenant)
    [told] = receiver.told
    assert (told.method, told.path, told.body) == ("GET", "/segments?who=Ann+%26+Bo", b"")


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"url": "https://hooks.example.com/in", "body": "{not json"}, "body"),
        ({"url": "https://hooks.example.com/in", "body": '{"a": "{{ customer. }}"}'}, "body"),
        ({"url": "http://hooks.example.com/in"}, "url"),
        ({"url": "https://127.0.0.1/in"}, "url"),
        ({"url": "https://{{ event.host }}/in"}, "url"),
        ({"url": "https://hooks.example.com{{ event.host }}/in"}, "url"),
        ({"url": "https://hooks.example.com/in", "secret": None}, "secret"),
        ({"url": "https://hooks.example.com/in", "give_up_after": "0 days"}, "give_up_after"),
    ],
)
def test_what_is_wrong_stands_at_its_field(tenant: Any, config: dict[str, Any], field: str) -> None:
    made = journey(tenant.id, [webhook(tenant, None, None, config)], active=False)
    assert list(in_the_way(tenant.id, made.id)) == [f"steps.call.{field}"]


def test_a_secret_of_elsewhere_is_told_before_anybody_is_called(tenant: Any, other_tenant: Any) -> None:
    sealed = calls.new_secret(other_tenant.id)[1]
    config = {"url": "https://hooks.example.com/in", "secret": sealed}
    made = journey(tenant.id, [webhook(tenant, None, None, config)], active=False)
    assert in_the_way(tenant.id, made.id) == {
        "steps.call.secret": "This secret was made elsewhere and can't be read here. Make another one."
    }


def test_words_and_a_secret_by_the_api(tenant: Any, api: Any) -> None:
    config = {"url": "https://hooks.example.com/in?x={{ customer.id }}"}
    made = journey(tenant.id, [webhook(tenant, None, None, config)], active=False)
    answer = api.post(f"/journeys/{made.id}/steps/call/secret")
    assert answer.status_code == 201
    plain = answer.get_json()["secret"]
    found = queries.draft(queries.journey(tenant_id=tenant.id, journey_id=made.id)).steps["call"]
    assert crypto.unseal(calls.PURPOSE, tenant.id, found.config["secret"]) == plain
    assert plain.startswith(webhooks.SECRET_PREFIX)
    assert words_of(found, queries.known(tenant_id=tenant.id)) == "POST to hooks.example.com"


def test_a_secret_by_the_form_is_shown_once(tenant: Any, client: Any, sign_in: Any) -> None:
    sign_in("marketer")
    made = journey(tenant.id, [webhook(tenant, None, None, {"url": "https://hooks.example.com/in"})], active=False)
    at = f"/journeys/{made.id}/steps/call"
    typed = {"method": "POST", "url": "https://hooks.example.com/in", "give_up_after.amount": "1", "name": ""}
    form = client.post(at, {**typed, "act": "secret:secret"}, htmx=True, status=200).text
    assert webhooks.SECRET_PREFIX in form
    assert webhooks.SECRET_PREFIX not in client.get(at).text
    held = service.undo(tenant_id=tenant.id, journey_id=made.id, actor="system")
    assert webhooks.SECRET_PREFIX not in str(held.draft)


def test_only_what_signs_has_a_secret_made_for_it(tenant: Any, api: Any) -> None:
    made = journey(tenant.id, [step("w", "WAIT", None, {"duration": "1 day"})], active=False)
    assert api.post(f"/journeys/{made.id}/steps/w/secret").status_code == 409
    assert "secret" not in str(queries.journey(tenant_id=tenant.id, journey_id=made.id).draft)


def test_a_secret_stays_out_of_files(tenant: Any) -> None:
    made = journey(tenant.id, [webhook(tenant, None, None, {"url": "https://hooks.example.com/in"})], active=False)
    file = files.written(made, queries.draft(made), queries.known(tenant_id=tenant.id))
    assert file["steps"][1]["config"] == {"url": "https://hooks.example.com/in"}
