"""Signed words for links (invite, reset, unsubscribe, tracking). Each purpose has a key of its own."""

from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer, URLSafeTimedSerializer

from app.infra.config import load
from app.infra.errors import UserError


class BadToken(UserError):
    """The link was changed, belongs to something else, or its time is over."""

    status = 404
    title = "Link not valid"

    def __init__(self) -> None:
        super().__init__("This link is not valid, or its time is over. Ask for a new one.")


def sign(purpose: str, data: dict[str, Any], *, timed: bool = False) -> str:
    """Return `data` (JSON values) as a URL-safe signed word; `timed` adds the moment it was made."""
    kind = URLSafeTimedSerializer if timed else URLSafeSerializer
    return str(kind(_keys(), salt=f"fairway:{purpose}").dumps(data))


def unsign(purpose: str, token: str, *, max_age: int | None = None) -> dict[str, Any]:
    """Return the data of a word signed for `purpose` (and at most `max_age` seconds old), or raise BadToken."""
    try:
        if max_age is None:
            data = URLSafeSerializer(_keys(), salt=f"fairway:{purpose}").loads(token)
        else:
            data = URLSafeTimedSerializer(_keys(), salt=f"fairway:{purpose}").loads(token, max_age=max_age)
    except BadSignature:
        raise BadToken from None
    if not isinstance(data, dict):
        raise BadToken
    return data


def _keys() -> list[str]:
    """Return the keys as itsdangerous takes them: it signs with the last and believes all."""
    config = load()
    return [*reversed(config.old_secret_keys), config.secret_key]
