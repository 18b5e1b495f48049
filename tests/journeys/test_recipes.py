"""Ready journeys: each makes a draft that could be activated as it is, and says beforehand whom it would concern."""

from datetime import timedelta
from typing import Any

import pytest
from markupsafe import escape

from app.content import queries as templates
from app.customers.models import Activity
from app.infra.db import transaction
from app.infra.ids import new_id
from app.journeys import lifecycle, queries, recipe, rehearsal
from app.journeys.step_type import check_graph
from tests.journeys.helpers import NOW, people, rows

ALL = [name for name, _ in recipe.recipes()]


@pytest.mark.parametrize("name", ALL)
def test_a_recipe_makes_a_draft_that_is_ready(tenant: Any, name: str) -> None:
    made = recipe.use(tenant_id=tenant.id, name=name, actor="system", now=NOW)
    assert (made.status, made.published_version) == ("DRAFT", None)
    assert check_graph(queries.draft(made), queries.known(tenant_id=tenant.id)) == []
    assert lifecycle.activate(tenant_id=tenant.id, journey_id=made.id, actor="system", now=NOW).status == "ACTIVE"


@pytest.mark.parametrize("name", ALL)
def test_its_letters_can_be_written_to_somebody_of_whom_little_is_known(tenant: Any, name: str) -> None:
    made = recipe.use(tenant_id=tenant.id, name=name, actor="system", now=NOW)
    who = people(tenant.id, first_name=None, last_name=None)
    (board,) = rehearsal.rehearse(tenant_id=tenant.id, journey_id=made.id, customer_ids=who, at=NOW).boards
    assert board.status == "COMPLETED"
    for letter in (one for step in board.steps for one in step.letters):
        assert letter.letter is not None, letter
        assert "{" not in letter.letter.text


def test_used_twice_it_makes_two_of_everything(tenant: Any) -> None:
    first, second = (recipe.use(tenant_id=tenant.id, name="lapsed-golfer", actor="system") for _ in range(2))
    assert [first.name, second.name] == ["Lapsed golfer", "Lapsed golfer (2)"]
    assert len(rows(tenant.id, "SELECT id FROM segment WHERE name LIKE 'Has not played%'")) == 2
    assert len(templates.choices(tenant_id=tenant.id)) == 4


def happened(tenant: Any, customer_id: Any, type: str, days_ago: float, **payload: Any) -> None:
    with transaction(tenant.id) as session:
        session.add(
            Activity(
                tenant_id=tenant.id, customer_id=customer_id, type=type, category="GOLF", title=type, source="test",
                occurred_at=NOW - timedelta(days=days_ago), payload=payload, id=new_id(),
            )
        )  # fmt: skip


def test_whom_it_would_concern_is_counted_beforehand(tenant: Any) -> None:
    one, two, three = people(tenant.id, 3)
    happened(tenant, one, "teetime.handicap.updated", 3, handicap_index=8.2)
    happened(tenant, one, "teetime.handicap.updated", 4, handicap_index=9.1)
    happened(tenant, two, "teetime.handicap.updated", 3, handicap_index=18)
    happened(tenant, three, "teetime.handicap.updated", 31, handicap_index=8)
    counted = recipe.dry_count(tenant_id=tenant.id, name="handicap-milestone", now=NOW)
    assert (counted.count, counted.words) == (1, "would have entered in the last 30 days")
    for days in range(70, 60, -1):
        happened(tenant, two, "teetime.completed", days)
    assert recipe.dry_count(tenant_id=tenant.id, name="lapsed-golfer", now=NOW).count == 1
    people(tenant.id, date_of_birth=(NOW + timedelta(days=5)).date().replace(year=1980))
    assert recipe.dry_count(tenant_id=tenant.id, name="birthday", now=NOW).count == 1


def test_one_that_is_not_there(tenant: Any) -> None:
    with pytest.raises(recipe.NoSuchRecipe):
        recipe.use(tenant_id=tenant.id, name="nothing", actor="system")


def test_the_page_lists_counts_and_makes(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    text = client.get("/journeys/recipes").text
    assert all(escape(one.title) in text for _, one in recipe.recipes())
    assert "<b>0</b> people would have entered" in client.get("/journeys/recipes/new-member/count").text
    answer = client.post("/journeys/recipes/new-member", {"club_id": ""}, status=302)
    made = queries.journeys(tenant_id=tenant.id).items[0]
    assert answer.headers["Location"].endswith(f"/journeys/{made.id}")
    assert "with its 4 templates" in client.get(f"/journeys/{made.id}").text
    client.post("/journeys/recipes/nothing", {}, status=404)


def test_over_the_api(api: Any, tenant: Any) -> None:
    assert [one["name"] for one in api.get("/journeys/recipes").get_json()["items"]] == ALL
    assert api.get("/journeys/recipes/birthday/count").get_json()["count"] == 0
    made = api.post("/journeys/recipes/birthday", json={})
    assert (made.status_code, made.get_json()["status"]) == (201, "DRAFT")
    assert api.post("/journeys/recipes/nothing", json={}).status_code == 404
