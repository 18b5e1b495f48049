"""Every view has decided who may see it, and every page can be reached."""

import re
from pathlib import Path

import pytest
from flask import Flask

from app.accounts.permissions import PERMISSIONS
from app.web.guards import guard_of
from app.web.shell import NAVIGATION

# Views open to strangers, each with its reason. Adding one is a decision, so it is made here.
PUBLIC = {
    "dev.catalogue": "development only",
    "health.health": "asked by load balancers",
    "health.ready": "asked by load balancers",
    "openapi_api.openapi": "describes the API",
    "accounts.sign_in": "the door",
    "accounts.register": "the other door",
    "accounts.sign_out": "leaving is always allowed",
    "accounts.accept_invitation": "the link in the invitation proves who it is",
    "accounts.forgot_password": "who forgot it cannot sign in",
    "accounts.reset_password": "the link in the mail proves who it is",
    "accounts_api.register": "the door",
    "accounts_api.login": "the door",
    "accounts_api.refresh": "the refresh token proves who it is",
    "shown_images.image": "asked by mail programs; the token is signed",
    "tracking.opened": "asked by mail programs; the token is signed",
    "tracking.clicked": "followed from mails; the token is signed",
    "unsubscribe.show": "followed from mails; the token is signed",
    "unsubscribe.act": "RFC 8058: works without cookies; the token is signed",
    "unsubscribe.undo": "the token is signed",
    "short_links.followed": "followed from texts; the code is drawn at random",
    "hooks.status": "asked by providers, who sign",
    "hooks.inbound": "asked by providers, who sign",
    "preferences.show": "followed from mails; the token is signed",
    "preferences.act": "readers have no account; the token is signed",
    "preferences.device": "readers have no account; the token is signed",
    "preferences.worker": "a script, the same for everybody",
    "preferences.confirmation": "followed from mails; the token is signed",
    "preferences.confirm": "readers have no account; the token is signed",
}


def endpoints(app: Flask) -> set[str]:
    return {rule.endpoint for rule in app.url_map.iter_rules()}


def test_every_view_names_its_guard(app: Flask) -> None:
    undecided = {name for name in endpoints(app) if guard_of(app, name) is None}
    assert not undecided


def test_public_views_are_the_ones_we_chose(app: Flask) -> None:
    public = {
        name
        for name in endpoints(app)
        if guard_of(app, name).permission is None and not name.endswith("static")  # type: ignore[union-attr]
    }
    assert public == set(PUBLIC)


def test_every_permission_named_exists(app: Flask) -> None:
    for name in endpoints(app):
        guard = guard_of(app, name)
        assert guard is not None
        assert guard.permission is None or guard.permission in PERMISSIONS


def test_navigation_leads_to_pages_its_readers_may_see(app: Flask) -> None:
    for _, items in NAVIGATION:
        for item in items:
            guard = guard_of(app, item.endpoint)
            assert guard is not None
            assert guard.permission == item.permission


def test_nothing_changes_by_get(app: Flask) -> None:
    acting = ("delete", "remove", "create", "retry", "activate", "pause", "archive", "revoke")
    for rule in app.url_map.iter_rules():
        last = rule.endpoint.rpartition(".")[2]
        if last.startswith(acting) and not rule.endpoint.startswith("rq_dashboard."):
            assert "GET" not in (rule.methods or set()) or "POST" in (rule.methods or set()), rule


APP = Path(__file__).parents[2] / "app"
LINKING = sorted([*APP.glob("templates/**/*.html"), *APP.glob("blueprints/**/*.py"), *APP.glob("web/*.py")])


@pytest.mark.parametrize("path", LINKING, ids=lambda path: str(path.relative_to(APP)))
def test_every_link_leads_somewhere(app: Flask, path: Path) -> None:
    named = set(re.findall(r"""url_for\(\s*["']([\w.]+)["']""", path.read_text()))
    unknown = {name for name in named if not name.startswith(".")} - endpoints(app)
    assert not unknown
