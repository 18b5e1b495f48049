"""Imports fill custom fields: read as their kind and the club's region say, and undone key by key."""

import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.capture.imports import formats, mappings, preset, service
from app.customers import custom_fields
from app.customers import service as customers
from app.customers.field_kind import CustomFieldInfo, Manner, field_kinds
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import new_id
from tests.capture.people import query
from tests.capture.test_imports import counts, finish, snapshot, take

ACTOR = "system:test"
HEADER = "member_number,first_name,email,custom.locker,custom.hand,custom.fee"
US = formats.applied(preset.OWN, {"date_order": "mdy"}).days
GB = preset.OWN.days


@pytest.fixture
def fields(tenant: Any) -> dict[str, CustomFieldInfo]:
    """A number, a choice and an amount."""
    kinds: dict[str, dict[str, Any]] = {
        "locker": {"kind": "NUMBER"},
        "hand": {"kind": "CHOICE", "choices": ["Left", "Right"]},
        "fee": {"kind": "MONEY", "currency": "ZAR"},
    }
    return {
        key: custom_fields.add(tenant_id=tenant.id, key=key, label=key.title(), actor=ACTOR, **more)
        for key, more in kinds.items()
    }


def bring(tenant: Any, *lines: str, **options: Any) -> Any:
    return take(tenant, *lines, **{"preset": "fairway-csv", "header": HEADER, **options})


def kept(tenant: Any) -> list[dict[str, Any]]:
    return [dict(row.custom) for row in query(tenant, "SELECT custom FROM customer ORDER BY first_name")]


def say(tenant: Any, **values: Any) -> None:
    (row,) = query(tenant, "SELECT id FROM customer")
    customers.update(tenant_id=tenant.id, customer_id=row.id, changes={"custom": values}, actor=ACTOR)


@pytest.mark.parametrize(
    ("kind", "written", "locale", "days", "found"),
    [
        ("NUMBER", "1,234", "en_GB", GB, 1234),
        ("NUMBER", "1,234", "de_DE", GB, 1.234),
        ("NUMBER", "1.234", "de_DE", GB, 1234),
        ("NUMBER", "1.234", "en_GB", GB, 1.234),
        ("NUMBER", "1 234,5", "en_GB", GB, 1234.5),
        ("NUMBER", "12%", "en_GB", GB, ValueError),
        ("MONEY", "R 1 730.47", "en_ZA", GB, 1730.47),
        ("MONEY", "R1,730.47", "en_GB", GB, 1730.47),
        ("MONEY", "-R 50", "en_ZA", GB, -50),
        ("MONEY", "50,00 ZAR", "en_ZA", GB, 50),
        ("MONEY", "£50", "en_ZA", GB, ValueError),
        ("MONEY", "50 EUR", "en_ZA", GB, ValueError),
        ("DATE", "03/04/2026", "en_GB", GB, "2026-04-03"),
        ("DATE", "03/04/2026", "en_US", US, "2026-03-04"),
        ("DATE", "2026-04-03 00:00:00", "en_US", US, "2026-04-03"),
        ("DATE", "31/12/27", "en_GB", GB, "2027-12-31"),
        ("DATE", "30/02/2026", "en_GB", GB, ValueError),
        ("YES_NO", "Ja", "en_ZA", GB, True),
        ("YES_NO", "N", "en_ZA", GB, False),
        ("YES_NO", "perhaps", "en_ZA", GB, ValueError),
        ("CHOICE", " left", "en_ZA", GB, "Left"),
        ("CHOICE", "both", "en_ZA", GB, ValueError),
        ("LIST", "Left;right", "en_ZA", GB, ["Left", "Right"]),
        ("LIST", "Left|up", "en_ZA", GB, ValueError),
        ("TEXT", "007", "en_ZA", GB, "007"),
    ],
)
def test_files_are_read_in_the_manner_of_their_region(
    kind: str, written: str, locale: str, days: tuple[str, ...], found: Any
) -> None:
    about = CustomFieldInfo(new_id(), "one", "One", kind, "More", ("Left", "Right"), "ZAR")
    read = field_kinds().get(kind).parse
    if found is ValueError:
        with pytest.raises(ValueError, match=r"\w") as refused:
            read(written, about, Manner(locale, days))
        # Reasons are counted over the whole file: what was written stays out of them.
        assert written not in str(refused.value)
    else:
        assert read(written, about, Manner(locale, days)) == found


@pytest.mark.usefixtures("fields")
def test_values_are_filled_and_bad_ones_left_out_with_a_reason(tenant: Any) -> None:
    lines = ("Z1,Ann,ann@example.com,12,left,R 500", "Z2,Ben,ben@example.com,many,both,")
    run = bring(tenant, *lines)
    assert counts(run) == (2, 0, 0, 0)
    assert kept(tenant) == [{"locker": 12, "hand": "Left", "fee": 500}, {}]
    assert run.report["noted"] == {
        "Hand: Choose one of: Left, Right.": 1,
        "Locker: Write a number, such as 1234.50.": 1,
    }
    before = snapshot(tenant)
    assert counts(bring(tenant, *lines)) == (0, 0, 2, 0)
    assert snapshot(tenant) == before


@pytest.mark.usefixtures("fields")
@pytest.mark.parametrize(("on_match", "locker", "fee"), [("update", 13, 5), ("fill", 12, 5), ("skip", 12, None)])
def test_what_becomes_of_values_that_are_there(tenant: Any, on_match: str, locker: int, fee: int | None) -> None:
    bring(tenant, "Z1,Ann,ann@example.com,12,,")
    run = bring(tenant, "Z1,Ann,ann@example.com,13,,5", on_match=on_match)
    assert kept(tenant) == [{"locker": locker} | ({"fee": fee} if fee else {})]
    changes = run.report["changed"][0]["changes"] if run.report["changed"] else []
    assert {one["field"]: (one["old"], one["new"]) for one in changes} == {
        "update": {"custom.locker": ("12", "13"), "custom.fee": (None, "5")},
        "fill": {"custom.fee": (None, "5")},
        "skip": {},
    }[on_match]


@pytest.mark.usefixtures("fields")
def test_a_column_of_any_name_can_be_mapped(tenant: Any) -> None:
    mapping = {"No": "member_number", "Name": "first_name", "Locker no.": "custom.locker"}
    run = take(tenant, "Z1,Ann,12", preset=None, header="No,Name,Locker no.", mapping=mapping)
    assert (counts(run), kept(tenant)) == ((1, 0, 0, 0), [{"locker": 12}])
    for wrong in ({"Name": "custom.gone"}, {"Name": "custom.locker", "Locker no.": "custom.locker"}):
        with pytest.raises(Invalid) as refused:
            take(tenant, "Z1,Ann,12", preset=None, header="No,Name,Locker no.", mapping={"No": "email", **wrong})
        assert "mapping" in refused.value.errors


def test_a_column_that_is_called_as_a_field_becomes_it(tenant: Any, fields: dict[str, CustomFieldInfo]) -> None:
    custom_fields.add(tenant_id=tenant.id, key="checked", label="Prüfdatum", kind="DATE", actor=ACTOR)
    found = mappings.suggest(tenant_id=tenant.id, header=["Vorname", "LOCKER", "prüfdatum", "First name"])
    assert found.mapping == {
        "Vorname": "ignore",
        "LOCKER": "custom.locker",
        "prüfdatum": "custom.checked",
        "First name": "first_name",
    }


def test_a_field_that_was_archived_since_takes_nothing(tenant: Any, fields: dict[str, CustomFieldInfo]) -> None:
    dry = bring(tenant, "Z1,Ann,ann@example.com,12,left,", dry_run=True)
    custom_fields.archive(tenant_id=tenant.id, field_id=fields["locker"].id, actor=ACTOR)
    service.run_after_dry_run(tenant_id=tenant.id, run_id=dry.id, actor=ACTOR)
    run = finish(tenant, dry.id)
    assert kept(tenant) == [{"hand": "Left"}]
    assert run.report["noted"] == {"There is no field locker any more": 1}


@pytest.mark.usefixtures("fields")
def test_undo_puts_old_values_back(tenant: Any) -> None:
    bring(tenant, "Z1,Ann,ann@example.com,12,left,")
    before = snapshot(tenant)
    run = bring(tenant, "Z1,Ann,ann@example.com,13,right,5")
    assert kept(tenant) == [{"locker": 13, "hand": "Right", "fee": 5}]
    service.undo(tenant_id=tenant.id, run_id=run.id, actor=ACTOR)
    finish(tenant, run.id)
    assert snapshot(tenant) == before


@pytest.mark.usefixtures("fields")
def test_undo_keeps_the_fields_that_somebody_changed_since(tenant: Any) -> None:
    bring(tenant, "Z1,Ann,ann@example.com,12,left,")
    marks = _marks(tenant)
    run = bring(tenant, "Z1,Ann,ann@example.com,13,right,5")
    say(tenant, hand="Left", locker=None)
    said = _marks(tenant)
    service.undo(tenant_id=tenant.id, run_id=run.id, actor=ACTOR)
    finish(tenant, run.id)
    assert kept(tenant) == [{"hand": "Left"}]
    assert _marks(tenant) == {**marks, "custom.hand": said["custom.hand"], "custom.locker": said["custom.locker"]}


def _marks(tenant: Any) -> dict[str, str]:
    with transaction(tenant.id) as session:
        return dict(session.scalar(text("SELECT facts_at FROM customer")))


@pytest.mark.usefixtures("fields")
def test_the_page_names_fields_by_their_labels(tenant: Any, client: Any, sign_in: Any) -> None:
    sign_in("owner")
    bring(tenant, "Z1,Ann,ann@example.com,12,,")
    run: UUID = bring(tenant, "Z1,Ann,ann@example.com,13,,").id
    shown = re.sub(r"<[^>]+>", "", client.get(f"/customers/imports/{run}").text)
    assert "Locker 12 → 13" in shown
