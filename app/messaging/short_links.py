"""Links short enough for a text: a code that stands for an address in one message, and is counted when followed."""

import secrets
from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import text

from app.infra.arrays import array
from app.infra.config import load
from app.infra.db import dispatching, transaction
from app.infra.tokens import BadToken
from app.messaging.tokens import TrackedLink

_LETTERS = "23456789abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
"""None of them is taken for another one."""
LENGTH = 10
MAX_URL = 2_000
"""So many bytes of an address; its index holds 2,704."""

_PUT = text("""
    INSERT INTO short_link (tenant_id, message_id, url, code)
    SELECT :tenant_id, entry.message_id, entry.url, entry.code
    FROM unnest(CAST(:messages AS uuid[]), CAST(:urls AS text[]), CAST(:codes AS text[]))
        AS entry(message_id, url, code)
    ON CONFLICT (tenant_id, message_id, url) DO UPDATE SET url = excluded.url
    RETURNING message_id, url, code
""")
_WHOSE = text("SELECT tenant_id FROM short_link WHERE code = :code LIMIT 1")
_FIND = text("SELECT message_id, url FROM short_link WHERE tenant_id = :tenant_id AND code = :code")


def url_of(code: str) -> str:
    """Return the short address a code makes."""
    return f"{load().public_url}/s/{code}"


SAMPLE = "x" * LENGTH
"""A code that leads nowhere, as long as one that does."""


def put(*, tenant_id: UUID, links: Iterable[tuple[UUID, str]]) -> Mapping[tuple[UUID, str], str]:
    """Return a short address for each (message, address), made in one statement; a repeat has the same one."""
    wanted = list(dict.fromkeys((message, url) for message, url in links if _can_be_kept(url)))
    if not wanted:
        return {}
    values = {
        "tenant_id": tenant_id,
        "messages": array(message for message, _ in wanted),
        "urls": array(url for _, url in wanted),
        "codes": array(_code() for _ in wanted),
    }
    with transaction(tenant_id) as session:
        return {(row.message_id, row.url): url_of(row.code) for row in session.execute(_PUT, values)}


def read(code: str) -> TrackedLink:
    """Return the message and address a code stands for, or raise BadToken."""
    if len(code) != LENGTH or not set(code) <= set(_LETTERS):
        raise BadToken
    with dispatching() as session:
        tenant_id = session.scalar(_WHOSE, {"code": code})
    if tenant_id is None:
        raise BadToken
    with transaction(tenant_id) as session:
        found = session.execute(_FIND, {"tenant_id": tenant_id, "code": code}).first()
    if found is None:
        raise BadToken
    return TrackedLink(tenant_id, found.message_id, found.url)


def _can_be_kept(url: str) -> bool:
    return len(url.encode("utf-8", "replace")) <= MAX_URL and "\x00" not in url


def _code() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(LENGTH))
