"""Amounts in segments: each club's in its own currency, whichever way the segment looks at people."""

from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import UUID

from sqlalchemy.dialects import postgresql

from app.accounts.models import Club
from app.conditions import compile_sql, parse
from app.customers import custom_fields
from app.infra.db import transaction
from app.segments import why
from app.segments.preview import preview
from tests.segments.helpers import NOW, all_of, did, members, people, play, rows, segment, settle

FILL = import_module("migrations.versions.0056_fill_activity_amount").FILL
SPENT = did("payment.received", "gt", 1000, aggregate="sum", field="amount")


def london(tenant_id: UUID) -> UUID:
    with transaction(tenant_id) as session:
        club = Club(tenant_id=tenant_id, name="London", country="GB", timezone="Europe/London", locale="en_GB")
        club.currency = "GBP"
        session.add(club)
        session.flush()
        return club.id


def pay(tenant_id: UUID, who: UUID, amount: Any, **said: Any) -> None:
    play(tenant_id, who, type="payment.received", amount=amount, **said)


def test_amounts_of_other_currencies_are_not_added_up(tenant: Any) -> None:
    mixed, rand, silent, pounds = people(tenant.id, 4)
    pay(tenant.id, mixed, 900, currency="ZAR")
    pay(tenant.id, mixed, 900, currency="EUR")
    pay(tenant.id, rand, "1000.50", currency="zar")
    pay(tenant.id, silent, 1001)
    pay(tenant.id, pounds, 5000, currency="GBP")
    for criteria, expected, sentence in (
        (SPENT, {rand, silent}, "Has spent more than R1,000 (payment received, ever)"),
        ({**SPENT, "currency": "GBP"}, {pounds}, "Has spent more than £1,000 (payment received, ever)"),
        (
            {**SPENT, "currency": "any"},
            {mixed, rand, silent, pounds},
            "Has spent more than 1,000 in any currency (payment received, ever)",
        ),
    ):
        found = preview(tenant_id=tenant.id, criteria=all_of(criteria), now=NOW)
        told = found.sentence.replace("\xa0", ",").replace("ZAR", "R")
        assert (found.count, found.estimated, told) == (len(expected), False, sentence)
        one = segment(tenant.id, all_of(criteria), name=sentence)
        assert members(tenant.id, one) == expected


def test_what_happens_counts_in_the_clubs_currency_at_once(tenant: Any) -> None:
    club = london(tenant.id)
    ann, bob = people(tenant.id, 2, club_id=club)
    everywhere = segment(tenant.id, all_of(SPENT), name="Rand")
    there = segment(tenant.id, all_of(SPENT), name="Pounds", club_id=club)
    pay(tenant.id, ann, 1500, currency="GBP")
    pay(tenant.id, bob, 1500, currency="ZAR")
    settle(tenant.id)
    assert (members(tenant.id, everywhere), members(tenant.id, there)) == ({bob}, {ann})
    seen = why.of(tenant_id=tenant.id, segment_id=there.id, customer_id=ann, now=NOW)
    told = seen.rules[-1]
    assert told.holds
    assert "£1" in told.words
    assert told.value.startswith("£1")
    assert why.of(tenant_id=tenant.id, segment_id=there.id, customer_id=bob, now=NOW).rules[-1].value == "£0"


def test_another_currency_of_the_organisation_is_another_question(tenant: Any) -> None:
    (ann,) = people(tenant.id)
    one = segment(tenant.id, all_of(SPENT))
    pay(tenant.id, ann, 1500, currency="USD")
    settle(tenant.id)
    assert members(tenant.id, one) == set()
    rows(tenant.id, "UPDATE tenant SET currency = 'USD' WHERE id = :id RETURNING id", id=tenant.id)
    pay(tenant.id, ann, 1, currency="USD")
    settle(tenant.id)
    assert members(tenant.id, one) == {ann}


def test_a_sum_of_amounts_reads_no_payload(tenant: Any) -> None:
    tree = parse(SPENT, custom_fields.catalogue(tenant_id=tenant.id))
    for more in ({"whole": True}, {"whole": False}):
        asked = str(compile_sql(tree, currency="ZAR", **more).compile(dialect=postgresql.dialect()))
        assert "amount" in asked
        assert "payload" not in asked


def test_amounts_are_kept_beside_payloads_whoever_writes_them(tenant: Any) -> None:
    (ann,) = people(tenant.id)
    told: list[tuple[Any, Any]] = [
        ({"amount": "12.50", "currency": " zar "}, (Decimal("12.50"), "zar")),
        ({"amount": 7}, (Decimal(7), None)),
        ({"amount": "R 7", "currency": "ZAR"}, (None, None)),
        ({"currency": "ZAR"}, (None, None)),
        ({"amount": "9" * 5000, "currency": "ZAR"}, (None, None)),
        ({"amount": 1, "currency": "Z" * 5000}, (Decimal(1), "?")),
    ]
    for payload, _ in told:
        play(tenant.id, ann, type="payment.received", **payload)
    kept = "SELECT amount, currency FROM activity ORDER BY id"
    assert [tuple(row) for row in rows(tenant.id, kept)] == [expected for _, expected in told]
    # Those that were there before the columns are filled by a migration.
    before = rows(tenant.id, "UPDATE activity SET amount = NULL, currency = NULL RETURNING id")
    assert len(before) == len(told)
    with transaction(tenant.id) as session:
        after = {"after": UUID(int=0), "batch": 4, "tenant_id": tenant.id}
        while after["after"] is not None:
            after["after"] = session.execute(FILL, after).scalar()
    assert [tuple(row) for row in rows(tenant.id, kept)] == [expected for _, expected in told]
    rows(tenant.id, 'UPDATE activity SET payload = \'{"amount": 8, "currency": "EUR"}\' RETURNING id')
    assert {tuple(row) for row in rows(tenant.id, kept)} == {(Decimal(8), "eur")}
    rows(tenant.id, "UPDATE activity SET payload = '{}' RETURNING id")
    assert {tuple(row) for row in rows(tenant.id, kept)} == {(None, None)}
