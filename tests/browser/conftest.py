"""A real browser before a real server: pages of the app in this process, or of a whole Fairway of its own."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from werkzeug.serving import make_server

from tests.conftest import ROOT, make_tenant
from tests.page_client import make_user
from tests.stack import Stack

# Chromium as root has no sandbox; the rest keeps it from asking the outside world for anything.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

PHONE = {"width": 390, "height": 844}

# No test depends on the speed of the machine: what has to come may take its time.
expect.set_options(timeout=30_000)


def chromium() -> str | None:
    """Return the path of the Chromium that `make setup-dev` found; None is Playwright's own."""
    note = ROOT / ".venv" / "chromium"
    found = os.environ.get("FAIRWAY_CHROMIUM") or (note.read_text().strip() if note.exists() else "")
    return found or shutil.which("chromium")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield made
        made.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1440, "height": 900})
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page of a fresh context; errors of its scripts, and what the content policy refused, fail the test."""
    made = context.new_page()
    faults: list[str] = []
    made.on("pageerror", lambda error: faults.append(str(error)))
    made.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    yield made
    assert faults == []


class Pictures:
    """Keeps pictures of a test's page, numbered, in `var/test/pictures/<the test>`, for people to look at."""

    def __init__(self, page: Page, test: str) -> None:
        self.page, self.count = page, 0
        self.folder = ROOT / "var" / "test" / "pictures" / test
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def take(self, name: str, *, everywhere: bool = False) -> None:
        """Take one as the page is; `everywhere`: in the dark and on a phone too."""
        self.count += 1
        self._take(name)
        if not everywhere:
            return
        usual = self.page.viewport_size
        for suffix, scheme, size in (("dark", "dark", usual), ("phone-dark", "dark", PHONE), ("phone", "light", PHONE)):
            self.page.emulate_media(color_scheme=scheme)
            self.page.set_viewport_size(size)
            self._take(f"{name}-{suffix}")
        self.page.set_viewport_size(usual)

    def say(self, words: str) -> None:
        """Note something beside them."""
        with (self.folder / "told.txt").open("a") as told:
            told.write(f"{words}\n")

    def _take(self, name: str) -> None:
        self.page.screenshot(path=self.folder / f"{self.count:02}-{name}.png", animations="disabled")


@pytest.fixture
def pictures(page: Page, request: pytest.FixtureRequest) -> Pictures:
    return Pictures(page, request.node.name)


@dataclass
class Live:
    """The app of this process, served on a port."""

    app: Flask
    base_url: str
    tenant: Any

    def sign_in(self, page: Page, role: str) -> UUID:
        """Sign the page's browser in as a fresh user of `role`; returns the user's id."""
        from app.accounts import sessions

        user_id = make_user(self.tenant.id, role)
        token = sessions.open_web(tenant_id=self.tenant.id, user_id=user_id).token
        serializer = self.app.session_interface.get_signing_serializer(self.app)  # type: ignore[attr-defined]
        page.context.add_cookies(
            [{"name": "fairway", "value": serializer.dumps({"_user_id": token, "_fresh": True}), "url": self.base_url}]
        )
        return user_id


class Answering:
    """The app, and how many requests it is answering: a page may still ask when a test ends, and the database goes."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.changed = threading.Condition()
        self.count = 0
        self.over = False

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with self.changed:
            if self.over:
                # Taken by the server before it stopped, and read after: a connection of its own would be left open.
                start_response("503 Service Unavailable", [])
                return [b""]
            self.count += 1
        try:
            answer = self.app(environ, start_response)
            try:
                # Whole at once: who asked may be gone before it is sent, and then the server never closes it.
                return [b"".join(answer)]
            finally:
                answer.close()
        finally:
            with self.changed:
                self.count -= 1
                self.changed.notify_all()

    def end(self) -> None:
        """Let no more in, and wait until all are answered."""
        with self.changed:
            self.over = True
            assert self.changed.wait_for(lambda: self.count == 0, timeout=60)


@pytest.fixture
def live(app: Flask, real_db: str) -> Iterator[Live]:
    answering = Answering(app)
    server = make_server("127.0.0.1", 0, answering, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Live(app, f"http://127.0.0.1:{server.server_port}", make_tenant())
    server.shutdown()
    thread.join()
    answering.end()
    server.server_close()


@pytest.fixture
def stack() -> Iterator[Stack]:
    """A whole Fairway with its built-in mailbox."""
    top = Path(tempfile.mkdtemp(prefix="fairway-browser-"))
    top.chmod(0o755)  # PostgreSQL may run as another account
    made = Stack(top / "var")
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(top)
