"""MJML into the HTML that is sent. It is compiled when a template is saved, and what was made is what goes out.

Merge tags may stand wherever words or attributes may. Nothing is ever included from files or addresses.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mjml import mjml2html

from app.content.inline import VOID, inline_only
from app.content.liquid import MAX_SOURCE, TemplateProblem
from app.content.masks import Masks
from app.infra.figures import figure

MAX_DEPTH = 100
"""So deep may elements stand in each other: the compiler would end with the whole process at some thousands."""
MAX_CAROUSEL = 20
MAX_CAROUSEL_IMAGES = 60
"""So many images may be in one carousel, and in those of a letter: what is made grows with their square."""
MAX_WORK = 5_000_000
"""So many characters may be written into elements from those around them, and from the head."""
NAMES = """
mjml mj-head mj-body mj-attributes mj-all mj-class mj-breakpoint mj-font mj-html-attributes mj-selector
mj-html-attribute mj-preview mj-style mj-title mj-accordion mj-accordion-element mj-accordion-title
mj-accordion-text mj-button mj-carousel mj-carousel-image mj-column mj-divider mj-group mj-hero mj-image
mj-navbar mj-navbar-link mj-raw mj-section mj-social mj-social-element mj-spacer mj-table mj-text mj-wrapper
"""
ELEMENTS = frozenset(NAMES.split())


_PIECE = re.compile(
    r"<!--.*?-->|<(?P<close>/)?(?P<name>[a-zA-Z][\w:-]*)(?P<rest>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>|<", re.DOTALL
)
# Possessive: whatever is wrong is found in one reading.
_ATTRIBUTES = re.compile(r"(?:\s++|[\w:.@-]++\s*+(?:=\s*+(?:\"[^\"]*+\"|'[^']*+'))?)*+/?\s*", re.DOTALL)
_INLINE = re.compile(
    r"<mj-style\b(?=[^>]*\binline\s*=\s*[\"']inline[\"'])[^>]*>(.*?)</mj-style\s*>", re.DOTALL | re.IGNORECASE
)
_DEFAULTS = ("mj-attributes", "mj-html-attributes")
_POSITION = re.compile(r" in root template(?: at position (\d+):\d+)?$")
_LANGUAGE = re.compile(r'^<!doctype html><html lang="und"', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Open:
    name: str
    line: int


def to_html(source: str) -> str:
    """Return the HTML of a letter in MJML, its merge tags in it, or raise TemplateProblem with the line."""
    if len(source) > MAX_SOURCE:
        raise TemplateProblem(f"This is longer than {figure(MAX_SOURCE)} characters; shorten it.")
    masks = Masks()
    hidden = masks.hide(source)
    check(hidden)
    _check_growth(hidden, masks)
    styles: list[str] = []

    def taken(found: re.Match[str]) -> str:
        styles.append(found[1])
        return ""

    try:
        html: str = mjml2html(_INLINE.sub(taken, hidden), fonts={})
    except ValueError as error:
        raise _problem(str(error), hidden) from None
    if lost := masks.lost("".join([html, *styles])):
        tag = masks.tags[lost[0]]
        line = hidden.count("\n", 0, hidden.find(f"fwtag{lost[0]:06}x")) + 1
        raise TemplateProblem(
            f"{_short(tag)} stands where MJML shows nothing. Put it into an mj-text, or into an mj-raw if it is to "
            "stand between sections.",
            line,
        )
    html = masks.show(_LANGUAGE.sub("<!doctype html><html", html))
    return inline_only(html, masks.show("\n".join(styles))) if styles else html


def check(hidden: str) -> None:
    """Raise TemplateProblem where elements do not close each other, are not MJML's, or stand too deep in each other."""
    if not re.match(r"\s*<mjml\b", hidden):
        raise TemplateProblem("MJML begins with <mjml>.", 1)
    stack: list[_Open] = []
    for name, line, closes, alone in _elements(hidden):
        if name == "mj-include":
            raise TemplateProblem("Nothing can be included; use a snippet.", line)
        if name.startswith("mj") and name not in ELEMENTS:
            raise TemplateProblem(f"There is no element called {name}.", line)
        if closes:
            if not stack:
                raise TemplateProblem(f"</{name}> closes nothing.", line)
            last = stack.pop()
            if last.name != name:
                raise TemplateProblem(f"</{name}> stands where </{last.name}> should (of line {last.line}).", line)
        elif not alone:
            stack.append(_Open(name, line))
            if len(stack) > MAX_DEPTH:
                raise TemplateProblem(f"Elements stand in each other more than {MAX_DEPTH} deep.", line)
    if stack:
        raise TemplateProblem(f"<{stack[-1].name}> is never closed.", stack[-1].line)


def _check_growth(hidden: str, masks: Masks) -> None:
    """Raise TemplateProblem where the compiler would make far more of a letter than was written.

    Attributes in the head are written into every element they are for, those of an element into those in it; a
    carousel has rules for each pair of its images. `hidden` has passed `check`.
    """
    elements = passed_on = images = in_carousel = defaults = start = 0
    sizes: list[int] = []
    for found in _PIECE.finditer(hidden):
        name = (found["name"] or "").lower()
        if name not in ELEMENTS:
            continue
        if found["close"]:
            sizes.pop()
            if name in _DEFAULTS:
                defaults += len(masks.show(hidden[start : found.start()]))
            continue
        elements, passed_on = elements + 1, passed_on + sum(sizes)
        if name == "mj-carousel":
            in_carousel = 0
        elif name == "mj-carousel-image":
            images, in_carousel = images + 1, in_carousel + 1
            if in_carousel > MAX_CAROUSEL or images > MAX_CAROUSEL_IMAGES:
                most = f"{MAX_CAROUSEL} images, and a letter {MAX_CAROUSEL_IMAGES} in all its carousels"
                raise TemplateProblem(f"A carousel holds at most {most}.", _line(hidden, found.start()))
        if not found["rest"].rstrip().endswith("/"):
            sizes.append(len(masks.show(found["rest"])))
            start = found.end() if name in _DEFAULTS else start
        if passed_on > MAX_WORK:
            raise TemplateProblem(f"The elements around this <{name}> are too large.", _line(hidden, found.start()))
    if defaults * elements > MAX_WORK:
        raise TemplateProblem("The mj-attributes are too large for so many elements.", _line(hidden, start))


def _line(hidden: str, place: int) -> int:
    return hidden.count("\n", 0, place) + 1


def _elements(hidden: str) -> Iterator[tuple[str, int, bool, bool]]:
    """Yield (name, line, whether it closes, whether it stands alone) of each element."""
    line, last = 1, 0
    for found in _PIECE.finditer(hidden):
        line += hidden.count("\n", last, found.start())
        last = found.start()
        name, rest = found["name"], found["rest"] or ""
        if name is None:
            if found[0] == "<":
                raise TemplateProblem("A < that begins no element is written &lt; (and a quote must be closed).", line)
            continue
        if not _ATTRIBUTES.fullmatch(rest):
            raise TemplateProblem(f'The attributes of <{name}> must be written name="value".', line)
        yield name.lower(), line, found["close"] is not None, rest.rstrip().endswith("/") or name.lower() in VOID


def _problem(message: str, hidden: str) -> TemplateProblem:
    """Return the compiler's complaint in words, with its line where it tells the place."""
    place = _POSITION.search(message)
    line = None
    if place and place[1]:
        line = hidden.encode()[: int(place[1])].count(b"\n") + 1
    words = _POSITION.sub("", message)
    return TemplateProblem(f"MJML can't be read ({words}).", line)


def _short(tag: str) -> str:
    return tag if len(tag) <= 60 else f"{tag[:57]}…"
