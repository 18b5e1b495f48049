"""The audit log: every act is a sentence with a link, found by who, what, which object and when."""

import ast
import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.accounts import api_keys, audit
from app.blueprints.audit import words
from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.ids import new_id
from app.journeys import service as journeys
from tests.accounts.conftest import actor_of
from tests.page_client import ApiClient, PageClient

APP = Path(__file__).parents[2] / "app"


def noted(tenant: Any, actor: str, action: str, kind: str, identity: Any = None, at: str = "", **detail: Any) -> None:
    """Write an entry, of another moment if `at` says so."""
    with transaction(tenant.id) as session:
        audit.record(session, actor, action, kind, identity, detail, "203.0.113.7")
        if at:
            said = {"at": datetime.fromisoformat(at).replace(tzinfo=UTC), "tenant_id": tenant.id}
            newest = "SELECT id FROM audit_entry WHERE tenant_id = :tenant_id ORDER BY id DESC LIMIT 1"
            session.execute(text(f"UPDATE audit_entry SET at = :at WHERE id = ({newest})"), said)


def shown(page: str) -> list[str]:
    """Return the rows of the page as plain text."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.partition('id="audit-rows"')[2], re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


@pytest.fixture
def welcome(tenant: Any) -> UUID:
    made = journeys.create(tenant_id=tenant.id, actor=f"user:{uuid4()}", name="Welcome <all>", trigger_type="MANUAL")
    return made.id


def test_each_act_is_a_sentence_with_a_link_to_what_it_was_done_to(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any, welcome: UUID
) -> None:
    me = sign_in("admin")
    noted(
        tenant, f"user:{me}", "journey.publish_anyway", "journey", welcome, reason="The voucher ends", checks=["Anna"]
    )
    page = client.get("/settings/audit-log").text
    assert f'<a href="/journeys/{welcome}">Welcome &lt;all&gt;</a> although its checks fail' in page
    (row,) = [one for one in shown(page) if "although" in one]
    assert "Admin Person published the journey" in row
    assert "Reason: The voucher ends" in row
    assert "Checks: Anna" in row
    assert "203.0.113.7" in row
    noted(tenant, f"user:{me}", "sending_policy.change", "sending_policy", uuid4(), quiet={"SMS": {"from": "21:00"}})
    page = client.get("/settings/audit-log").text
    assert 'changed <a href="/settings/limits">the limits of sending</a>' in page
    assert "Quiet: SMS (From: 21:00)" in shown(page)[0]


def test_the_log_is_narrowed_by_who_what_which_and_when(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any, welcome: UUID
) -> None:
    me = sign_in("owner")
    noted(tenant, f"user:{me}", "journey.pause", "journey", welcome, at="2026-03-01 21:59")
    noted(tenant, "system", "journey.resume", "journey", welcome, at="2026-03-01 22:01")
    noted(tenant, f"user:{me}", "tag.deleted", "tag", uuid4(), at="2026-03-01 22:02", name="VIP")

    def found(**asked: str) -> list[str]:
        return shown(client.get("/settings/audit-log", query_string={"to": "2026-12-31", **asked}, htmx=True).text)

    assert {"paused", "VIP"} <= set(" ".join(found(who=f"user:{me}")).split())
    assert [("Fairway resumed" in row) for row in found(who="system")] == [True]
    assert len(found(what="journey.pause")) == 1
    assert {row.split(" the ")[1].split()[0] for row in found(what="Journeys")} == {"journey"}
    assert len(found(what="Tags")) == 1
    of_it = client.get(f"/settings/audit-log?object=journey:{welcome}").text
    assert "Only what was done to the journey Welcome &lt;all&gt;" in of_it
    assert not [row for row in shown(of_it) if "VIP" in row]
    # The club is two hours ahead of UTC: its second of March begins at 22:00.
    assert [("paused" in row) for row in found(**{"from": "2026-03-01", "to": "2026-03-01"})] == [True]
    assert len(found(**{"from": "2026-03-02", "to": "2026-03-02"})) == 2
    assert found(**{"from": "0001-01-01"})
    assert "Nothing like that was done" in client.get("/settings/audit-log?what=tag.created").text


def test_the_log_pages_by_key_and_goes_out_as_a_file_that_is_noted_itself(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any, welcome: UUID
) -> None:
    me = sign_in("owner")
    for number in range(60):
        noted(tenant, f"user:{me}", "journey.edit", "journey", welcome, what=f"Edit {number}", step="a3")
    first = client.get(f"/settings/audit-log?object=journey:{welcome}").text
    (following,) = re.findall(r'href="([^"]*cursor=[^"]*)"', first)
    second = client.get(following.replace("&amp;", "&")).text
    numbers = re.findall(r"What: Edit (\d+)", first + second)
    assert [int(one) for one in numbers] == list(reversed(range(60)))
    answer = client.post(f"/settings/audit-log/export?object=journey:{welcome}", status=200)
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff"), newline="")))
    assert len(rows) == 61
    assert (rows[0]["who"], rows[0]["what"], rows[0]["details"]) == (
        "Owner Person",
        "edited the draft of the journey Welcome <all>",
        "What: Edit 59",
    )
    assert "Owner Person downloaded the list audit-log" in shown(client.get("/settings/audit-log").text)[0]


def test_what_is_gone_is_named_by_what_was_written_down_and_people_are_not(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any
) -> None:
    sign_in("owner")
    noted(tenant, f"key:{uuid4()}", "campaign.delete", "campaign", uuid4(), name="Spring offer")
    noted(tenant, "system", "customer.erased", "customer", uuid4(), deleted={"message": 3})
    page = client.get("/settings/audit-log").text
    assert "An API key deleted the campaign Spring offer" in " ".join(shown(page))
    assert "Fairway erased the customer who is not here any more Deleted: Message: 3" in " ".join(shown(page))
    assert 'href="/campaigns/' not in page.partition('id="audit-rows"')[2]


@pytest.mark.parametrize("role", ["marketer", "staff", "ops", "viewer"])
def test_the_log_is_for_owners_and_admins(client: PageClient, sign_in: Callable[..., UUID], role: str) -> None:
    sign_in(role)
    client.get("/settings/audit-log", status=403)
    client.post("/settings/audit-log/export", status=403)


def test_the_api_lists_the_log(api: ApiClient, tenant: Any, other_tenant: Any, welcome: UUID) -> None:
    noted(tenant, f"user:{api.user_id}", "journey.pause", "journey", welcome, at="2026-03-01 12:00")
    noted(other_tenant, "system", "tag.deleted", "tag", uuid4(), name="Theirs")
    answer = api.get("/audit", query_string={"action": "journey.pause", "until": "2026-03-01T12:00:01Z"}).get_json()
    (one,) = answer["items"]
    assert one["sentence"].endswith("paused the journey Welcome <all>")
    assert (one["actor"], one["object_id"], one["ip"]) == (f"user:{api.user_id}", str(welcome), "203.0.113.7")
    asked = {"object_type": "journey", "object_id": str(welcome), "limit": 1}
    page = api.get("/audit", query_string=asked).get_json()
    assert page["items"][0]["action"] == "journey.create"
    rest = api.get("/audit", query_string={**asked, "cursor": page["next_cursor"]}).get_json()
    assert [one["action"] for one in rest["items"]] == ["journey.pause"]
    assert "Theirs" not in api.get("/audit").text
    assert api.get("/audit", query_string={"since": "yesterday"}).status_code in (400, 422)


def test_customers_are_named_to_who_may_see_them(api: ApiClient, tenant: Any) -> None:
    ann = new_id()
    with transaction(tenant.id) as session:
        session.add(Customer(tenant_id=tenant.id, id=ann, first_name="Ann", last_name="Archer"))
    noted(tenant, "system", "customer.updated", "customer", ann)
    owner = actor_of(tenant.id, api.user_id)

    def sentence(*scopes: str) -> str:
        _, full = api_keys.create(tenant_id=tenant.id, actor=owner, name="Reader", scopes=list(scopes))
        asked = {"action": "customer.updated"}
        answer = api.get("/audit", query_string=asked, headers={"Authorization": f"Bearer {full}"})
        return str(answer.get_json()["items"][0]["sentence"])

    assert sentence("audit.view") == "Fairway changed details of the customer"
    assert sentence("audit.view", "customers.view") == "Fairway changed details of the customer Ann Archer"


def test_every_act_that_is_recorded_has_its_words() -> None:
    said = {action for acts in words.GROUPS.values() for action in acts}
    kinds = set()
    for path in APP.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "audit.record":
                action, kind = call.args[2], call.args[3]
                kinds.add(ast.literal_eval(kind))
                # One that is put together at run time is passed on by its callers.
                if isinstance(action, ast.Constant):
                    assert action.value in said, f"{path.name}: {action.value}"
    assert kinds <= set(words.OBJECTS)
