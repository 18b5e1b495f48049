"""The way that does better gets more people, by what the last ones did; each keeps some until that is sure."""

from typing import Any

import pytest

from app.accounts.models import Tenant
from app.journeys import best
from app.journeys.best import ENOUGH, LEAST, shares
from app.journeys.kinds import check_graph, read_graph
from app.journeys.step_type import Known
from tests.journeys.helpers import Json, admit, check_counters, journey, people, rows, run, step, tag


def test_too_few_say_nothing() -> None:
    assert shares({"a": (ENOUGH - 1, 50), "b": (5000, 0)}) is None


def test_equals_share_alike() -> None:
    found = shares({"a": (1000, 100), "b": (1000, 100)})
    assert found is not None
    assert abs(found["a"] - 0.5) < 0.05
    assert sum(found.values()) == pytest.approx(1)


def test_the_better_one_gets_more_and_the_other_keeps_some() -> None:
    found = shares({"a": (200, 24), "b": (200, 18)})
    assert found is not None
    assert 0.6 < found["a"] < 1 - LEAST
    assert found["b"] >= LEAST


def test_what_is_sure_is_decided() -> None:
    assert shares({"a": (1000, 200), "b": (1000, 100), "c": (1000, 90)}) == {"a": 1, "b": 0, "c": 0}


def test_what_is_decided_stays_so_until_it_is_hardly_the_best_any_more() -> None:
    # Those who went the other way are long ago.
    assert shares({"a": (4900, 490), "b": (99, 20)}, "a") == {"a": 1, "b": 0}
    assert shares({"a": (5000, 500), "b": (0, 0)}, "a") == {"a": 1, "b": 0}
    # Less sure than when it was decided.
    assert shares({"a": (2000, 210), "b": (400, 38)}, "a") == {"a": 1, "b": 0}
    assert shares({"a": (2000, 210), "b": (400, 38)}) != {"a": 1, "b": 0}
    # It does worse now than the other did.
    found = shares({"a": (3000, 240), "b": (400, 38)}, "a")
    assert found is not None
    assert found["b"] > 0.5


def test_of_many_ways_each_keeps_an_even_share_at_most() -> None:
    found = shares({str(one): (100, 10) for one in range(20)})
    assert found == {str(one): pytest.approx(1 / 20) for one in range(20)}


def test_the_same_counts_give_the_same_shares() -> None:
    one = shares({"a": (300, 30), "b": (300, 33)})
    best._chances.cache_clear()
    assert shares({"a": (300, 30), "b": (300, 33)}) == one


LEARNING: Json = {
    "variants": [{"name": "A"}, {"name": "B"}],
    "learn": "step",
    "learn_step": "won",
}


def test_people_go_where_more_reach_the_step(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best, "ENOUGH", 10)
    split = step("s", "SPLIT", None, LEARNING, next_a="won", next_b=None)
    made = journey(tenant.id, [split, tag("won", None, "won")], allow_reentry=True)
    first = people(tenant.id, 60)
    admit(tenant.id, made.id, first)
    run(tenant.id)
    assert 10 < sum(_ways(tenant.id)[one] == "a" for one in first) < 50
    later = people(tenant.id, 60)
    admit(tenant.id, made.id, [*first, *later])
    run(tenant.id)
    after = _ways(tenant.id)
    assert all(after[one] == "a" for one in later)
    # Who went the other way goes it again.
    again = rows(
        tenant.id,
        "SELECT e.customer_id, count(DISTINCT s.exit) AS ways FROM journey_enrollment e JOIN journey_enrollment_step s"
        " ON s.enrollment_id = e.id WHERE s.step_key = 's' GROUP BY 1",
    )
    assert {row.ways for row in again} == {1}
    check_counters(tenant.id, made.id)


def test_clicks_count_too(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best, "ENOUGH", 10)
    from tests.journeys.helpers import send, template

    letter = template(tenant.id)
    config = {**LEARNING, "learn": "clicks", "learn_step": None}
    made = journey(tenant.id, [step("s", "SPLIT", None, config, next_a="x", next_b="y"), send("x", None, letter),
                               send("y", None, letter)])  # fmt: skip
    admit(tenant.id, made.id, people(tenant.id, 60))
    run(tenant.id)
    rows(tenant.id, "UPDATE message SET first_click_at = now() WHERE step_key = 'y' RETURNING id")
    later = people(tenant.id, 30)
    admit(tenant.id, made.id, later)
    run(tenant.id)
    assert {_ways(tenant.id)[one] for one in later} == {"b"}


def _ways(tenant_id: Any) -> dict[Any, str]:
    found = rows(
        tenant_id,
        "SELECT e.customer_id, s.exit FROM journey_enrollment e JOIN journey_enrollment_step s"
        " ON s.enrollment_id = e.id WHERE s.step_key = 's' ORDER BY e.id",
    )
    return {row.customer_id: row.exit for row in found}


@pytest.mark.parametrize(("named", "wrong"), [("won", []), ("t", ["learn_step"]), (None, ["learn_step"])])
def test_the_step_counted_by_comes_below(named: str | None, wrong: list[str]) -> None:
    split = step("s", "SPLIT", None, {**LEARNING, "learn_step": named}, next_a="won")
    trigger = step("t", "TRIGGER", "s", {"event_type": "MANUAL"})
    graph = read_graph({"steps": [trigger, split, tag("won", None, "x")]})
    assert [one.field for one in check_graph(graph, Known())] == wrong


def test_a_decision_outlives_those_it_was_taken_by(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best, "ENOUGH", 10)
    monkeypatch.setattr("app.journeys.steps.split.LAST", 400)
    split = step("s", "SPLIT", None, LEARNING, next_a="won", next_b=None)
    made = journey(tenant.id, [split, tag("won", None, "won")])
    for number in (100, 150, 150, 150, 100):
        # Nobody of those looked at went the other way when the fourth come.
        admit(tenant.id, made.id, people(tenant.id, number))
        run(tenant.id)
    went = dict(
        rows(tenant.id, "SELECT exit, count(*) FROM journey_enrollment_step WHERE step_key = 's' GROUP BY exit")
    )
    assert went["a"] + went["b"] == 650
    assert went["b"] <= 65
