"""Reading snippets: lists, versions, and which templates and snippets name them."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy import text as sql

from app.content import snippets
from app.content.models import Snippet, SnippetVersion
from app.content.queries import number_of
from app.infra.db import transaction
from app.infra.errors import NotFound
from app.infra.paging import DEFAULT_LIMIT, Page, cut, decode_cursor, id_of
from app.infra.usage import Use

_NAMING = sql("""
    SELECT 'template' AS kind, id, name, concat(subject, html) AS html, text FROM template
    WHERE tenant_id = :tenant_id AND archived_at IS NULL AND concat(subject, html, text) ~ 'snippet'
    UNION ALL
    SELECT 'snippet', id, name, html, text FROM snippet
    WHERE tenant_id = :tenant_id AND archived_at IS NULL AND concat(html, text) ~ 'snippet'
    ORDER BY kind DESC, name, id
""")
_NAMES = sql("""
    SELECT key, html, text FROM snippet
    WHERE tenant_id = :tenant_id AND archived_at IS NULL AND concat(html, text) ~ 'snippet'
""")
_PAGES = {"template": ("content.show", "template_id"), "snippet": ("content.edit_snippet", "snippet_id")}


class NoSuchSnippet(NotFound):
    """There is no such snippet in this tenant."""

    def __init__(self) -> None:
        super().__init__("There is no such snippet.")


class NoSuchSnippetVersion(NotFound):
    """The snippet never had a version of this number."""

    def __init__(self) -> None:
        super().__init__("There is no such version of this snippet.")


def get(*, tenant_id: UUID, snippet_id: UUID) -> Snippet:
    """Return a snippet, archived ones too, or raise NoSuchSnippet."""
    with transaction(tenant_id) as session:
        found = session.get(Snippet, (tenant_id, snippet_id), populate_existing=True)
    if found is None:
        raise NoSuchSnippet
    return found


def page(
    *,
    tenant_id: UUID,
    q: str | None = None,
    archived: bool = False,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Snippet]:
    """Return snippets by key, archived ones only if asked for; `q` is looked for in key and name."""
    wanted = select(Snippet).where(Snippet.tenant_id == tenant_id)
    wanted = wanted.where(Snippet.archived_at.is_not(None) if archived else Snippet.archived_at.is_(None))
    if q and q.strip():
        held = Snippet.name.icontains(q.strip(), autoescape=True)
        wanted = wanted.where(held | Snippet.key.icontains(q.strip(), autoescape=True))
    if cursor:
        key, last = decode_cursor(cursor, 2)
        wanted = wanted.where(tuple_(Snippet.key, Snippet.id) > (str(key), id_of(last)))
    with transaction(tenant_id) as session:
        rows = session.scalars(wanted.order_by(Snippet.key, Snippet.id).limit(limit + 1)).all()
    return cut(rows, limit, lambda row: (row.key, row.id), lambda row: row)


def choices(*, tenant_id: UUID) -> list[tuple[str, str]]:
    """Return (key, name) of the snippets that can be named, one a key, by name."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            select(Snippet.key, Snippet.name)
            .where(Snippet.tenant_id == tenant_id, Snippet.archived_at.is_(None))
            .order_by(Snippet.club_id.nulls_first(), Snippet.key)
        )
        # What is for all clubs comes last, and so names its key.
        names = {row.key: row.name for row in reversed(rows.all())}
    return sorted(names.items(), key=lambda one: one[1].casefold())


def kept(*, tenant_id: UUID, snippet_id: UUID, number: int) -> SnippetVersion:
    """Return what a snippet was at one of its versions, or raise NoSuchSnippetVersion."""
    with transaction(tenant_id) as session:
        found = session.scalar(
            select(SnippetVersion).where(
                SnippetVersion.tenant_id == tenant_id,
                SnippetVersion.snippet_id == snippet_id,
                SnippetVersion.number == number,
            )
        )
    if found is None:
        raise NoSuchSnippetVersion
    return found


def versions(
    *, tenant_id: UUID, snippet_id: UUID, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[SnippetVersion]:
    """Return a snippet's versions, the newest first."""
    wanted = select(SnippetVersion).where(
        SnippetVersion.tenant_id == tenant_id, SnippetVersion.snippet_id == snippet_id
    )
    if cursor:
        wanted = wanted.where(SnippetVersion.number < number_of(decode_cursor(cursor, 1)[0]))
    with transaction(tenant_id) as session:
        rows = session.scalars(wanted.order_by(SnippetVersion.number.desc()).limit(limit + 1)).all()
    return cut(rows, limit, lambda row: (row.number,), lambda row: row)


def uses(*, tenant_id: UUID, keys: Collection[str]) -> dict[str, list[Use]]:
    """Return which templates and snippets that are in use name these snippets, by key."""
    found: dict[str, list[Use]] = {}
    with transaction(tenant_id) as session:
        for row in session.execute(_NAMING, {"tenant_id": tenant_id}):
            endpoint, value = _PAGES[row.kind]
            for key in snippets.named_in(row.html, row.text) & set(keys):
                use = Use(row.kind, row.id, row.name, endpoint, {value: row.id}, running=True)
                found.setdefault(key, []).append(use)
    return found


def names(*, tenant_id: UUID) -> dict[str, frozenset[str]]:
    """Return which keys the snippets of each key name, those of all clubs together."""
    found: dict[str, frozenset[str]] = {}
    with transaction(tenant_id) as session:
        for row in session.execute(_NAMES, {"tenant_id": tenant_id}):
            found[row.key] = found.get(row.key, frozenset()) | snippets.named_in(row.html, row.text)
    return found
