"""The pages of templates: the list, and one as a customer sees it."""

from typing import Any
from uuid import UUID

from flask import Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.content.base import (
    Shown,
    blueprint,
    letter_alone,
    rendered,
    shown_as_sent,
    topic_names,
    uses_of,
)
from app.content import checks, link_checks, queries, snippets
from app.content.kind import kind_of, kinds
from app.customers import topics
from app.web.downloads import PERMISSION, download
from app.web.guards import current, requires
from app.web.htmx import is_htmx, page
from app.web.lists import asked_choice, asked_for, asked_id, asked_sort, just_archived
from app.web.uses import used

_COLUMNS = ("name", "channel", "subject", "version", "created_at", "updated_at", "id")


@blueprint.get("")
@requires("templates.view")
def index() -> Response:
    """List the templates."""
    tenant_id, filters, sort = current().tenant_id, _filters(), asked_sort(queries.SORTS, "name")
    found = queries.page(tenant_id=tenant_id, sort=sort, cursor=request.args.get("cursor"), **filters)
    return page(
        "content/index.html",
        block="results",
        page=found,
        filters=filters,
        filtered=any(filters.values()),
        sort=sort,
        topics=topic_names(),
        topic_choices=[(str(one.id), one.name) for one in topics.topics(tenant_id=tenant_id)],
        kinds=kinds(),
        used={one: len(uses) for one, uses in uses_of(*found.items).items()},
        gone=just_archived(lambda id_: queries.get(tenant_id=tenant_id, template_id=id_)),
    )


def _filters() -> dict[str, Any]:
    return {
        "q": request.args.get("q", "").strip() or None,
        "channel": asked_choice("channel", kinds()),
        "topic_id": asked_id("topic"),
        "archived": asked_for("show", "archived"),
    }


@blueprint.post("/export")
@requires(PERMISSION)
def export() -> Response:
    """Give out the templates the list shows."""
    tenant_id, filters, sort = current().tenant_id, _filters(), asked_sort(queries.SORTS, "name")
    topics_by_id = topic_names()
    return download(
        "templates",
        seen_by="templates.view",
        header=[*_COLUMNS, "topic"],
        pages=lambda cursor, limit: queries.page(tenant_id=tenant_id, sort=sort, cursor=cursor, limit=limit, **filters),
        rows=lambda found: [
            [*(getattr(one, name) for name in _COLUMNS), topics_by_id.get(one.topic_id) if one.topic_id else None]
            for one in found
        ],
        filters=filters | {"sort": sort},
    )


@blueprint.get("/<uuid:template_id>")
@requires("templates.view")
def show(template_id: UUID) -> Response:
    """Show a template as a customer would get it, and where it is used."""
    shown = Shown(template_id)
    source = queries.source(tenant_id=shown.tenant_id, template_id=template_id)
    letter, problems = rendered(source, None)
    channel = shown.template.channel
    uses = uses_of(shown.template).get(template_id, [])
    saved = shown.template
    return shown.page(
        "show",
        letter=letter,
        problems=problems,
        topics=topic_names(),
        uses=[used(one) for one in uses],
        checks=checks.of_template(shown.tenant_id, channel, letter, source) if letter else [],
        tried=link_checks.tried(tenant_id=shown.tenant_id, source=source) if letter else None,
        **shown_as_sent(channel, letter),
        snippets=sorted(snippets.named_in(saved.subject, saved.html, saved.text)),
    )


@blueprint.get("/<uuid:template_id>/letter")
@requires("templates.view")
def letter(template_id: UUID) -> Response:
    """Answer with the rendered HTML alone, for a sandboxed frame."""
    found = letter_alone(queries.source(tenant_id=current().tenant_id, template_id=template_id))
    return found if found is not None else abort(404)


@blueprint.get("/<uuid:template_id>/missing")
@requires("templates.view")
def missing(template_id: UUID) -> Response | Answer:
    """Answer with the tags that have no value for some people: a part of the template's page, counted when asked."""
    if not is_htmx():
        return redirect(url_for("content.show", template_id=template_id))
    tenant_id = current().tenant_id
    template = queries.get(tenant_id=tenant_id, template_id=template_id)
    source = queries.source(tenant_id=tenant_id, template_id=template_id)
    point = kind_of(template.channel).point
    return page(
        "content/missing.html",
        block="missing",
        missing=checks.missing_values(tenant_id=tenant_id, source=source, point=point),
    )
