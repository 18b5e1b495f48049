"""The short way writes what Liquid writes, or leaves it to Liquid."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.content import quick
from app.content.liquid import compile_source, render

WORDS = st.text(st.sampled_from("aB <>&\"'\n{é🏌"), max_size=8)
NAMES = st.sampled_from(["customer", "club", "event", "name", "a", "size", "now", "unsubscribe_url"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(".".join)
LITERALS = st.text(st.sampled_from("ab <>&"), max_size=5)
TAGS = st.one_of(
    PATHS.map("{{{{ {} }}}}".format),
    st.tuples(PATHS, LITERALS).map(lambda pair: "{{ " + pair[0] + ' | default: "' + pair[1] + '" }}'),
)
TEXT = WORDS.filter(lambda text: "{" not in text)
SOURCES = st.lists(st.one_of(TEXT, TAGS), max_size=8).map("".join)
LEAVES = st.one_of(
    WORDS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.just([]),
    st.just({}),
    st.just(["a", "<b>"]),
    st.just(Decimal("1.5")),
    st.just(date(2026, 11, 20)),
)
VALUES = st.dictionaries(NAMES, st.one_of(LEAVES, st.dictionaries(NAMES, LEAVES)))


@given(SOURCES, VALUES, st.booleans())
def test_it_writes_what_liquid_writes(source: str, values: dict[str, Any], html: bool) -> None:
    template = compile_source(source, html=html)
    if template.parts is None:
        return
    short = quick.put_together(template.parts, values, html=html)
    if short is not None:
        assert short == template.render(values)


def test_a_usual_letter_goes_the_short_way() -> None:
    source = 'Dear {{ customer.first_name | default: "member" }} of {{ club.name }}, {{ event.tier }}'
    template = compile_source(source, html=True)
    assert template.parts is not None
    values = {"customer": {"first_name": "<Ann>"}, "club": {"name": "Bay"}}
    assert quick.put_together(template.parts, values, html=True) == "Dear &lt;Ann&gt; of Bay, "


@pytest.mark.parametrize(
    "source",
    [
        "{% if a %}b{% endif %}",
        "{{ a | upcase }}",
        "{{ a | default: b }}",
        "{{ a | default: 'x', allow_false: true }}",
        "{{ a.size }}",
        "{{ a[b] }}",
        "{{ a[0] }}",
        "{{ 'words' }}",
        "{{ now }}",
    ],
)
def test_anything_else_is_left_to_liquid(source: str) -> None:
    assert compile_source(source, html=False).parts is None


def test_a_value_that_is_too_long_is_refused_either_way() -> None:
    from app.content.liquid import MAX_OUTPUT, TemplateProblem

    with pytest.raises(TemplateProblem):
        render(compile_source("{{ a }}", html=False), {"a": "x" * (MAX_OUTPUT + 1)})
    assert len(render(compile_source("{{ a }}", html=False), {"a": "x" * (MAX_OUTPUT // 2)})) == MAX_OUTPUT // 2
