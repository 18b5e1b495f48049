"""Merging profiles with custom fields, and taking it back: field by field, nothing lost."""

from typing import Any
from uuid import UUID

import pytest

from app.capture import merging
from app.customers import custom_fields, service
from app.infra.errors import Invalid
from tests.capture.people import STAFF, event, member, owner, post, query
from tests.capture.test_unmerge import everything, merge, undo


@pytest.fixture
def two(tenant: Any) -> tuple[UUID, UUID]:
    """Ann and Anna: of the locker Anna's is the later word; each knows something the other does not."""
    for key, kind in (("locker", "NUMBER"), ("hand", "TEXT"), ("diet", "LIST"), ("shoe", "NUMBER")):
        custom_fields.add(tenant_id=tenant.id, key=key, label=key.title(), kind=kind, actor=STAFF)
    post(
        tenant,
        member(1, "Ann", "M1", email="ann@example.com"),
        member(2, "Anna", "M2", email="anna@example.com"),
        event(11, "pos.purchase", {"custom": {"locker": 1, "hand": "left", "shoe": 38}}, scl_member_id="M1"),
        event(12, "pos.purchase", {"custom": {"locker": 2, "diet": ["vegan"], "shoe": 38}}, scl_member_id="M2"),
    )
    return owner(tenant, 1), owner(tenant, 2)


def own(tenant: Any, customer_id: UUID) -> dict[str, Any]:
    (row,) = query(tenant, "SELECT custom FROM customer WHERE id = :id", id=customer_id)
    return dict(row.custom)


def say(tenant: Any, customer_id: UUID, **values: Any) -> None:
    service.update(tenant_id=tenant.id, customer_id=customer_id, changes={"custom": values}, actor=STAFF)


@pytest.mark.parametrize(
    ("chosen", "locker", "hand", "diet"),
    [
        ({}, 2, "left", ["vegan"]),
        ({"custom.locker": "winner"}, 1, "left", ["vegan"]),
        ({"custom.locker": "loser", "custom.hand": "loser", "custom.diet": "winner"}, 2, None, None),
    ],
)
def test_each_field_is_the_later_word_or_the_one_chosen_and_both_come_back(
    tenant: Any, two: tuple[UUID, UUID], chosen: dict[str, str], locker: int, hand: str | None, diet: Any
) -> None:
    before = everything(tenant)
    done = merge(tenant, *two, fields=chosen)
    values = {"locker": locker, "hand": hand, "diet": diet, "shoe": 38}
    assert own(tenant, two[0]) == {key: value for key, value in values.items() if value is not None}
    undo(tenant, done)
    after = everything(tenant)
    for name in before:
        assert before[name] == after[name], name


def test_a_choice_holds_over_what_events_said_before(tenant: Any, two: tuple[UUID, UUID]) -> None:
    merge(tenant, *two, fields={"custom.locker": "winner"})
    post(tenant, event(21, "pos.purchase", {"custom": {"locker": 9}}, scl_member_id="M2"))
    assert own(tenant, two[0])["locker"] == 1


def test_unknown_fields_are_refused(tenant: Any, two: tuple[UUID, UUID]) -> None:
    with pytest.raises(Invalid) as refused:
        merge(tenant, *two, fields={"custom.gone": "winner", "custom.locker": "both"})
    assert set(refused.value.errors) == {"custom.gone", "custom.locker"}


def test_what_was_changed_since_stays_and_the_rest_goes_back(tenant: Any, two: tuple[UUID, UUID]) -> None:
    done = merge(tenant, *two)
    say(tenant, two[0], hand="right", shoe=None)
    undo(tenant, done)
    assert own(tenant, two[0]) == {"locker": 1, "hand": "right"}
    assert own(tenant, two[1]) == {"locker": 2, "diet": ["vegan"], "shoe": 38}


def test_what_events_set_since_goes_where_the_events_go(tenant: Any, two: tuple[UUID, UUID]) -> None:
    done = merge(tenant, *two)
    post(
        tenant,
        event(21, "pos.purchase", {"custom": {"hand": "both", "locker": 7}}, scl_member_id="M1"),
        event(22, "pos.purchase", {"custom": {"locker": 8, "diet": ["halal"]}}, scl_member_id="M2"),
    )
    assert own(tenant, two[0]) == {"locker": 8, "hand": "both", "diet": ["halal"], "shoe": 38}
    assert merging.given_back(tenant_id=tenant.id, merge_id=done) == 1
    undo(tenant, done)
    assert own(tenant, two[0]) == {"locker": 7, "hand": "both", "shoe": 38}
    assert own(tenant, two[1]) == {"locker": 8, "diet": ["halal"], "shoe": 38}


def test_the_value_of_an_archived_field_goes_with_its_event_too(tenant: Any, two: tuple[UUID, UUID]) -> None:
    done = merge(tenant, *two)
    post(tenant, event(21, "pos.purchase", {"custom": {"locker": 7}}, scl_member_id="M2"))
    (locker,) = (one for one in custom_fields.fields(tenant_id=tenant.id) if one.key == "locker")
    custom_fields.archive(tenant_id=tenant.id, field_id=locker.id, actor=STAFF)
    undo(tenant, done)
    assert (own(tenant, two[0])["locker"], own(tenant, two[1])["locker"]) == (1, 7)


def test_an_event_that_proves_to_be_anothers_takes_its_values_along(tenant: Any) -> None:
    custom_fields.add(tenant_id=tenant.id, key="locker", label="Locker", kind="NUMBER", actor=STAFF)
    post(tenant, event(1, "pos.purchase", {"custom": {"locker": 5}}, email="both@example.com"))
    post(
        tenant,
        member(2, "Ann", "M1", email="both@example.com"),
        member(3, "Ben", "M2", email="both@example.com"),
        event(4, "pos.purchase", {"custom": {"locker": 6}}, email="both@example.com", scl_member_id="M2"),
    )
    ann, ben, shared = owner(tenant, 2), owner(tenant, 3), owner(tenant, 1)
    assert ann != ben
    assert own(tenant, ben) == {"locker": 6}
    assert own(tenant, ann) == ({"locker": 5} if shared == ann else {})


def test_the_page_compares_and_takes_choices(tenant: Any, two: tuple[UUID, UUID], client: Any, sign_in: Any) -> None:
    sign_in("owner")
    page = client.get(f"/customers/{two[0]}/merge/{two[1]}").text
    assert 'name="field-custom.locker" value="loser" checked' in page
    assert 'name="field-custom.shoe"' not in page
    assert "Diet: vegan" in page
    client.post(f"/customers/{two[0]}/merge/{two[1]}", {"field-custom.locker": "winner"}, status=302)
    assert own(tenant, two[0])["locker"] == 1
