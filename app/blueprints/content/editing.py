"""Writing templates: the editor with its live preview, and what becomes of a save."""

from contextlib import suppress
from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask import Response, abort, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.content import short
from app.blueprints.content.base import blueprint
from app.blueprints.content.forms import VISUAL, TemplateForm
from app.blueprints.content.history import Part, content_parts
from app.blueprints.content.images import assets
from app.content import checks, link_checks, picker, queries, service
from app.content.kind import kinds
from app.content.merge_tags import MergeTag
from app.content.models import Template
from app.content.preview import of_content as preview_of_content
from app.content.preview import settled
from app.customers import topics
from app.customers.queries import customer
from app.customers.queries import customers as customers_like
from app.infra import clock
from app.infra.errors import Invalid, NotFound
from app.infra.ids import as_id, new_id
from app.messaging import drafts
from app.web.guards import can, current, requires
from app.web.htmx import is_htmx, page, toast
from app.web.security import allow_letters
from app.web.shell import organisation

STARTER_HTML = """<html>
<body style="margin:0;padding:24px;font:16px/1.6 sans-serif;color:#1d2939">
<p>Dear {{ customer.first_name | default: "member" }},</p>
<p>Write your letter here.</p>
<p>Kind regards,<br>{{ club.name }}</p>
</body>
</html>
"""
STARTER_MJML = """<mjml>
  <mj-body background-color="#f4f6f4">
    <mj-section background-color="#ffffff">
      <mj-column>
        <mj-text font-size="16px" line-height="1.6">Dear {{ customer.first_name | default: "member" }},</mj-text>
        <mj-text font-size="16px" line-height="1.6">Write your letter here.</mj-text>
        <mj-button href="https://www.example.com/">A button</mj-button>
        <mj-text font-size="16px" line-height="1.6">Kind regards,<br/>{{ club.name }}</mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"""
STARTER_TEXT = """Dear {{ customer.first_name | default: "member" }},

Write your letter here.

Kind regards,
{{ club.name }}
"""
STARTERS = {
    "visual": {"mjml": STARTER_MJML},
    "mjml": {"mjml": STARTER_MJML},
    "html": {"html": STARTER_HTML},
    "plain": {"text": STARTER_TEXT},
}
OFFERED = 8
"""How many customers are offered at once to preview with."""


@blueprint.get("/new")
@requires("templates.edit")
def new() -> Response:
    """Show an empty editor, for one of the channels and ways to write."""
    if (channel := _short(request.args.get("channel"))) is not None:
        return _show(short.started(channel), None)
    editor = request.args.get("editor", "")
    editor = editor if editor in STARTERS else VISUAL
    return _editor(TemplateForm(data={"editor": editor, **STARTERS[editor]}), None)


@blueprint.post("/new")
@requires("templates.edit")
def create() -> Response | Answer:
    """Save a new template."""
    channel = _short(request.form.get("channel"))
    form, actor = _posted(channel), current()
    by = {"tenant_id": actor.tenant_id, "actor": actor.ref, "actor_name": actor.name}
    try:
        template = service.create(channel=channel or "EMAIL", **{**by, **form.values()})
    except Invalid as problem:
        _refuse(form, problem)
        return _show(form, None, status=422)
    return _saved(template, form)


Written = TemplateForm | short.ShortForm


def _short(channel: str | None) -> str | None:
    """Return the channel whose templates have a form of their parts, or None: a letter is meant."""
    return channel if channel and channel in kinds() and kinds()[channel].parts else None


def _posted(channel: str | None) -> Written:
    return TemplateForm(request.form) if channel is None else short.form_class(channel)(request.form)


def _refuse(form: Written, problem: Invalid) -> None:
    form.refuse(Invalid(form.place(problem.errors)) if isinstance(form, short.ShortForm) else problem)


def _show(form: Written, template: Template | None, status: int = 200, **context: Any) -> Response:
    if isinstance(form, TemplateForm):
        return _editor(form, template, status, **context)
    merge_tags = _offer(form, template)
    found = _customers(None, form.customer_id.data or None)
    return short.editor(form, template, status, merge_tags=merge_tags, once=new_id(), **context, **found)


@blueprint.get("/<uuid:template_id>/edit")
@requires("templates.edit")
def edit(template_id: UUID) -> Response | Answer:
    """Show a template in the editor."""
    template = queries.get(tenant_id=current().tenant_id, template_id=template_id)
    if template.archived_at is not None:
        return redirect(url_for("content.show", template_id=template_id))
    form = short.filled(template) if _short(template.channel) else TemplateForm(obj=template)
    form.customer_id.data = request.args.get("customer_id")
    return _show(form, template)


@blueprint.post("/<uuid:template_id>/edit")
@requires("templates.edit")
def save(template_id: UUID) -> Response | Answer:
    """Save a template. Who saves over somebody else's changes is shown them first."""
    actor = current()
    channel = queries.get(tenant_id=actor.tenant_id, template_id=template_id).channel
    form = _posted(_short(channel))
    if isinstance(form, short.ShortForm):
        form.channel.data = channel
    seen = form.seen()
    try:
        template = service.update(
            tenant_id=actor.tenant_id,
            template_id=template_id,
            changes=form.values(),
            seen=seen,
            actor=actor.ref,
            actor_name=actor.name,
        )
    except Invalid as problem:
        _refuse(form, problem)
        return _show(form, queries.get(tenant_id=actor.tenant_id, template_id=template_id), status=422)
    except service.ChangedMeanwhile as refused:
        # Another save is meant to come after theirs.
        form.version.data = str(refused.version.number)
        newest = queries.get(tenant_id=actor.tenant_id, template_id=template_id)
        return _show(
            form, newest, status=409, refused=refused, theirs=_theirs(template_id, seen, refused.version.number)
        )
    return _saved(template, form)


def _theirs(template_id: UUID, seen: int | None, newest: int) -> list[Part]:
    """Return what somebody else changed since the version that was being edited; nothing where that is not kept."""
    with suppress(queries.NoSuchVersion):
        base, now = (
            queries.kept(tenant_id=current().tenant_id, template_id=template_id, number=number)
            for number in (seen or 0, newest)
        )
        return content_parts(base.content, now.content)
    return []


@blueprint.post("/preview")
@requires("templates.edit")
def preview() -> Response | Answer:
    """Answer with the preview of what stands in the editor now, which is a part of its page and no page itself."""
    if not is_htmx():
        return redirect(url_for("content.index"))
    form = _posted(_short(request.form.get("channel")))
    if isinstance(form, TemplateForm):
        return page("content/edit.html", block="preview", **_preview(form))
    return page("content/short.html", block="preview", **short.preview(form))


@blueprint.post("/test")
@requires("messages.send_test")
def send_test() -> Response:
    """Send what stands in the editor to whoever writes it, saved or not, filled in for whom the preview shows."""
    channel = _short(request.form.get("channel"))
    form, actor = _posted(channel), current()
    said, tone = _try(form, channel or "EMAIL")
    if is_htmx():
        # The next test is another one: only a second click on this one is the same.
        return toast(page("content/edit.html", block="once", once=new_id()), said, tone)
    flash(said, tone)
    known = as_id(request.args.get("template"))
    return _show(form, queries.get(tenant_id=actor.tenant_id, template_id=known) if known else None)


def _try(form: Written, channel: str) -> tuple[str, str]:
    """Put a test into the outbox and return what to say of it, with its tone."""
    actor = current()
    if actor.user_id is None or actor.email is None:
        abort(403)
    typed = actor.email if isinstance(form, TemplateForm) else (form.to.data or "").strip()
    address = drafts.address(tenant_id=actor.tenant_id, channel_name=channel, typed=typed)
    if address is None:
        return "No test was sent: write where to, such as +27821234567.", "warning"
    chosen = as_id(form.customer_id.data) if can("customers.view") else None
    found = _preview(form) if isinstance(form, TemplateForm) else short.preview(form)
    wrong = found["problems"] or service.faults(tenant_id=actor.tenant_id, channel=channel, content=form.content())
    if wrong:
        return f"No test was sent. {' '.join(wrong.values())}", "warning"
    if channel == "EMAIL" and not found["letter"].subject.strip():
        return drafts.NO_SUBJECT, "warning"
    drafts.put(
        tenant_id=actor.tenant_id,
        user_id=actor.user_id,
        channel_name=channel,
        content=settled(form.content()),
        to_address=address,
        customer_id=chosen,
        dedupe_key=drafts.key_of(user_id=actor.user_id, once=request.form.get("once")),
    )
    return f"A test is on its way to {address}. Nothing was saved.", "success"


@blueprint.get("/customers")
@requires("templates.edit")
def customers() -> Response | Answer:
    """Answer with the customers to preview with whose name begins with what was typed: a part of the editor too."""
    if not is_htmx():
        return redirect(url_for("content.index"))
    found = _customers(request.args.get("customer_q"), request.args.get("customer_id"))
    return page("content/edit.html", block="customers", **found)


def _editor(form: TemplateForm, template: Template | None, status: int = 200, **context: Any) -> Response:
    merge_tags = _offer(form, template)
    response = page(
        "content/edit.html",
        status=status,
        form=form,
        saved=template,
        merge_tags=merge_tags,
        tags_for_drawing=[asdict(one) for one in merge_tags],
        pictures=assets(),
        once=new_id(),
        editors=kinds()["EMAIL"].editors,
        kinds=kinds(),
        **context,
        **_preview(form),
        **_customers(None, form.customer_id.data or None),
    )
    return allow_letters(response)


def _offer(form: Written, template: Template | None) -> list[MergeTag]:
    """Offer the topics in a form, and return the merge tags that go with it."""
    held = template.topic_id if template else None
    known = topics.topics(tenant_id=current().tenant_id, archived=True)
    form.offer_topics(one for one in known if one.archived_at is None or one.id == held)
    return picker.tags(tenant_id=current().tenant_id)


def _preview(form: TemplateForm) -> dict[str, Any]:
    content = form.content()
    letter, problems = preview_of_content(
        tenant_id=current().tenant_id,
        tenant_name=organisation().name,
        content=content,
        customer_id=as_id(form.customer_id.data) if can("customers.view") else None,
    )
    found = checks.of_letter(letter, queries.source_of(content)) if letter else []
    if letter:
        written = queries.source_of({**content, "html": content.get("html") or content.get("mjml")})
        names = checks.unfilled(tenant_id=current().tenant_id, source=written)
        found = [*link_checks.tried(tenant_id=current().tenant_id, source=written).findings, *names, *found]
    return {"letter": letter, "problems": problems, "text_is_made": not form.text.data, "checks": found}


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


def _saved(template: Template, form: Written) -> Answer:
    """Say that the template is saved and go back to the editor; its links are tried meanwhile."""
    saved = queries.source(tenant_id=template.tenant_id, template_id=template.id)
    link_checks.ask(tenant_id=template.tenant_id, source=saved, now=clock.now())
    flash("Saved.", "success")
    return redirect(url_for("content.edit", template_id=template.id, customer_id=form.customer_id.data or None))
