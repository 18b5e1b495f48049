"""A person's way, marked on the drawing of the journey."""

from datetime import timedelta
from typing import Any

from app.blueprints.journeys import walks
from app.infra import clock
from app.journeys import lifecycle, queries, service
from tests.journeys.helpers import NOW, admit, asks, journey, people, run, send, step, tag, template, wait


def drawn(tenant: Any, made: Any, enrollment: Any) -> walks.Walk:
    walk = queries.enrollment_path(tenant_id=tenant.id, enrollment_id=enrollment)
    return walks.drawn(walk, queries.journey(tenant_id=tenant.id, journey_id=made.id))


def test_what_was_taken_where_they_stand_and_what_can_not_come_any_more(
    client: Any, sign_in: Any, app: Any, tenant: Any
) -> None:
    sign_in("marketer")
    made = journey(
        tenant.id,
        [
            step("t", "TRIGGER", "ask", {"event_type": "MANUAL"}),
            asks("ask", "gift", "sorry", {"field": "emailOptIn", "operator": "eq", "value": True}),
            {**send("gift", "rest", template(tenant.id)), "name": "Voucher"},
            tag("sorry", "rest", "silent"),
            wait("rest", "last", "3 days"),
            tag("last", None, "done"),
        ],
    )
    (who,) = people(tenant.id)
    (enrollment,) = admit(tenant.id, made.id, [who]).values()
    run(tenant.id)
    with app.test_request_context():
        found = drawn(tenant, made, enrollment)
    assert found.marks == {
        "t": "passed", "ask": "passed", "gift": "passed", "sorry": "off", "rest": "here", "last": "",
    }  # fmt: skip
    assert found.lines == {"edge-t-next", "edge-ask-yes", "edge-gift-next"}
    assert (found.turns["gift"], found.version, found.others) == ([3], 1, [])
    text = client.get(f"/journeys/{made.id}/people/{enrollment}").text
    for words in ("On the canvas", "As it is in version 1.", 'popovertarget="told-gift"', "Handed over to be sent",
                  "Here now", "Not taken"):  # fmt: skip
        assert words in text, words

    # The rest of the way is walked under another version, and then nothing is ahead.
    service.insert_step(tenant_id=tenant.id, journey_id=made.id, actor="system", after="last", exit="next", type="WAIT")
    lifecycle.publish(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW)
    run(tenant.id, NOW + timedelta(days=3))
    run(tenant.id, NOW + timedelta(days=5))
    with app.test_request_context():
        found = drawn(tenant, made, enrollment)
    assert (found.version, found.others) == (2, [1])
    assert (found.marks["last"], found.marks["sorry"]) == ("passed", "off")
    assert "some steps were taken under version 1" in client.get(f"/journeys/{made.id}/people/{enrollment}").text


def test_the_page_of_who_is_on_their_way_looks_again_by_itself_until_they_wait(
    client: Any, sign_in: Any, tenant: Any
) -> None:
    sign_in("marketer")
    made = journey(tenant.id, [step("t", "TRIGGER", "rest", {"event_type": "MANUAL"}), wait("rest", None, "3 days")])
    began = clock.now()
    (enrollment,) = admit(tenant.id, made.id, people(tenant.id), now=began).values()
    url, asks_again = f"/journeys/{made.id}/people/{enrollment}", 'hx-trigger="every 2s"'
    page = client.get(url).text
    assert "No step taken yet." in page
    assert asks_again in page
    lifecycle.pause(tenant_id=tenant.id, journey_id=made.id, actor="system")
    assert asks_again not in client.get(url).text
    lifecycle.resume(tenant_id=tenant.id, journey_id=made.id, actor="system", now=began)
    run(tenant.id, began)
    later = client.get(url, headers={"HX-Request": "true"}).text
    assert "<html" not in later
    assert "Waits until" in later
    assert asks_again not in later
