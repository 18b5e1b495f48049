"""A letter as one customer would get it, before it is sent: rendered by what sends."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from app.content import mjml, queries, snippets
from app.content.letters import (
    LetterProblem,
    LetterSource,
    RenderedLetter,
    compile_letter,
    render_letter,
)
from app.content.liquid import TemplateProblem
from app.content.merge_tags import letter_values

COMPILED = ("visual", "mjml")
"""The ways of writing whose MJML is made into the HTML."""
PREVIEW_UNSUBSCRIBE = "https://example.com/unsubscribe"
PREVIEW_PREFERENCES = "https://example.com/preferences"

_AROUND = ('<html><body style="margin:0;padding:24px;font:16px/1.6 sans-serif;color:#1d2939">', "</body></html>")

# Shown where no customer is chosen, so that a new installation has something to look at.
MADE_UP = {
    "title": "Ms",
    "first_name": "Alex",
    "last_name": "Example",
    "email": "alex@example.com",
    "phone": "+27821234567",
    "date_of_birth": date(1980, 5, 17),
    "membership_tier": "Gold",
    "membership_status": "ACTIVE",
    "joined_on": date(2019, 3, 1),
    "handicap_index": "14.2",
    "lifecycle_stage": "MEMBER",
    "tags": ["early-bird"],
    "custom": {},
}


def preview(
    *, tenant_id: UUID, tenant_name: str, source: LetterSource, customer_id: UUID | None = None
) -> tuple[RenderedLetter | None, dict[str, str]]:
    """Return the letter as the customer (or a made-up one) would get it, or None and the problems by part.

    It is rendered by the function that renders what is sent.
    """
    values, club_id = reader_values(tenant_id=tenant_id, tenant_name=tenant_name, customer_id=customer_id)
    known = snippets.known(tenant_id=tenant_id, club_id=club_id)
    problems = snippets.problems(source, known, snippets.in_use(tenant_id=tenant_id) | known.keys())
    if problems:
        return None, problems
    try:
        return render_letter(compile_letter(snippets.fill(source, known)), values), {}
    except LetterProblem as problem:
        return None, {problem.part: str(problem)}


def reader_values(*, tenant_id: UUID, tenant_name: str, customer_id: UUID | None) -> tuple[dict[str, Any], UUID | None]:
    """Return what a letter that is only looked at, or tried, is filled in with, and the club of its reader: those of
    the customer, or of a made-up one who has none."""
    customer = queries.sample_customer(tenant_id=tenant_id, customer_id=customer_id) if customer_id else None
    values = letter_values(
        customer=customer or MADE_UP,
        club_name=customer["club_name"] if customer else None,
        tenant_name=tenant_name,
        context={},
        unsubscribe_url=PREVIEW_UNSUBSCRIBE,
        preferences_url=PREVIEW_PREFERENCES,
    )
    return values, customer["club_id"] if customer else None


def of_content(
    *,
    tenant_id: UUID,
    tenant_name: str,
    content: Mapping[str, Any],
    customer_id: UUID | None = None,
    channel: str = "EMAIL",
) -> tuple[RenderedLetter | None, dict[str, str]]:
    """Return the letter that `content` (the names of `queries.CONTENT`) would be, as `preview` does, saved or not."""
    try:
        said = settled(content)
    except LetterProblem as problem:
        return None, {problem.part: str(problem)}
    letter = queries.source_of(said, channel)
    rendered, problems = preview(tenant_id=tenant_id, tenant_name=tenant_name, source=letter, customer_id=customer_id)
    if said["mjml"] is not None and "html" in problems:
        problems["mjml"] = problems.pop("html")
    return rendered, problems


def of_snippet(
    *, tenant_id: UUID, tenant_name: str, words: snippets.Words
) -> tuple[RenderedLetter | None, dict[str, str]]:
    """Return a letter that says nothing but the words of a snippet, as `preview` does, saved or not."""
    letter = LetterSource("", f"{_AROUND[0]}{words.html}{_AROUND[1]}", words.plain(), bare=True)
    return preview(tenant_id=tenant_id, tenant_name=tenant_name, source=letter)


def settled(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return `content` as it would be kept: with the HTML that is made of MJML. Raises LetterProblem where none is."""
    written = content.get("mjml") if content.get("editor") in COMPILED else None
    if written is None:
        return {**content, "mjml": None}
    try:
        return {**content, "html": mjml.to_html(written), "mjml": written}
    except TemplateProblem as problem:
        raise LetterProblem("mjml", problem) from None
