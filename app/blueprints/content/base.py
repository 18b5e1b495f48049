"""What every page of a template shares."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, url_for

from app.content import preview, queries
from app.content.kind import kind_of, kinds
from app.content.letters import LetterSource, RenderedLetter
from app.content.models import Template
from app.content.texts import size_of
from app.customers import topics
from app.infra import usage
from app.infra.ids import as_id
from app.infra.usage import Use
from app.messaging import accounts, phone
from app.road import TEMPLATE_USERS
from app.web.guards import can, current
from app.web.htmx import page
from app.web.shell import organisation

blueprint = Blueprint("content", __name__, url_prefix="/templates")

# A letter may show pictures from anywhere, and do nothing else.
LETTER_POLICY = (
    "sandbox; default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
_TABS = (("show", "Overview", "content.show"), ("history", "History", "content.history"))


def topic_names() -> dict[UUID, str]:
    """Return what the topics are called, archived ones too."""
    return {one.id: one.name for one in topics.topics(tenant_id=current().tenant_id, archived=True)}


def shown_as_sent(channel: str, letter: RenderedLetter | None) -> dict[str, Any]:
    """Return what the view of a channel's message needs beside the letter: its text as it would go out, its size."""
    kind = kind_of(channel)
    if letter is None or not kind.parts:
        return {"kind": kind}
    account = accounts.of(tenant_id=current().tenant_id, channel_name=channel)
    text = phone.as_shown(letter.text, account) if kind.counted else letter.text
    return {"kind": kind, "as_sent": text, "size": size_of(text) if kind.counted else None, "account": account}


def rendered(source: LetterSource, customer_id: str | None) -> tuple[RenderedLetter | None, dict[str, str]]:
    """Return the letter as a customer gets it, or None and what is wrong with it by part."""
    chosen = as_id(customer_id) if can("customers.view") else None
    return preview.preview(
        tenant_id=current().tenant_id, tenant_name=organisation().name, source=source, customer_id=chosen
    )


def letter_alone(source: LetterSource) -> Response | None:
    """Return the HTML of a letter alone, for a sandboxed frame; None where it has none."""
    letter, _ = rendered(source, None)
    if letter is None or letter.html is None:
        return None
    response = Response(letter.html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = LETTER_POLICY
    return response


def uses_of(*templates: Template) -> dict[UUID, list[Use]]:
    """Return what uses the templates."""
    ids = [one.id for one in templates]
    return usage.of(tenant_id=current().tenant_id, ids=ids, users=TEMPLATE_USERS)


class Shown:
    """One template as its pages show it, read once a request."""

    def __init__(self, template_id: UUID) -> None:
        self.tenant_id = current().tenant_id
        self.template = queries.get(tenant_id=self.tenant_id, template_id=template_id)

    def page(self, section: str, *, tab: str | None = None, block: str | None = None, **context: Any) -> Response:
        """Return one section of the template's pages; for htmx its `block` alone."""
        return page(
            f"content/{section}.html",
            block=block,
            saved=self.template,
            **({"kind": kinds()[self.template.channel]} | context),
            tabs=[
                {
                    "label": label,
                    "url": url_for(endpoint, template_id=self.template.id),
                    "active": name == (tab or section),
                }
                for name, label, endpoint in _TABS
            ],
        )
