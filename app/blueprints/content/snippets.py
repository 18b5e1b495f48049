"""The pages of snippets: the list, and one to write, with what it said before."""

from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.accounts.queries import clubs
from app.blueprints.content.base import blueprint
from app.blueprints.content.forms import SnippetForm
from app.blueprints.content.history import content_parts
from app.content import snippet_queries as queries
from app.content import snippet_service as service
from app.content.models import Snippet
from app.content.preview import of_snippet
from app.content.service import ChangedMeanwhile
from app.content.snippets import Words, without_breaks
from app.infra.errors import Invalid, IsArchived
from app.web.guards import current, requires
from app.web.htmx import is_htmx, page
from app.web.lists import asked_for
from app.web.security import allow_letters
from app.web.shell import organisation
from app.web.uses import used


@blueprint.get("/snippets")
@requires("templates.view")
def snippets() -> Response:
    """List the snippets."""
    q, archived = request.args.get("q", "").strip() or None, asked_for("show", "archived")
    tenant_id = current().tenant_id
    found = queries.page(tenant_id=tenant_id, q=q, archived=archived, cursor=request.args.get("cursor"))
    uses = queries.uses(tenant_id=tenant_id, keys={one.key for one in found.items})
    return page(
        "content/snippets.html",
        block="results",
        page=found,
        q=q,
        archived=archived,
        clubs=_clubs(tenant_id),
        used={key: len(named) for key, named in uses.items()},
    )


@blueprint.get("/snippets/new")
@requires("templates.edit")
def new_snippet() -> Response:
    """Show an empty form; with `key` one for another club of a snippet there is."""
    return _form(SnippetForm(data={"key": request.args.get("key", "")}), None)


@blueprint.post("/snippets/new")
@requires("templates.edit")
def create_snippet() -> Response | Answer:
    """Save a new snippet."""
    form, actor = SnippetForm(request.form), current()
    try:
        made = service.create(
            tenant_id=actor.tenant_id,
            key=form.key.data or "",
            club_id=form.club(),
            actor=actor.ref,
            actor_name=actor.name,
            **form.values(),
        )
    except Invalid as problem:
        form.refuse(problem)
        return _form(form, None, status=422)
    flash("Saved.", "success")
    return redirect(url_for("content.edit_snippet", snippet_id=made.id))


@blueprint.post("/snippets/preview")
@requires("templates.edit")
def preview_snippet() -> Response | Answer:
    """Answer with what a snippet looks like as it stands in the form now, which is a part of its page and no page."""
    if not is_htmx():
        return redirect(url_for("content.snippets"))
    return page("content/snippet.html", block="preview", **_preview(SnippetForm(request.form)))


@blueprint.get("/snippets/<uuid:snippet_id>")
@requires("templates.view")
def edit_snippet(snippet_id: UUID) -> Response:
    """Show a snippet, where it is used and what it said before."""
    snippet = queries.get(tenant_id=current().tenant_id, snippet_id=snippet_id)
    form = SnippetForm(obj=snippet)
    form.html.data = without_breaks(snippet.html)
    return _form(form, snippet)


@blueprint.post("/snippets/<uuid:snippet_id>")
@requires("templates.edit")
def save_snippet(snippet_id: UUID) -> Response | Answer:
    """Save a snippet. Who saves over somebody else's changes is shown them first."""
    form, actor = SnippetForm(request.form), current()
    try:
        service.update(
            tenant_id=actor.tenant_id,
            snippet_id=snippet_id,
            changes=form.values(),
            seen=form.seen(),
            actor=actor.ref,
            actor_name=actor.name,
        )
    except Invalid as problem:
        form.refuse(problem)
        return _form(form, queries.get(tenant_id=actor.tenant_id, snippet_id=snippet_id), status=422)
    except ChangedMeanwhile as refused:
        seen = form.seen()
        form.version.data = str(refused.version.number)
        snippet = queries.get(tenant_id=actor.tenant_id, snippet_id=snippet_id)
        return _form(form, snippet, status=409, refused=refused, parts=_parts(snippet, seen, refused.version.number))
    flash("Saved. What is sent from now on says it.", "success")
    return redirect(url_for("content.edit_snippet", snippet_id=snippet_id))


@blueprint.get("/snippets/<uuid:snippet_id>/versions/<int(max=2147483647):number>")
@requires("templates.view")
def snippet_version(snippet_id: UUID, number: int) -> Response:
    """Show what one version of a snippet said, and what it changed."""
    tenant_id = current().tenant_id
    snippet = queries.get(tenant_id=tenant_id, snippet_id=snippet_id)
    one = queries.kept(tenant_id=tenant_id, snippet_id=snippet_id, number=number)
    return page("content/snippet_version.html", snippet=snippet, one=one, parts=_parts(snippet, number - 1, number))


@blueprint.post("/snippets/<uuid:snippet_id>/versions/<int(max=2147483647):number>/restore")
@requires("templates.edit")
def restore_snippet(snippet_id: UUID, number: int) -> Answer:
    """Let a snippet say again what it said in an earlier version."""
    actor = current()
    try:
        service.restore(
            tenant_id=actor.tenant_id, snippet_id=snippet_id, version=number, actor=actor.ref, actor_name=actor.name
        )
    except (Invalid, IsArchived) as refused:
        flash(refused.message, "warning")
    else:
        flash(f"Version {number} holds again.", "success")
    return redirect(url_for("content.edit_snippet", snippet_id=snippet_id))


@blueprint.post("/snippets/<uuid:snippet_id>/archive")
@requires("templates.edit")
def archive_snippet(snippet_id: UUID) -> Answer:
    """Put a snippet away."""
    actor = current()
    try:
        service.archive(tenant_id=actor.tenant_id, snippet_id=snippet_id, actor=actor.ref)
    except service.SnippetInUse as refused:
        flash(refused.message, "warning")
    return redirect(url_for("content.edit_snippet", snippet_id=snippet_id))


@blueprint.post("/snippets/<uuid:snippet_id>/unarchive")
@requires("templates.edit")
def unarchive_snippet(snippet_id: UUID) -> Answer:
    """Take a snippet out of the archive."""
    actor = current()
    try:
        service.unarchive(tenant_id=actor.tenant_id, snippet_id=snippet_id, actor=actor.ref)
    except Invalid as refused:
        flash("; ".join(refused.errors.values()), "warning")
    else:
        flash("The snippet is in use again.", "success")
    return redirect(url_for("content.edit_snippet", snippet_id=snippet_id))


def _form(form: SnippetForm, snippet: Snippet | None, status: int = 200, **context: Any) -> Response:
    tenant_id = current().tenant_id
    known = _clubs(tenant_id)
    form.offer_clubs(known)
    uses, versions = [], None
    if snippet is not None:
        uses = queries.uses(tenant_id=tenant_id, keys=[snippet.key]).get(snippet.key, [])
        versions = queries.versions(
            tenant_id=tenant_id, snippet_id=snippet.id, cursor=request.args.get("cursor"), limit=20
        )
    response = page(
        "content/snippet.html",
        block="versions" if "cursor" in request.args else None,
        status=status,
        form=form,
        snippet=snippet,
        club=known.get(snippet.club_id) if snippet and snippet.club_id else None,
        uses=[used(one) for one in uses],
        versions=versions,
        **_preview(form),
        **context,
    )
    return allow_letters(response)


def _preview(form: SnippetForm) -> dict[str, Any]:
    said = form.values()
    if not said["html"]:
        return {"letter": None, "problems": {}}
    letter, problems = of_snippet(
        tenant_id=current().tenant_id, tenant_name=organisation().name, words=Words(said["html"], said["text"] or None)
    )
    return {"letter": letter, "problems": problems}


def _parts(snippet: Snippet, before: int | None, after: int) -> list[Any]:
    """Return what changed from one version of a snippet to another; nothing where the first is none."""
    try:
        old, new = (
            queries.kept(tenant_id=snippet.tenant_id, snippet_id=snippet.id, number=number or 0)
            for number in (before, after)
        )
    except queries.NoSuchSnippetVersion:
        return []
    return content_parts({"html": old.html, "text": old.text}, {"html": new.html, "text": new.text})


def _clubs(tenant_id: UUID) -> dict[UUID, str]:
    return {one.id: one.name for one in clubs(tenant_id=tenant_id)}
