"""Which of a letter's links an address that was followed is, though it was filled in for somebody."""

import pytest

from app.campaigns import heat_map
from app.content.letters import LetterSource
from app.messaging.clicks import Followed


def placed(href: str, url: str) -> bool:
    """Return whether who followed an address followed this link of a letter."""
    letter = LetterSource("Hello", f'<p><a href="{href}">Book</a></p>', None)
    return heat_map.links(letter, [Followed(url, 1, 1, 0)])[0].people == 1


@pytest.mark.parametrize(
    ("href", "url", "is_it"),
    [
        ("https://a.example/b", "https://a.example/b", True),
        ("https://a.example/b", "https://a.example/bc", False),
        ("https://a.example/{{ x }}", "https://a.example/", True),
        ("https://a.example/{{ x }}", "https://a.example/1/2\n3", True),
        ("https://a.example/{{ x }}", "https://b.example/1", False),
        ("https://a.example/{{ x }}/end", "https://a.example/1/end", True),
        ("https://a.example/{{ x }}/end", "https://a.example/end", False),
        ("https://a.example/{{ x }}/end", "https://a.example/1/end?", False),
        ("https://a.example/{{ x }}-{{ y }}-{% if z %}", "https://a.example/1-2-3-4", True),
        ("https://a.example/{{ x }}?b={{ y }}&c={{ z }}", "https://a.example/1?b=?b=&c=&c=", True),
        ("https://a.example/{{ x }}?b={{ y }}&c={{ z }}", "https://a.example/1&c=2?b=3", False),
        ("https://a.example/{{ x }}aba{{ y }}ba", "https://a.example/aba", False),
        ("https://a.example/{{ x }}aba{{ y }}ba", "https://a.example/ababa", True),
        ("https://a.example/(.+){{ x }}", "https://a.example/(.+)1", True),
        ("https://a.example/(.+){{ x }}", "https://a.example/abc", False),
    ],
)
def test_what_was_filled_in_may_be_anything_and_the_rest_stands_in_its_order(href: str, url: str, is_it: bool) -> None:
    assert placed(href.replace("&", "&amp;"), url) is is_it


def test_a_link_with_many_tags_is_told_apart_at_once() -> None:
    href = "https://a.example/" + "{{ x }}a" * 12
    assert placed(href, "https://a.example/" + "a" * 2_000)
    assert not placed(href, "https://a.example/" + "a" * 2_000 + "b")
