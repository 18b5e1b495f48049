"""What a template said before: its versions, what each changed, and one again."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Response, abort, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.content.base import Shown, blueprint, letter_alone, rendered, shown_as_sent, topic_names
from app.content import difference, queries, service
from app.content.difference import Difference
from app.content.html_text import text_of
from app.content.models import TemplateVersion
from app.infra.errors import Invalid, IsArchived
from app.infra.paging import Page
from app.web.guards import current, requires

_PARTS: tuple[tuple[str, str], ...] = (
    ("editor", "Way of writing"),
    ("subject", "Subject"),
    ("preheader", "Preheader"),
    ("mjml", "MJML"),
    ("html", "HTML"),
    ("text", "Plain text"),
)
_SOURCES = ("mjml", "html")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a template that changed, as its page shows it. `source`: markup, which is folded away."""

    label: str
    difference: Difference
    source: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One version in the list: what of the template it changed, in words; none for the first that is kept."""

    version: TemplateVersion
    changed: tuple[str, ...] | None


@blueprint.get("/<uuid:template_id>/history")
@requires("templates.view")
def history(template_id: UUID) -> Response:
    """List a template's versions: who saved each, when, and which parts changed."""
    shown = Shown(template_id)
    found = queries.versions(tenant_id=shown.tenant_id, template_id=template_id, cursor=request.args.get("cursor"))
    return shown.page("history", block="results", page=Page(_entries(found.items), found.next_cursor))


def _entries(versions: Sequence[TemplateVersion]) -> list[Entry]:
    return [
        Entry(one, _changed_parts(before, one) if before is not None else None)
        for one, before in zip(versions, [*versions[1:], _before(versions[-1]) if versions else None], strict=False)
    ]


def _before(one: TemplateVersion) -> TemplateVersion | None:
    """Return the version before one, None where it is the first that is kept."""
    with suppress(queries.NoSuchVersion):
        return queries.kept(tenant_id=one.tenant_id, template_id=one.template_id, number=one.number - 1)
    return None


def _changed_parts(before: TemplateVersion, after: TemplateVersion) -> tuple[str, ...]:
    named = [("Name", before.name, after.name), ("Topic", before.topic_id, after.topic_id)]
    said = [
        (label, before.content.get(key), after.content.get(key))
        for key, label in _PARTS
        if key != "html" or not after.content.get("mjml")
    ]
    said.append(("Settings", _listed(before.content), _listed(after.content)))
    return tuple(label for label, old, new in (*named, *said) if old != new)


@blueprint.get("/<uuid:template_id>/versions/<int(max=2147483647):number>")
@requires("templates.view")
def version(template_id: UUID, number: int) -> Response:
    """Show one version as a letter, and what differs: from the version before it, or from what holds now."""
    shown = Shown(template_id)
    one = queries.kept(tenant_id=shown.tenant_id, template_id=template_id, number=number)
    newest = shown.template.version
    against_now = request.args.get("against") == "now" and number != newest
    other = (
        queries.kept(tenant_id=shown.tenant_id, template_id=template_id, number=newest) if against_now else _before(one)
    )
    channel = shown.template.channel
    letter, problems = rendered(queries.source_of(one.content, channel), None)
    return shown.page(
        "version",
        tab="history",
        one=one,
        is_present=number == newest,
        against_now=against_now,
        other=other,
        parts=_parts(one, other) if against_now else _parts(other, one),
        letter=letter,
        problems=problems,
        **shown_as_sent(channel, letter),
    )


@blueprint.get("/<uuid:template_id>/versions/<int(max=2147483647):number>/letter")
@requires("templates.view")
def version_letter(template_id: UUID, number: int) -> Response:
    """Answer with the rendered HTML of a version alone, for a sandboxed frame."""
    one = queries.kept(tenant_id=current().tenant_id, template_id=template_id, number=number)
    found = letter_alone(queries.source_of(one.content))
    return found if found is not None else abort(404)


@blueprint.post("/<uuid:template_id>/versions/<int(max=2147483647):number>/restore")
@requires("templates.edit")
def restore(template_id: UUID, number: int) -> Answer:
    """Let the template say again what it said in an earlier version."""
    actor = current()
    try:
        made = service.restore(
            tenant_id=actor.tenant_id,
            template_id=template_id,
            version=number,
            actor=actor.ref,
            actor_name=actor.name,
        )
    except (Invalid, IsArchived) as refused:
        flash(refused.message, "warning")
    else:
        flash(f"Version {number} holds again, as version {made.version}.", "success")
    return redirect(url_for("content.history", template_id=template_id))


def _parts(before: TemplateVersion | None, after: TemplateVersion | None) -> list[Part]:
    """Return what changed from one version to the other; nothing where there is no other."""
    if before is None or after is None:
        return []
    names = topic_names()
    titles = [
        ("Name", before.name, after.name),
        ("Topic", _topic(names, before.topic_id), _topic(names, after.topic_id)),
    ]
    named = [Part(label, found) for label, old, new in titles if (found := difference.between(old, new))]
    return named + content_parts(before.content, after.content)


def content_parts(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Part]:
    """Return what changed in what is said: the words first, and the markup they stand in."""
    return list(_content_parts(before, after))


def _content_parts(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Part]:
    for key, label in _PARTS:
        old, new = before.get(key) or "", after.get(key) or ""
        if key == "html" and after.get("mjml"):
            continue  # made of what was told already
        if key == _SOURCES[0] and (words := difference.between(_words(before), _words(after))):
            yield Part("What it says", words)
        if key in _SOURCES:
            if markup := difference.between(old, new):
                yield Part(label, markup, source=True)
        elif found := difference.between(old, new):
            yield Part(label, found)
    if found := difference.between(_listed(before), _listed(after)):
        yield Part("Settings", found)


def _listed(content: Mapping[str, Any]) -> str:
    """Return what a template holds beside its words, a line each."""
    told = queries.flat(content.get("parameters") or {})
    return "\n".join(f"{name.removeprefix('parameters.').replace('.', ' ')}: {value}" for name, value in told)


def _words(content: Mapping[str, Any]) -> str:
    return text_of(content.get("html") or "")


def _topic(names: Mapping[UUID, str], topic_id: UUID | None) -> str:
    return names.get(topic_id, "A topic that is no more") if topic_id else "No topic"
