"""Letters: the parts of a mail, made for one reader by the function that previews and sends."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from app.content.html_text import text_of
from app.content.letters import (
    LetterCache,
    LetterProblem,
    LetterSource,
    RenderedLetter,
    compile_letter,
    problems_of,
    render_letter,
    text_template,
)
from app.content.liquid import compile_source
from app.content.merge_tags import CUSTOMER_FIELDS, MERGE_TAGS, letter_values
from app.content.preview import MADE_UP

WAY_OUT = "https://club.example/u/token"


def rendered(source: LetterSource, *, marketing: bool = True, context: Any = None, **customer: Any) -> RenderedLetter:
    values = letter_values(
        customer=dict.fromkeys(CUSTOMER_FIELDS) | customer,
        club_name="Table Bay",
        tenant_name="Two Oceans",
        context=context or {},
        unsubscribe_url=WAY_OUT if marketing else None,
    )
    return render_letter(compile_letter(source), values)


def test_a_subject_is_one_line() -> None:
    letter = rendered(
        LetterSource("Hi {{ customer.first_name }}\r\nBcc: x@evil.example", None, "x"), first_name="A\r\nB\x00C\u2028D"
    )
    assert letter.subject == "Hi A B C D Bcc: x@evil.example"


def test_marketing_gets_a_way_out_in_both_parts_unless_its_author_placed_one() -> None:
    letter = rendered(LetterSource("s", "<body><p>Hello</p></body>", "Hello"))
    assert letter.html is not None
    assert letter.html.count(WAY_OUT) == 1
    assert letter.html.endswith("</body>")
    assert letter.text.endswith(
        f"agreed to hear from Table Bay, which is why you receive this.\nUnsubscribe: {WAY_OUT}\n"
    )
    own = rendered(
        LetterSource("s", '<a href="{{ unsubscribe_url }}">No more</a>', "Stop: {{ unsubscribe_url }}"), marketing=True
    )
    assert own.html == f'<a href="{WAY_OUT}">No more</a>'
    assert own.text == f"Stop: {WAY_OUT}"


def test_transactional_letters_have_none() -> None:
    letter = rendered(LetterSource("s", "<p>Hello</p>", None), marketing=False)
    assert letter.html == "<p>Hello</p>"
    assert letter.text == "Hello"


def test_the_text_part_is_made_from_the_html() -> None:
    html = """<html><head><title>x</title><style>p{}</style></head><body><h1>Dear {{ customer.first_name }}</h1>
    <p>Book <a href="https://club.example/{{ customer.membership_tier }}">a   tee
    time</a>.</p>{% if customer.phone %}<p>We ring {{ customer.phone }}</p>{% endif %}
    <ul><li>one</li><li>two</li></ul><a href="{{ unsubscribe_url }}">Leave</a></body></html>"""
    letter = rendered(LetterSource("s", html, None), first_name="Zoë & <Co>", membership_tier="gold")
    assert letter.text == (
        f"Dear Zoë & <Co>\n\nBook a tee time (https://club.example/gold).\n\n- one\n- two\n\nLeave ({WAY_OUT})"
    )


@pytest.mark.parametrize(
    "html",
    [
        "<p>{{ customer.first_name | newline_to_br }}</p>",
        "<p>{% assign x = '<b>bold</b>' %}{{ x }}</p>",
        "{% if true %}<p>a</p>{% else %}<style>{% endif %}p{}",
    ],
)
def test_where_tags_make_markup_the_words_are_read_off_the_result(html: str) -> None:
    letter = rendered(LetterSource("s", html, None), marketing=False, first_name="Ann\nB")
    assert "<br" not in letter.text
    assert text_template("<p>{{ x | newline_to_br }}</p>") is None


def test_text_of_html() -> None:
    html = '<p>A&nbsp;&amp; B<br>C</p><script>x</script><hr><table><tr><td>1<td>2</table><a href="#">d</a><img alt="e">'
    assert text_of(html) == "A & B\nC\n\n---\n\n1 2\n\nde"


def test_values_of_the_event_the_club_and_the_operator_can_be_named() -> None:
    letter = rendered(
        LetterSource("{{ event.tier }}", None, "{{ club.name }} {{ tenant.name }} {{ customer.handicap_index }}"),
        context={"event": {"tier": "Gold"}},
        handicap_index=Decimal("14.2"),
    )
    assert letter.subject == "Gold"
    assert letter.text.startswith("Table Bay Two Oceans 14.2")


def test_every_merge_tag_can_be_read_and_names_something_that_exists() -> None:
    reachable = letter_values(
        customer=None,
        club_name=None,
        tenant_name="Two Oceans",
        context={},
        unsubscribe_url="https://example.com/u",
        preferences_url="https://example.com/p",
    )
    for entry in MERGE_TAGS:
        template = compile_source(entry.tag, html=True)
        [path] = template.variable_paths()
        root, _, field = path.partition(".")
        assert root in reachable
        if root == "customer":
            assert field in CUSTOMER_FIELDS
    assert set(MADE_UP) == set(CUSTOMER_FIELDS)


def test_problems_name_their_part() -> None:
    wrong = LetterSource("{{ x", "<p>{% frob %}</p>", "{{ x | shout }}")
    assert problems_of(wrong).keys() == {"subject", "html", "text"}
    assert problems_of(LetterSource("s", None, None)) == {}
    with pytest.raises(LetterProblem) as caught:
        rendered(LetterSource("s", None, "{{ 1 | divided_by: 0 }}"))
    assert caught.value.part == "text"


def test_compiled_letters_are_kept_by_version_and_the_oldest_goes_first() -> None:
    cache, tenant, one, two = LetterCache(2), uuid4(), uuid4(), uuid4()
    loads: list[str] = []

    def load(name: str) -> Any:
        return lambda: loads.append(name) or LetterSource(name, None, "x")

    cache.get((tenant, one, 1), load("one"))
    cache.get((tenant, one, 1), load("again"))
    cache.get((tenant, one, 2), load("changed"))
    cache.get((uuid4(), two, 1), load("of another"))
    cache.get((tenant, one, 2), load("still there"))
    cache.get((tenant, one, 1), load("gone"))
    assert loads == ["one", "changed", "of another", "gone"]


@pytest.mark.parametrize(
    "html",
    [
        "<a b='" * 80_000,
        "<!--" * 90_000,
        "<![CDATA[" * 50_000,
        "<script></" * 45_000,
        "&" * 400_000,
        "</a " * 90_000,
        "<td>" * 90_000,
        "<a " + "/ " * 150_000 + ">",
        "<a " + " " * 400_000 + ">",
    ],
)
def test_markup_that_is_never_closed_is_read_once(html: str) -> None:
    assert "<" not in text_of(html)


def test_words_are_read_from_markup_as_it_is_met() -> None:
    assert text_of("5 < 6 &amp 7 &lt; 8<![x]> &#" + "1" * 5_000 + "; &#0000000065;") == "5 < 6 & 7 < 8 \ufffd A"
    assert text_of("<A title='>' class HREF = http://x.example/?a=1&amp;b=2>w</A\n>") == "w (http://x.example/?a=1&b=2)"
    assert text_of("<script>if (a<b) '</p>'</script >a<br/>b<!--[if mso]><p>no</p><![endif]-->") == "a\nb"
    assert text_of("a<p title='b>c</p>") == "a"
