"""What may come in, and with which words the rest is refused."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import phonenumbers
import pytest

from app.events import addresses
from app.events.addresses import email_key, phone_key
from app.events.validation import Refused, parse, validate

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def event(**changes: Any) -> dict[str, Any]:
    """Return a sound event with changes; a change to `...` takes the key away."""
    sound: dict[str, Any] = {
        "id": "e1",
        "type": "pos.purchase",
        "source": "pos",
        "timestamp": "2026-11-20T10:00:00Z",
        "identity": {"email": "ann@example.com"},
        "payload": {"amount": "1.00"},
    } | changes
    return {key: value for key, value in sound.items() if value is not ...}


def judged(value: Any, own: bool = False, clean: bool = False) -> Any:
    return validate(
        value, now=NOW, valid_phone=lambda number, _: phone_key(number, "ZA") is not None, own=own, clean=clean
    )


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value, reason",
    [
        ([], "must be an object"),
        ("text", "must be an object"),
        (event(id=...), "id is missing"),
        (event(id="  "), "id is missing"),
        (event(id=True), "id is missing"),
        (event(id="x" * 201), "id is longer"),
        (event(id="e\x00"), "NUL"),
        (event(type=""), "type is missing"),
        (event(type=7), "type is missing"),
        (event(type="a b"), "type must be"),
        (event(type="x" * 101), "type must be"),
        (event(type="pos.purchase\n"), "type must be"),
        (event(source="no spaces"), "source must be"),
        (event(source="fairway"), "kept for Fairway"),
        (event(timestamp="yesterday"), "RFC 3339"),
        (event(timestamp=...), "timestamp is missing"),
        (event(timestamp=1_700_000_000), "timestamp is missing"),
        (event(timestamp="2026-11-20"), "RFC 3339"),
        (event(timestamp="2026-11-20T10:00:00"), "no time zone"),
        (event(timestamp="2026-02-30T10:00:00Z"), "RFC 3339"),
        (event(timestamp="1989-12-31T23:59:59Z"), "before 1990"),
        (event(timestamp="0001-01-01T00:00:00+14:00"), "out of range"),
        (event(timestamp="2026-11-21T12:00:01Z"), "in the future"),
        (event(identity=...), "identity must be an object"),
        (event(identity=[]), "identity must be an object"),
        (event(identity={}), "nothing usable"),
        (event(identity={"email": "x"}), "nothing usable"),
        (event(identity={"phone_number": "12"}), "nothing usable"),
        (event(identity={"customer_id": "0" * 32}), "nothing usable"),
        (event(identity={"scl_member_id": "x" * 201}), "longer than"),
        (event(identity={"external_ids": []}), "external_ids must be"),
        (event(identity={"external_ids": {"a b": "1"}}), "not a name and an id"),
        (event(identity={"external_ids": {f"k{n}": "1" for n in range(21)}}), "more than 20"),
        (event(payload=[]), "payload must be an object"),
        (event(payload={"note": "x" * 70_000}), "larger than 64 kB"),
        (event(payload={"note": nested(25)}), "nested deeper"),
        (event(payload={"note": "\ud800"}), "surrogate"),
        (event(payload={"\ud800": 1}), "surrogate"),
        (event(payload={"note": "a\x00b"}), "NUL"),
        (event(payload={"a\x00": 1}), "NUL"),
        (event(payload={"amount": float("nan")}), "NaN"),
        (event(payload={"amount": float("inf")}), "NaN"),
        (event(payload={"amount": 1e30}), "too large"),
        (event(payload={"amount": 10**30}), "too large"),
        (event(payload={"amount": object()}), "not JSON"),
    ],
)
def test_what_cant_be_kept_is_refused_with_a_reason(value: Any, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        judged(value)


def test_the_source_is_the_types_first_part() -> None:
    assert judged(event(source=...)).source == "pos"
    assert judged(event(source=..., type="contactPreference.updated")).source == "contactPreference"


def test_a_bad_hint_beside_a_good_one_is_kept_for_the_record() -> None:
    kept = judged(event(identity={"email": "not one", "scl_member_id": 4711}))
    assert kept.identity == {"email": "not one", "scl_member_id": "4711"}


def test_the_seeds_own_spelling_is_understood() -> None:
    kept = judged(event(identity={"phoneNumber": "082 768 8932", "sclMemberId": 5, "externalIds": {"pos": "c1"}}))
    assert kept.identity == {"phone_number": "082 768 8932", "scl_member_id": "5", "external_ids": {"pos": "c1"}}


def test_fairway_may_name_the_customer() -> None:
    kept = judged(event(source="fairway", identity={"customer_id": "0" * 32}), own=True)
    assert kept.identity == {"customer_id": "00000000-0000-0000-0000-000000000000"}


def test_times_are_kept_in_utc() -> None:
    kept = judged(event(timestamp="2026-11-20t12:00:00.123456789+02:00"))
    assert kept.occurred_at == datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
    assert judged(event(timestamp=(NOW + timedelta(hours=23)).isoformat())).occurred_at > NOW


def test_text_of_the_world_is_kept_as_it_is() -> None:
    note = "𐍈 \u202eolleh 👩‍👩‍👧 \\u0000"
    assert judged(event(payload={"note": note, "none": None, "big": 1234567890123456789})).payload["note"] == note


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"[" * 200_000, b'{"a": \xff}', b"1" * 5000 + b"x"])
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused):
        parse(raw)


def test_one_bad_event_does_not_take_the_others_with_it() -> None:
    (bad, sound), clean = parse(b'[{"id": "\\ud800"}, {"id": "b"}]')
    assert sound == {"id": "b"}
    assert not clean
    with pytest.raises(Refused, match="surrogate"):
        judged(bad)
    assert parse(b'[NaN, {"id": "b"}]')[0][1] == {"id": "b"}
    assert parse(b"[" + b"9" * 5000 + b"]") == ([float("inf")], False)


@pytest.mark.parametrize(
    "payload, clean, reason",
    [
        ({"note": "x" * 70_000}, False, "larger than 64 kB"),
        ({"note": "a\x00b"}, False, "NUL"),
        ({"a\x00": 1}, False, "NUL"),
        ({"note": nested(25)}, True, "nested deeper"),
        ({"amount": 1e30}, True, "too large"),
        ({"amount": 10**30}, True, "too large"),
        ({"note": [{"amount": 1e30}]}, True, "too large"),
    ],
)
def test_what_is_read_clean_is_still_judged(payload: dict[str, Any], clean: bool, reason: str) -> None:
    sent, read_clean = parse(json.dumps(event(payload=payload)))
    assert read_clean is clean
    with pytest.raises(Refused, match=reason):
        judged(sent, clean=read_clean)


def test_an_event_of_a_clean_body_is_kept_as_it_is() -> None:
    sent, clean = parse(
        json.dumps(event(payload={"note": "ö", "holes": 18, "paid": True, "none": None}, more=nested(9)))
    )
    assert clean
    assert judged(sent, clean=clean).payload == {"note": "ö", "holes": 18, "paid": True, "none": None}
    with pytest.raises(Refused, match="nested deeper"):
        judged(event(more=nested(25)), clean=True)


@pytest.mark.parametrize(
    "text, key",
    [
        (" Ann.Lee@Example.COM ", "ann.lee@example.com"),
        ("ＡＮＮ@example.com", "ann@example.com"),
        ("ann+golf@example.com", "ann+golf@example.com"),
        ("ö@example.org", "ö@example.org"),
        ("a..b@example.com", None),
        ("a@b", None),
        ("a b@example.com", None),
        ("a@example.com\r\nbcc: x@example.com", None),
        ("a" * 300 + "@example.com", None),
    ],
)
def test_addresses_have_one_spelling(text: str, key: str | None) -> None:
    assert email_key(text) == key


@pytest.mark.parametrize(
    "text, country, key",
    [
        ("082 768 8932", "ZA", "+27827688932"),
        ("(082) 768-8932", "ZA", "+27827688932"),
        ("27827688932", "ZA", "+27827688932"),
        ("0027827688932", "GB", "+27827688932"),
        ("+44 (0)7913 522698", "ZA", "+447913522698"),
        ("07913 522698", "GB", "+447913522698"),
        ("447913522698", "ZA", "+447913522698"),
        ("07913 522698", "ZA", None),
        ("8212345678.0", "ZA", None),
        ("8.21E+08", "ZA", None),
        ("082 768 8932 x12", "ZA", None),
        ("", "ZA", None),
        ("0" * 50, "ZA", None),
    ],
)
def test_numbers_have_one_spelling(text: str, country: str, key: str | None) -> None:
    assert phone_key(text, country) == key


@pytest.mark.parametrize("country", ["ZA", "GB", "DE", "FR", "NA", "US"])
def test_mobile_numbers_are_read_as_the_library_reads_them(country: str) -> None:
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        number = phonenumbers.example_number_for_type(country, kind)
        national = str(number.national_number)
        for digits in (national, national[:-1], f"{national}1", f"0{national}", f"{national[:2]}9{national[3:]}"):
            for written in (f"+{number.country_code}{digits}", f"0{digits}", digits):
                region = "" if written.startswith("+") else country
                quick = addresses._valid_mobile(written, region)
                assert quick in (None, addresses._valid(written, region)), written
