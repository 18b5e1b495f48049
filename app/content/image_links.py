"""The public addresses of pictures: signed, so that nobody walks through them, and good for ever."""

from dataclasses import dataclass
from uuid import UUID

from app.infra.config import load
from app.infra.signed import seal, unseal
from app.infra.tokens import BadToken

_PURPOSE = "image"


@dataclass(frozen=True, slots=True)
class ImageLink:
    """Which picture an address shows; `double`: at twice the size."""

    tenant_id: UUID
    image_id: UUID
    double: bool


def image_token(tenant_id: UUID, image_id: UUID, *, double: bool = False) -> str:
    """Return the last part of the address of a picture."""
    return seal(_PURPOSE, tenant_id.bytes + image_id.bytes + (b"\x02" if double else b"\x01"))


def image_url(tenant_id: UUID, image_id: UUID, *, double: bool = False) -> str:
    """Return the whole address of a picture, as letters show it."""
    return f"{load().public_url}/i/{image_token(tenant_id, image_id, double=double)}"


def read(token: str) -> ImageLink:
    """Return which picture an address shows, or raise BadToken."""
    data = unseal(_PURPOSE, token)
    if len(data) != 33 or data[32] not in (1, 2):
        raise BadToken
    return ImageLink(UUID(bytes=data[:16]), UUID(bytes=data[16:32]), data[32] == 2)
