"""Snippets put into letters: `{% snippet "footer" %}` stands for the words a club has under that name.

They are put in as text, before a letter is compiled, so that the limits of letters hold for all of it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import text

from app.content.html_text import text_of
from app.content.letters import LetterProblem, LetterSource, problems_of, text_template
from app.content.liquid import MAX_SOURCE, TemplateProblem
from app.infra.db import transaction
from app.infra.figures import figure

MAX_DEPTH = 10
PARTS = ("subject", "html", "text", "preheader")

_TAG = re.compile(r"""\{%-?\s*snippet\s+(?:"([^"\n]*)"|'([^'\n]*)')\s*-?%\}""")
# What can't stand in plain words: a tag, and a line of Liquid that says nothing by itself.
_HTML = re.compile(r"<[a-z/!]", re.IGNORECASE)
_SILENT = re.compile(r"\s*\{%-?\s*(?!snippet\b).*%\}\s*")

# One row a name: the club's own before everybody's, one in use before one in the archive, which messages of an older
# version may still name.
_KNOWN = text("""
    SELECT DISTINCT ON (key) key, html, text, archived_at IS NOT NULL AS archived FROM snippet
    WHERE tenant_id = :tenant_id AND (club_id IS NULL OR club_id = :club_id)
    ORDER BY key, archived_at IS NOT NULL, club_id NULLS LAST, updated_at DESC
""")
_IN_USE = text("SELECT DISTINCT key FROM snippet WHERE tenant_id = :tenant_id AND archived_at IS NULL")
_HOLD = text("""
    SELECT key FROM snippet WHERE tenant_id = :tenant_id AND key = ANY(:keys) AND archived_at IS NULL
    ORDER BY id FOR SHARE
""")


@dataclass(frozen=True, slots=True)
class Words:
    """What a snippet says. Without `text`, a plain-text part gets the words of its HTML."""

    html: str
    text: str | None

    def plain(self) -> str:
        """Return what stands for it in plain text."""
        if self.text is not None:
            return self.text
        found = text_template(self.html)
        return text_of(self.html) if found is None else found


def with_breaks(words: str) -> str:
    """Return plain words as HTML in which their lines stay lines; what is HTML already is returned as it is."""
    if _HTML.search(words):
        return words
    lines = words.rstrip().splitlines()
    return "\n".join([line if _SILENT.fullmatch(line) else f"{line}<br>" for line in lines[:-1]] + lines[-1:])


def without_breaks(html: str) -> str:
    """Return the plain words that `with_breaks` made this HTML of; other HTML is returned as it is."""
    words = html.replace("<br>\n", "\n")
    return words if with_breaks(words) == html else html


def known(*, tenant_id: UUID, club_id: UUID | None) -> dict[str, Words]:
    """Return what each snippet says at a club, by its key; without a club what it says for all clubs."""
    with transaction(tenant_id) as session:
        rows = session.execute(_KNOWN, {"tenant_id": tenant_id, "club_id": club_id}).all()
    return {row.key: Words(row.html, row.text) for row in rows}


def in_use(*, tenant_id: UUID) -> frozenset[str]:
    """Return the keys of the snippets that can be named."""
    with transaction(tenant_id) as session:
        return frozenset(session.scalars(_IN_USE, {"tenant_id": tenant_id}))


def hold(*, tenant_id: UUID, keys: frozenset[str]) -> frozenset[str]:
    """Return those of the snippets that are in use; nobody archives them before the caller's transaction ends."""
    if not keys:
        return frozenset()
    with transaction(tenant_id) as session:
        return frozenset(session.scalars(_HOLD, {"tenant_id": tenant_id, "keys": sorted(keys)}))


def named_in(*parts: str | None) -> frozenset[str]:
    """Return the keys of the snippets that these texts name themselves."""
    return frozenset(_key(found) for part in parts if part for found in _TAG.finditer(part))


def fill(source: LetterSource, known: Mapping[str, Words]) -> LetterSource:
    """Return a letter with its snippets in it; one that nobody knows says nothing.

    Raise LetterProblem where they stand in each other without end, or come to more than a letter may be.
    """
    if not named_in(source.subject, source.html, source.text, source.preheader):
        return source

    def plain(key: str) -> str:
        return known[key].plain() if key in known else ""

    return replace(
        source,
        subject=_filled("subject", source.subject, plain),
        html=source.html and _filled("html", source.html, lambda key: known[key].html if key in known else ""),
        text=source.text and _filled("text", source.text, plain),
        preheader=source.preheader and _filled("preheader", source.preheader, plain),
    )


def problems(source: LetterSource, known: Mapping[str, Words], in_use: frozenset[str]) -> dict[str, str]:
    """Return what is wrong with a letter by part, itself and with its snippets in it; empty when nothing is."""
    found: dict[str, str] = {}
    for part in PARTS:
        for line, key in _named(getattr(source, part) or ""):
            if key not in in_use:
                found.setdefault(part, f"Line {line}: There is no snippet called {key!r}.")
    # The letter by itself first: its lines are those its author sees.
    found = problems_of(_without(source)) | found
    if found:
        return found
    try:
        filled = fill(source, known)
    except LetterProblem as problem:
        return {problem.part: problem.message}
    if filled is source:
        return {}
    return {part: f"With its snippets in it: {why}" for part, why in problems_of(filled).items()}


def _without(source: LetterSource) -> LetterSource:
    return replace(
        source,
        subject=_TAG.sub("", source.subject),
        html=source.html and _TAG.sub("", source.html),
        text=source.text and _TAG.sub("", source.text),
        preheader=source.preheader and _TAG.sub("", source.preheader),
    )


def _named(text: str) -> Iterator[tuple[int, str]]:
    for found in _TAG.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, _key(found)


def _filled(part: str, text: str, said: Callable[[str], str]) -> str:
    room = MAX_SOURCE

    def put_in(text: str, depth: int) -> str:
        nonlocal room
        if depth > MAX_DEPTH:
            raise LetterProblem(part, TemplateProblem("The snippets of this stand in each other without end."))
        # What is read counts, not what is made of it: tags alone would be nothing, however many.
        room -= len(text)
        if room < 0:
            raise LetterProblem(
                part, TemplateProblem(f"With its snippets in it this is longer than {figure(MAX_SOURCE)} characters.")
            )
        pieces: list[str] = []
        last = 0
        for found in _TAG.finditer(text):
            pieces += [text[last : found.start()], put_in(said(_key(found)), depth + 1)]
            last = found.end()
        return "".join([*pieces, text[last:]])

    return put_in(text, 0)


def _key(found: re.Match[str]) -> str:
    return found[1] if found[1] is not None else found[2]
