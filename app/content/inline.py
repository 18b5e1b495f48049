"""CSS written into the elements it is for, since many mail programs read no style sheets."""

import re

import css_inline

from app.content.liquid import TemplateProblem
from app.content.masks import MARK, Masks

MAX_DEPTH = 1_000
"""Deeper letters are left as they are: the inliner would end with the whole process at some thousands."""
MAX_WORK = 20_000_000
"""So many rules may be held against so many elements."""

_STYLE = re.compile(r"<style\b", re.IGNORECASE)
# What is no words of the letter: comments, what a style sheet or a title holds, tags. What is never closed goes to the
# end, so that no place is read twice.
_PIECES = re.compile(
    rf"""(?P<words>{MARK})|<!--.*?(?:-->|\Z)|<(?P<raw>style|script|title|textarea)\b.*?(?:</(?P=raw)\s*>|\Z)"""
    r"""|<(?P<close>/?)(?P<name>[a-zA-Z][\w:-]*)(?:[^<>"']|"[^"]*"|'[^']*')*>""",
    re.DOTALL | re.IGNORECASE,
)
VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)


def inline_all(html: str) -> str:
    """Return a letter with the rules of its style sheets written into its elements; the sheets stay.

    One without style sheets comes back as it is, and so does one whose style sheets can't be read.
    """
    if not _STYLE.search(html):
        return html
    try:
        return _inlined(html, html.count("{"))
    except TemplateProblem:
        return html


def inline_only(html: str, css: str) -> str:
    """Return a letter with the rules of `css` written into its elements, or raise TemplateProblem."""
    return _inlined(html, css.count("{"), css)


def _inlined(html: str, rules: int, css: str | None = None) -> str:
    masks = Masks()
    marked, deepest, elements = _marked(masks.hide(html))
    if deepest > MAX_DEPTH or rules * elements > MAX_WORK:
        raise TemplateProblem("There is too much here to write the style sheet into it.")
    # Nothing is fetched or read, whatever a letter links to.
    inliner = css_inline.CSSInliner(
        inline_style_tags=css is None,
        keep_style_tags=True,
        keep_link_tags=True,
        load_remote_stylesheets=False,
        extra_css=css,
    )
    try:
        return masks.show(inliner.inline(marked))
    except css_inline.InlineError as error:
        raise TemplateProblem(f"The style sheet can't be read ({error}).") from None


def _marked(hidden: str) -> tuple[str, int, int]:
    """Return the letter with the marks among its words as comments, how deep it is, and how many elements it has.

    Comments may stand where words may not: between the rows of a table. Marks in attributes and style sheets stay.
    """
    depth = deepest = elements = 0

    def piece(found: re.Match[str]) -> str:
        nonlocal depth, deepest, elements
        if found["words"]:
            return f"<!--{found[0]}-->"
        if found["name"] and found["name"].lower() not in VOID:
            depth = max(0, depth - 1) if found["close"] else depth + 1
            deepest, elements = max(depth, deepest), elements + 1
        return found[0]

    return _PIECES.sub(piece, hidden), deepest, elements
