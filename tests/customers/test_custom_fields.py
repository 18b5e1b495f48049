"""Custom fields: defined by a tenant, kept by kind, said by staff, events and journeys, asked by conditions."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from app.capture import merging
from app.conditions import compile_sql, evaluate, operators_for, parse
from app.conditions.operators import Arity
from app.content import preview as letters
from app.content.letters import LetterSource
from app.customers import custom_fields, mass_update, service
from app.customers.field_kind import CustomFieldInfo, field_kinds
from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import new_id
from tests.capture.people import NOW, event, owner, post
from tests.conditions.test_two_readers import periods

KINDS = ("TEXT", "NUMBER", "MONEY", "DATE", "YES_NO", "CHOICE", "LIST")
ACTOR = "system"


def about(kind: str, *choices: str) -> CustomFieldInfo:
    currency = "ZAR" if kind == "MONEY" else None
    return CustomFieldInfo(new_id(), kind.lower(), kind.title(), kind, "More", choices, currency)


def define(tenant: Any, key: str, kind: str, **more: Any) -> CustomFieldInfo:
    return custom_fields.add(tenant_id=tenant.id, key=key, label=key.title(), kind=kind, actor=ACTOR, **more)


def make(tenant: Any, **values: Any) -> UUID:
    with transaction(tenant.id) as session:
        made = Customer(tenant_id=tenant.id, **values)
        session.add(made)
        session.flush()
        return made.id


def kept(tenant: Any, customer_id: UUID) -> dict[str, Any]:
    with transaction(tenant.id) as session:
        return dict(session.scalar(text("SELECT custom FROM customer WHERE id = :id"), {"id": customer_id}))


def say(tenant: Any, customer_id: UUID, **values: Any) -> frozenset[str]:
    return service.update(tenant_id=tenant.id, customer_id=customer_id, changes={"custom": values}, actor=ACTOR)


def test_every_kind_is_here() -> None:
    assert {name for name, _ in field_kinds()} == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "typed", "found"),
    [
        ("TEXT", "  two   words ", "two words"),
        ("TEXT", " ", None),
        ("NUMBER", "1 234,5", 1234.5),
        ("NUMBER", "1,234.50", 1234.5),
        ("NUMBER", "1.234,50", 1234.5),
        ("NUMBER", "1,234,567", 1234567),
        ("NUMBER", "0.1", 0.1),
        ("NUMBER", "-3", -3),
        ("NUMBER", 12, 12),
        ("MONEY", "R", ValueError),
        ("MONEY", "12,50", 12.5),
        ("MONEY", "12.505", ValueError),
        ("NUMBER", "1,234", ValueError),
        ("NUMBER", "1,23,4", ValueError),
        ("NUMBER", True, ValueError),
        ("NUMBER", "NaN", ValueError),
        ("NUMBER", "1e400", ValueError),
        ("NUMBER", "12345678901234567", ValueError),
        ("NUMBER", [], ValueError),
        ("DATE", "2026-02-28", "2026-02-28"),
        ("DATE", "2026-02-30", ValueError),
        ("DATE", "28/02/2026", ValueError),
        ("DATE", 20260228, ValueError),
        ("YES_NO", "No", False),
        ("YES_NO", True, True),
        ("YES_NO", "maybe", ValueError),
        ("CHOICE", "LEFT", "Left"),
        ("CHOICE", "both", ValueError),
        ("LIST", "left, Right,left,", ["Left", "Right"]),
        ("LIST", ["Left", "x"], ValueError),
        ("LIST", "", None),
        ("LIST", [None], ValueError),
        ("LIST", {"a": 1}, ValueError),
    ],
)
def test_values_are_read_as_their_kind_says(kind: str, typed: Any, found: Any) -> None:
    field = about(kind, "Left", "Right")
    if found is ValueError:
        with pytest.raises(ValueError, match=r"\w"):
            field_kinds().get(kind).read(typed, field)
    else:
        value = field_kinds().get(kind).read(typed, field)
        assert (value, type(value)) == (found, type(found))


@pytest.mark.parametrize(
    ("kind", "value", "locale", "words"),
    [
        ("NUMBER", 1234.5, "en_ZA", "1\u00a0234,5"),
        ("NUMBER", 1234.5, "en_GB", "1,234.5"),
        ("MONEY", 1234.5, "en_GB", "ZAR\u00a01,234.50"),
        ("DATE", "2026-11-21", "en_GB", "21 Nov 2026"),
        ("YES_NO", False, "en_GB", "No"),
        ("LIST", ["a", "b"], "en_GB", "a, b"),
    ],
)
def test_values_are_shown_as_the_region_writes_them(kind: str, value: Any, locale: str, words: str) -> None:
    assert field_kinds().get(kind).show(value, about(kind), locale).replace("ZAR1", "ZAR\u00a01") == words


class TestDefinitions:
    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"key": "Locker no"}, "key"),
            ({"key": "", "label": "北"}, "key"),
            ({"label": " "}, "label"),
            ({"kind": "COLOUR"}, "kind"),
            ({"kind": "CHOICE"}, "choices"),
            ({"kind": "CHOICE", "choices": ["a,b"]}, "choices"),
            ({"kind": "MONEY", "currency": "XXQ"}, "currency"),
        ],
    )
    def test_what_is_wrong_is_said_beside_its_input(self, api: Any, wrong: dict[str, Any], field: str) -> None:
        answer = api.post("/custom-fields", {"key": "locker", "label": "Locker", "kind": "TEXT"} | wrong)
        assert (answer.status_code, list(answer.get_json()["errors"])) == (422, [field])

    @pytest.mark.parametrize(
        ("label", "key"), [("Locker no.", "locker_no"), ("2nd Café", "nd_cafe"), ("x" * 50, "x" * 40)]
    )
    def test_a_key_is_made_from_the_label(self, tenant: Any, label: str, key: str) -> None:
        made = custom_fields.add(tenant_id=tenant.id, key="", label=label, kind="TEXT", actor=ACTOR)
        assert made.key == key

    def test_a_key_is_taken_once_a_tenant(self, tenant: Any, other_tenant: Any) -> None:
        define(tenant, "locker", "TEXT")
        define(other_tenant, "locker", "NUMBER")
        with pytest.raises(Invalid, match="Another field"):
            define(tenant, "locker", "TEXT")

    def test_a_kind_changes_only_while_nobody_has_a_value(self, tenant: Any) -> None:
        field, who = define(tenant, "locker", "TEXT"), make(tenant)
        custom_fields.change(tenant_id=tenant.id, field_id=field.id, changes={"kind": "NUMBER"}, actor=ACTOR)
        say(tenant, who, locker=12)
        with pytest.raises(Invalid, match="have values"):
            custom_fields.change(tenant_id=tenant.id, field_id=field.id, changes={"kind": "TEXT"}, actor=ACTOR)
        renamed = custom_fields.change(tenant_id=tenant.id, field_id=field.id, changes={"label": "Box"}, actor=ACTOR)
        assert (renamed.label, renamed.key) == ("Box", "locker")

    def test_archived_fields_keep_values_and_take_no_new_ones(self, tenant: Any) -> None:
        field, who = define(tenant, "locker", "TEXT"), make(tenant)
        say(tenant, who, locker="12")
        custom_fields.archive(tenant_id=tenant.id, field_id=field.id, actor=ACTOR)
        with pytest.raises(Invalid):
            say(tenant, who, locker="13")
        assert kept(tenant, who) == {"locker": "12"}
        assert "custom.locker" in custom_fields.catalogue(tenant_id=tenant.id)
        custom_fields.archive(tenant_id=tenant.id, field_id=field.id, archived=False, actor=ACTOR)
        assert say(tenant, who, locker="13") == {"custom.locker"}

    def test_fields_are_put_in_order(self, tenant: Any) -> None:
        ids = [define(tenant, key, "TEXT").id for key in "abc"]
        custom_fields.move(tenant_id=tenant.id, field_id=ids[2], up=True)
        custom_fields.move(tenant_id=tenant.id, field_id=ids[0], up=True)
        assert [one.key for one in custom_fields.fields(tenant_id=tenant.id)] == ["a", "c", "b"]


class TestSaying:
    def test_the_api_sets_and_empties_values(self, api: Any, tenant: Any) -> None:
        define(tenant, "locker", "NUMBER")
        define(tenant, "hand", "CHOICE", choices=["Left", "Right"])
        who = make(tenant)
        answer = api.patch(f"/customers/{who}", {"custom": {"locker": 12.5, "hand": "left"}}).get_json()
        assert answer["custom"] == {"locker": 12.5, "hand": "Left"}
        assert api.patch(f"/customers/{who}", {"custom": {"hand": None}}).get_json()["custom"] == {"locker": 12.5}
        refused = api.patch(f"/customers/{who}", {"custom": {"locker": "many", "shoe": 9}})
        assert (refused.status_code, set(refused.get_json()["errors"])) == (422, {"custom.locker", "custom.shoe"})

    def test_the_later_word_of_an_event_holds(self, tenant: Any) -> None:
        define(tenant, "hand", "CHOICE", choices=["Left", "Right"])
        define(tenant, "locker", "NUMBER")
        told = {"custom": {"hand": "right", "locker": "x", "unknown": 1}}
        late = event(1, "pos.purchase", {"custom": {"hand": "Left"}}, scl_member_id="ZA1")
        post(tenant, event(2, "pos.purchase", told, scl_member_id="ZA1"))
        post(tenant, late)
        who = owner(tenant, 2)
        assert kept(tenant, who) == {"hand": "Right"}
        say(tenant, who, hand="Left")
        post(tenant, event(3, "pos.purchase", {"custom": {"hand": "Right", "locker": 7}}, scl_member_id="ZA1"))
        assert kept(tenant, who) == {"hand": "Left", "locker": 7}

    def test_a_journey_sets_them(self, tenant: Any) -> None:
        define(tenant, "locker", "NUMBER")
        who = make(tenant, custom={"other": 1})
        change = {"custom.locker": "12", "custom.gone": "x"}
        assert mass_update.change_all(tenant_id=tenant.id, customer_ids=[who], set_fields=change) == 1
        assert kept(tenant, who) == {"other": 1, "locker": 12}
        assert mass_update.change_all(tenant_id=tenant.id, customer_ids=[who], set_fields=change) == 0
        mass_update.change_all(tenant_id=tenant.id, customer_ids=[who], set_fields={"custom.locker": ""})
        assert kept(tenant, who) == {"other": 1}

    def test_a_merge_keeps_what_either_knew(self, tenant: Any) -> None:
        define(tenant, "locker", "NUMBER")
        define(tenant, "hand", "TEXT")
        winner, loser = make(tenant), make(tenant)
        say(tenant, winner, locker=1)
        say(tenant, loser, locker=2, hand="left")
        merging.merge_customers(tenant_id=tenant.id, winner_id=winner, loser_id=loser, actor=ACTOR)
        assert kept(tenant, winner) == {"locker": 2, "hand": "left"}


texts = st.text("aBé %_'\"{},0", max_size=4)
HELD: dict[str, st.SearchStrategy[Any]] = {
    "TEXT": texts,
    "CHOICE": st.sampled_from(["Left", "Right", "off the list"]),
    "NUMBER": st.one_of(st.integers(-3, 3), st.decimals(-99, 99, places=2).map(float), st.just(0.1)),
    "MONEY": st.decimals(-99, 99, places=2).map(float),
    "DATE": st.dates(date(2026, 3, 27), date(2026, 3, 31)).map(str),
    "YES_NO": st.booleans(),
    "LIST": st.lists(texts.filter(bool), min_size=1, max_size=3),
}
ASKED: dict[str, st.SearchStrategy[Any]] = HELD | {
    "TEXT": texts.filter(str.strip),
    "LIST": texts.filter(str.strip),
    "NUMBER": st.one_of(st.integers(-3, 3), st.decimals(-99, 99, places=2).map(str), st.just("0.1")),
    "MONEY": st.decimals(-99, 99, places=2).map(str),
}
FIELDS = [about(kind, "Left", "Right") for kind in KINDS]


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    field = draw(st.sampled_from(FIELDS))
    asked = custom_fields.condition_field(field)
    operator = draw(st.sampled_from(operators_for(asked.type)))
    one, rule = ASKED[field.kind], {"field": field.name, "operator": operator.name}
    many = {"one": None, "many": (1, 3), "pair": (2, 2)}.get(operator.arity.value, ())
    if operator.arity is Arity.PERIOD:
        rule["value"] = draw(periods(asked.type, operator.name))
    elif many is None:
        rule["value"] = draw(one)
    elif many:
        values = draw(st.lists(one, min_size=many[0], max_size=many[1]))
        number = field.kind in ("NUMBER", "MONEY")
        rule["value"] = sorted(values, key=lambda value: Decimal(str(value)) if number else str(value))
    return {"not": rule} if draw(st.booleans()) else rule


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    data=st.lists(rules(), min_size=1, max_size=4),
    who=st.lists(st.fixed_dictionaries({}, optional={k.lower(): v for k, v in HELD.items()}), min_size=2, max_size=5),
)
def test_both_readers_answer_the_same(tenant: Any, data: list[Any], who: list[dict[str, Any]]) -> None:
    catalogue, zone = custom_fields.catalogue_of(FIELDS), ZoneInfo("Europe/London")
    tree = parse(data, catalogue)
    with transaction(tenant.id) as session:
        session.execute(text("DELETE FROM customer"))
        for person in who:
            session.execute(
                text("INSERT INTO customer (tenant_id, custom) VALUES (:tenant_id, CAST(:custom AS jsonb))"),
                {"tenant_id": tenant.id, "custom": json.dumps(person)},
            )
        answers = session.execute(select(Customer.custom, compile_sql(tree, zone=zone, now=NOW))).all()
    assert len(answers) == len(who)
    for custom, known in answers:
        assert evaluate(tree, {"custom": custom}, zone=zone, now=NOW) is known, (data, custom)


def test_conditions_survive_values_of_another_kind(tenant: Any) -> None:
    make(tenant, custom={kind.lower(): [{"odd": 1}] if kind != "LIST" else "odd" for kind in KINDS})
    catalogue = custom_fields.catalogue_of(FIELDS)
    with transaction(tenant.id) as session:
        for kind in ("NUMBER", "MONEY", "DATE", "YES_NO", "LIST"):
            tree = parse({"field": f"custom.{kind.lower()}", "operator": "isNull"}, catalogue)
            assert session.scalar(select(compile_sql(tree))) is True, kind


def test_templates_write_values_out(client: Any, sign_in: Any, tenant: Any) -> None:
    sign_in("owner")
    values = {"text": "A&B", "number": 1.5, "money": 12, "date": "2026-02-08", "yes_no": True, "choice": "Left"}
    who = make(tenant, first_name="Ann", custom={**values, "list": ["Left", "Right"]})
    other = make(tenant, first_name="Ben")
    known = [define(tenant, kind.lower(), kind, choices=["Left", "Right"]) for kind in KINDS]
    body = "; ".join(field_kinds().get(one.kind).merge_tag(one) for one in known)
    source = LetterSource(subject="Hello", html=None, text=body)
    shown = [
        letters.preview(tenant_id=tenant.id, tenant_name="Club", source=source, customer_id=one)[0]
        for one in (who, other)
    ]
    assert [(one.text or "").splitlines()[0] for one in shown if one] == [
        "A&B; 1.5; 12; 8 February 2026; yes; Left; Left, Right",
        "; ; ; ; no; ;",
    ]
    editor = client.get("/templates/new").text
    assert "{{ customer.custom.number }}" in editor


class TestPages:
    def test_a_field_is_defined_asked_for_and_shown(self, client: Any, sign_in: Any, tenant: Any) -> None:
        sign_in("owner")
        typed = {"label": "<b>Locker</b>", "key": "Locker!", "kind": "NUMBER", "heading": "Clubhouse"}
        refused = client.post("/settings/custom-fields/new", typed, status=422).text
        assert "A key is small letters" in refused
        assert "&lt;b&gt;Locker" in refused
        client.post("/settings/custom-fields/new", typed | {"key": "locker"}, status=302)
        who = make(tenant, first_name="Ann", lifecycle_stage="MEMBER")
        assert "Clubhouse" in client.get(f"/customers/{who}/edit").text
        profile = {"first_name": "Ann", "lifecycle_stage": "MEMBER"}
        wrong = client.post(f"/customers/{who}/edit", profile | {"custom.locker": "many"}, status=422).text
        assert "Write a number" in wrong
        assert 'value="many"' in wrong
        client.post(f"/customers/{who}/edit", profile | {"custom.locker": "1234.5"}, status=302)
        page = client.get(f"/customers/{who}").text
        assert "1\u00a0234,5" in page
        assert "&lt;b&gt;Locker" in page

    def test_a_choice_off_the_list_is_left_alone(self, client: Any, sign_in: Any, tenant: Any) -> None:
        sign_in("owner")
        field, who = define(tenant, "hand", "CHOICE", choices=["Left", "Right"]), make(tenant, first_name="Ann")
        say(tenant, who, hand="Left")
        custom_fields.change(tenant_id=tenant.id, field_id=field.id, changes={"choices": ["Right"]}, actor=ACTOR)
        saved = {"first_name": "Zoe", "lifecycle_stage": "SUBSCRIBER", "custom.hand": "Left"}
        client.post(f"/customers/{who}/edit", saved, status=302)
        assert kept(tenant, who) == {"hand": "Left"}

    def test_fields_are_changed_moved_archived_and_taken_back(self, client: Any, sign_in: Any, tenant: Any) -> None:
        sign_in("admin")
        first, second = define(tenant, "a", "TEXT"), define(tenant, "b", "LIST", choices=["x"])
        at = f"/settings/custom-fields/{second.id}"
        assert "x</textarea>" in client.get(at).text
        client.post(at, {"label": "Bee", "kind": "LIST", "heading": "H", "choices": "x\ny"}, status=302)
        client.post(f"{at}/move", {"to": "up"}, status=302)
        client.post(f"/settings/custom-fields/{first.id}/archive", {}, status=302)
        assert [one.label for one in custom_fields.fields(tenant_id=tenant.id)] == ["Bee"]
        assert "Take back" in client.get("/settings/custom-fields").text
        client.post(f"/settings/custom-fields/{first.id}/restore", {}, status=302)
        assert [one.label for one in custom_fields.fields(tenant_id=tenant.id)] == ["Bee", "A"]

    def test_marketers_do_not_define_fields(self, client: Any, sign_in: Any) -> None:
        sign_in("marketer")
        client.get("/settings/custom-fields", status=403)


@pytest.mark.committed
def test_a_kind_does_not_change_while_a_value_of_the_old_one_is_being_written(real_db: str, app: Any) -> None:
    from tests.conftest import make_tenant

    tenant: Any = make_tenant()
    field, who = define(tenant, "locker", "TEXT"), make(tenant)
    half_way, released = threading.Event(), threading.Event()

    def write() -> None:
        with app.app_context(), transaction(tenant.id):
            say(tenant, who, locker="twelve")
            half_way.set()
            released.wait(30)

    change = {"tenant_id": tenant.id, "field_id": field.id, "changes": {"kind": "NUMBER"}, "actor": ACTOR}
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        half_way.wait(30)
        with pytest.raises(custom_fields.BeingWritten):
            custom_fields.change(**change)
        custom_fields.change(**change | {"changes": {"label": "Box"}})
        released.set()
        writing.result(30)
    with pytest.raises(Invalid, match="have values"):
        custom_fields.change(**change)
