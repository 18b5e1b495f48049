"""Liquid for tenants: what it can do, what it refuses, and that no template can hold up a worker."""

from datetime import date, datetime

import pytest

from app.content.liquid import PLAIN, TemplateProblem, compile_source, render

LONG = "{% assign a = 'xxxxxxxxxx' %}" + "{% assign a = a | append: a %}" * 13


def put_out(source: str, *, html: bool = False, **values: object) -> str:
    return render(compile_source(source, html=html), values)


def test_missing_values_are_empty_and_can_have_a_default() -> None:
    assert put_out("[{{ a }}{{ a.b.c }}{{ a | upcase }}]") == "[]"
    assert put_out("{{ customer.first_name | default: 'there' }}", customer={"first_name": None}) == "there"
    assert put_out("{{ n | default: 3 }}", n=0) == "0"


def test_values_are_escaped_in_html_and_nowhere_else() -> None:
    assert put_out("<b>{{ n }}</b>", html=True, n="<i>&\"'") == "<b>&lt;i&gt;&amp;&#34;&#39;</b>"
    assert put_out("<b>{{ n }}</b>", n="<i>") == "<b><i></b>"
    assert put_out("{{ n | upcase | append: '<br>' }}", html=True, n="<i>") == "&lt;I&gt;<br>"


@pytest.mark.parametrize("name", sorted(PLAIN.filters))
def test_no_filter_lets_markup_out_of_a_value(name: str) -> None:
    for value in ("<img>", "%3Cimg%3E", "PGltZz4=", "&lt;img&gt;", "<<b>img>", ["<img>"], [{"a": "<img>"}]):
        for argument in ("", ": 'a'", ": 'a', 'b'", ": n", ": 2"):
            try:
                out = put_out("{{ n | " + name + argument + " }}", html=True, n=value)
            except TemplateProblem:
                continue
            assert "<img" not in out, (name, value, argument)


def test_a_value_is_never_read_as_a_template() -> None:
    assert put_out("{{ n }}", n="{{ 7 | times: 7 }}") == "{{ 7 | times: 7 }}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ d | date: '%-d %B %Y' }}", "17 May 1980"),
        ("{{ t | date: '%H:%M' }}", "09:30"),
        ("{{ '2026-03-01' | date: '%d/%m' }}", "01/03"),
        ("{{ 'not a date' | date: '%d' }}", "not a date"),
        ("{{ nothing | date: '%d' }}", ""),
        ("{% for tag in tags %}{{ tag }}{% unless forloop.last %}, {% endunless %}{% endfor %}", "a, b"),
        ("{% if n > 3 and tags contains 'a' %}yes{% else %}no{% endif %}", "yes"),
    ],
)
def test_what_letters_need_works(source: str, expected: str) -> None:
    moment = datetime.fromisoformat("2026-11-20T09:30:00+00:00")
    assert put_out(source, d=date(1980, 5, 17), t=moment, tags=["a", "b"], n=5) == expected


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("a\n{{ x | shout }}", "There is no filter called 'shout'.", 2),
        ("a\n\n{% frob %}", "There is no tag called 'frob'.", 3),
        ("a\nb {{ x | upcase", "Expected '}}', found end of file", 2),
        ("{{ x | safe }}", "There is no filter called 'safe'.", 1),
        ("{% include 'secret' %}", "There is no tag called 'include'.", 1),
        ("{% render 'secret' %}", "There is no tag called 'render'.", 1),
        ("{% extends 'secret' %}", "There is no tag called 'extends'.", 1),
        ("{% if x %}", "Expected tag endif", None),
        ("x" * 500_001, "longer than 500,000", None),
        ("{{ a }}" * 6_000, "too many tags", None),
    ],
)
def test_mistakes_are_named_when_it_is_saved(source: str, message: str, line: int | None) -> None:
    with pytest.raises(TemplateProblem) as caught:
        compile_source(source, html=True)
    assert message in caught.value.message
    assert caught.value.line == line


BOMBS = {
    "one long loop": "{% for i in (1..30000000) %}x{% endfor %}",
    "nested loops": "{% for i in (1..3000) %}{% for j in (1..3000) %}x{% endfor %}{% endfor %}",
    "many loops": "{% for i in (1..9000) %}x{% endfor %}" * 50,
    "a loop over much": "{% for i in (1..9000) %}" + "{% if true %}{% endif %}" * 3_000 + "{% endfor %}",
    "a table": "{% tablerow i in (1..3000000) cols: 2 %}x{% endtablerow %}",
    "doubling": "{% assign a = 'xxxxxxxxxx' %}" + "{% assign a = a | append: a %}" * 40,
    "replacing nothing by much": LONG + "{{ a | replace: '', a }}",
    "joining by much": LONG + "{% assign b = 'a,b,c,d,e,f,g,h,i' | split: ',' %}{{ b | join: a }}",
    "a list of a billion": "{{ (1..1000000000) | join: '' | size }}",
    "a range beyond numbers": "{{ (1..99999999999999999999999) | size }}",
    "reversing a range": "{% assign r = (1..1000000000) | reverse %}",
    "searching a range": "{% if (1..1000000000) contains 'x' %}y{% endif %}",
    "searching a kept range": "{% assign r = (1..1000000000) %}{% if r contains 'x' %}y{% endif %}",
    "capturing": "{% capture a %}" + "y" * 400_000 + "{% endcapture %}{{ a }}{{ a }}",
    "filters in a loop": LONG + "{% for i in (1..400) %}{% assign b = a | upcase | url_encode | escape %}{% endfor %}",
    "a tower of conditions": "{% if " + " and ".join(["x == 1"] * 30_000) + " %}{% endif %}",
    "deep blocks": "{% if true %}" * 200 + "{% endif %}" * 200,
    "huge numbers": "{% assign n = 99999999999999999999 %}" + "{% assign n = n | times: n %}" * 40 + "{{ n }}",
    "much output": LONG + "{{ a }}" * 500,
    "a long date format": "{{ 'now' | date: '" + "%A" * 200 + "' }}",
    "a number that is none": "{{ '1e999999999' | floor }}",
    "by zero": "{{ 1 | divided_by: 0 }}",
    "broken base64": "{{ 'z' | base64_decode }}",
}


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused(source: str) -> None:
    with pytest.raises(TemplateProblem):
        put_out(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ customer.__class__ }}",
        "{{ customer['__class__'] }}",
        "{{ customer.first_name.__class__.__mro__ }}",
        "{{ env }}{{ config }}{{ settings }}{{ request }}{{ self }}{{ template }}",
        "{{ customer.keys }}{{ customer.items }}",
    ],
)
def test_nothing_is_reachable_but_the_values(source: str) -> None:
    assert put_out(source, customer={"first_name": "Ann"}) == ""
