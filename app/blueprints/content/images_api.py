"""The pictures of letters over the API."""

from datetime import datetime
from uuid import UUID

from flask import request
from pydantic import Field

from app.blueprints.content.api import blueprint
from app.content import images
from app.content.image_links import image_url
from app.content.images import MOST_ALT, ImageLine
from app.infra.paging import Page
from app.web.guards import current
from app.web.schemas import Body, PageQuery, Shown, Text
from app.web.uploads import uploaded


class ImageQuery(PageQuery):
    """Which pictures, by a part of the name or the words for it."""

    q: Text | None = None


class ImageChange(Body):
    """The words for those who can't see the picture, and what it is called."""

    alt: Text = Field(max_length=MOST_ALT)
    name: Text | None = None


class ImageOut(Shown):
    """A picture; `url` is where letters show it from, `double_url` the same twice as large, if it was so."""

    id: UUID
    name: str
    alt: str
    content_type: str
    width: int
    height: int
    size: int
    url: str
    double_url: str | None
    created_at: datetime


@blueprint.operation("GET", "/images", permission="templates.view", query=ImageQuery, returns=ImageOut, paged=True)
def list_images(query: ImageQuery) -> Page[ImageOut]:
    """List the pictures, the newest first."""
    found = images.page(tenant_id=current().tenant_id, **query.model_dump())
    return Page([_out(one) for one in found.items], found.next_cursor)


@blueprint.operation("POST", "/images", permission="templates.edit", returns=ImageOut, files=True, status=201)
def add_image() -> ImageOut:
    """Take in a picture (multipart: `file`, `alt`): PNG, JPEG, GIF or WebP, at most 10 MB."""
    actor, file = current(), uploaded()
    return _out(
        images.add(
            tenant_id=actor.tenant_id,
            file=file.stream,
            name=file.filename or "",
            alt=request.form.get("alt", ""),
            actor=actor.ref,
        )
    )


@blueprint.operation("GET", "/images/<uuid:image_id>", permission="templates.view", returns=ImageOut)
def get_image(image_id: UUID) -> ImageOut:
    """Return one picture."""
    return _out(images.one(tenant_id=current().tenant_id, image_id=image_id))


@blueprint.operation(
    "PATCH", "/images/<uuid:image_id>", permission="templates.edit", body=ImageChange, returns=ImageOut
)
def change_image(image_id: UUID, body: ImageChange) -> ImageOut:
    """Change the words for a picture."""
    return _out(images.describe(tenant_id=current().tenant_id, image_id=image_id, alt=body.alt, name=body.name))


@blueprint.operation("DELETE", "/images/<uuid:image_id>", permission="templates.edit", status=204)
def delete_image(image_id: UUID) -> None:
    """Delete a picture; 409 while a template or snippet shows it."""
    actor = current()
    images.remove(tenant_id=actor.tenant_id, image_id=image_id, actor=actor.ref)


def _out(one: ImageLine) -> ImageOut:
    tenant_id = current().tenant_id
    return ImageOut(
        id=one.id,
        name=one.name,
        alt=one.alt,
        content_type=one.content_type,
        width=one.width,
        height=one.height,
        size=one.size,
        url=image_url(tenant_id, one.id),
        double_url=image_url(tenant_id, one.id, double=True) if one.has_double else None,
        created_at=one.created_at,
    )
