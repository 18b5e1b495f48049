"""SPLIT: who goes which way, how many, and that they go it again."""

from collections import Counter
from uuid import UUID, uuid4

import pytest

from app.accounts.models import Tenant
from app.journeys import queries, rehearsal
from app.journeys.kinds import check_graph, exit_labels, new_step, read_graph
from app.journeys.step_type import Known, step_types
from app.journeys.steps.split import SplitConfig, choose, percent
from tests.journeys.helpers import NOW, Json, admit, check_counters, journey, paths, people, rows, run, statuses, step
from tests.journeys.helpers import tag as tagged

SALT = b"here"
HALVES: Json = {"variants": [{"name": "A", "weight": 50}, {"name": "B", "weight": 50}]}


def ids(count: int) -> list[UUID]:
    return [UUID(int=number) for number in range(count)]


@pytest.mark.parametrize("weights", [{"a": 50, "b": 50}, {"a": 1, "b": 3}, {"a": 0.2, "b": 0.3, "c": 9.5}])
def test_as_many_go_each_way_as_its_weight_says(weights: dict[str, float]) -> None:
    found = Counter(choose(SALT, weights, one) for one in ids(20_000))
    whole = sum(weights.values())
    for key, weight in weights.items():
        share = weight / whole
        # Five standard deviations: the ids are always the same, so it is always so or never.
        assert abs(found[key] / 20_000 - share) < 5 * (share * (1 - share) / 20_000) ** 0.5


def test_who_need_not_goes_no_other_way() -> None:
    before = {one: choose(SALT, {"a": 50, "b": 50}, one) for one in ids(2000)}
    with_more_of_b = {one: choose(SALT, {"a": 50, "b": 80}, one) for one in ids(2000)}
    assert all(with_more_of_b[one] == "b" for one in before if before[one] == "b")
    with_another = {one: choose(SALT, {"a": 50, "b": 50, "c": 50}, one) for one in ids(2000)}
    assert all(with_another[one] in (before[one], "c") for one in before)


def test_one_step_does_not_tell_of_another() -> None:
    both = Counter((choose(b"one", {"a": 1, "b": 1}, one), choose(b"two", {"a": 1, "b": 1}, one)) for one in ids(4000))
    assert min(both.values()) > 800


def test_the_seeds_shape_and_keys_of_ones_own() -> None:
    split = read_graph({"steps": [step("s", "SPLIT", None, HALVES, next_a="x", next_b=None)]}).steps["s"]
    assert dict(split.exits) == {"a": "x", "b": None}
    assert exit_labels(split) == {"a": "A", "b": "B"}
    told = step_types().get("SPLIT").words(SplitConfig.model_validate(HALVES), Known())
    assert told == "A 50%, B 50%"
    odd = {"variants": [{"name": "Next"}, {"name": "Ж"}, {"name": "A b!", "key": "mine"}, {"name": "mine"}, 3]}
    assert step_types().get("SPLIT").exits(odd) == ("path_1", "path_2", "mine", "path_4", "path_5")
    assert step_types().get("SPLIT").exits({"variants": "?"}) == ()


def test_a_step_just_placed_is_whole() -> None:
    made = new_step(read_graph({"steps": []}), "SPLIT")
    assert [one.field for one in check_graph(read_graph({"steps": [*_around(made.config)]}), Known())] == []


def _around(config: object) -> list[Json]:
    return [step("t", "TRIGGER", "s", {"event_type": "MANUAL"}), step("s", "SPLIT", None, config)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"variants": []}, "variants"),
        ({"variants": [{"name": "A", "weight": 1}]}, "variants"),
        ({"variants": [{"name": "A", "weight": 0}, {"name": "B", "weight": 0}]}, "variants"),
        ({"variants": [{"name": "A"}, {"name": " a"}]}, "variants[1]"),
        ({"variants": [{"name": "A", "key": "x"}, {"name": "B", "key": "x"}]}, "variants[1]"),
        ({"variants": [{"name": "A", "key": "else"}, {"name": "B"}]}, "variants[0]"),
        ({"variants": [{"name": "A", "weight": -1}, {"name": "B"}]}, "variants[0].weight"),
        ({"variants": [{"name": "A", "weight": "many"}, {"name": "B"}]}, "variants[0].weight"),
        ({"variants": [{"name": ""}, {"name": "B"}]}, "variants[0].name"),
        ({**HALVES, "holdout_percent": 91}, "holdout_percent"),
    ],
)
def test_what_is_wrong_is_told_beside_it(config: Json, field: str) -> None:
    found = check_graph(read_graph({"steps": _around(config)}), Known())
    assert [one.field for one in found if one.field] == [field]


def test_people_go_their_ways_and_it_is_counted(tenant: Tenant) -> None:
    made = journey(tenant.id, [step("s", "SPLIT", None, HALVES, next_a="x"), tagged("x", None, "went a")])
    who = people(tenant.id, 40)
    admit(tenant.id, made.id, who)
    run(tenant.id)
    went = {row.customer_id: row for row in rows(
        tenant.id,
        "SELECT e.customer_id, s.exit, s.result FROM journey_enrollment_step s"
        " JOIN journey_enrollment e ON e.id = s.enrollment_id WHERE s.step_key = 's'",
    )}  # fmt: skip
    assert {row.exit for row in went.values()} == {"a", "b"}
    assert all(row.result == {"variant": row.exit.upper()} for row in went.values())
    assert all((("x", "COMPLETED") in paths(tenant.id)[one]) == (went[one].exit == "a") for one in who)
    check_counters(tenant.id, made.id)
    again = rehearsal.rehearse(tenant_id=tenant.id, journey_id=made.id, customer_ids=who, at=NOW, payload={})
    told = {board.customer_id: board.steps[1].result["variant"].lower() for board in again.boards}
    assert told == {one: row.exit for one, row in went.items()}


def test_who_comes_again_goes_the_same_way(tenant: Tenant) -> None:
    made = journey(tenant.id, [step("s", "SPLIT", None, HALVES)], allow_reentry=True)
    who = people(tenant.id, 20)
    for _ in range(2):
        admit(tenant.id, made.id, who)
        run(tenant.id)
    ways = rows(
        tenant.id,
        "SELECT e.customer_id, count(*) AS times, count(DISTINCT s.exit) AS ways FROM journey_enrollment_step s"
        " JOIN journey_enrollment e ON e.id = s.enrollment_id WHERE s.step_key = 's' GROUP BY 1",
    )
    assert {(row.times, row.ways) for row in ways} == {(2, 1)}


def test_who_is_left_out_leaves_and_is_counted(tenant: Tenant) -> None:
    config = {"variants": [{"name": "All", "weight": 1}], "holdout_percent": 50}
    made = journey(tenant.id, [step("s", "SPLIT", None, config, next_all="x"), tagged("x", None, "in")])
    admit(tenant.id, made.id, people(tenant.id, 40))
    run(tenant.id)
    found = Counter(statuses(tenant.id).values())
    assert set(found) == {("EXITED", "holdout"), ("COMPLETED", "completed")}
    counts = queries.step_counts(tenant_id=tenant.id, journey_id=made.id)["s"]
    assert counts.ways == {"all": found["COMPLETED", "completed"], "holdout": found["EXITED", "holdout"]}
    told = queries.analytics(tenant_id=tenant.id, journey_id=made.id)
    assert [one.label for one in told.steps[1].exits] == ["All", "Left out"]
    check_counters(tenant.id, made.id)


def test_percent() -> None:
    assert [percent(100 / 3), percent(50), percent(0.04), percent(100)] == ["33.3%", "50%", "0%", "100%"]
    assert [percent(100 / 3, "en_ZA"), percent(12.5, "de_DE")] == ["33,3%", "12,5\xa0%"]


def test_the_same_person_in_another_journey_may_go_another_way() -> None:
    ways = {choose(uuid4().bytes + b"s", {"a": 1, "b": 1}, UUID(int=7)) for _ in range(64)}
    assert ways == {"a", "b"}
