"""Rendering: one function makes the letter that is previewed, tested and sent."""

import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from markupsafe import escape

from app.content import quick
from app.content.html_text import TAG_MARK, text_of
from app.content.inline import inline_all
from app.content.liquid import MAX_OUTPUT, MeteredTemplate, TemplateProblem, compile_source, render
from app.content.masks import TAG, Masks

MAX_SUBJECT = 500
CACHED_LETTERS = 500

_LINE_BREAKS = re.compile(r"[\r\n\x00-\x1f\x7f\u2028\u2029]+")
_NAMES_UNSUBSCRIBE = re.compile(r"\bunsubscribe_url\b")
_NAMES_PREFERENCES = re.compile(r"\bpreferences_url\b")
_MAKES_MARKUP = re.compile(r"[<&]|newline_to_br|escape|\braw\b|\bcomment\b|\bliquid\b|\bcapture\b")
_BLANK_LINES = re.compile(r"\n{3,}")
_BODY_BEGIN = re.compile(r"<body\b(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>", re.IGNORECASE)
# What follows the words keeps a mailbox from showing the letter's own beginning after them.
_PREHEADER = (
    '<div style="display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;mso-hide:all;font-size:1px;'
    'line-height:1px">{}' + "&#8199;&#847;&zwnj;" * 40 + "</div>"
)
# No full stop comes after the name: that may end with one ("e.V.", "Ltd.").
_REASON = "You agreed to hear from {}, which is why you receive this.\n"
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)


class LetterProblem(TemplateProblem):
    """A part of a letter cannot be read or rendered; `part` is subject, html, text or preheader."""

    def __init__(self, part: str, problem: TemplateProblem) -> None:
        super().__init__(problem.message, problem.line)
        self.part = part


@dataclass(frozen=True, slots=True)
class LetterSource:
    """A letter as its author wrote it. At least one of `html` and `text` has words in it.

    `inlined`: its style sheets are for those who read them, and nothing of them is to be written into its elements.
    `bare`: no links are put at its end. `parameters` are what else a channel needs filled in, by name.
    """

    subject: str
    html: str | None
    text: str | None
    preheader: str | None = None
    inlined: bool = False
    bare: bool = False
    parameters: tuple[tuple[str, str], ...] = ()

    def called(self, subject: str | None) -> "LetterSource":
        """Return the letter with another subject, if there is one."""
        return self if subject is None else replace(self, subject=subject)


@dataclass(frozen=True, slots=True)
class Letter:
    """A compiled letter. `text` is None where the words must be read off each rendered HTML.

    The flags tell whether the author placed the unsubscribe link, or that to the preferences, in that part.
    """

    subject: MeteredTemplate
    html: MeteredTemplate | None
    text: MeteredTemplate | None
    html_links_out: bool
    text_links_out: bool
    html_links_choice: bool
    text_links_choice: bool
    stencils: Mapping[tuple[bool, bool], quick.Stencil]
    """The HTML with its footer, by whether that brings the unsubscribe link and that to the preferences.

    Empty where only Liquid can render it.
    """
    parameters: tuple[tuple[str, MeteredTemplate], ...] = ()


@dataclass(slots=True)
class RenderedLetter:
    """A letter for one reader: the subject is one line; `text` is never empty unless the letter is.

    `body` is its HTML, which need not be put together yet.
    """

    subject: str
    body: str | quick.Filled | None
    text: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def html(self) -> str | None:
        """Return the HTML, if there is any."""
        return None if self.body is None else str(self.body)


def compile_letter(source: LetterSource) -> Letter:
    """Return `source` compiled, or raise LetterProblem naming the part and line that cannot be read."""
    html = source.html if source.html and source.html.strip() else None
    text = source.text if source.text and source.text.strip() else None
    compiled_html = None if html is None else _compile("html", _sent(html, source), html=True)
    compiled_text = None if text is None else _compile("text", text, html=False)
    if html is not None and text is None:
        text = text_template(html)
        compiled_text = None if text is None else _compile_quietly(text)
    return Letter(
        subject=_compile("subject", source.subject, html=False),
        html=compiled_html,
        text=compiled_text,
        html_links_out=source.bare or bool(html and _NAMES_UNSUBSCRIBE.search(html)),
        text_links_out=source.bare or bool(text and _NAMES_UNSUBSCRIBE.search(text)),
        html_links_choice=source.bare or bool(html and _NAMES_PREFERENCES.search(html)),
        text_links_choice=source.bare or bool(text and _NAMES_PREFERENCES.search(text)),
        parameters=tuple((name, _compile(name, said, html=False)) for name, said in source.parameters),
        stencils={} if compiled_html is None else _stencils(compiled_html),
    )


def _sent(html: str, source: LetterSource) -> str:
    """Return the HTML as it goes out: style sheets written into its elements, and the preheader before all else."""
    html = html if source.inlined else inline_all(html)
    if not source.preheader:
        return html
    masks = Masks()
    try:
        words = masks.show(str(escape(masks.hide(source.preheader))))
    except TemplateProblem as problem:
        raise LetterProblem("preheader", problem) from None
    begin = _BODY_BEGIN.search(html)
    place = begin.end() if begin else 0
    return f"{html[:place]}{_PREHEADER.format(words)}{html[place:]}"


def text_template(html: str) -> str | None:
    """Return a plain-text template with the words and tags of `html`, or None where a tag itself makes markup.

    Reading the words off the template once spares reading them off every rendered letter.
    """
    tags = TAG.findall(html)
    if any(_MAKES_MARKUP.search(tag) for tag in tags) or TAG_MARK in html:
        return None
    numbers = iter(range(len(tags)))
    marked = TAG.sub(lambda _: f"{TAG_MARK}{next(numbers)}{TAG_MARK}", html)
    return re.sub(f"{TAG_MARK}(\\d+){TAG_MARK}", lambda found: tags[int(found[1])], text_of(marked))


def problems_of(source: LetterSource) -> dict[str, str]:
    """Return what is wrong with `source` by part, with the line; empty when nothing is."""
    problems: dict[str, str] = {}
    for part, text, html in (
        ("subject", source.subject, False),
        ("html", source.html or "", True),
        ("text", source.text or "", False),
        ("preheader", source.preheader or "", False),
        *((name, said, False) for name, said in source.parameters),
    ):
        try:
            _compile(part, text, html=html)
        except LetterProblem as problem:
            problems[part] = str(problem)
    return problems


def render_letter(letter: Letter, values: Mapping[str, Any]) -> RenderedLetter:
    """Return the letter for one reader, or raise LetterProblem.

    A letter whose values hold an `unsubscribe_url` (that is: marketing) or a `preferences_url` (that is: to a
    customer) gets a footer with those of them that its author placed nowhere, in each part. A text part is made from
    the HTML when there is none.
    """
    subject = one_line(_render("subject", letter.subject, values))[:MAX_SUBJECT]
    out, choice = values.get("unsubscribe_url"), values.get("preferences_url")
    body = None if letter.html is None else _body(letter, values, out, choice)
    if letter.text is None:
        return RenderedLetter(subject, body, "" if body is None else text_of(str(body)))
    text = _render("text", letter.text, values).strip()
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    links = _missing(out, choice, letter.text_links_out, letter.text_links_choice)
    if links:
        listed = "\n".join(f"{label}: {url}" for label, url in links)
        text = f"{text}\n\n-- \n{_reason(values, out)}{listed}\n"
    if not letter.parameters:
        return RenderedLetter(subject, body, text)
    filled = {name: _render(name, template, values) for name, template in letter.parameters}
    return RenderedLetter(subject, body, text, filled)


def _body(letter: Letter, values: Mapping[str, Any], out: str | None, choice: str | None) -> str | quick.Filled:
    wants = bool(out and not letter.html_links_out), bool(choice and not letter.html_links_choice)
    filled = quick.fill(letter.stencils[wants], values, html=True) if letter.stencils else None
    if filled is not None and sum(map(len, filled.words)) + filled.stencil.size <= MAX_OUTPUT // 4:
        return filled
    assert letter.html is not None
    html = _render("html", letter.html, values)
    links = _missing(out, choice, letter.html_links_out, letter.html_links_choice)
    return before_body_end(html, _footer(_reason(values, out), links)) if links else html


def one_line(text: str) -> str:
    """Return `text` with line breaks and control characters turned into single spaces, for a header."""
    return text.strip() if text.isprintable() else _LINE_BREAKS.sub(" ", text).strip()


def before_body_end(html: str, addition: str) -> str:
    """Return `html` with `addition` at the end of its body, or of the whole if it names none."""
    end = html.rfind("</body>")
    if end < 0:
        found = list(_BODY_END.finditer(html))
        end = found[-1].start() if found else len(html)
    return html[:end] + addition + html[end:]


def _stencils(html: MeteredTemplate) -> dict[tuple[bool, bool], quick.Stencil]:
    """Return the HTML with each of the footers it may need, where all of it can be filled in the short way."""
    if html.parts is None:
        return {}
    found = {(False, False): quick.Stencil(html.parts)}
    for out, choice in ((True, False), (False, True), (True, True)):
        links = [("Unsubscribe", "{{ unsubscribe_url }}")] if out else []
        links += [("Choose what you receive", "{{ preferences_url }}")] if choice else []
        reason = _REASON.format("{{ club.name }}") if out else ""
        footer = compile_source(_footer(reason, links), html=True).parts
        assert footer is not None
        found[out, choice] = quick.Stencil(_before_body_end(html.parts, footer))
    return found


def _before_body_end(parts: tuple[quick.Part, ...], addition: tuple[quick.Part, ...]) -> tuple[quick.Part, ...]:
    """Return `parts` with `addition` where before_body_end puts it: no value can have an end tag in it."""
    texts = [(number, part) for number, part in enumerate(parts) if type(part) is str]
    for number, text in reversed(texts):
        if (end := text.rfind("</body>")) >= 0:
            return (*parts[:number], text[:end], *addition, text[end:], *parts[number + 1 :])
    for number, text in reversed(texts):
        if ends := list(_BODY_END.finditer(text)):
            end = ends[-1].start()
            return (*parts[:number], text[:end], *addition, text[end:], *parts[number + 1 :])
    return (*parts, *addition)


class LetterCache:
    """Compiled letters, the least recently used thrown out first; safe for threads."""

    def __init__(self, size: int = CACHED_LETTERS) -> None:
        self._size = size
        self._letters: OrderedDict[Hashable, Letter] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, load: Callable[[], LetterSource]) -> Letter:
        """Return the compiled letter that `key` names, calling `load` for its source on first use."""
        with self._lock:
            known = self._letters.get(key)
            if known is not None:
                self._letters.move_to_end(key)
                return known
        letter = compile_letter(load())
        with self._lock:
            self._letters[key] = letter
            while len(self._letters) > self._size:
                self._letters.popitem(last=False)
        return letter


def _compile(part: str, text: str, *, html: bool) -> MeteredTemplate:
    try:
        return compile_source(text, html=html)
    except TemplateProblem as problem:
        raise LetterProblem(part, problem) from None


def _compile_quietly(text: str) -> MeteredTemplate | None:
    try:
        return compile_source(text, html=False)
    except TemplateProblem:
        # A tag stood half inside markup that has no words, so only the rendered HTML can be read.
        return None


def _render(part: str, template: MeteredTemplate, values: Mapping[str, Any]) -> str:
    try:
        return render(template, values)
    except TemplateProblem as problem:
        raise LetterProblem(part, problem) from None


def _missing(out: str | None, choice: str | None, links_out: bool, links_choice: bool) -> list[tuple[str, str]]:
    """Return (label, address) of the links a footer must bring."""
    links = [("Unsubscribe", out)] if out and not links_out else []
    if choice and not links_choice:
        links.append(("Choose what you receive", choice))
    return links


def _reason(values: Mapping[str, Any], out: str | None) -> str:
    return _REASON.format(values["club"]["name"]) if out else ""


def _footer(reason: str, links: list[tuple[str, str]]) -> str:
    anchors = " · ".join(f'<a href="{escape(url)}" style="color:#667085">{label}</a>' for label, url in links)
    return (
        '<p style="margin:32px 0 0;padding:12px 0;font:12px/1.5 sans-serif;color:#667085;text-align:center">'
        f"{escape(reason)}{anchors}</p>"
    )
