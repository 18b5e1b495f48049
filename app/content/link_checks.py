"""Links tried before a letter is sent: each address is asked by a worker, and what it answered is kept with the time.

An address is tried once for all letters that lead there. It is asked as somebody outside would (`infra.http`), for its
head first, and for a little of the page where it does not answer that.
"""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit
from uuid import UUID

from sqlalchemy import text

from app.content import links
from app.content.checks import Finding, Severity
from app.content.letters import LetterSource
from app.infra import http
from app.infra.arrays import array
from app.infra.db import transaction
from app.infra.http import NoSuchHost, RefusedUrl, Unreachable
from app.infra.queue import Work, wake

log = logging.getLogger(__name__)

FRESH = timedelta(days=1)
"""What was tried within this time is not tried again unless somebody asks for it."""
KEPT = timedelta(days=90)
AT_ONCE = 8
SECONDS = 10.0
"""How long one address may take, with all it leads on to."""
LEASE = timedelta(minutes=1)
MOST = 200
"""So many links of one letter are tried."""
MAX_REDIRECTS = 5
MAX_URL_BYTES = 2_000
_READ = 1024

GOOD, UNSURE, BROKEN = "good", "unsure", "broken"
_GONE = (404, 410)
_WARY = (401, 403, 405, 406, 429, 451, 999)

_ASK = text("""
    INSERT INTO link_check (tenant_id, url, due_at)
    SELECT :tenant_id, url, :now FROM unnest(CAST(:urls AS text[])) AS asked(url) ORDER BY url
    ON CONFLICT (tenant_id, url) DO UPDATE SET due_at = excluded.due_at
    WHERE link_check.due_at IS NULL AND (:again OR link_check.tried_at < :stale)
""")
_FORGET = text("DELETE FROM link_check WHERE tenant_id = :tenant_id AND due_at IS NULL AND tried_at < :before")
_KNOWN = text("""
    SELECT url, due_at IS NOT NULL AS waits, verdict, said, tried_at FROM link_check
    WHERE tenant_id = :tenant_id AND url = ANY(CAST(:urls AS text[]))
""")
_CLAIM = text("""
    UPDATE link_check SET due_at = :lease
    WHERE tenant_id = :tenant_id AND id IN (
        SELECT id FROM link_check WHERE tenant_id = :tenant_id AND due_at <= :now
        ORDER BY due_at, id LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING id, url
""")
_SETTLE = text("""
    UPDATE link_check SET due_at = NULL, tried_at = :now, verdict = told.verdict, said = told.said
    FROM unnest(CAST(:ids AS uuid[]), CAST(:verdicts AS text[]), CAST(:said AS text[])) AS told(id, verdict, said)
    WHERE link_check.tenant_id = :tenant_id AND link_check.id = told.id
""")


@dataclass(frozen=True, slots=True)
class Tried:
    """How far the links of a letter are tried: how many there are, wait for it and were never asked for.

    `varying` differ by reader and are not tried. `since` is when the one was tried that was tried longest ago.
    """

    total: int
    waiting: int
    never: int
    varying: tuple[str, ...]
    since: datetime | None
    findings: Sequence[Finding] = ()

    @property
    def tried(self) -> int:
        """Return how many have been tried, and wait for nothing."""
        return self.total - self.waiting - self.never


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of trying an address: GOOD, UNSURE or BROKEN, and why in words."""

    verdict: str
    said: str = ""


def ask(*, tenant_id: UUID, source: LetterSource, now: datetime, again: bool = False) -> int:
    """Let a worker try the links of a letter and return how many those are.

    Those tried within FRESH are left alone, unless `again`.
    """
    urls = _askable(links.of(tenant_id=tenant_id, source=source).fixed)
    if not urls:
        return 0
    values = {"tenant_id": tenant_id, "urls": array(urls), "now": now, "again": again, "stale": now - FRESH}
    with transaction(tenant_id) as session:
        session.execute(_FORGET, {"tenant_id": tenant_id, "before": now - KEPT})
        session.execute(_ASK, values)
        wake(Work.CHECK_LINKS, tenant_id)
    return len(urls)


def tried(*, tenant_id: UUID, source: LetterSource) -> Tried:
    """Return how far the links of a letter are tried, and what came of it."""
    found = links.of(tenant_id=tenant_id, source=source)
    urls = _askable(found.fixed)
    with transaction(tenant_id) as session:
        rows = session.execute(_KNOWN, {"tenant_id": tenant_id, "urls": array(urls)}).all() if urls else []
    known = {row.url: row for row in rows}
    told = [known[url] for url in urls if url in known and known[url].verdict is not None]
    return Tried(
        total=len(urls),
        waiting=sum(row.waits for row in rows),
        never=len(urls) - len(rows),
        varying=found.varying,
        since=min((row.tried_at for row in told), default=None),
        findings=[_finding(row.url, row.verdict, row.said) for row in told if row.verdict != GOOD],
    )


def run_batch(*, tenant_id: UUID, now: datetime) -> int:
    """Try some of the addresses that wait for it and return how many; who dies in between leaves them to others."""
    values = {"tenant_id": tenant_id, "now": now, "lease": now + LEASE, "limit": AT_ONCE}
    with transaction(tenant_id) as session:
        rows = session.execute(_CLAIM, values).all()
    if not rows:
        return 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="links") as threads:
        verdicts = list(threads.map(try_one, [row.url for row in rows]))
    with transaction(tenant_id) as session:
        told = {
            "ids": array(row.id for row in rows),
            "verdicts": array(one.verdict for one in verdicts),
            "said": array(one.said for one in verdicts),
        }
        session.execute(_SETTLE, {"tenant_id": tenant_id, "now": now, **told})
    return len(rows)


def try_one(url: str) -> Verdict:
    """Return what comes of following a link, with all that it leads on to."""
    ends = time.monotonic() + SECONDS
    try:
        for _ in range(MAX_REDIRECTS + 1):
            answer = _answer(url, ends)
            onward = answer.headers.get("location")
            if not 300 <= answer.status < 400 or not onward:
                return _judged(answer.status)
            url = urljoin(url, onward)
    except NoSuchHost as problem:
        # Set apart for examples (RFC 2606), as in a letter of the demo: nobody took it for an address that works.
        made_up = (urlsplit(url).hostname or "").endswith(".example")
        return Verdict(UNSURE if made_up else BROKEN, problem.message)
    except (RefusedUrl, Unreachable) as problem:
        return Verdict(UNSURE, problem.message)
    except ValueError:
        # Where it leads on to is no address.
        log.info("A link leads on to what is no address", exc_info=True)
        return Verdict(UNSURE, "It leads on to something that is no address.")
    return Verdict(UNSURE, f"It leads on more than {MAX_REDIRECTS} times.")


def _answer(url: str, ends: float) -> http.Answer:
    try:
        head = http.request("HEAD", url, timeout=_left(ends), max_bytes=0, plain=True)
        if head.status < 400:
            return head
    except Unreachable as problem:
        # Some break off where they are asked for the head alone.
        if not problem.sent:
            raise
    return http.request("GET", url, timeout=_left(ends), max_bytes=_READ, plain=True)


def _left(ends: float) -> float:
    return max(0.1, ends - time.monotonic())


def _judged(status: int) -> Verdict:
    said = f"It answers {status} ({_phrase(status)})." if _phrase(status) else f"It answers {status}."
    if status in _GONE:
        return Verdict(BROKEN, said)
    if status in _WARY:
        return Verdict(UNSURE, f"{said} It may keep out machines only: open it yourself.")
    return Verdict(GOOD) if status < 400 else Verdict(UNSURE, said)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _askable(urls: Sequence[str]) -> list[str]:
    return [one for one in urls if len(one.encode()) <= MAX_URL_BYTES][:MOST]


def _finding(url: str, verdict: str, said: str) -> Finding:
    if verdict == BROKEN:
        return Finding(Severity.PROBLEM, "links", f"A link is broken. {said}", where=url)
    return Finding(Severity.WARNING, "links", f"A link could not be followed to its end. {said}", where=url)
