"""Whoever follows what their pages show is let in everywhere, and each button does what their role may do."""

from collections import deque
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import html5lib
import pytest
from flask import Flask

from app.accounts.permissions import permissions_of
from app.events import log
from app.infra import clock
from app.infra.db import transaction
from app.web.guards import guard_of
from tests.conftest import make_tenant
from tests.house.test_tenant_walk import furnish
from tests.journeys.helpers import journey, tag
from tests.page_client import PageClient
from tests.segments.crowd import person


def inside(found: set[str], path: str) -> set[str]:
    return {urljoin(path, at).partition("#")[0] for at in found if at[:1] in ("/", "?")}


def told(tree: Any, path: str) -> tuple[set[str], set[str]]:
    """Return where the links of a page lead, and where its forms are sent."""
    links = {one.get("href") or "" for one in tree.iter("a")}
    acts = {one.get(name) or "" for one in tree.iter() for name in ("hx-post", "formaction")}
    acts |= {one.get("action") or "" for one in tree.iter("form") if (one.get("method") or "").lower() == "post"}
    return inside(links, path), inside(acts, path)


# Its fields are disabled for those who only look at them.
SHOWN = {"journeys.save_step"}


@pytest.mark.parametrize("role", ["marketer", "staff", "ops", "viewer"])
def test_a_role_is_shown_what_it_may_follow_and_press(app: Flask, role: str) -> None:
    tenant: Any = make_tenant()
    furnish(tenant.id)
    journey(tenant.id, [tag("start", None, "x")], exit_event={"event_type": "nowhere.heard"})
    person(tenant.id, "Ann", email="ann@example.com")
    event = {"id": "1", "type": "pos.purchase", "source": "club", "timestamp": clock.now().isoformat(), "identity": {}}
    log.append(tenant_id=tenant.id, events=[event], now=clock.now())
    with transaction(tenant.id) as session:
        session.connection().exec_driver_sql("UPDATE inbound_event SET status = 'failed', reason = 'x'")
    client = PageClient(app)
    client.sign_in(role, tenant.id)
    may, adapter = permissions_of(role), app.url_map.bind("localhost")
    queue, seen, mistakes = deque([("/", "")]), set(), []

    while queue:
        path, whence = queue.popleft()
        parts = urlsplit(path)
        endpoint, _ = adapter.match(parts.path, method="GET")
        # One page of a kind: what differs by its row is told apart by who made the rows.
        kind = (endpoint, *sorted(name for name, _ in parse_qsl(parts.query)))
        if kind in seen or endpoint.startswith("rq_dashboard."):
            continue
        seen.add(kind)
        with client.http.get(path) as answer:
            if answer.status_code in (301, 302, 303):
                queue.append((urljoin(path, answer.headers["Location"]), path))
                continue
            # The rows are made up, files of theirs there are none: 404 and 409 are answers to that.
            if answer.status_code == 403 or answer.status_code >= 500:
                mistakes.append(f"{whence} leads to {path}: {answer.status_code}")
            if answer.mimetype != "text/html":
                continue
            links, acts = told(html5lib.parse(answer.text, namespaceHTMLElements=False), path)
        queue += [(at, path) for at in sorted(links)]
        for at in acts:
            act, _ = adapter.match(urlsplit(at).path, method="POST")
            guard = guard_of(app, act)
            if guard is not None and act not in SHOWN and guard.permission not in {None, *may}:
                mistakes.append(f"{path} offers {at}, which takes {guard.permission}")
    assert not mistakes, "\n".join(mistakes)
    assert len(seen) > 8
