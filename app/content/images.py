"""The pictures of letters: kept in the database, shown by a public address, deleted when nothing shows them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import IO
from uuid import UUID

from sqlalchemy import null, or_, select, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.content import pictures
from app.content.image_links import ImageLink, image_token
from app.content.models import ContentImage
from app.infra import usage
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.errors import Invalid, NotFound
from app.infra.ids import new_id
from app.infra.paging import Page, cut, id_cursor
from app.infra.usage import Use

PAGE = 48
OFFERED = 60
MOST_NAME = 200
MOST_ALT = 300

_LISTED = (
    ContentImage.id,
    ContentImage.name,
    ContentImage.alt,
    ContentImage.content_type,
    ContentImage.width,
    ContentImage.height,
    ContentImage.size,
    ContentImage.has_double,
    ContentImage.created_at,
)
# By the words of the address, which stand as they are in MJML and in HTML.
_USED = text("""
    SELECT token, kind, id, name FROM unnest(CAST(:tokens AS text[])) AS one(token)
    CROSS JOIN LATERAL (
        SELECT 'template' AS kind, t.id, t.name FROM template t
        WHERE t.tenant_id = :tenant_id AND t.archived_at IS NULL
          AND (strpos(t.html, token) > 0 OR strpos(t.mjml, token) > 0)
        UNION ALL
        SELECT 'snippet', s.id, s.name FROM snippet s
        WHERE s.tenant_id = :tenant_id AND s.archived_at IS NULL AND strpos(s.html, token) > 0
    ) AS used
    ORDER BY kind DESC, name, id
""")


@dataclass(frozen=True, slots=True)
class ImageLine:
    """One picture in a list; `size` in bytes, `has_double`: there is one of twice the size."""

    id: UUID
    name: str
    alt: str
    content_type: str
    width: int
    height: int
    size: int
    has_double: bool
    created_at: datetime


class NoSuchImage(NotFound):
    """There is no such picture."""

    def __init__(self) -> None:
        super().__init__("There is no such picture (any more).")


class InUse(usage.InUse):
    """A template or snippet shows the picture; `uses` says which."""

    def __init__(self, uses: list[Use]) -> None:
        super().__init__("picture", "deleted", uses)


def add(*, tenant_id: UUID, file: IO[bytes], name: str, alt: str = "", actor: str) -> ImageLine:
    """Keep the picture in a file, made fit for letters, and return it. Raises Invalid for what is none."""
    kept = {"name": _name(name), "alt": _alt(alt)}
    picture = pictures.fit(file)
    image_id = new_id()
    with transaction(tenant_id) as session:
        session.add(
            ContentImage(
                tenant_id=tenant_id,
                id=image_id,
                **kept,
                content_type=picture.content_type,
                width=picture.width,
                height=picture.height,
                size=len(picture.data),
                has_double=picture.double is not None,
                data=picture.data,
                data_double=picture.double,
                created_by=actor,
            )
        )
        session.flush()
        audit.record(session, actor, "image.added", "image", image_id, {"name": kept["name"]})
        return _one(session, tenant_id, image_id)


def page(*, tenant_id: UUID, q: str | None = None, cursor: str | None = None, limit: int = PAGE) -> Page[ImageLine]:
    """Return pictures, the newest first; `q` is looked for in the name and the words for it."""
    wanted = select(*_LISTED).where(ContentImage.tenant_id == tenant_id)
    if q and q.strip():
        wanted = wanted.where(
            or_(*(column.icontains(q.strip(), autoescape=True) for column in (ContentImage.name, ContentImage.alt)))
        )
    if cursor:
        wanted = wanted.where(ContentImage.id < id_cursor(cursor))
    with transaction(tenant_id) as session:
        rows = session.execute(wanted.order_by(ContentImage.id.desc()).limit(limit + 1)).all()
    return cut(rows, limit, lambda row: (row.id,), lambda row: ImageLine(*row))


def one(*, tenant_id: UUID, image_id: UUID) -> ImageLine:
    """Return one picture, or raise NoSuchImage."""
    with transaction(tenant_id) as session:
        return _one(session, tenant_id, image_id)


def describe(*, tenant_id: UUID, image_id: UUID, alt: str, name: str | None = None) -> ImageLine:
    """Change the words for a picture, and its name. Letters written before keep the words they have."""
    with transaction(tenant_id) as session:
        found = session.get(ContentImage, (tenant_id, image_id), with_for_update=True)
        if found is None:
            raise NoSuchImage
        found.alt = _alt(alt)
        if name is not None:
            found.name = _new_name(name)
        session.flush()
        return _one(session, tenant_id, image_id)


def remove(*, tenant_id: UUID, image_id: UUID, actor: str) -> None:
    """Delete a picture; raise InUse while a template or snippet shows it. Letters sent before show it no more."""
    with transaction(tenant_id) as session:
        found = session.get(ContentImage, (tenant_id, image_id), with_for_update=True)
        if found is None:
            raise NoSuchImage
        if used := uses(tenant_id=tenant_id, image_ids=[image_id]).get(image_id):
            raise InUse(used)
        audit.record(session, actor, "image.deleted", "image", image_id, {"name": found.name})
        session.delete(found)


def uses(*, tenant_id: UUID, image_ids: Collection[UUID]) -> dict[UUID, list[Use]]:
    """Return which templates and snippets that are in use show each of the pictures."""
    tokens = {image_token(tenant_id, one, double=double): one for one in image_ids for double in (False, True)}
    found: dict[UUID, list[Use]] = {}
    with transaction(tenant_id) as session:
        for row in session.execute(_USED, {"tenant_id": tenant_id, "tokens": array(tokens)}):
            endpoint = "content.show" if row.kind == "template" else "content.edit_snippet"
            use = Use(row.kind, row.id, row.name, endpoint, {f"{row.kind}_id": row.id}, running=False)
            if use not in found.setdefault(tokens[row.token], []):
                found[tokens[row.token]].append(use)
    return found


def shown(link: ImageLink) -> tuple[str, bytes]:
    """Return the content type and the bytes of a picture, or raise NoSuchImage."""
    wanted = select(
        ContentImage.content_type, ContentImage.data, ContentImage.data_double if link.double else null()
    ).where(ContentImage.tenant_id == link.tenant_id, ContentImage.id == link.image_id)
    with transaction(link.tenant_id) as session:
        found = session.execute(wanted).first()
    if found is None:
        raise NoSuchImage
    content_type, data, double = found
    return content_type, bytes(double or data)


def _one(session: Session, tenant_id: UUID, image_id: UUID) -> ImageLine:
    wanted = select(*_LISTED).where(ContentImage.tenant_id == tenant_id, ContentImage.id == image_id)
    found = session.execute(wanted).first()
    if found is None:
        raise NoSuchImage
    return ImageLine(*found)


def _name(name: str) -> str:
    tidy = " ".join("".join(one if one.isprintable() else " " for one in name).split())
    return tidy[:MOST_NAME] or "Picture"


def _new_name(name: str) -> str:
    tidy = name.strip()
    if not tidy or len(tidy) > MOST_NAME or not tidy.isprintable():
        raise Invalid({"name": f"Use 1 to {MOST_NAME} ordinary characters."})
    return tidy


def _alt(alt: str) -> str:
    tidy = " ".join((alt or "").split())
    if len(tidy) > MOST_ALT or not tidy.isprintable():
        raise Invalid({"alt": f"Use at most {MOST_ALT} ordinary characters."})
    return tidy
