"""NOTIFY: colleagues are told about people of a journey, by the bell and by mail, and have nothing to do."""

import re
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.customers import notices
from app.infra import clock
from app.infra.db import transaction
from app.journeys import queries, rehearsal
from app.journeys.kinds import words_of
from app.journeys.models import Journey
from app.messaging.builtin import Outdated, builtin
from tests.journeys.helpers import (
    NOW,
    admit,
    check_counters,
    in_the_way,
    journey,
    paths,
    people,
    rows,
    run,
    step,
    tag,
    tags,
)
from tests.page_client import make_user
from tests.plans import plan_of, read


def telling(tenant: Any, *, active: bool = True, **config: Any) -> Journey:
    settings = {"to": "role:staff", "text": "{{ customer.first_name }} wants to play more", **config}
    steps = [step("bell", "NOTIFY", "after", settings), tag("after", None, "after")]
    return journey(tenant.id, steps, name="Keen players", active=active)


def told(tenant: Any, user_id: UUID) -> list[notices.Notice]:
    return notices.notices(tenant_id=tenant.id, user_id=user_id, sees_private=False).items


def unread(tenant: Any, user_id: UUID) -> int:
    return notices.unread(tenant_id=tenant.id, user_id=user_id, sees_private=False)


def test_everybody_with_the_role_is_told_and_people_go_on(tenant: Any) -> None:
    clerks = [make_user(tenant.id, "staff") for _ in range(2)]
    boss = make_user(tenant.id, "owner")
    made = telling(tenant)
    [nomsa] = people(tenant.id, first_name="Nomsa", last_name="Dlamini")
    admit(tenant.id, made.id, [nomsa])
    run(tenant.id)
    for clerk in clerks:
        [found] = told(tenant, clerk)
        assert (found.by, found.what, found.customer_name) == ("“Keen players”", "tells you about", "Nomsa Dlamini")
        assert (found.body, found.told_at, found.read_at) == ("Nomsa wants to play more", NOW, None)
    assert told(tenant, boss) == []
    assert tags(tenant.id, nomsa) == ["after"]
    [taken] = rows(tenant.id, "SELECT result FROM journey_enrollment_step WHERE step_key = 'bell'")
    assert taken.result == {"told": "Nomsa wants to play more", "colleagues": 2}
    check_counters(tenant.id, made.id)
    assert rows(tenant.id, "SELECT id FROM task") == rows(tenant.id, "SELECT id FROM message") == []
    words = words_of(queries.draft(made).steps["bell"], queries.known(tenant_id=tenant.id))
    assert words == "“{{ customer.first_name }} wants to play more”, to everybody with the role staff"


def test_who_is_told_twice_is_told_once(tenant: Any) -> None:
    clerk = make_user(tenant.id, "staff")
    [nomsa] = people(tenant.id)
    asked = {"tenant_id": tenant.id, "to": f"user:{clerk}", "source": "", "told_by": "Keen players", "now": NOW}
    for one in range(2):
        found = notices.put(**asked, notices=[notices.NewNotice("x", nomsa, f"Body {one}")])
        assert [len(told.notices) for told in found] == ([1] if not one else [])
    assert [one.body for one in told(tenant, clerk)] == ["Body 0"]


def test_where_nobody_is_to_be_told_people_go_on_all_the_same(tenant: Any) -> None:
    made = telling(tenant, mail=True)
    members = people(tenant.id)
    admit(tenant.id, made.id, members)
    run(tenant.id)
    assert paths(tenant.id)[members[0]][-1] == ("after", "COMPLETED")
    assert rows(tenant.id, "SELECT id FROM message") == []


def test_one_mail_for_all_who_come_at_once(tenant: Any) -> None:
    clerk = make_user(tenant.id, "staff")
    made = telling(tenant, mail=True, to=f"user:{clerk}")
    admit(tenant.id, made.id, people(tenant.id, 3))
    run(tenant.id)
    [message] = rows(tenant.id, "SELECT builtin, user_id, context FROM message")
    assert (message.builtin, message.user_id) == ("notice", clerk)
    found = builtin("notice").values(tenant_id=tenant.id, user_id=clerk, context=message.context)
    assert (found["count"], found["others"], found["by"]) == (3, True, "“Keen players”")
    assert found["link"].endswith("/notices")
    assert unread(tenant, clerk) == 3


def test_a_mail_about_many_is_about_those_who_are_there_and_unread(tenant: Any) -> None:
    clerk = make_user(tenant.id, "staff")
    members = people(tenant.id, 3)
    admit(tenant.id, telling(tenant, mail=True).id, members)
    run(tenant.id)
    [message] = rows(tenant.id, "SELECT context FROM message")
    mail = {"tenant_id": tenant.id, "user_id": clerk, "context": message.context}
    first, second, third = sorted(told(tenant, clerk), key=lambda one: one.id)
    with transaction(tenant.id) as session:
        session.execute(text("DELETE FROM customer WHERE id = :id"), {"id": first.customer_id})
    found = builtin("notice").values(**mail)
    assert (found["count"], found["others"], found["customer"]) == (2, True, second.customer_name)
    notices.read(tenant_id=tenant.id, user_id=clerk, notice_id=second.id)
    found = builtin("notice").values(**mail)
    assert (found["count"], found["others"], found["customer"]) == (1, False, third.customer_name)
    assert found["link"].endswith(f"/customers/{third.customer_id}")
    notices.read(tenant_id=tenant.id, user_id=clerk)
    with pytest.raises(Outdated):
        builtin("notice").values(**mail)


def test_a_mail_about_what_is_read_is_not_sent(tenant: Any) -> None:
    clerk = make_user(tenant.id, "staff")
    [nomsa] = people(tenant.id, first_name="Nomsa")
    admit(tenant.id, telling(tenant, mail=True).id, [nomsa])
    run(tenant.id)
    [message] = rows(tenant.id, "SELECT context FROM message")
    mail = {"tenant_id": tenant.id, "user_id": clerk, "context": message.context}
    assert builtin("notice").values(**mail)["link"].endswith(f"/customers/{nomsa}")
    notices.read(tenant_id=tenant.id, user_id=clerk)
    with pytest.raises(Outdated):
        builtin("notice").values(**mail)
    with transaction(tenant.id) as session:
        session.execute(text("DELETE FROM customer WHERE id = :id"), {"id": nomsa})
    with pytest.raises(Outdated):
        builtin("notice").values(**mail)


def test_of_many_people_one_notice_tells_how_many_more_there_are(
    client: Any, sign_in: Any, tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "MOST_UNREAD", 3)
    clerk, other = sign_in("staff"), make_user(tenant.id, "staff")
    steps = [
        step("bell", "NOTIFY", "again", {"to": "role:staff", "text": "Look", "mail": True}),
        step("again", "NOTIFY", None, {"to": f"user:{other}", "text": "Look again"}),
    ]
    made = journey(tenant.id, steps, name="Keen players")

    def come(number: int, at: Any) -> None:
        admit(tenant.id, made.id, people(tenant.id, number), now=at)
        run(tenant.id, at)

    def counted(user_id: UUID) -> tuple[int, list[int]]:
        found = told(tenant, user_id)
        return len([one for one in found if not one.more]), [one.more for one in found if one.more]

    come(2, NOW)
    assert (counted(clerk), counted(other)) == ((2, []), (4, []))
    come(5, NOW + timedelta(hours=1))
    assert (counted(clerk), counted(other)) == ((3, [4]), (6, [4, 4])), "by step"
    come(60, NOW + timedelta(hours=2))
    assert (counted(clerk), unread(tenant, clerk)) == ((3, [64]), 4)
    [more] = [one for one in told(tenant, clerk) if one.more]
    assert (more.customer_id, more.told_at) == (None, NOW + timedelta(hours=2))
    taken = rows(tenant.id, "SELECT DISTINCT result FROM journey_enrollment_step WHERE step_key = 'bell'")
    assert [one.result for one in taken] == [{"told": "Look", "colleagues": 2}]
    mails = rows(tenant.id, "SELECT context FROM message WHERE user_id = :id ORDER BY id", id=clerk)
    assert [(len(one.context["notice_ids"]), one.context["more"]) for one in mails] == [(2, 0), (1, 4)]
    found = builtin("notice").values(tenant_id=tenant.id, user_id=clerk, context=mails[1].context)
    assert (found["count"], found["others"]) == (5, True)
    page = client.get("/notices").text
    assert "tells you about <b>64 more people</b>" in page
    assert "They came to “Notify a colleague”." in page
    assert client.post(f"/notices/{more.id}/open", status=302).location == "/notices"
    assert (counted(clerk), unread(tenant, clerk)) == ((3, [64]), 3)
    come(1, NOW + timedelta(hours=3))
    assert (counted(clerk), counted(other)[1]) == ((3, [1]), [65, 65]), "what was read is not counted again"
    notices.read(tenant_id=tenant.id, user_id=clerk)
    come(4, NOW + timedelta(hours=4))
    assert (counted(clerk), unread(tenant, clerk)) == ((6, [1]), 4), "all read: there is room again"
    check_counters(tenant.id, made.id)
    sign_in("staff")
    client.post(f"/notices/{more.id}/open", status=404)


def test_one_of_many_leads_to_them_who_may_see_journeys(client: Any, sign_in: Any, tenant: Any) -> None:
    boss = sign_in("owner")
    bell = step("bell", "NOTIFY", None, {"to": f"user:{boss}", "text": "Look"}) | {"name": "Call them"}
    made = journey(tenant.id, [bell])
    admit(tenant.id, made.id, people(tenant.id, notices.MOST_UNREAD + 1))
    run(tenant.id)
    [more] = [one for one in told(tenant, boss) if one.more]
    assert (more.more, more.body) == (1, "They came to “Call them”.")
    assert "about <b>1 more person</b>" in client.get("/notices?latest=1", htmx=True).text
    location = client.post(f"/notices/{more.id}/open", status=302).location
    assert location == f"/journeys/{made.id}/people?came=bell"
    assert "ame to “Call them”" in client.get(location).text


def test_notices_go_some_time_after_they_were_read(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "FORGET_AT_ONCE", 2)
    clerk = make_user(tenant.id, "staff")
    admit(tenant.id, telling(tenant).id, people(tenant.id, 5))
    run(tenant.id)
    kept, *others = told(tenant, clerk)
    now = clock.now()
    for one in others:
        notices.read(tenant_id=tenant.id, user_id=clerk, notice_id=one.id, now=now)
    forget = partial(notices.forget_old, tenant_id=tenant.id)
    assert forget(now=now + notices.KEPT - timedelta(hours=1)) == 0
    assert forget(now=now + notices.KEPT + timedelta(hours=1)) == 4
    assert [one.id for one in told(tenant, clerk)] == [kept.id]
    assert forget(now=now + 10 * notices.KEPT) == 0, "what nobody read stays"


_MANY = text("""
    INSERT INTO notice (tenant_id, key, user_id, customer_id, told_by, body, told_at, read_at)
    SELECT :tenant_id, CAST(n AS text), :user_id, :customer, 'Keen players', 'Body', :now, CASE WHEN n > 3 THEN :now END
    FROM generate_series(1, 3000) AS n
""")


@pytest.mark.parametrize("statement", [notices._UNREAD, notices._READ])
def test_the_bell_reads_what_is_unread_and_no_more(tenant: Any, statement: Any) -> None:
    clerk, [nomsa] = make_user(tenant.id, "staff"), people(tenant.id)
    asked = {"tenant_id": tenant.id, "user_id": clerk, "many": 100, "id": None, "now": NOW}
    with transaction(tenant.id) as session:
        session.execute(_MANY, asked | {"customer": nomsa})
        session.execute(text("SET LOCAL enable_seqscan = off"))
        wanted = {name: asked[name] for name in statement.compile().params}
        plan = plan_of(session, statement.text, wanted, run=True)
    found = [one for one in plan if one["Node Type"] != "ModifyTable" and one.get("Relation Name") == "notice"]
    assert [read(one) for one in found] == [3]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"to": "role:viewer"}, "to"),
        ({"to": "user:01990000-0000-7000-8000-000000000000"}, "to"),
        ({"text": ""}, "text"),
        ({"text": "{{ customer. }}"}, "text"),
    ],
)
def test_what_is_wrong_stands_at_its_field(tenant: Any, config: dict[str, Any], field: str) -> None:
    made = telling(tenant, active=False, **config)
    assert list(in_the_way(tenant.id, made.id)) == [f"steps.bell.{field}"]


def test_a_rehearsal_says_what_would_be_told_and_tells_nobody(tenant: Any) -> None:
    clerk = make_user(tenant.id, "staff")
    made = telling(tenant, active=False, mail=True)
    [nomsa] = people(tenant.id, first_name="Nomsa")
    found = rehearsal.rehearse(tenant_id=tenant.id, journey_id=made.id, customer_ids=[nomsa], at=NOW)
    [board] = found.boards
    [told_] = [one.result for one in board.steps if one.key == "bell"]
    assert told_ == {"told": "Nomsa wants to play more", "colleagues": 1}
    assert told(tenant, clerk) == []
    assert rows(tenant.id, "SELECT id FROM message") == []


def test_the_bell_counts_shows_and_opens_it(client: Any, sign_in: Any, tenant: Any) -> None:
    clerk = sign_in("staff")
    made = telling(tenant)
    members = [people(tenant.id, first_name=name)[0] for name in ("Nomsa", "<b>Bo</b>")]
    admit(tenant.id, made.id, members)
    run(tenant.id)
    assert 'aria-label="Notices: 2 unread"' in client.get("/").text
    page = client.get("/notices").text
    assert "<b>“Keen players”</b> tells you about <b>Nomsa" in page
    assert "&lt;b&gt;Bo&lt;/b&gt; wants to play more" in page
    first = next(one for one in told(tenant, clerk) if one.customer_id == members[0])
    opened = client.post(f"/notices/{first.id}/open", status=302)
    assert opened.location.endswith(f"/customers/{members[0]}")
    assert unread(tenant, clerk) == 1
    client.post("/notices/read", status=302)
    assert unread(tenant, clerk) == 0
    sign_in("staff")
    client.post(f"/notices/{first.id}/open", status=404)


def test_notices_page_together_with_mentions(client: Any, sign_in: Any, tenant: Any) -> None:
    clerk = make_user(tenant.id, "staff")
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE users SET name = 'Me Myself' WHERE id = :id"), {"id": clerk})
    members = people(tenant.id, 3)
    sign_in("marketer")
    for member in members[:2]:
        client.post(f"/customers/{member}/notes", {"body": "@Me Myself, look"}, status=302)
    admit(tenant.id, telling(tenant).id, members)
    run(tenant.id)
    on = {"tenant_id": tenant.id, "user_id": clerk, "sees_private": False}
    assert notices.unread(**on) == 5
    seen, cursor = [], None
    for _ in range(3):
        page = notices.notices(**on, limit=2, cursor=cursor)
        seen += page.items
        cursor = page.next_cursor
    assert cursor is None
    assert len({one.id for one in seen}) == 5
    assert [one.told_at for one in seen] == sorted((one.told_at for one in seen), reverse=True)
    assert sum(one.note_id is not None for one in seen) == 2


def test_the_builder_offers_and_shows_it(client: Any, sign_in: Any, api: Any, tenant: Any) -> None:
    sign_in("marketer")
    made = telling(tenant, active=False)
    page = client.get(f"/journeys/{made.id}").text
    assert re.search(r'class="palette-item" data-kind="NOTIFY"', page)
    assert "wants to play more”, to everybody with the role staff" in page
    panel = client.get(f"/journeys/{made.id}/steps/bell").text
    assert 'name="to"' in panel
    assert 'name="text"' in panel
    assert "Everybody with the role staff" in panel
    assert "Anybody with the role" not in panel
    kinds = {one["type"]: one for one in api.get("/journeys/step-types").get_json()["items"]}
    assert kinds["NOTIFY"]["exits"] == ["next"]
    assert set(kinds["NOTIFY"]["config_schema"]["properties"]) == {"to", "text", "mail"}
