"""What conditions name has to be there, else they are refused beside the rule: in criteria, triggers and journeys."""

from typing import Any
from uuid import UUID

import pytest

from app.accounts import queries as accounts
from app.conditions import InvalidConditions
from app.customers import topics
from app.infra.ids import new_id
from app.journeys import lifecycle
from app.journeys import service as journeys
from app.segments import service
from tests.journeys.helpers import NOW, asks, step, tag
from tests.journeys.helpers import journey as running
from tests.journeys.helpers import template as a_template
from tests.segments.helpers import ACTOR, GOLD, all_of, did, rows, rule, segment

NOWHERE = UUID("0190f3a1-7b1c-7000-8000-00000000dead")


def things(tenant: Any) -> dict[str, Any]:
    """Return by field what a tenant has that its values name."""
    made = running(tenant.id, [tag("mark", None, "seen")]).id
    return {
        "segments": segment(tenant.id, name=f"S {new_id()}").id,
        "journeys": made,
        "journeys_finished": made,
        "journeys_ever": made,
        "journey_steps": f"{made}/mark",
        "club_id": accounts.clubs(tenant_id=tenant.id)[0].id,
    }


def sent(name: str, value: Any, operator: str = "eq") -> Any:
    """Return a rule on messages that were about something."""
    return did("message.sent", where=all_of(rule("subject"), rule(name, operator, value)))


@pytest.fixture
def mine(tenant: Any) -> dict[str, Any]:
    return things(tenant)


@pytest.fixture
def theirs(other_tenant: Any) -> dict[str, Any]:
    return things(other_tenant)


FIELDS = ("segments", "journeys", "journeys_finished", "journeys_ever", "journey_steps", "club_id")


@pytest.mark.parametrize("field", FIELDS)
def test_what_is_not_there_or_another_tenants_is_refused_beside_its_rule(
    api: Any, mine: dict[str, Any], theirs: dict[str, Any], field: str
) -> None:
    operator = "eq" if field == "club_id" else "contains"
    nowhere = f"{NOWHERE}/mark" if field == "journey_steps" else NOWHERE

    def asked(*values: Any) -> Any:
        spelt = [str(one) for one in values]
        one = rule(field, operator, spelt[0]) if len(spelt) == 1 else rule(field, "in", spelt)
        return all_of(*GOLD["rules"], all_of({"not": one}))

    for path, more in (("/segments", {"name": "Asks"}), ("/segments/preview", {})):
        for wrong in (asked(nowhere), asked(theirs[field]), asked(mine[field], theirs[field])):
            answer = api.post(path, json={"criteria": wrong, **more})
            assert answer.status_code == 422, answer.json
            ((at, said),) = answer.json["errors"].items()
            assert at == "criteria.rules[1].rules[0].not"
            assert "no such" in said
        assert api.post(path, json={"criteria": asked(mine[field]), **more}).status_code in (200, 201)


def test_a_step_that_its_journey_does_not_have_is_refused(tenant: Any, mine: dict[str, Any]) -> None:
    for value in (f"{mine['journeys']}/gone", "nonsense", "/"):
        with pytest.raises(InvalidConditions, match="no such step"):
            segment(tenant.id, all_of(rule("journey_steps", "contains", value)))


def test_so_is_what_the_messages_were_about(tenant: Any, other_tenant: Any, mine: dict[str, Any]) -> None:
    topic = topics.create(tenant_id=tenant.id, name="Golf trips", actor="system").id
    foreign = topics.create(tenant_id=other_tenant.id, name="Golf trips", actor="system").id
    known = {"template_id": a_template(tenant.id), "topic_id": topic, "journey_id": mine["journeys"]}
    for name, value in known.items():
        wrong = foreign if name == "topic_id" else NOWHERE
        with pytest.raises(InvalidConditions) as refused:
            segment(tenant.id, all_of(sent(name, [str(value), str(wrong)], "in")))
        assert list(refused.value.errors) == ["criteria.rules[0].where.rules[1]"]
        assert segment(tenant.id, all_of(sent(name, str(value))), name)
    with pytest.raises(InvalidConditions, match="no such campaign"):
        segment(tenant.id, all_of(sent("campaign_id", str(NOWHERE))))
    # Which of millions of messages it was is nobody's to look up, and a key that nobody declared names nothing here.
    segment(
        tenant.id, all_of(sent("message_id", str(NOWHERE)), did("till.opened", where=all_of(rule("club_id", "eq", 7))))
    )


def test_what_is_switched_off_is_checked_too(tenant: Any) -> None:
    off = rule("segments", "contains", str(NOWHERE)) | {"disabled": True}
    with pytest.raises(InvalidConditions) as refused:
        segment(tenant.id, all_of(*GOLD["rules"], off))
    assert list(refused.value.errors) == ["criteria.rules[1]"]


def test_an_archived_segment_can_not_be_asked_anew(tenant: Any) -> None:
    gold = segment(tenant.id)
    asking = segment(tenant.id, all_of(rule("segments", "contains", str(gold.id))), "Asks")
    who: dict[str, Any] = {"tenant_id": tenant.id, "actor": ACTOR}
    service.archive(**who, segment_id=asking.id, users=())
    service.archive(**who, segment_id=gold.id, users=())
    with pytest.raises(InvalidConditions, match="“Gold” is in the archive"):
        segment(tenant.id, all_of(rule("segments", "contains", str(gold.id))), "Too")
    for act in (service.unarchive, service.copy):
        with pytest.raises(InvalidConditions, match="“Gold” is in the archive"):
            act(**who, segment_id=asking.id)
    service.unarchive(**who, segment_id=gold.id)
    assert service.unarchive(**who, segment_id=asking.id).archived_at is None


def test_conditions_stand_for_what_they_name_until_they_are_changed(tenant: Any) -> None:
    letter = a_template(tenant.id)
    made = segment(tenant.id, all_of(sent("template_id", str(letter))), "Got it")
    rows(tenant.id, "DELETE FROM template WHERE id = :id RETURNING id", id=letter)
    who: dict[str, Any] = {"tenant_id": tenant.id, "segment_id": made.id, "actor": ACTOR, "users": ()}
    assert service.change(**who, changes={"name": "Got the letter", "criteria": made.criteria}).version == 1
    with pytest.raises(InvalidConditions, match="no such template"):
        service.change(**who, changes={"criteria": all_of(*GOLD["rules"], *made.criteria["rules"])})


@pytest.mark.parametrize("club", [NOWHERE, "foreign"])
def test_a_preview_of_a_club_that_is_not_there_says_so(api: Any, theirs: dict[str, Any], club: Any) -> None:
    given = theirs["club_id"] if club == "foreign" else club
    answer = api.post("/segments/preview", json={"criteria": GOLD, "club_id": str(given)})
    assert (answer.status_code, answer.json["errors"]) == (422, {"club_id": "Choose one of your clubs."})


def test_triggers_and_conditions_of_journeys_name_what_is_there(tenant: Any, mine: dict[str, Any]) -> None:
    one_of = {"combinator": "OR", "rules": [rule("segments", "in", [str(mine["segments"]), str(NOWHERE)])]}
    asked = asks("ask", "end", "end", *GOLD["rules"], one_of)
    made = journeys.create(
        tenant_id=tenant.id,
        actor=ACTOR,
        name="Asks",
        trigger_type="message.opened",
        trigger_config={"conditions": [rule("subject"), rule("template_id", "eq", str(NOWHERE))]},
    )
    journeys.put_steps(tenant_id=tenant.id, journey_id=made.id, actor=ACTOR, steps=[asked, step("end", "END")])
    with pytest.raises(lifecycle.NotReady) as refused:
        lifecycle.activate(tenant_id=tenant.id, journey_id=made.id, actor=ACTOR, now=NOW)
    assert refused.value.errors == {
        "steps.trigger.conditions[1]": f"There is no such template: {NOWHERE}.",
        "steps.ask.rules[1].rules[0]": f"There is no such segment: {NOWHERE}.",
    }
