"""Acts on templates: write one, change it, let it say again what it said, copy it, put it away and take it out again.

`users` say what uses a template (app/road.py puts them together): what runs is never left without its words.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.content import queries, snippets
from app.content.kind import kinds
from app.content.models import SnippetVersion, Template, TemplateVersion
from app.content.queries import CONTENT, TemplateNotFound, content_of
from app.customers.topics import topics
from app.infra import clock, usage
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid, IsArchived
from app.infra.ids import new_id
from app.infra.usage import User
from app.infra.words import is_visible

MAX_NAME = 200
SYSTEM = "system"


class ChangedMeanwhile(Conflict):
    """Somebody else saved the thing (its word) after the caller read it; `version` is theirs."""

    def __init__(self, thing: str, version: TemplateVersion | SnippetVersion) -> None:
        who = version.changed_by_name or "Somebody else"
        super().__init__(
            f"{who} saved version {version.number} of this {thing} while you were changing it. Look at what they "
            "changed, and save again if yours is to hold."
        )
        self.version = version


class InUse(usage.InUse):
    """What runs sends the template; `uses` says what."""

    thing = "template"

    def __init__(self, does: str, uses: Sequence[usage.Use]) -> None:
        super().__init__(self.thing, does, uses)


def create(
    *,
    tenant_id: UUID,
    name: str,
    channel: str = "EMAIL",
    topic_id: UUID | None = None,
    actor: str = SYSTEM,
    actor_name: str = "",
    now: datetime | None = None,
    **content: Any,
) -> Template:
    """Write a template and return it, or raise Invalid with a message for each field that is wrong.

    `content` is what it says, by the names of `queries.CONTENT`: of a letter `subject`, and as its `editor` wants it
    `html` (the usual one), `mjml`, or `text` alone. `topic_id` is the topic whose consent messages made of it ask
    for, unless they name another.
    """
    with transaction(tenant_id) as session:
        fields = _checked(tenant_id, name, channel, content)
        _check_topic(tenant_id, topic_id)
        template = Template(tenant_id=tenant_id, id=new_id(), channel=channel, topic_id=topic_id, version=1, **fields)
        return _add(session, template, actor, actor_name, now or clock.now(), "template.create")


def faults(*, tenant_id: UUID, channel: str, content: Mapping[str, Any]) -> dict[str, str]:
    """Return why `content` could not be saved, by field; nothing where it could."""
    try:
        with transaction(tenant_id):
            _checked(tenant_id, "Whatever it is called", channel, content)
    except Invalid as wrong:
        return dict(wrong.errors)
    return {}


def update(
    *,
    tenant_id: UUID,
    template_id: UUID,
    changes: Mapping[str, Any],
    seen: int | None = None,
    actor: str = SYSTEM,
    actor_name: str = "",
    now: datetime | None = None,
) -> Template:
    """Change a template's name, topic_id or what it says (`queries.CONTENT`) and return it with its next version.

    Changes that change nothing make no version. `seen` is the version the caller changed: where it is not the newest
    any more, nothing is saved and ChangedMeanwhile raised. Messages that are queued are rendered from the new text.
    Raises TemplateNotFound, IsArchived or Invalid too.
    """
    with transaction(tenant_id) as session:
        template = _locked(session, tenant_id, template_id)
        if template.archived_at is not None:
            raise IsArchived("template")
        wanted = {key: changes.get(key, getattr(template, key)) for key in ("name", *CONTENT)}
        fields = _checked(tenant_id, wanted["name"], template.channel, wanted)
        fields["topic_id"] = changes.get("topic_id", template.topic_id)
        if fields["topic_id"] != template.topic_id:
            _check_topic(tenant_id, fields["topic_id"])
        if all(getattr(template, key) == value for key, value in fields.items()):
            return template
        if seen is not None and seen != template.version:
            _keep(session, template)
            theirs = queries.kept(tenant_id=tenant_id, template_id=template_id, number=template.version)
            raise ChangedMeanwhile("template", theirs)
        return _change(session, template, fields, actor, actor_name, now or clock.now(), "template.change")


def restore(
    *,
    tenant_id: UUID,
    template_id: UUID,
    version: int,
    actor: str = SYSTEM,
    actor_name: str = "",
    now: datetime | None = None,
) -> Template:
    """Let a template say again what its `version` said, as a new version, and return it.

    Its name and topic stay as they are. Raises NoSuchVersion, IsArchived, or Invalid where that text can't be read any
    more.
    """
    with transaction(tenant_id) as session:
        template = _locked(session, tenant_id, template_id)
        if template.archived_at is not None:
            raise IsArchived("template")
        kept = queries.kept(tenant_id=tenant_id, template_id=template_id, number=version)
        said = {key: kept.content.get(key) for key in CONTENT}
        said["editor"] = said["editor"] or "html"
        if said == content_of(template):
            return template
        fields = _checked(tenant_id, template.name, template.channel, said)
        moment = now or clock.now()
        return _change(session, template, fields, actor, actor_name, moment, "template.restore", restored_from=version)


def copy(
    *,
    tenant_id: UUID,
    template_id: UUID,
    actor: str = SYSTEM,
    actor_name: str = "",
    now: datetime | None = None,
) -> Template:
    """Make another template that says the same, and return it; an archived one may be copied too."""
    with transaction(tenant_id) as session:
        one = _locked(session, tenant_id, template_id)
        made = Template(
            tenant_id=tenant_id,
            id=new_id(),
            name=free_name(session, tenant_id, f"Copy of {one.name}"),
            channel=one.channel,
            topic_id=one.topic_id,
            version=1,
            **content_of(one),
        )
        moment = now or clock.now()
        return _add(session, made, actor, actor_name, moment, "template.copy", copy_of=str(template_id))


def archive(
    *,
    tenant_id: UUID,
    template_id: UUID,
    users: Sequence[User],
    actor: str = SYSTEM,
    now: datetime | None = None,
) -> Template:
    """Put a template away and return it: nothing can be made to send it. Raises InUse where something running does."""
    with transaction(tenant_id) as session:
        template = _locked(session, tenant_id, template_id)
        if template.archived_at is None:
            uses = [use for user in users for use in user(session, tenant_id, [template_id]).get(template_id, ())]
            if running := [one for one in uses if one.running]:
                raise InUse("archived", running)
            template.archived_at = now or clock.now()
            session.flush()
            audit.record(session, actor, "template.archive", "template", template_id, {"name": template.name})
        return template


def unarchive(*, tenant_id: UUID, template_id: UUID, actor: str = SYSTEM) -> Template:
    """Take a template out of the archive and return it. Raises Invalid where another one has its name by now."""
    with transaction(tenant_id) as session:
        template = _locked(session, tenant_id, template_id)
        if template.archived_at is not None:
            template.archived_at = None
            _flush_named(session)
            audit.record(session, actor, "template.unarchive", "template", template_id, {"name": template.name})
        return template


def _locked(session: Session, tenant_id: UUID, template_id: UUID) -> Template:
    """Return a template, nobody else's to change until the transaction ends; messages may be put in that name it."""
    found = session.scalar(
        select(Template)
        .where(Template.tenant_id == tenant_id, Template.id == template_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise TemplateNotFound
    return found


def _add(
    session: Session, template: Template, actor: str, actor_name: str, now: datetime, act: str, **detail: str
) -> Template:
    template.created_at = template.updated_at = now
    session.add(template)
    _flush_named(session)
    _keep(session, template, actor, actor_name, now)
    audit.record(session, actor, act, "template", template.id, {"name": template.name, **detail})
    return template


def _change(
    session: Session,
    template: Template,
    fields: Mapping[str, Any],
    actor: str,
    actor_name: str,
    now: datetime,
    act: str,
    *,
    restored_from: int | None = None,
) -> Template:
    # What a process of the last release wrote while this one is being installed has no row yet.
    _keep(session, template)
    for key, value in fields.items():
        setattr(template, key, value)
    template.version += 1
    template.updated_at = now
    _flush_named(session)
    _keep(session, template, actor, actor_name, now, restored_from)
    audit.record(session, actor, act, "template", template.id, {"version": template.version})
    return template


def _keep(
    session: Session,
    template: Template,
    actor: str = "",
    actor_name: str = "",
    now: datetime | None = None,
    restored_from: int | None = None,
) -> None:
    """Write down what the template says as the version it is at, unless that stands already."""
    session.execute(
        insert(TemplateVersion)
        .values(
            tenant_id=template.tenant_id,
            template_id=template.id,
            number=template.version,
            name=template.name,
            topic_id=template.topic_id,
            content=content_of(template),
            restored_from=restored_from,
            changed_at=now or template.updated_at,
            changed_by=actor,
            changed_by_name=actor_name,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "template_id", "number"])
    )


def _flush_named(session: Session) -> None:
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        if "uq_template_name" not in str(error.orig):
            raise
        raise Invalid({"name": "Another template has this name; choose a different one."}) from None


def free_name(session: Session, tenant_id: UUID, name: str) -> str:
    """Return the name, or with a number after it where others have it."""
    name = name[: MAX_NAME - 6]
    taken = set(
        session.scalars(
            select(Template.name).where(
                Template.tenant_id == tenant_id, Template.name.startswith(name, autoescape=True)
            )
        )
    )
    number = 1
    while (free := name if number == 1 else f"{name} ({number})") in taken:
        number += 1
    return free


def _checked(tenant_id: UUID, name: str, channel: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a template, or raise Invalid; the snippets it names stay until the transaction ends."""
    errors: dict[str, str] = {}
    name = " ".join((name or "").split())
    if not is_visible(name):
        errors["name"] = "Give the template a name."
    elif len(name) > MAX_NAME:
        errors["name"] = f"Use at most {MAX_NAME} characters."
    known = kinds()
    if channel not in known:
        raise Invalid(errors | {"channel": f"Choose one of: {', '.join(known)}."})
    texts = [text for key in ("subject", "preheader", "html", "mjml", "text") if (text := given.get(key))]
    usable = snippets.hold(tenant_id=tenant_id, keys=snippets.named_in(*texts))
    words = snippets.known(tenant_id=tenant_id, club_id=None) if usable else {}
    columns = known[channel].read(given, errors, lambda letter: snippets.problems(letter, words, usable))
    if errors:
        raise Invalid(errors)
    return {"name": name, **columns}


def _check_topic(tenant_id: UUID, topic_id: UUID | None) -> None:
    if topic_id is not None and topic_id not in {one.id for one in topics(tenant_id=tenant_id)}:
        raise Invalid({"topic_id": "This topic does not exist or was archived. Choose another one."})
