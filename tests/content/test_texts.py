"""How many SMS a text takes, by the tables of GSM 03.38; and what becomes of its links and its end."""

import pytest

from app.content.texts import GSM, UNICODE, closed, links_in, shortened, size_of


@pytest.mark.parametrize(
    ("text", "alphabet", "length", "parts", "left"),
    [
        ("", GSM, 0, 0, 160),
        ("a", GSM, 1, 1, 159),
        ("a" * 160, GSM, 160, 1, 0),
        ("a" * 161, GSM, 161, 2, 145),
        ("a" * 306, GSM, 306, 2, 0),
        ("a" * 307, GSM, 307, 3, 152),
        ("a" * 459, GSM, 459, 3, 0),
        ("äöüß@£$¥èéÅå_ΔΦΓ¡¿§", GSM, 19, 1, 141),
        ("line\nline\r", GSM, 10, 1, 150),
        ("€", GSM, 2, 1, 158),
        ("^{}\\[~]|€\f", GSM, 20, 1, 140),
        ("€" * 80, GSM, 160, 1, 0),
        ("€" * 81, GSM, 162, 2, 143),
        # An escape and its sign are not torn apart: 152 and one more would end between them.
        ("a" * 152 + "€" + "a" * 10, GSM, 164, 2, 141),
        ("ç", UNICODE, 1, 1, 69),
        ("’", UNICODE, 1, 1, 69),
        ("Ж" * 70, UNICODE, 70, 1, 0),
        ("Ж" * 71, UNICODE, 71, 2, 63),
        ("Ж" * 134, UNICODE, 134, 2, 0),
        ("Ж" * 135, UNICODE, 135, 3, 66),
        ("€ and Ж", UNICODE, 7, 1, 63),
        ("🏌", UNICODE, 2, 1, 68),
        ("🏌" * 35, UNICODE, 70, 1, 0),
        ("Ж" * 66 + "🏌" + "Ж" * 10, UNICODE, 78, 2, 55),
        ("\t", UNICODE, 1, 1, 69),
    ],
)
def test_sizes(text: str, alphabet: str, length: int, parts: int, left: int) -> None:
    found = size_of(text)
    assert (found.alphabet, found.length, found.parts, found.left) == (alphabet, length, parts, left)


def test_what_makes_a_text_dear_is_named_once() -> None:
    assert size_of("“Hi”, said she: “Hi” – ok").odd == ("“", "”", "–")
    assert size_of("plain").odd == ()


def test_the_way_out_stands_at_the_end_unless_the_text_names_it() -> None:
    assert closed("Tee off at 9. ", "Reply STOP to opt out.") == "Tee off at 9.\nReply STOP to opt out."
    assert closed("Tee off. STOP ends this.", "Reply STOP to opt out.") == "Tee off. STOP ends this."
    assert closed("NONSTOP golf", "Reply STOP.") == "NONSTOP golf\nReply STOP."
    assert closed("Tee off", "") == "Tee off"


def test_links_are_shortened_where_it_makes_them_shorter() -> None:
    long = "https://club.example/book?day=saturday&holes=18"
    text = f"Book: {long}. Or ({long}), or http://a.example!"
    assert links_in(text) == [long, "http://a.example"]
    assert shortened(text, lambda _: "https://f.example/s/abc") == (
        "Book: https://f.example/s/abc. Or (https://f.example/s/abc), or http://a.example!"
    )
