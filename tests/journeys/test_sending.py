"""Settings of a journey that say how it sends: its topic, its send window, whose clock counts."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.accounts.models import Tenant
from app.customers import topics
from app.infra.errors import Invalid
from app.journeys import files, queries, rehearsal, service, why
from app.messaging import gate, policy
from app.messaging.states import Reason, Status
from tests.conftest import make_tenant
from tests.journeys.helpers import admit, journey, people, rows, run, send, step, template

# 11:00 on a Friday in Johannesburg.
FRIDAY = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
WEEKEND = {"days": ["SAT", "SUN"], "from": "10:00", "to": "12:00"}
SATURDAY = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def change(tenant: Tenant, journey_id: UUID, **changes: Any) -> None:
    service.update_settings(tenant_id=tenant.id, journey_id=journey_id, actor="system", changes=changes)


def held(tenant: Tenant, now: datetime) -> dict[UUID, tuple[str, str | None, datetime]]:
    gate.claim(tenant_id=tenant.id, limit=100, now=now)
    found = rows(tenant.id, "SELECT customer_id, status, reason, due_at FROM message")
    return {row.customer_id: (row.status, row.reason, row.due_at) for row in found}


def test_what_comes_outside_the_window_is_held_until_it_opens_where_they_are(tenant: Tenant) -> None:
    made = journey(
        tenant.id, [send("s", None, template(tenant.id))], send_window=WEEKEND, timezone="Africa/Johannesburg"
    )
    (here,) = people(tenant.id, timezone="Africa/Johannesburg")
    (away,) = people(tenant.id, timezone="America/New_York")
    admit(tenant.id, made.id, [here, away])
    run(tenant.id)
    found = held(tenant, FRIDAY)
    assert found[here] == (Status.HELD, Reason.SEND_WINDOW, SATURDAY)
    assert found[away] == (Status.HELD, Reason.SEND_WINDOW, SATURDAY + timedelta(hours=7))
    assert held(tenant, SATURDAY)[here][0] == Status.SENDING
    told = why.of(tenant_id=tenant.id, journey_id=made.id, step_key="s", customer_id=away, now=FRIDAY)
    assert "Saturday and Sunday, 10:00 to 12:00 in America/New_York" in " ".join(one.words for one in told)


def test_who_has_no_time_zone_goes_by_the_journeys_clock_in_waits_and_windows(tenant: Tenant) -> None:
    steps = [send("s", "w", template(tenant.id)), step("w", "WAIT", None, {"until": {"time": "13:00"}})]
    made = journey(tenant.id, steps, send_window=WEEKEND, timezone="America/New_York")
    (who,) = people(tenant.id)
    inside = admit(tenant.id, made.id, [who])
    run(tenant.id)
    assert held(tenant, FRIDAY)[who] == (Status.HELD, Reason.SEND_WINDOW, SATURDAY + timedelta(hours=7))
    waits = rows(tenant.id, "SELECT waiting_until FROM journey_enrollment WHERE id = :id", id=inside[who])
    assert waits[0].waiting_until == datetime(2026, 11, 20, 18, 0, tzinfo=UTC)


def test_by_the_journeys_clock_it_opens_for_all_at_once(tenant: Tenant) -> None:
    settings = {"send_window": WEEKEND, "timezone": "Africa/Johannesburg", "clock": "journey"}
    steps = [send("s", "w", template(tenant.id)), step("w", "WAIT", None, {"until": {"time": "13:00"}})]
    made = journey(tenant.id, steps, **settings)
    (away,) = people(tenant.id, timezone="America/New_York")
    inside = admit(tenant.id, made.id, [away])
    run(tenant.id)
    assert held(tenant, FRIDAY)[away] == (Status.HELD, Reason.SEND_WINDOW, SATURDAY)
    waits = rows(tenant.id, "SELECT waiting_until FROM journey_enrollment WHERE id = :id", id=inside[away])
    assert waits[0].waiting_until == datetime(2026, 11, 20, 11, 0, tzinfo=UTC)


def test_another_window_lets_what_is_held_out(tenant: Tenant) -> None:
    made = journey(
        tenant.id, [send("s", None, template(tenant.id))], send_window=WEEKEND, timezone="Africa/Johannesburg"
    )
    (who, other) = people(tenant.id, 2)
    steps = [send("s", None, template(tenant.id, "Other"))]
    another = journey(tenant.id, steps, name="Other", send_window=WEEKEND, timezone="Africa/Johannesburg")
    admit(tenant.id, made.id, [who])
    admit(tenant.id, another.id, [other])
    run(tenant.id)
    later = held(tenant, FRIDAY)[other]
    assert held(tenant, FRIDAY)[who][1] == Reason.SEND_WINDOW
    change(tenant, made.id, send_window=None)
    kept = rows(tenant.id, "SELECT due_at FROM message WHERE journey_id = :id", id=another.id)
    assert [one.due_at for one in kept] == [later[2]] == [SATURDAY]
    assert held(tenant, datetime.now(UTC))[who][0] == Status.SENDING


def test_a_full_cap_skips_nothing_that_the_window_has_just_let_out(tenant: Tenant) -> None:
    capped = {"caps": [{"most": 1, "hours": 24, "channel": None}]}
    policy.save(tenant_id=tenant.id, actor="system", changes=capped, now=FRIDAY)
    thursdays = {"days": ["THU"], "from": "10:00", "to": "12:00"}
    made = journey(
        tenant.id, [send("s", None, template(tenant.id))], send_window=thursdays, timezone="Africa/Johannesburg"
    )
    free = journey(tenant.id, [send("s", None, template(tenant.id, "Free"))], name="Free")
    (who,) = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    opens = FRIDAY + timedelta(days=6, hours=-1)
    assert held(tenant, FRIDAY)[who] == (Status.HELD, Reason.SEND_WINDOW, opens)
    before = opens - timedelta(hours=23)
    admit(tenant.id, free.id, [who], before)
    run(tenant.id, before)
    gate.claim(tenant_id=tenant.id, limit=100, now=before)
    gate.claim(tenant_id=tenant.id, limit=100, now=opens)
    (found,) = rows(tenant.id, "SELECT status, reason, due_at FROM message WHERE journey_id = :id", id=made.id)
    assert tuple(found) == (Status.HELD, Reason.FREQUENCY_CAP, before + timedelta(days=1))


def test_transactional_and_other_journeys_go_at_once(tenant: Tenant) -> None:
    (who, other) = people(tenant.id, 2)
    letter = {"channel": "EMAIL", "template_id": str(template(tenant.id)), "purpose": "transactional"}
    made = journey(tenant.id, [step("s", "SEND", None, letter)], send_window=WEEKEND)
    free = journey(tenant.id, [send("s", None, template(tenant.id, "Free"))], name="Free")
    admit(tenant.id, made.id, [who])
    admit(tenant.id, free.id, [other])
    run(tenant.id)
    assert {one[0] for one in held(tenant, FRIDAY).values()} == {Status.SENDING}


def test_what_is_worth_nothing_by_then_is_skipped(tenant: Tenant) -> None:
    letter = {"channel": "EMAIL", "template_id": str(template(tenant.id)), "expires_hours": 3}
    made = journey(tenant.id, [step("s", "SEND", None, letter)], send_window=WEEKEND)
    (who,) = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    assert held(tenant, FRIDAY)[who][:2] == (Status.SKIPPED, Reason.EXPIRED)


def test_a_rehearsal_keeps_to_the_window(tenant: Tenant) -> None:
    made = journey(
        tenant.id,
        [send("s", None, template(tenant.id))],
        active=False,
        send_window=WEEKEND,
        timezone="Africa/Johannesburg",
    )
    (who,) = people(tenant.id)
    found = rehearsal.rehearse(tenant_id=tenant.id, journey_id=made.id, customer_ids=[who], at=FRIDAY)
    (letter,) = found.boards[0].steps[-1].letters
    assert (letter.status, letter.at) == (Status.SENT, SATURDAY)


def test_its_topic_is_asked_for_unless_template_or_step_name_another(tenant: Tenant) -> None:
    own, of_template, of_step = (
        topics.create(tenant_id=tenant.id, name=name, actor="system").id for name in ("Own", "Letters", "Trips")
    )
    with_topic = template(tenant.id, "Named")
    rows(
        tenant.id, "UPDATE template SET topic_id = :topic WHERE id = :id RETURNING id", topic=of_template, id=with_topic
    )
    config = {"channel": "EMAIL", "template_id": str(with_topic)}
    steps = [
        send("s1", "s2", template(tenant.id)),
        step("s2", "SEND", "s3", config),
        step("s3", "SEND", None, {**config, "topic_id": str(of_step)}),
    ]
    made = journey(tenant.id, steps, topic_id=own)
    (who,) = people(tenant.id)
    admit(tenant.id, made.id, [who])
    run(tenant.id)
    found = dict(rows(tenant.id, "SELECT step_key, topic_id FROM message"))
    assert found == {"s1": own, "s2": of_template, "s3": of_step}


def test_settings_that_can_not_be(tenant: Tenant) -> None:
    made = journey(tenant.id, [step("e", "END")])
    for wrong in (
        {"topic_id": str(made.id)},
        {"clock": "sun"},
        {"send_window": "always"},
        {"send_window": {"days": [1]}},
    ):
        with pytest.raises(Invalid):
            change(tenant, made.id, **wrong)


def test_over_the_api(tenant: Tenant, api: Any) -> None:
    topic = topics.create(tenant_id=tenant.id, name="Own", actor="system")
    made = api.post("/journeys", {"name": "Sends", "send_window": WEEKEND, "topic_id": str(topic.id)}).get_json()
    assert (made["send_window"], made["clock"], made["topic_id"]) == (WEEKEND, "person", str(topic.id))
    there = f"/journeys/{made['id']}"
    changed = api.patch(there, {"send_window": None, "clock": "journey"}).get_json()
    assert (changed["send_window"], changed["clock"], changed["topic_id"]) == (None, "journey", str(topic.id))
    refused = api.patch(there, {"send_window": {"days": ["MON"], "from": "10:00", "to": "09:00"}})
    assert refused.status_code == 422


def test_the_page_shows_and_takes_it(client: Any, sign_in: Any, tenant: Tenant) -> None:
    sign_in()
    topic = topics.create(tenant_id=tenant.id, name="Own", actor="system")
    made = journey(tenant.id, [step("e", "END")])
    there = f"/journeys/{made.id}/settings"
    typed = {"name": "By hand", "timezone": "Europe/London", "topic_id": str(topic.id), "send_days": ["MON", "TUE"],
             "send_from": "09:00", "send_to": "17:00", "clock": "journey"}  # fmt: skip
    client.post(there, typed, status=302)
    found = queries.journey(tenant_id=tenant.id, journey_id=made.id)
    assert (found.send_window, found.topic_id, found.clock) == (
        {"days": ["MON", "TUE"], "from": "09:00", "to": "17:00"}, topic.id, "journey",
    )  # fmt: skip
    shown = client.get(there)
    assert 'value="09:00"' in shown.text
    assert "Monday and Tuesday, 09:00 to 17:00, by the journey’s clock" in client.get(f"/journeys/{made.id}").text
    wrong = client.post(there, {**typed, "send_to": "08:00"}, status=422)
    assert "Let it end later" in wrong.text


def test_what_settings_name_is_found_elsewhere_by_its_name(tenant: Tenant) -> None:
    from app.segments import service as segments

    def segment(tenant_id: UUID) -> str:
        criteria = {"field": "first_name", "operator": "is_not_null"}
        return str(segments.create(tenant_id=tenant_id, name="Named", criteria=criteria, actor="system").id)

    old, topic = segment(tenant.id), topics.create(tenant_id=tenant.id, name="Own", actor="system")
    other = journey(tenant.id, [step("e", "END")], name="Other", active=False)
    steps = [step("j", "START_JOURNEY", None, {"journey_id": str(other.id)})]
    asked = {"combinator": "AND", "rules": [{"field": "segments", "operator": "in", "value": [old]}]}
    made = journey(
        tenant.id,
        steps,
        active=False,
        exit_conditions=asked,
        goal={"conditions": asked},
        topic_id=topic.id,
        send_window=WEEKEND,
    )
    known = queries.known(tenant_id=tenant.id)
    file = json.dumps(files.written(made, queries.draft(made), known), default=str)
    there = make_tenant()
    lacking, missing = files.bring(tenant_id=there.id, actor="system", file=file, name="Lacking")
    assert set(missing) == {
        *("the segment “Named”", "the topic “Own”", "the journey “Other”"),
        *("the conditions by which people leave", "the goal"),
    }
    kept = queries.journey(tenant_id=there.id, journey_id=lacking.id)
    assert (kept.topic_id, kept.send_window) == (None, WEEKEND)
    assert (kept.exit_conditions, kept.goal, kept.watches) == (None, None, False)
    new, own = segment(there.id), topics.create(tenant_id=there.id, name="Own", actor="system")
    target = journey(there.id, [step("e", "END")], name="Other", active=False)
    whole, missing = files.bring(tenant_id=there.id, actor="system", file=file)
    assert missing == []
    assert whole.exit_conditions == {
        "combinator": "AND",
        "rules": [{"field": "segments", "operator": "in", "value": [new]}],
    }
    assert whole.goal == {"conditions": whole.exit_conditions}
    assert whole.topic_id == own.id
    assert queries.draft(whole).steps["j"].config["journey_id"] == str(target.id)
