"""Trying the links of a template before it is sent."""

from uuid import UUID

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.content.base import blueprint
from app.content import link_checks, queries
from app.infra import clock
from app.infra.ids import as_id
from app.web.guards import current, requires
from app.web.htmx import is_htmx, page


@blueprint.get("/<uuid:template_id>/links")
@requires("templates.view")
def links(template_id: UUID) -> Response | Answer:
    """Answer with how far the links of a template are tried: a part of its page, and of a campaign's review."""
    if not is_htmx():
        return redirect(url_for("content.show", template_id=template_id, _anchor="checks"))
    return _part(template_id, as_id(request.args.get("campaign")), asked=False)


@blueprint.post("/<uuid:template_id>/links")
@requires("templates.edit")
def check_links(template_id: UUID) -> Response | Answer:
    """Let the links of a template be tried, whenever they were tried last."""
    tenant_id, campaign_id = current().tenant_id, as_id(request.form.get("campaign"))
    source = queries.source(tenant_id=tenant_id, template_id=template_id)
    link_checks.ask(tenant_id=tenant_id, source=source, now=clock.now(), again=True)
    if is_htmx():
        return _part(template_id, campaign_id, asked=True)
    if campaign_id is not None:
        return redirect(url_for("campaigns.review", campaign_id=campaign_id))
    return redirect(url_for("content.show", template_id=template_id, _anchor="checks"))


def _part(template_id: UUID, campaign_id: UUID | None, *, asked: bool) -> Response:
    tenant_id = current().tenant_id
    found = link_checks.tried(tenant_id=tenant_id, source=queries.source(tenant_id=tenant_id, template_id=template_id))
    answer = page("content/links.html", block="links", tried=found, template_id=template_id, campaign_id=campaign_id)
    if campaign_id is not None and not found.waiting and not asked:
        # What is to be mended stands further up in the review, and asks for more there.
        answer.headers["HX-Refresh"] = "true"
    return answer
