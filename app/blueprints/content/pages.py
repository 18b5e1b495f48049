"""The pages of templates: list, editor with live preview, and the letter as a customer sees it."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.content.forms import TemplateForm
from app.content import queries, service
from app.content.letters import LetterSource
from app.content.merge_tags import MERGE_TAGS, MergeTag
from app.content.models import Template
from app.customers import custom_fields, topics
from app.customers.queries import customer
from app.customers.queries import customers as customers_like
from app.infra.errors import Invalid, NotFound
from app.infra.ids import as_id, new_id
from app.messaging import outbox
from app.web.downloads import PERMISSION, download
from app.web.guards import can, current, requires
from app.web.htmx import is_htmx, page
from app.web.security import nonce
from app.web.shell import organisation

blueprint = Blueprint("content", __name__, url_prefix="/templates")

STARTER_HTML = """<html>
<body style="margin:0;padding:24px;font:16px/1.6 sans-serif;color:#1d2939">
<p>Dear {{ customer.first_name | default: "member" }},</p>
<p>Write your letter here.</p>
<p>Kind regards,<br>{{ club.name }}</p>
</body>
</html>
"""
OFFERED = 8
"""How many customers are offered at once to preview with."""
# A letter may show pictures from anywhere, and do nothing else.
LETTER_POLICY = (
    "sandbox; default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
)


@blueprint.get("")
@requires("templates.view")
def index() -> Response:
    """List the templates."""
    q = request.args.get("q") or None
    found = queries.page(tenant_id=current().tenant_id, q=q, cursor=request.args.get("cursor"))
    return page("content/index.html", block="results", page=found, q=q, topics=_topic_names())


@blueprint.post("/export")
@requires(PERMISSION)
def export() -> Response:
    """Give out the templates the list shows."""
    tenant_id, q = current().tenant_id, request.args.get("q") or None
    topics_by_id = _topic_names()
    columns = ("name", "channel", "subject", "version", "created_at", "updated_at", "id")
    return download(
        "templates",
        seen_by="templates.view",
        header=[*columns, "topic"],
        pages=lambda cursor, limit: queries.page(tenant_id=tenant_id, q=q, cursor=cursor, limit=limit),
        rows=lambda found: [
            [*(getattr(one, name) for name in columns), topics_by_id.get(one.topic_id) if one.topic_id else None]
            for one in found
        ],
        filters={"q": q},
    )


@blueprint.get("/new")
@requires("templates.edit")
def new() -> Response:
    """Show an empty editor."""
    return _editor(TemplateForm(data={"html": STARTER_HTML}), None)


@blueprint.post("/new")
@requires("templates.edit")
def create() -> Response | Answer:
    """Save a new template, and send a test if asked to."""
    form = TemplateForm(request.form)
    try:
        template = service.create(tenant_id=current().tenant_id, **form.values())
    except Invalid as problem:
        form.refuse(problem)
        return _editor(form, None, status=422)
    return _saved(template, form)


@blueprint.get("/<uuid:template_id>")
@requires("templates.view")
def show(template_id: UUID) -> Response:
    """Show a template as a customer would get it."""
    template = queries.get(tenant_id=current().tenant_id, template_id=template_id)
    rendered, problems = _rendered(LetterSource(template.subject, template.html, template.text), None)
    return page("content/show.html", saved=template, letter=rendered, problems=problems, topics=_topic_names())


@blueprint.get("/<uuid:template_id>/letter")
@requires("templates.view")
def letter(template_id: UUID) -> Response:
    """Answer with the rendered HTML alone, for a sandboxed frame."""
    template = queries.get(tenant_id=current().tenant_id, template_id=template_id)
    rendered, _ = _rendered(LetterSource(template.subject, template.html, template.text), None)
    if rendered is None or rendered.html is None:
        abort(404)
    response = Response(rendered.html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = LETTER_POLICY
    return response


@blueprint.get("/<uuid:template_id>/edit")
@requires("templates.edit")
def edit(template_id: UUID) -> Response:
    """Show a template in the editor."""
    template = queries.get(tenant_id=current().tenant_id, template_id=template_id)
    form = TemplateForm(obj=template)
    form.customer_id.data = request.args.get("customer_id")
    return _editor(form, template)


@blueprint.post("/<uuid:template_id>/edit")
@requires("templates.edit")
def save(template_id: UUID) -> Response | Answer:
    """Save a template, and send a test if asked to."""
    form = TemplateForm(request.form)
    tenant_id = current().tenant_id
    try:
        template = service.update(tenant_id=tenant_id, template_id=template_id, changes=form.values())
    except Invalid as problem:
        form.refuse(problem)
        return _editor(form, queries.get(tenant_id=tenant_id, template_id=template_id), status=422)
    return _saved(template, form)


@blueprint.post("/preview")
@requires("templates.edit")
def preview() -> Response | Answer:
    """Answer with the preview of what stands in the editor now, which is a part of its page and no page itself."""
    if not is_htmx():
        return redirect(url_for("content.index"))
    form = TemplateForm(request.form)
    return page("content/edit.html", block="preview", **_preview(form))


@blueprint.get("/customers")
@requires("templates.edit")
def customers() -> Response | Answer:
    """Answer with the customers to preview with whose name begins with what was typed: a part of the editor too."""
    if not is_htmx():
        return redirect(url_for("content.index"))
    found = _customers(request.args.get("customer_q"), request.args.get("customer_id"))
    return page("content/edit.html", block="customers", **found)


def _editor(form: TemplateForm, template: Template | None, status: int = 200) -> Response:
    held = template.topic_id if template else None
    known = topics.topics(tenant_id=current().tenant_id, archived=True)
    form.offer_topics(one for one in known if one.archived_at is None or one.id == held)
    response = page(
        "content/edit.html",
        status=status,
        form=form,
        saved=template,
        merge_tags=(*MERGE_TAGS, *_own_tags()),
        once=new_id(),
        **_preview(form),
        **_customers(None, form.customer_id.data or None),
    )
    # The preview's frame inherits this page's policy: its letter has styles of its own, and pictures from anywhere.
    response.headers["Content-Security-Policy"] = (
        f"default-src 'self'; script-src 'self' 'nonce-{nonce()}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: https: http:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'self'"
    )
    return response


def _own_tags() -> list[MergeTag]:
    known = custom_fields.fields(tenant_id=current().tenant_id)
    return [MergeTag(one.label, custom_fields.kind_of(one).merge_tag(one), one.heading) for one in known]


def _topic_names() -> dict[UUID, str]:
    return {one.id: one.name for one in topics.topics(tenant_id=current().tenant_id, archived=True)}


def _preview(form: TemplateForm) -> dict[str, Any]:
    rendered, problems = _rendered(form.source(), form.customer_id.data or None)
    return {"letter": rendered, "problems": problems}


def _rendered(source: LetterSource, customer_id: str | None) -> Any:
    chosen = as_id(customer_id) if can("customers.view") else None
    return service.preview(
        tenant_id=current().tenant_id, tenant_name=organisation().name, source=source, customer_id=chosen
    )


def _customers(q: str | None, chosen: str | None) -> dict[str, Any]:
    """Return the customers on offer: those found, and the chosen one before them whatever was searched for."""
    if not can("customers.view"):
        return {"customers": [], "chosen": None, "customer_q": q, "nobody": True}
    tenant_id, chosen_id = current().tenant_id, as_id(chosen)
    found = list(customers_like(tenant_id=tenant_id, q=q, limit=OFFERED).items)
    nobody = not found
    if chosen_id and all(one.id != chosen_id for one in found):
        with suppress(NotFound):
            found.insert(0, customer(tenant_id=tenant_id, customer_id=chosen_id))
    return {"customers": found, "chosen": chosen, "customer_q": q, "nobody": nobody}


def _saved(template: Template, form: TemplateForm) -> Answer:
    """Say that the template is saved, send the test if it was asked for, and go back to the editor."""
    if request.form.get("act") == "test" and can("messages.send_test"):
        actor = current()
        if actor.email is None or actor.user_id is None:
            abort(403)
        outbox.put_one(
            tenant_id=actor.tenant_id,
            to_address=actor.email,
            user_id=actor.user_id,
            template_id=template.id,
            # The page that was sent names it, so that a second click on it sends no second mail.
            dedupe_key=f"test:{template.id}:{actor.user_id}:{as_id(request.form.get('once')) or new_id()}",
            context={"preview_customer_id": form.customer_id.data or None, "subject_prefix": "[Test]"},
        )
        flash(f"Saved. A test is on its way to {actor.email}.", "success")
    else:
        flash("Saved.", "success")
    return redirect(url_for("content.edit", template_id=template.id, customer_id=form.customer_id.data or None))
