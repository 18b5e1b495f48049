"""What people read."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.conditions import (
    Arity,
    Catalogue,
    Field,
    FieldType,
    explain,
    explain_rule,
    explain_seen,
    operators_for,
    parse,
    payload_catalogue,
    profile,
    walk,
)
from app.conditions.operators import WORDS
from app.customers import consent_fields, custom_fields
from app.customers.models import Topic
from tests.conditions.people import catalogue, people

CLUB = "0190f3a1-7b1c-7000-8000-000000000001"


def told(data: Any, **options: Any) -> str:
    return explain(parse(data, catalogue, allow_empty=True), **options)


def rule(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            [rule("tier", "in", ["gold", "platinum"]), rule("opened_at", "isNotNull")],
            "Membership tier is Gold or Platinum card, and e-mail opened is known",
        ),
        ([], "No conditions"),
        (rule("city", "not_contains", "Links"), "City does not contain “Links”"),
        (rule("rounds", "between", [1, "2.50"]), "Rounds is between 1 and 2.5"),
        (rule("handicap", "gte", 100), "Handicap is at least 100"),
        (rule("opted_in", "eq", False), "E-mail opt-in is no"),
        (rule("born", "lt", "1979-04-25"), "Date of birth is before 25 April 1979"),
        (rule("opened_at", "within_last", "30 days"), "E-mail opened was in the last 30 days"),
        (rule("opened_at", "longer_ago", "1 months"), "E-mail opened was more than 1 month ago"),
        (rule("born", "further_ahead", "2 weeks"), "Date of birth is more than 2 weeks from now"),
        (rule("born", "anniversary_next", "7 days"), "The anniversary of “Date of birth” is in the next 7 days"),
        (rule("born", "anniversary_last", "0 days"), "The anniversary of “Date of birth” is today"),
        (rule("tags", "contains", "vip"), "Tags include vip"),
        (rule("tags", "not_in", ["a", "b"]), "Tags do not include a or b"),
        (rule("tags", "isNull"), "Tags are empty"),
        (rule("city", "in", list("abcdefghij")), "City is a, b, c, d, e, f, g, h or 2 more"),
        (rule("city", "eq", "x" * 100), f"City is {'x' * 60}…"),
        ({"not": rule("city", "isNull")}, "City is known"),
        (
            {
                "combinator": "OR",
                "rules": [rule("city", "isNull"), {"rules": [rule("rounds", "gt", 1), rule("tags", "isNotNull")]}],
            },
            "City is unknown, or (rounds is more than 1 and tags are not empty)",
        ),
    ],
)
def test_a_tree_is_one_plain_sentence(data: Any, words: str) -> None:
    assert told(data) == words


LONG_AGO = {"operator": "longer_ago", "value": "60 days"}
BORN, OPENED = "2026-10-04", "2026-10-04T09:00Z"


@pytest.mark.parametrize(
    ("one", "words", "contrary"),
    [
        (rule("city", "eq", "Knysna"), "City is Knysna", "City is not Knysna"),
        (rule("city", "neq", "Knysna"), "City is not Knysna", "City is Knysna"),
        (rule("city", "in", ["George"]), "City is George", "City is not George"),
        (rule("city", "in", ["a", "b"]), "City is a or b", "City is neither a nor b"),
        (rule("city", "not_in", ["a", "b", "c"]), "City is not a, b or c", "City is a, b or c"),
        (rule("city", "contains", "x"), "City contains “x”", "City does not contain “x”"),
        (rule("city", "starts_with", "x"), "City starts with “x”", "City does not start with “x”"),
        (rule("city", "ends_with", "x"), "City ends with “x”", "City does not end with “x”"),
        (rule("city", "isNull"), "City is unknown", "City is known"),
        (rule("handicap", "eq", 18), "Handicap is 18", "Handicap is not 18"),
        (rule("handicap", "gt", "18.50"), "Handicap is more than 18.5", "Handicap is at most 18.5"),
        (rule("handicap", "gte", 1), "Handicap is at least 1", "Handicap is less than 1"),
        (rule("handicap", "lt", 1), "Handicap is less than 1", "Handicap is at least 1"),
        (rule("handicap", "lte", -1), "Handicap is at most -1", "Handicap is more than -1"),
        (rule("handicap", "between", [1, 2]), "Handicap is between 1 and 2", "Handicap is not between 1 and 2"),
        (rule("handicap", "in", [1, 2, 3]), "Handicap is 1, 2 or 3", "Handicap is not 1, 2 or 3"),
        (rule("opted_in", "eq", True), "E-mail opt-in is yes", "E-mail opt-in is no"),
        (rule("opted_in", "neq", True), "E-mail opt-in is no", "E-mail opt-in is yes"),
        (rule("born", "eq", BORN), "Date of birth is 4 October 2026", "Date of birth is not 4 October 2026"),
        (
            rule("born", "gt", BORN),
            "Date of birth is after 4 October 2026",
            "Date of birth is on or before 4 October 2026",
        ),
        (
            rule("born", "lt", BORN),
            "Date of birth is before 4 October 2026",
            "Date of birth is on or after 4 October 2026",
        ),
        (rule("born", "within_last", "0 days"), "Date of birth is today", "Date of birth is not today"),
        (rule("born", "longer_ago", "0 days"), "Date of birth is before today", "Date of birth is not before today"),
        (rule("opened_at", "within_last", "1 year"), "E-mail opened was in the last year", None),
        (rule("opened_at", "longer_ago", "1 year"), None, "E-mail opened was not more than 1 year ago"),
        (rule("opened_at", "within_next", "2 hours"), None, "E-mail opened is not in the next 2 hours"),
        (rule("opened_at", "eq", OPENED), "E-mail opened is 4 October 2026, 09:00 UTC", None),
        (
            rule("born", "anniversary_next", "1 week"),
            None,
            "The anniversary of “Date of birth” is not in the next week",
        ),
        (rule("tags", "in", ["a", "b"]), "Tags include a or b", "Tags do not include a or b"),
        (rule("tags", "isNotNull"), "Tags are not empty", "Tags are empty"),
        (rule("badges", "contains", "a"), "Has the badge a", "Does not have the badge a"),
        (rule("badges", "isNull"), "Has no badge", "Has a badge"),
    ],
)
def test_each_operator_reads_well_and_so_does_its_contrary(one: Any, words: str | None, contrary: str | None) -> None:
    assert words in (None, told(one))
    assert contrary in (None, told({"not": one}))
    assert told({"not": {"not": {"rules": [one]}}}) == told(one)


def test_no_operator_of_any_type_is_without_words() -> None:
    for field in catalogue:
        for operator in operators_for(field.type):
            value: Any = SAMPLE[field.name]
            value = {Arity.PAIR: [value] * 2, Arity.MANY: [value], Arity.PERIOD: "3 days"}.get(operator.arity, value)
            one = rule(field.name, operator.name, value)
            assert told(one) != told({"not": one})
            assert "not (" not in told({"not": one})


SAMPLE = {
    "city": "Knysna",
    "tier": "Gold",
    "handicap": 1,
    "rounds": 2,
    "opted_in": True,
    "born": "2026-10-04",
    "opened_at": "2026-10-04",
    "tags": "vip",
    "club_id": CLUB,
    "lists": CLUB,
    "badges": "vip",
}
A, B, C = rule("city", "eq", "A"), rule("rounds", "eq", 1), rule("tags", "isNull")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([A, B], "City is A and rounds is 1"),
        ([A, B, C], "City is A, and rounds is 1, and tags are empty"),
        ([A, [B, C]], "City is A, and rounds is 1, and tags are empty"),
        ([A, {"combinator": "OR", "rules": [B, C]}], "City is A, and (rounds is 1 or tags are empty)"),
        ([{"combinator": "OR", "rules": [B, C]}, A], "(Rounds is 1 or tags are empty), and city is A"),
        ([A, {"combinator": "OR", "rules": [B]}], "City is A and rounds is 1"),
        ([A, {"not": [B, C]}], "City is A, and not (rounds is 1 and tags are empty)"),
        ({"not": {"combinator": "OR", "rules": [A, B]}}, "Not (city is A or rounds is 1)"),
        ([A, {"not": {"not": [B, C]}}], "City is A, and rounds is 1, and tags are empty"),
        ([A, rule("city", "eq", "Bath or Wells")], "City is A, and city is “Bath or Wells”"),
        ([A, rule("city", "eq", " x")], "City is A and city is “ x”"),
    ],
)
def test_brackets_and_commas_stand_where_they_are_needed(data: Any, words: str) -> None:
    def grouped(one: Any) -> Any:
        if isinstance(one, list):
            return {"rules": [grouped(inner) for inner in one]}
        return {key: grouped(value) if key == "not" else value for key, value in one.items()}

    assert told(grouped(data)) == words


def test_a_whole_segment_is_a_sentence_a_person_would_say() -> None:
    tree = parse(
        [
            rule("membership_tier", "in", ["Gold", "Platinum"]),
            {"event": "teetime.completed", "operator": "never", "within": "60 days"},
            rule("email_opt_in", "eq", True),
            {
                "combinator": "OR",
                "rules": [
                    rule("date_of_birth", "anniversary_next", "30 days"),
                    {
                        "event": "payment.received",
                        "aggregate": "sum",
                        "field": "amount",
                        "operator": "gt",
                        "value": 20_000,
                    },
                ],
            },
        ],
        custom_fields.catalogue_of(()),
    )
    assert explain(tree, locale="en_GB", currency="GBP") == (
        "Membership tier is Gold or Platinum, and has not played a round in the last 60 days, "
        "and agreed to e-mail, and (birthday is in the next 30 days or has spent more than £20,000 "
        "(payment received, ever))"
    )


@pytest.mark.parametrize(
    ("label", "yes", "no"),
    [
        ("Can be mailed", "Can be mailed", "Can't be mailed"),
        ("Is in a household", "Is in a household", "Is not in a household"),
        ("Has a locker", "Has a locker", "Does not have a locker"),
        ("E-mail address is dead", "E-mail address is dead", "E-mail address is not dead"),
        ("Newsletter", "Newsletter is yes", "Newsletter is no"),
    ],
)
def test_a_label_that_says_something_is_said(label: str, yes: str, no: str) -> None:
    known = Catalogue([Field("x", label, "", FieldType.BOOLEAN, people.c.opted_in)])
    for operator, value in (("eq", True), ("neq", False)):
        assert explain(parse(rule("x", operator, value), known)) == yes
        assert explain(parse({"not": rule("x", operator, value)}, known)) == no


def test_numbers_and_days_are_written_as_the_region_does() -> None:
    [amount, born] = [rule("handicap", "gt", "20000.5"), rule("born", "eq", "2026-10-04")]
    assert told(amount) == "Handicap is more than 20,000.5"
    assert told(amount, locale="de_DE") == "Handicap is more than 20.000,5"
    assert told(born, locale="en_US") == "Date of birth is October 4, 2026"
    assert told(born, locale="de_DE") == "Date of birth is 4 October 2026"


def test_what_a_rule_saw_is_told_too() -> None:
    def seen(one: Any, value: Any) -> str:
        [(_, found)] = walk(parse(one, catalogue))
        return explain_seen(found, value, names={"lists": {CLUB: "Members"}}, currency="ZAR")

    assert seen(A, None) == seen(A, "") == "unknown"
    assert seen(rule("tier", "eq", "Gold"), "Platinum") == "Platinum card"
    assert seen(B, 1200) == "1,200"
    assert seen(rule("opted_in", "eq", True), False) == "no"
    [(_, agreed)] = walk(parse(rule("email_opt_in", "eq", False), profile))
    assert [explain_seen(agreed, value) for value in (True, False)] == ["agreed to e-mail", "declined e-mail"]
    assert explain_seen(agreed, None) == "unknown"
    assert seen(rule("born", "isNull"), date(2026, 10, 4)) == "4 October 2026"
    assert seen(C, ["b", None, "a"]) == "a and b"
    assert seen(C, None) == seen(C, []) == seen(rule("lists", "isNull"), None) == "none"
    assert seen(rule("lists", "isNull"), [CLUB]) == "Members"
    played = {"event": "round", "operator": "never"}
    assert [seen(played, times) for times in (0, 1, 3)] == ["never", "once", "3 times"]
    spent = {"event": "payment", "aggregate": "sum", "field": "holes", "operator": "gt", "value": 1}
    assert seen(spent, Decimal("18.50")) == "18.5"
    last = {"event": "round", "aggregate": "last", "operator": "isNull"}
    assert seen(last, None) == "never"
    assert seen(last, datetime(2026, 10, 4, 9, tzinfo=UTC)) == "4 October 2026, 09:00 UTC"


def test_instants_are_told_in_the_zone_and_values_by_their_names() -> None:
    opened = rule("opened_at", "gt", "2026-10-04T22:30:00Z")
    assert told(opened) == "E-mail opened is after 4 October 2026, 22:30 UTC"
    zone = ZoneInfo("Africa/Johannesburg")
    assert told(opened, zone=zone) == "E-mail opened is after 5 October 2026, 00:30 SAST"
    club = rule("club_id", "eq", CLUB)
    assert told(club, names={"club_id": {CLUB: "Table Bay"}}) == "Club is Table Bay"
    assert told(club) == f"Club is {CLUB}"


def test_rules_of_a_payload_have_words_too() -> None:
    event = payload_catalogue({"tier": FieldType.TEXT}, labels={"tier": "Tier"})
    tree = parse([rule("tier", "eq", "Gold"), rule("holes", "gt", "9"), rule("teeTime", "lt", "2026-10-04")], event)
    assert [explain_rule(one) for _, one in walk(tree)] == [
        "Tier is Gold",
        "Holes is more than 9",
        "Tee time is before 4 October 2026",
    ]


def test_the_builder_is_offered_every_operator_with_its_words() -> None:
    assert set(WORDS) == set(FieldType)
    offered = {operator.name: operator for operator in operators_for(FieldType.NUMBER)}
    assert offered["between"].arity is Arity.PAIR
    assert offered["in"].arity is Arity.MANY
    assert offered["isNull"].arity is Arity.NONE
    assert (offered["gt"].label, offered["gt"].arity) == ("is more than", Arity.ONE)
    assert {operator.name for operator in operators_for(FieldType.BOOLEAN)} == {"eq", "neq", "isNull", "isNotNull"}


@pytest.mark.parametrize(
    ("one", "words", "contrary"),
    [
        (
            rule("date_of_birth", "longer_ago", "18 years"),
            "Was born more than 18 years ago",
            "Was born in the last 18 years",
        ),
        (rule("date_of_birth", "within_last", "0 days"), "Was born today", "Was born before today"),
        (
            rule("date_of_birth", "eq", BORN),
            "Was born on 4 October 2026",
            "Was born on another day than 4 October 2026",
        ),
        (rule("date_of_birth", "anniversary_next", "30 days"), "Birthday is in the next 30 days", None),
        (rule("date_of_birth", "isNull"), "Date of birth is unknown", "Date of birth is known"),
        (rule("created_at", "longer_ago", "60 days"), "Became known more than 60 days ago", None),
        (rule("created_at", "eq", OPENED), None, "Became known at another time than 4 October 2026, 09:00 UTC"),
        (
            rule("last_activity_at", "between", [BORN, "2026-11-01"]),
            "Was last active between 4 October 2026 and 1 November 2026",
            "Was last active before 4 October 2026 or after 1 November 2026",
        ),
        (rule("last_activity_at", "isNull"), "Was never active", "Has been active"),
        # Memberships are sold beforehand: what was not in the last month may lie ahead.
        (
            rule("joined_on", "within_last", "1 months"),
            "Joined in the last month",
            "Day of joining was not in the last month",
        ),
        (rule("joined_on", "within_next", "1 months"), "Day of joining is in the next month", None),
        (rule("email_count", "gte", 2), "Has at least 2 e-mail addresses", "Has fewer than 2 e-mail addresses"),
        (rule("email_count", "eq", 1), "Has exactly 1 e-mail address", "Does not have exactly 1 e-mail address"),
        (rule("email_count", "eq", 0), "Has no e-mail address", "Has at least one e-mail address"),
        (rule("household_size", "isNull"), "Is in no household", "Is in a household"),
        (rule("email_opt_in", "isNull"), "Has not said whether they want e-mail", "Has said whether they want e-mail"),
        (rule("email_suppressed", "eq", "COMPLAINT"), "The reason e-mail is suppressed is Complained", None),
        (rule("last_activity_type", "eq", "teetime.completed"), "The last activity was Round played", None),
        (rule("segments", "contains", CLUB), "Is in the segment Members", "Is not in the segment Members"),
        (rule("journeys_ever", "isNull"), "Has never been in a journey", "Has been in a journey"),
    ],
)
def test_what_is_asked_of_a_customer_is_said_as_a_person_would(
    one: dict[str, Any], words: str | None, contrary: str | None
) -> None:
    known = custom_fields.catalogue_of(())
    names = {"segments": {CLUB: "Members"}, "last_activity_type": {"teetime.completed": "Round played"}}
    for data, expected in ((one, words), ({"not": one}, contrary)):
        assert expected in (None, explain(parse(data, known), names=names))


def test_consent_about_a_topic_is_said_by_what_it_is() -> None:
    topic = Topic(key="trips", name="Golf trips", archived_at=None)
    known = Catalogue(consent_fields.fields([topic]))
    mail = "consent.trips.EMAIL"
    assert explain(parse(rule(mail, "eq", "subscribed"), known)) == "Agreed to Golf trips by e-mail"
    assert explain(parse(rule(mail, "neq", "subscribed"), known)) == "Has not agreed to Golf trips by e-mail"
    assert explain(parse(rule(mail, "in", ["unsubscribed", "never"]), known)) == (
        "Declined Golf trips by e-mail or was never asked about Golf trips by e-mail"
    )
    assert explain(parse(rule(mail, "not_in", ["unsubscribed", "never"]), known)) == (
        "Has not declined Golf trips by e-mail and was asked about Golf trips by e-mail"
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"event": "quote.sent", "aggregate": "last", **LONG_AGO}, "Was last sent a quote more than 60 days ago"),
        ({"event": "review.submitted", "aggregate": "first", **LONG_AGO}, "First wrote a review more than 60 days ago"),
        (
            {"event": "visit.bar", "aggregate": "sum", "field": "amount", "operator": "gt", "value": 20},
            "Has spent more than 20 (bar visit, imported, ever)",
        ),
        (
            {"event": "message.clicked", "operator": "gte", "value": 1, "where": rule("is_machine", "eq", False)},
            "Has clicked a link in an e-mail at least once where a person did it",
        ),
    ],
)
def test_what_somebody_did_is_said_as_a_person_would(data: Any, words: str) -> None:
    assert explain(parse(data, custom_fields.catalogue_of(()))) == words
