"""Mailbox: the mails that the built-in server took, newest first, and each of them from every side."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.infra.errors import Invalid
from app.mailbox import queries, service
from app.messaging import queries as messages
from app.messaging.feedback import BOUNCE_WORDS
from app.messaging.inbound import examples
from app.messaging.inbound.intake import OUTCOME_WORDS, Outcome, take_in
from app.messaging.return_address import is_ours
from app.messaging.states import STATUS_TONES, STATUS_WORDS
from app.web.channels import CHANNEL_LABELS
from app.web.downloads import attachment
from app.web.guards import can, current, requires
from app.web.htmx import page
from app.web.lists import asked_choice
from app.web.shell import number

blueprint = Blueprint("mailbox", __name__, url_prefix="/mailbox")
VIEWS: dict[str, str] = {"html": "HTML", "text": "Text", "source": "Source", "headers": "Headers"}
SHOWN_SOURCE = 200_000
_LINK = re.compile(r"<a(?=[\s/>])", re.IGNORECASE)


def _reader() -> UUID | None:
    """Return who must not read colleagues' mail: everybody but those who manage the users anyway."""
    return None if can("users.manage") else current().user_id


@blueprint.get("")
@requires("mailbox.view")
def index() -> Response:
    """List the mails; the first page keeps itself up to date."""
    q, cursor = request.args.get("q", "").strip(), request.args.get("cursor")
    channel = asked_choice("channel", CHANNEL_LABELS)
    found = queries.list_mails(
        tenant_id=current().tenant_id, reader=_reader(), q=q or None, channel=channel, cursor=cursor
    )
    return page(
        "mailbox/index.html",
        block="results",
        page=found,
        q=q,
        channel=channel,
        channel_labels=CHANNEL_LABELS,
        is_first=not cursor,
    )


@blueprint.post("/empty")
@requires("mailbox.empty")
def empty() -> Answer:
    """Remove every mail."""
    count = service.clear(tenant_id=current().tenant_id)
    flash("1 mail is removed." if count == 1 else f"{number(count)} mails are removed.", "success")
    return redirect(url_for("mailbox.index"))


@blueprint.get("/<uuid:mail_id>")
@requires("mailbox.view")
def show(mail_id: UUID) -> Response:
    """Show one mail; `view` says from which side, `images` lets it load what it links to."""
    tenant_id = current().tenant_id
    mail = queries.get(tenant_id=tenant_id, mail_id=mail_id, reader=_reader())
    asked = request.args.get("view", "")
    view = asked if asked in VIEWS else ("html" if mail.letter.html is not None else "text")
    return page(
        "mailbox/show.html",
        mail=mail,
        view=view,
        images=request.args.get("images") == "1",
        tabs=_tabs(mail_id, view, has_html=mail.line.channel == "EMAIL"),
        source=mail.letter.source[:SHOWN_SOURCE],
        is_cut=len(mail.letter.source) > SHOWN_SOURCE,
        channel_labels=CHANNEL_LABELS,
        message=_message(tenant_id, mail.line.message_id) if can("messages.view") else None,
        status_tones=STATUS_TONES,
        status_words=STATUS_WORDS,
        bounces=BOUNCE_WORDS,
        answers=list(examples.ANSWER_WORDS.items()) if is_ours(mail.mail_from) and can("messages.send_test") else [],
    )


@blueprint.post("/<uuid:mail_id>/answer")
@requires("messages.send_test")
def answer(mail_id: UUID) -> Answer:
    """Take in what the mail's reader, or their mail system, might send back on it."""
    tenant_id = current().tenant_id
    mail = queries.get(tenant_id=tenant_id, mail_id=mail_id, reader=_reader())
    asked = request.form.get("what", "")
    if asked not in set(examples.Answer) or not is_ours(mail.mail_from):
        abort(404)
    what, words = examples.Answer(asked), request.form.get("words", "").strip()
    if what is examples.Answer.REPLY and not words:
        raise Invalid({"words": "Write what the reader answers."})
    source = examples.answer(
        what,
        reader=mail.rcpt_to[0],
        return_path=mail.mail_from,
        reply_to=_reply_to(mail),
        subject=mail.line.subject,
        words=words,
    )
    taken = take_in(source=source, tenant_id=tenant_id)
    known = "" if taken.new or taken.outcome is Outcome.AUTOMATIC else " It was known already."
    flash(f"It came back and was taken for: {OUTCOME_WORDS[taken.outcome].lower()}.{known}", "success")
    return redirect(url_for("mailbox.show", mail_id=mail_id))


def _reply_to(mail: queries.MailView) -> str:
    return next((value for name, value in mail.letter.headers if name.lower() == "reply-to"), mail.mail_from)


@blueprint.get("/<uuid:mail_id>/html")
@requires("mailbox.view")
def html(mail_id: UUID) -> Response:
    """Answer with the mail's own HTML, which may do nothing: no script, no form, and no picture unless asked for.

    An open is recorded when a picture is fetched, so looking at a mail here must not fetch any.
    """
    letter = queries.get(tenant_id=current().tenant_id, mail_id=mail_id, reader=_reader()).letter
    pictures = "data: http: https:" if request.args.get("images") == "1" else "data:"
    # Of two attributes of the same name the first one counts, so these hold whatever the mail says itself.
    body = _LINK.sub("<a target=_blank rel=noopener", letter.html or "")
    return Response(
        body,
        content_type="text/html; charset=utf-8",
        headers={
            "Content-Security-Policy": (
                "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
                f"img-src {pictures}; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
                "frame-ancestors 'self'"
            ),
            "Referrer-Policy": "no-referrer",
        },
    )


@blueprint.get("/<uuid:mail_id>/mail.eml")
@requires("mailbox.view")
def download(mail_id: UUID) -> Response:
    """Answer with the mail as it came over the wire, as a file."""
    source = queries.source(tenant_id=current().tenant_id, mail_id=mail_id, reader=_reader())
    return Response(
        source,
        content_type="application/octet-stream",
        headers=attachment(f"{mail_id}.eml"),
    )


def _tabs(mail_id: UUID, view: str, *, has_html: bool) -> list[dict[str, Any]]:
    return [
        {"label": label, "url": url_for("mailbox.show", mail_id=mail_id, view=name), "active": name == view}
        for name, label in VIEWS.items()
        if has_html or name != "html"
    ]


def _message(tenant_id: UUID, header: str | None) -> Mapping[str, Any] | None:
    """Return the message of the outbox that became this mail, or None where it has none (any more)."""
    message_id = messages.message_of(header, tenant_id) if header else None
    if message_id is None:
        return None
    try:
        return messages.get(tenant_id=tenant_id, message_id=message_id)
    except messages.MessageNotFound:
        return None
