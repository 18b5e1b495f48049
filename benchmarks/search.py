"""Lists, searches and the customer's page of a large organisation: how long a request takes at the server.

A request goes over a kept connection of this machine to the product as it is served, signed in as its owner; the time
is from its first byte to the answer's last. `plans` shows how the database answers the same questions.
"""

import http.client
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from sqlalchemy import event

from app.customers import queries, timeline
from app.infra.db import db, transaction
from app.infra.embedded import Postgres
from benchmarks import members
from benchmarks.figures import Latencies
from benchmarks.members import Member
from benchmarks.people import make_clubs
from benchmarks.stack import OWNER, Stack

MOST = 0.1
SAMPLE = 400
TABLES = ("customer", "customer_word", "customer_tag", "contact_point", "external_id", "activity")
DEEP = 200
"""How many pages of the list are leafed through; the last half of them counts as deep."""


def measure(stack: Stack, count: int, requests: int, *, plans: bool) -> Latencies:
    """Measure `requests` requests of each kind among `count` customers; with `plans` show the database's, too."""
    with stack.database() as connection:
        make_clubs(connection)
        clubs = [row[0] for row in connection.execute("SELECT id FROM club ORDER BY id")]
    sample = fill(stack, clubs, count)
    figure = Latencies("search", f"one organisation of {count:,} customers, {requests} requests of each kind", MOST)
    figure.seconds.update(ask(stack.port, clubs, sample, requests))
    if plans:
        stack.enter_app()
        _show_plans(stack.tenant_id, sample[1], clubs[-1])
    return figure


def fill(stack: Stack, clubs: Sequence[UUID], count: int) -> list[Member]:
    """Write the customers and return some of them, the first of whom has a long timeline."""
    began = time.monotonic()
    with psycopg.connect(Postgres(stack.home).superuser_url, dbname="fairway", autocommit=True) as connection:
        members.load(connection, stack.tenant_id, clubs, count, said=_said)
        sample = _sample(count)
        members.make_busy(connection, stack.tenant_id, sample[0].id)
    stack.tidy(*TABLES)
    print(f"\n{count:,} customers written in {time.monotonic() - began:,.0f} s", file=sys.stderr, flush=True)
    return sample


def ask(port: int, clubs: Sequence[UUID], sample: Sequence[Member], requests: int) -> dict[str, list[float]]:
    """Return how long each of `requests` requests took, by kind."""
    browser = Browser(port)
    browser.sign_in()
    draw = Random(members.SEED)
    found = {
        "list, page 1": _each(browser, ("/customers" for _ in range(requests))),
        "list, deep pages": _leaf(browser, "/customers")[DEEP // 2 :],
    }
    for what, questions in _kinds(sample, clubs, draw).items():
        found[what] = _each(browser, (questions() for _ in range(requests)))
    return found


def _said(done: int) -> None:
    print(f"\r{done:,} customers", end="", file=sys.stderr, flush=True)


def _sample(count: int) -> list[Member]:
    """Return some of the people: the first, and every so many of the others."""
    step = max(1, count // SAMPLE)
    return [one for at, one in enumerate(members.members(count)) if at % step == 0]


def _kinds(sample: Sequence[Member], clubs: Sequence[UUID], draw: Random) -> dict[str, Callable[[], str]]:
    """Return what is asked: by name of the kind, a function that returns the next request's path."""

    def find(word: Callable[[Member], str], **more: str) -> Callable[[], str]:
        return lambda: f"/customers?{urlencode({'q': word(draw.choice(sample)), **more})}"

    def page(customer_id: Callable[[], UUID], rest: str = "") -> Callable[[], str]:
        return lambda: f"/customers/{customer_id()}{rest}"

    club = str(clubs[-1])
    return {
        "last name, its first letter": find(lambda one: one.last_name[0]),
        "last name, four letters": find(lambda one: one.last_name[:4]),
        "last name": find(lambda one: one.last_name),
        "full name": find(lambda one: f"{one.first_name} {one.last_name}"),
        "initial and last name": find(lambda one: f"{one.first_name[0]} {one.last_name}"),
        "e-mail": find(lambda one: one.email),
        "e-mail, its beginning": find(lambda one: one.email[: one.email.index("@") - 2]),
        "phone as dialled": find(_dialled),
        "phone, its beginning": find(lambda one: _dialled(one)[:7]),
        "member number": find(lambda one: one.number),
        "nobody's name": find(lambda one: f"{one.first_name} xq"),
        "last name, one club": find(lambda one: one.last_name, club=club),
        "first name, one tier": find(lambda one: one.first_name, tier="Platinum"),
        "one club": lambda: f"/customers?club={draw.choice(clubs)}",
        "one tier and stage": lambda: "/customers?tier=Corporate&stage=MEMBER",
        "a tag of a third": lambda: "/customers?tag=newsletter",
        "a tag of one in 170": lambda: "/customers?tag=vip",
        "a tag of few": lambda: "/customers?tag=committee",
        "a tag and a last name": find(lambda one: one.last_name, tag="newsletter"),
        "a tag that nobody has": lambda: "/customers?tag=none",
        "customer page": page(lambda: draw.choice(sample[1:]).id),
        "customer page, 50,000 activities": page(lambda: sample[0].id),
        "customer page, details": page(lambda: draw.choice(sample).id, "/details"),
    }


def _dialled(one: Member) -> str:
    """Return a number as it is dialled at home: 082 475 1967."""
    home = "0" + one.phone[3:]
    return f"{home[:3]} {home[3:6]} {home[6:]}"


class Browser:
    """One kept connection with a session."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Host": f"127.0.0.1:{port}"}

    def sign_in(self) -> None:
        """Sign in as the owner."""
        form = self.get("/sign-in")
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)
        fields = {"email": OWNER["email"], "password": OWNER["password"], "csrf_token": found[1] if found else ""}
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/sign-in", urlencode(fields), headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 302:
            raise RuntimeError(f"signing in answered {answer.status}")
        self._keep(answer)

    def get(self, path: str) -> str:
        """Return a page's text; anything but 200 raises."""
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
        self._keep(answer)
        return body.decode()

    def _keep(self, answer: http.client.HTTPResponse) -> None:
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                self._headers["Cookie"] = value.partition(";")[0]


def _each(browser: Browser, paths: Iterator[str]) -> list[float]:
    found = []
    for path in paths:
        began = time.perf_counter()
        browser.get(path)
        found.append(time.perf_counter() - began)
    return found


def _leaf(browser: Browser, path: str) -> list[float]:
    found: list[float] = []
    cursor = ""
    while cursor is not None and len(found) < DEEP:
        began = time.perf_counter()
        page = browser.get(f"{path}?cursor={cursor}")
        found.append(time.perf_counter() - began)
        more = re.search(r'[?&;]cursor=([^"&]+)', page)
        if more is None:
            break
        cursor = more[1]
    return found


@contextmanager
def _statements() -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements that are run meanwhile, with their values."""
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        found.append((statement, values))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def _show_plans(tenant_id: UUID, one: Member, club_id: UUID) -> None:
    asked: dict[str, Callable[[], Any]] = {
        "list": lambda: queries.customers(tenant_id=tenant_id),
        "last name, its first letter": lambda: queries.customers(tenant_id=tenant_id, q=one.last_name[0]),
        "full name": lambda: queries.customers(tenant_id=tenant_id, q=f"{one.first_name} {one.last_name}"),
        "phone": lambda: queries.customers(tenant_id=tenant_id, q=_dialled(one)),
        "one club": lambda: queries.customers(tenant_id=tenant_id, club_id=club_id),
        "tag": lambda: queries.customers(tenant_id=tenant_id, tag="vip"),
        "timeline": lambda: timeline.timeline(tenant_id=tenant_id, customer_id=one.id),
    }
    for what, ask in asked.items():
        with _statements() as found:
            ask()
        for statement, values in found:
            if "set_config" in statement:
                continue
            with transaction(tenant_id) as session:
                lines = session.connection().exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", values)
                print(f"\n-- {what}\n" + "\n".join(row[0] for row in lines))
