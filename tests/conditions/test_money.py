"""Amounts in several currencies: none are added up unawares, and the sentence says what is counted."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.conditions import evaluate, explain, explain_seen, parse, profile, to_json, walk
from app.conditions.behaviour import DID
from app.customers import condition_fields  # noqa: F401 - it fills the catalogue
from app.events import catalogue as events
from tests.conditions.people import catalogue
from tests.conditions.test_parse import errors

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
SPENT = {"event": "payment", "aggregate": "sum", "field": "price", "operator": "gt", "value": 5000}
DEAR = [{"field": "price", "operator": "gte", "value": 5000}]
EURO = [{"field": "currency", "operator": "eq", "value": "eur"}]


def paid(*payments: tuple[Any, Any]) -> dict[str, Any]:
    """Return the facts of somebody who paid these amounts, each in a currency (None: it says none)."""
    payloads = [{"price": price} | ({} if code is None else {"currency": code}) for price, code in payments]
    return {DID: [{"type": "payment", "occurred_at": NOW, "payload": payload} for payload in payloads]}


@pytest.mark.parametrize(
    ("rule", "facts", "holds"),
    [
        (SPENT, paid((3000, "ZAR"), (3000, "ZAR")), True),
        (SPENT, paid((3000, "ZAR"), (3000, "EUR")), False),
        (SPENT, paid((3000, " zar "), (3000, None), (3000, "")), True),
        (SPENT, paid((6000, "JPY")), False),
        (SPENT, paid((6000, "R")), False),
        ({**SPENT, "currency": "EUR"}, paid((6000, "EUR")), True),
        ({**SPENT, "currency": "EUR"}, paid((6000, None), (6000, "ZAR")), False),
        ({**SPENT, "currency": "any"}, paid((3000, "ZAR"), (3000, "EUR")), True),
        ({**SPENT, "where": EURO}, paid((6000, "EUR")), True),
        ({**SPENT, "where": EURO}, paid((6000, "ZAR"), (6000, None)), False),
        ({**SPENT, "where": [{**EURO[0], "disabled": True}, *DEAR]}, paid((6000, "EUR")), False),
        ({"event": "payment", "operator": "gte", "value": 1, "where": DEAR}, paid((6000, "EUR")), False),
        ({"event": "payment", "operator": "gte", "value": 1, "where": DEAR}, paid((6000, "ZAR")), True),
        ({"event": "payment", "operator": "gte", "value": 2}, paid((1, "ZAR"), (1, "EUR")), True),
        ({"event": "payment", "operator": "gte", "value": 2, "currency": "EUR"}, paid((1, "ZAR"), (1, "EUR")), False),
        ({**SPENT, "aggregate": "max"}, paid((6000, "EUR"), (1, "ZAR")), False),
        ({**SPENT, "aggregate": "max"}, paid((6000, "EUR")), None),
        ({**SPENT, "field": "spent"}, paid((6000, "EUR")), False),
    ],
)
def test_amounts_are_counted_in_one_currency(rule: dict[str, Any], facts: dict[str, Any], holds: bool | None) -> None:
    assert evaluate(parse(rule, catalogue), facts, now=NOW, currency="ZAR") is holds


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (SPENT, "Has spent more than £5,000 (payment received, ever)"),
        ({**SPENT, "currency": "EUR"}, "Has spent more than €5,000 (payment received, ever)"),
        ({**SPENT, "currency": "any"}, "Has spent more than 5,000 in any currency (payment received, ever)"),
        ({**SPENT, "where": EURO}, "Has spent more than €5,000 (payment received, ever) where currency is eur"),
        (
            {**SPENT, "where": [{"field": "currency", "operator": "neq", "value": "EUR"}]},
            "Has spent more than 5,000 (payment received, ever) where currency is not EUR",
        ),
        (
            {**SPENT, "aggregate": "max", "currency": "any"},
            "The largest price of any “Payment received” in any currency ever is more than 5,000",
        ),
        (
            {"event": "payment", "operator": "gte", "value": 2, "where": DEAR},
            "Has had “Payment received” at least 2 times where price is at least £5,000",
        ),
        (
            {"event": "payment", "operator": "gte", "value": 2, "currency": "USD"},
            "Has had “Payment received” at least 2 times in USD",
        ),
        (
            {"event": "payment", "operator": "gte", "value": 1, "currency": "any", "where": DEAR},
            "Has had “Payment received” at least once in any currency where price is at least 5,000",
        ),
    ],
)
def test_the_sentence_says_in_which_currency(rule: dict[str, Any], words: str) -> None:
    tree = parse(rule, catalogue)
    assert explain(tree, currency="GBP") == words
    assert parse(to_json(tree), catalogue) == tree


def test_what_a_rule_saw_is_told_in_the_currency_it_counts() -> None:
    def seen(rule: dict[str, Any]) -> str:
        [(_, one)] = walk(parse(rule, catalogue))
        return explain_seen(one, 1250, currency="GBP")

    assert seen(SPENT) == "£1,250"
    assert seen({**SPENT, "currency": "EUR"}) == "€1,250"
    assert seen({**SPENT, "currency": "any"}) == "1,250"


def test_an_event_by_itself_has_an_amount_of_money_only_where_its_currency_is_asked() -> None:
    payload = events.payload_fields("payment.received")
    dear = {"field": "amount", "operator": "gt", "value": 5000}
    assert explain(parse(dear, payload), currency="ZAR") == "Amount is more than 5,000"
    euro = {"field": "currency", "operator": "eq", "value": "EUR"}
    assert explain(parse([dear, euro], payload), currency="ZAR") == "Amount is more than €5,000 and currency is EUR"


@pytest.mark.parametrize("given", ["rand", "€", 5, ["EUR"], "E R", "ÉUR"])
def test_what_is_no_currency_is_refused(given: Any) -> None:
    (said,) = errors({**SPENT, "currency": given}).values()
    assert said == "Payment received: give the currency’s three letters, such as ZAR, or “any”."


def test_an_event_without_amounts_has_no_currency() -> None:
    rule = {"event": "teetime.completed", "operator": "gte", "value": 1, "currency": "EUR"}
    (said,) = errors(rule, profile).values()
    assert said == "Round played: it has no amounts of money, so leave out “currency”."
