"""From a claimed message to a letter on its way out: the template, the values and the links of this one reader."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from app.content import queries as templates
from app.content import snippets
from app.content.kind import kind_of
from app.content.letters import Letter, LetterCache, LetterSource, RenderedLetter, compile_letter, render_letter
from app.content.liquid import TemplateProblem
from app.content.merge_tags import letter_values
from app.content.preview import reader_values
from app.infra.errors import NotFound
from app.infra.ids import as_id
from app.infra.registry import NotRegistered
from app.messaging import builtin, drafts, local
from app.messaging.channel import From, Outgoing
from app.messaging.in_hand import Mark, unwatched
from app.messaging.links import preferences_url, unsubscribe_url
from app.messaging.results import Ending
from app.messaging.return_address import addresses
from app.messaging.states import Purpose, Reason, Status

log = logging.getLogger(__name__)

_cache = LetterCache()


class NothingToSend(Exception):
    """The message can't be made into a letter; the text says why."""


def compose_or_why(
    *,
    tenant_id: UUID,
    tenant_name: str,
    row: Mapping[str, Any],
    sender: From | None = None,
    subject: str | None = None,
    mark: Mark | None = None,
) -> Outgoing | Ending:
    """Return the letter of one claimed message as `compose` does, or how the message ends that can't be made one."""
    try:
        return compose(tenant_id=tenant_id, tenant_name=tenant_name, row=row, sender=sender, subject=subject, mark=mark)
    except (TemplateProblem, NothingToSend, NotFound) as problem:
        why = str(problem)
    except Exception as problem:
        # Whatever is wrong with one letter, the others go out.
        log.exception("Message %s can't be rendered", row["id"])
        why = f"{type(problem).__name__}: {problem}"
    return Ending(row["id"], Status.FAILED, Reason.RENDER_ERROR, response=why[:500])


def subject_of(letter: Outgoing) -> str:
    """Return what a message is called: its subject, or how it begins."""
    return letter.letter.subject or local.excerpt(letter.letter.text)


def compose(
    *,
    tenant_id: UUID,
    tenant_name: str,
    row: Mapping[str, Any],
    sender: From | None = None,
    subject: str | None = None,
    mark: Mark | None = None,
) -> Outgoing:
    """Return the letter of one claimed message (a row of the gate's), or raise NothingToSend or LetterProblem.

    `sender`: whom a letter to a customer is from, if not from the address that all are from. `subject`: what stands in
    place of its template's. `mark`: where is noted whether it was offered to anybody, if somebody asks.
    """
    marketing = row["purpose"] == Purpose.MARKETING
    reader = row if row["reader_id"] is not None else None
    choose = preferences_url(tenant_id, row["reader_id"], row["id"]) if reader else None
    link = _way_out(tenant_id, row, choose) if marketing and reader else None
    if draft := drafts.source_of(row):
        letter = _tried(tenant_id, tenant_name, row, draft)
    else:
        values = letter_values(
            customer=reader,
            club_name=row["club_name"],
            tenant_name=tenant_name,
            context=_context(tenant_id, row),
            unsubscribe_url=link,
            preferences_url=choose,
        )
        letter = render_letter(_letter(tenant_id, row, reader["club_id"] if reader else None, subject), values)
    back = addresses(tenant_id, row["id"])
    return Outgoing(
        tenant_id=tenant_id,
        tenant_name=tenant_name,
        message_id=row["id"],
        address=row["address"],
        marketing=marketing,
        letter=letter,
        unsubscribe_url=link,
        return_path=back.bounces,
        # Letters of our own speak of an account, and nobody reads answers to those.
        reply_to=back.replies if row["builtin"] is None and row["reader_id"] is not None else None,
        leave_address=back.leaving if link else None,
        # Letters to those who sign in are Fairway's own.
        sender=sender if row["reader_id"] is not None else None,
        mark=mark or unwatched(),
    )


def _way_out(tenant_id: UUID, row: Mapping[str, Any], choose: str | None) -> str | None:
    """Return where a reader says no: to e-mail by its own link, to others where all that they receive is chosen."""
    return choose if kind_of(row["channel"]).bare else unsubscribe_url(tenant_id, row["reader_id"], row["id"])


def _tried(tenant_id: UUID, tenant_name: str, row: Mapping[str, Any], draft: LetterSource) -> RenderedLetter:
    """Return a letter that is tried: what its preview shows, for whom that shows it, with a mark before its subject."""
    shown_for = as_id(row["context"].get(drafts.SHOWN_FOR))
    values, club_id = reader_values(tenant_id=tenant_id, tenant_name=tenant_name, customer_id=shown_for)
    known = snippets.known(tenant_id=tenant_id, club_id=club_id)
    letter = render_letter(compile_letter(snippets.fill(draft, known)), values)
    return replace(letter, subject=f"{drafts.PREFIX} {letter.subject}") if letter.subject else letter


def _letter(tenant_id: UUID, row: Mapping[str, Any], club_id: UUID | None, subject: str | None) -> Letter:
    if row["builtin"] is not None:
        try:
            return builtin.compiled(row["builtin"])
        except NotRegistered as error:
            raise NothingToSend(str(error)) from None
    template_id, version = row["template_id"], row["template_version"]
    if template_id is None or version is None:
        raise NothingToSend("The message names no template.")

    def source() -> LetterSource:
        written = templates.source(tenant_id=tenant_id, template_id=template_id, version=version).called(subject)
        return snippets.fill(written, snippets.known(tenant_id=tenant_id, club_id=club_id)) if revision else written

    # Snippets are their newest: whatever changes one changes the sum of their revisions.
    revision = row["snippets_revision"]
    return _cache.get((tenant_id, template_id, version, subject, *((revision, club_id) if revision else ())), source)


def _context(tenant_id: UUID, row: Mapping[str, Any]) -> Mapping[str, Any]:
    if row["builtin"] is None:
        return dict(row["context"])
    try:
        letter = builtin.builtin(row["builtin"])
        context = {**row["context"], "customer_id": row["reader_id"] and str(row["reader_id"])}
        made = letter.values(tenant_id=tenant_id, user_id=row["user_id"], context=context)
    except (NotRegistered, builtin.Outdated) as error:
        raise NothingToSend(str(error)) from None
    return {"letter": made}
