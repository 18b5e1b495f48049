"""Who may do what: every view names its permission (or says it is public), and nothing unnamed is served.

The check runs before the view, in one place. Pages are opened by the session cookie, the API by a bearer token or key
(never by the cookie, which is why the API needs no CSRF token).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, redirect, request, url_for
from flask_login import LoginManager, current_user

from app.accounts import api_keys, sessions, tokens
from app.accounts.actor import Actor
from app.accounts.permissions import PERMISSIONS
from app.infra.errors import Forbidden, UserError
from app.web import htmx

View = TypeVar("View", bound=Callable[..., Any])
# Views of other people's blueprints, which can carry no mark of ours.
BLUEPRINT_PERMISSIONS = {"rq_dashboard": "queues.manage"}


@dataclass(frozen=True, slots=True)
class Guard:
    """What a view asks of its caller: `permission` None means nothing at all (public)."""

    permission: str | None
    api: bool = False


class Unauthenticated(UserError):
    """Nobody is signed in, or no longer."""

    status = 401
    title = "Sign in first"

    def __init__(self, message: str = "Send a valid access token or API key in the Authorization header.") -> None:
        super().__init__(message)


def requires(permission: str) -> Callable[[View], View]:
    """Mark a page as open to signed-in users who hold `permission`."""
    if permission not in PERMISSIONS:
        raise LookupError(f"No permission is called {permission!r}")
    return _mark(Guard(permission))


def public(view: View) -> View:
    """Mark a page as open to everybody."""
    return _mark(Guard(None))(view)


def _mark(guard: Guard) -> Callable[[View], View]:
    def mark(view: View) -> View:
        view.__dict__["guard"] = guard
        return view

    return mark


def guard_of(app: Flask, endpoint: str) -> Guard | None:
    """Return the guard of an endpoint, or None if nobody decided about it (a fault the house tests find)."""
    if endpoint == "static" or endpoint.endswith(".static"):
        return Guard(None)
    blueprint = endpoint.partition(".")[0]
    if blueprint in BLUEPRINT_PERMISSIONS:
        return Guard(BLUEPRINT_PERMISSIONS[blueprint])
    return getattr(app.view_functions[endpoint], "guard", None)


def current() -> Actor:
    """Return who is asking; only for views that require a permission."""
    actor: Actor = g.actor
    return actor


def can(permission: str) -> bool:
    """Return whether whoever is asking holds `permission`; nobody holds any."""
    actor = g.get("actor")
    return actor is not None and permission in actor.permissions


def must(permission: str) -> None:
    """Raise Forbidden unless whoever is asking holds `permission`: for views that do more than their own allows."""
    if not can(permission):
        raise Forbidden(f"Your role does not allow this ({PERMISSIONS[permission].label.lower()}).")


def install(app: Flask) -> None:
    """Check every request of `app` before its view runs."""
    manager = LoginManager(app)
    manager.session_protection = None  # sessions live at the server; a changed address must not end them
    manager.user_loader(sessions.load)
    app.before_request(check)
    app.jinja_env.globals["can"] = can


def check() -> Response | None:
    """Find out who is asking; return what sends strangers to the sign-in page, or raise where they may not do this."""
    if request.endpoint is None:
        return None
    guard = guard_of(current_app, request.endpoint)
    if guard is None:
        raise RuntimeError(f"{request.endpoint} names no permission and is not public")
    if guard.permission is None:
        g.actor = None if guard.api else _page_actor()
        return None
    actor = _api_actor() if guard.api else _page_actor()
    if actor is None:
        return _refuse_stranger(api=guard.api)
    g.actor = actor
    must(guard.permission)
    return None


def _page_actor() -> Actor | None:
    # Flask-Login keeps a proxy; records want the actor itself.
    user = current_user._get_current_object()
    return user if isinstance(user, Actor) else None


def _api_actor() -> Actor | None:
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not credential or len(credential) > 4096:
        return None
    if credential.startswith(api_keys.PREFIX):
        return api_keys.authenticate(credential)
    return tokens.read_access(credential)


def _refuse_stranger(*, api: bool) -> Response | None:
    if api:
        raise Unauthenticated
    target = url_for("accounts.sign_in", next=_return_path())
    if htmx.is_htmx():
        return Response(status=204, headers={"HX-Redirect": target})
    return redirect(target)  # type: ignore[return-value]


def _return_path() -> str | None:
    if htmx.is_htmx():
        parts = urlsplit(request.headers.get("HX-Current-URL", ""))
        return parts.path + (f"?{parts.query}" if parts.query else "") if parts.path else None
    return request.full_path.rstrip("?") if request.method == "GET" and request.path != "/" else None


def safe_next(target: str | None) -> str | None:
    """Return `target` if it is a path of this site, else None: a sign-in must not lead anywhere else."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or "\\" in target:
        return None
    parts = urlsplit(target)
    return None if parts.scheme or parts.netloc or any(ord(c) < 32 for c in target) else target
