"""Acts on templates: write, change, preview."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from app.content import queries
from app.content.letters import (
    MAX_SUBJECT,
    LetterProblem,
    LetterSource,
    RenderedLetter,
    compile_letter,
    problems_of,
    render_letter,
)
from app.content.merge_tags import letter_values
from app.content.models import Template
from app.customers.topics import topics
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import new_id
from app.infra.words import is_visible

CHANNELS = ("EMAIL",)
MAX_NAME = 200
PREVIEW_UNSUBSCRIBE = "https://example.com/unsubscribe"
PREVIEW_PREFERENCES = "https://example.com/preferences"

# Shown where no customer is chosen, so that a new installation has something to look at.
MADE_UP = {
    "title": "Ms",
    "first_name": "Alex",
    "last_name": "Example",
    "email": "alex@example.com",
    "phone": "+27821234567",
    "date_of_birth": date(1980, 5, 17),
    "membership_tier": "Gold",
    "membership_status": "ACTIVE",
    "joined_on": date(2019, 3, 1),
    "handicap_index": "14.2",
    "lifecycle_stage": "MEMBER",
    "tags": ["early-bird"],
    "custom": {},
}


def create(
    *,
    tenant_id: UUID,
    name: str,
    subject: str,
    html: str | None = None,
    text: str | None = None,
    channel: str = "EMAIL",
    topic_id: UUID | None = None,
) -> Template:
    """Write a template and return it, or raise Invalid with a message for each field that is wrong.

    `topic_id` is the topic whose consent messages made of it ask for, unless they name another.
    """
    fields = _checked(name, channel, LetterSource(subject, html, text))
    template = Template(tenant_id=tenant_id, id=new_id(), channel=channel, topic_id=topic_id, version=1, **fields)
    with transaction(tenant_id) as session:
        _check_topic(tenant_id, topic_id)
        try:
            with session.begin_nested():
                session.add(template)
                session.flush()
        except IntegrityError:
            raise _name_taken() from None
        session.refresh(template)
    return template


def update(*, tenant_id: UUID, template_id: UUID, changes: Mapping[str, Any]) -> Template:
    """Change a template's name, subject, html, text or topic_id and return it with its next version.

    Messages that are queued are rendered from the new text. Raise TemplateNotFound or Invalid.
    """
    with transaction(tenant_id) as session:
        template = session.get(Template, (tenant_id, template_id), with_for_update=True)
        if template is None:
            raise queries.TemplateNotFound
        wanted = {key: changes.get(key, getattr(template, key)) for key in ("name", "subject", "html", "text")}
        fields = _checked(
            wanted["name"], template.channel, LetterSource(wanted["subject"], wanted["html"], wanted["text"])
        )
        if changes.get("topic_id", template.topic_id) != template.topic_id:
            _check_topic(tenant_id, changes["topic_id"])
            template.topic_id = changes["topic_id"]
        for key, value in fields.items():
            setattr(template, key, value)
        template.version += 1
        template.updated_at = clock.now()
        try:
            with session.begin_nested():
                session.flush()
        except IntegrityError:
            raise _name_taken() from None
    return template


def preview(
    *, tenant_id: UUID, tenant_name: str, source: LetterSource, customer_id: UUID | None = None
) -> tuple[RenderedLetter | None, dict[str, str]]:
    """Return the letter as the customer (or a made-up one) would get it, or None and the problems by part.

    It is rendered by the function that renders what is sent.
    """
    customer = queries.sample_customer(tenant_id=tenant_id, customer_id=customer_id) if customer_id else None
    values = letter_values(
        customer=customer or MADE_UP,
        club_name=customer["club_name"] if customer else None,
        tenant_name=tenant_name,
        context={},
        unsubscribe_url=PREVIEW_UNSUBSCRIBE,
        preferences_url=PREVIEW_PREFERENCES,
    )
    problems = problems_of(source)
    if problems:
        return None, problems
    try:
        return render_letter(compile_letter(source), values), {}
    except LetterProblem as problem:
        return None, {problem.part: str(problem)}


def _checked(name: str, channel: str, source: LetterSource) -> dict[str, Any]:
    """Return the columns of a template, or raise Invalid."""
    errors: dict[str, str] = {}
    name = " ".join((name or "").split())
    if not is_visible(name):
        errors["name"] = "Give the template a name."
    elif len(name) > MAX_NAME:
        errors["name"] = f"Use at most {MAX_NAME} characters."
    if channel not in CHANNELS:
        errors["channel"] = f"Choose one of: {', '.join(CHANNELS)}."
    subject = (source.subject or "").strip()
    if not subject:
        errors["subject"] = "Write a subject."
    elif len(subject) > MAX_SUBJECT:
        errors["subject"] = f"Use at most {MAX_SUBJECT} characters."
    html = source.html if source.html and source.html.strip() else None
    text = source.text if source.text and source.text.strip() else None
    if html is None and text is None:
        errors["html"] = "Write an HTML part, a text part, or both."
    cleaned = LetterSource(subject, html, text)
    for part, problem in problems_of(cleaned).items():
        errors.setdefault(part, problem)
    if errors:
        raise Invalid(errors)
    return {"name": name, "subject": subject, "html": html, "text": text}


def _check_topic(tenant_id: UUID, topic_id: UUID | None) -> None:
    if topic_id is not None and topic_id not in {one.id for one in topics(tenant_id=tenant_id)}:
        raise Invalid({"topic_id": "This topic does not exist or was archived. Choose another one."})


def _name_taken() -> Invalid:
    return Invalid({"name": "Another template has this name; choose a different one."})
