"""TASK: what a colleague is to do about people of a journey, told, waited for, done and taken back."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.accounts.queries import active_users
from app.customers import tasks
from app.customers.models import Task
from app.infra import clock
from app.infra.db import transaction
from app.infra.ids import new_id
from app.journeys import queries
from app.journeys.kinds import words_of
from app.journeys.models import Journey
from app.messaging.builtin import Outdated, builtin
from app.road import TASK_FOLLOWERS
from tests.journeys.helpers import NOW, admit, check_counters, in_the_way, journey, people, rows, run, step, tag, tags
from tests.plans import plan_of, read


def task(onward: str | None = None, late: str | None = None, **config: Any) -> dict[str, Any]:
    settings = {"to": "role:staff", "title": "Call {{ customer.first_name }}", **config}
    more = {"next_late": late} if config.get("wait") else {}
    return step("ring", "TASK", onward, settings, **more)


def asking(tenant: Any, **config: Any) -> Journey:
    steps = [task("after", "late" if config.get("wait") else None, **config), tag("after", None, "after")]
    return journey(tenant.id, [*steps, tag("late", None, "late")] if config.get("wait") else steps)


def given(tenant: Any) -> list[tasks.Task]:
    return tasks.mine(tenant_id=tenant.id, user_id=None, role="staff")


def finish(tenant: Any, task_id: UUID, now: datetime = NOW) -> None:
    tasks.done(tenant_id=tenant.id, task_id=task_id, actor="user:x", name="Thandi", now=now, followers=TASK_FOLLOWERS)


def test_a_task_is_given_and_people_go_on(tenant: Any) -> None:
    made = asking(tenant, due_in="2 days", details="About {{ event.booking }}")
    [member] = people(tenant.id, first_name="Nomsa", last_name="Dlamini")
    admit(tenant.id, made.id, [member])
    run(tenant.id)
    [found] = given(tenant)
    assert (found.title, found.customer_name, found.due_at) == ("Call Nomsa", "Nomsa Dlamini", NOW + timedelta(days=2))
    assert tags(tenant.id, member) == ["after"]
    check_counters(tenant.id, made.id)
    told = words_of(queries.draft(made).steps["ring"], queries.known(tenant_id=tenant.id))
    assert told == "“Call {{ customer.first_name }}”, for anybody with the role staff"


def test_who_waits_for_a_task_goes_on_when_it_is_done(tenant: Any) -> None:
    made = asking(tenant, wait=True)
    members = people(tenant.id, 2)
    admit(tenant.id, made.id, members)
    run(tenant.id)
    assert [tags(tenant.id, one) for one in members] == [[], []]
    first = next(one for one in given(tenant) if one.customer_id == members[0])
    finish(tenant, first.id)
    run(tenant.id)
    assert [tags(tenant.id, one) for one in members] == [["after"], []]
    run(tenant.id, NOW + timedelta(days=7))
    assert [tags(tenant.id, one) for one in members] == [["after"], ["late"]]
    results = {row.result.get("done_by") for row in rows(tenant.id, _RESULTS)}
    assert results == {"Thandi", None}
    check_counters(tenant.id, made.id)


_RESULTS = "SELECT result FROM journey_enrollment_step WHERE step_key = 'ring'"


def test_a_task_done_twice_and_taken_back(tenant: Any) -> None:
    admit(tenant.id, asking(tenant).id, people(tenant.id))
    run(tenant.id)
    [found] = given(tenant)
    finish(tenant, found.id)
    tasks.done(tenant_id=tenant.id, task_id=found.id, actor="user:y", name="Bo", now=NOW)
    assert tasks.task(tenant_id=tenant.id, task_id=found.id).done_by_name == "Thandi"
    assert given(tenant) == []
    tasks.reopen(tenant_id=tenant.id, task_id=found.id)
    assert [one.id for one in given(tenant)] == [found.id]


def test_a_step_that_is_run_again_gives_no_second_task(tenant: Any) -> None:
    made = asking(tenant, wait=True)
    admit(tenant.id, made.id, people(tenant.id))
    run(tenant.id)
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE journey_enrollment SET due_at = :now"), {"now": NOW})
    run(tenant.id)
    assert len(given(tenant)) == 1
    [row] = rows(tenant.id, "SELECT status, due_at FROM journey_enrollment")
    assert (row.status, row.due_at) == ("ACTIVE", NOW + timedelta(days=7))


def test_one_mail_for_all_who_come_at_once(tenant: Any, sign_in: Any) -> None:
    clerk = sign_in("staff")
    made = asking(tenant, mail=True, to=f"user:{clerk}")
    admit(tenant.id, made.id, people(tenant.id, 3))
    run(tenant.id)
    [message] = rows(tenant.id, "SELECT builtin, user_id, context FROM message")
    assert (message.builtin, message.user_id) == ("task", clerk)
    told = builtin("task").values(tenant_id=tenant.id, user_id=clerk, context=message.context)
    assert (told["count"], told["others"]) == (3, True)


def test_a_mail_about_many_tells_of_those_that_are_there_and_not_done(tenant: Any, sign_in: Any) -> None:
    clerk = sign_in("staff")
    admit(tenant.id, asking(tenant, mail=True, to="role:staff").id, people(tenant.id, 4))
    run(tenant.id)
    [message] = rows(tenant.id, "SELECT context FROM message")
    mail = {"tenant_id": tenant.id, "user_id": clerk, "context": message.context}
    first, second, third, fourth = sorted(given(tenant), key=lambda one: one.id)
    finish(tenant, first.id)
    told = builtin("task").values(**mail)
    assert (told["count"], told["others"], told["customer"]) == (3, True, second.customer_name)
    with transaction(tenant.id) as session:
        session.execute(text("DELETE FROM customer WHERE id = :id"), {"id": second.customer_id})
    finish(tenant, third.id)
    told = builtin("task").values(**mail)
    assert (told["count"], told["others"], told["customer"]) == (1, False, fourth.customer_name)
    assert told["link"].endswith(f"/customers/{fourth.customer_id}")
    finish(tenant, fourth.id)
    with pytest.raises(Outdated):
        builtin("task").values(**mail)
    tasks.reopen(tenant_id=tenant.id, task_id=first.id)
    assert builtin("task").values(**mail)["customer"] == first.customer_name


def test_a_mail_about_what_is_done_is_not_sent(tenant: Any, sign_in: Any) -> None:
    clerk = sign_in("staff")
    admit(tenant.id, asking(tenant, mail=True, to="role:staff").id, people(tenant.id))
    run(tenant.id)
    [found] = given(tenant)
    finish(tenant, found.id)
    with pytest.raises(Outdated):
        builtin("task").values(tenant_id=tenant.id, user_id=clerk, context={"task_id": str(found.id), "count": 1})


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"to": "role:viewer"}, "to"),
        ({"to": "user:01990000-0000-7000-8000-000000000000"}, "to"),
        ({"title": ""}, "title"),
        ({"title": "{{ customer. }}"}, "title"),
        ({"due_in": "0 days"}, "due_in"),
    ],
)
def test_what_is_wrong_stands_at_its_field(tenant: Any, config: dict[str, Any], field: str) -> None:
    made = journey(tenant.id, [task(None, **config)], active=False)
    assert list(in_the_way(tenant.id, made.id)) == [f"steps.ring.{field}"]


@pytest.fixture
def one_task(tenant: Any) -> tasks.Task:
    [member] = people(tenant.id, first_name="Nomsa", last_name="Dlamini")
    with transaction(tenant.id) as session:
        session.add(
            Task(
                tenant_id=tenant.id,
                key="x",
                customer_id=member,
                title="Call Nomsa",
                role="staff",
                due_at=clock.now() - timedelta(days=1),
                created_by="system",
            )
        )
    return given(tenant)[0]


def test_home_shows_what_somebody_is_to_do_and_takes_it_back(client: Any, sign_in: Any, one_task: tasks.Task) -> None:
    sign_in("staff")
    page = client.get("/").text
    assert "Call Nomsa" in page
    assert "Overdue" in page
    client.post(f"/tasks/{one_task.id}/done", {"from": "home"}, status=302)
    page = client.get("/").text
    assert "Not done: Call Nomsa" in page
    client.post(f"/tasks/{one_task.id}/reopen", {"from": "home"}, status=302)
    assert "Done: Call Nomsa" in client.get("/").text


def test_the_customer_s_page_shows_it_and_leads_back(client: Any, sign_in: Any, one_task: tasks.Task) -> None:
    sign_in("marketer")
    there = f"/customers/{one_task.customer_id}"
    assert "anybody with the role staff" in client.get(there).text
    answer = client.post(f"/tasks/{one_task.id}/done", {}, status=302)
    assert answer.location.endswith(there)
    assert "done by" in client.get(there).text


def test_who_only_reads_does_no_tasks(client: Any, sign_in: Any, one_task: tasks.Task) -> None:
    sign_in("viewer")
    assert f"/tasks/{one_task.id}/done" not in client.get(f"/customers/{one_task.customer_id}").text
    client.post(f"/tasks/{one_task.id}/done", {}, status=403)


def test_another_organisation_s_task_is_not_there(
    client: Any, sign_in: Any, one_task: tasks.Task, other_tenant: Any
) -> None:
    sign_in("owner", other_tenant)
    client.post(f"/tasks/{one_task.id}/done", {}, status=404)
    assert active_users(tenant_id=other_tenant.id)


_MANY = text("""
    INSERT INTO task (tenant_id, key, customer_id, title, role, due_at, created_by)
    SELECT :tenant_id, CAST(n AS text), :customer, 'Call', 'staff', CAST(:now AS timestamptz) + n * interval '1 minute',
        'system'
    FROM generate_series(1, 3000) AS n
""")


def test_what_is_to_be_done_first_is_read_no_further_than_it_is_shown(tenant: Any) -> None:
    [member], me = people(tenant.id), new_id()
    values = {"tenant_id": tenant.id, "customer": member, "now": NOW}
    with transaction(tenant.id) as session:
        session.execute(_MANY, values)
        session.execute(text("SET LOCAL enable_seqscan = off"))
        asked = {"tenant_id": tenant.id, "user_id": me, "role": "staff", "limit": tasks.LIMIT}
        plan = plan_of(session, tasks._MINE.text, asked, run=True)
    assert max(read(node) for node in plan if node.get("Relation Name") == "task") <= tasks.LIMIT
    assert [one.key for one in given(tenant)] == [str(n) for n in range(1, tasks.LIMIT + 1)]
