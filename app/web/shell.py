"""What every page shares: navigation by permission, who is signed in, and how times are written."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_decimal, format_percent
from flask import Flask, current_app, g, has_request_context, request, url_for

from app.accounts import queries as accounts
from app.accounts.actor import Actor
from app.customers import mentions, notices
from app.customers.called import UNNAMED
from app.infra import clock, figures


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the navigation: where it leads, and the permission without which it is not shown."""

    label: str
    endpoint: str
    icon: str
    permission: str


NAVIGATION: tuple[tuple[str | None, tuple[Item, ...]], ...] = (
    (
        None,
        (
            Item("Home", "home.index", "home", "home.view"),
            Item("Customers", "customers.index", "users", "customers.view"),
            Item("Households", "households.index", "building-community", "customers.view"),
        ),
    ),
    (
        "Marketing",
        (
            Item("Segments", "segments.index", "filter", "segments.view"),
            Item("Journeys", "journeys.index", "route", "journeys.view"),
            Item("Campaigns", "campaigns.index", "calendar-event", "campaigns.view"),
            Item("Templates", "content.index", "template", "templates.view"),
            Item("Messages", "messaging.index", "send", "messages.view"),
            Item("Suppressions", "suppressions.index", "mail-off", "messages.view"),
            Item("Mailbox", "mailbox.index", "inbox", "mailbox.view"),
        ),
    ),
    (
        "Operations",
        (Item("Queues", "ops.queues", "stack-2", "queues.view"),),
    ),
    (
        "Settings",
        (
            Item("Users", "accounts.users", "user-check", "users.view"),
            Item("Clubs", "accounts.clubs", "building", "settings.manage"),
            Item("Channels", "channels.index", "send", "settings.manage"),
            Item("Sending", "sending.index", "mail-check", "settings.manage"),
            Item("Limits", "limits.index", "clock", "settings.manage"),
            Item("Topics", "topics.index", "adjustments", "settings.manage"),
            Item("Custom fields", "custom_fields.index", "list-details", "settings.manage"),
            Item("Tags", "tags.index", "tags", "tags.manage"),
            Item("Privacy", "privacy.index", "shield", "customers.export"),
            Item("API keys", "accounts.api_key_list", "key", "api_keys.manage"),
            Item("Events", "events.index", "plug", "events.view"),
            Item("Audit log", "audit.index", "history", "audit.view"),
        ),
    ),
)


# Pages without an entry of their own stand under that of these.
WITHIN = {"imports": "customers", "segment_sync": "segments"}


def install(app: Flask) -> None:
    """Give every template of `app` its navigation, shell and filters."""
    figures.ask(_asked_for)
    app.context_processor(_shared)
    app.jinja_env.globals["UNNAMED"] = UNNAMED
    app.jinja_env.filters["localtime"] = localtime
    app.jinja_env.filters["ago"] = ago
    app.jinja_env.filters["number"] = number
    app.jinja_env.filters["percent"] = percent
    with app.app_context():
        app.jinja_env.globals["ui"] = app.jinja_env.get_template("components/ui.html").module


def _shared() -> dict[str, Any]:
    actor = g.get("actor")
    if actor is None or actor.via != "session":
        return {"nav": [], "shell": None}
    return {
        "nav": _navigation(actor.permissions),
        "shell": {
            "organisation": organisation().name,
            "user_name": actor.name,
            "role": actor.role,
            "profile_url": url_for("accounts.me"),
            "sign_out_url": url_for("accounts.sign_out"),
            "home_url": url_for("home.index"),
            "notices_url": url_for("notices.index"),
            # Called by whole pages only: a block for htmx has no bell.
            "unread_notices": partial(_unread_notices, actor) if actor.may(mentions.READS_NOTES) else None,
        },
    }


def _unread_notices(actor: Actor) -> int:
    assert actor.user_id is not None
    sees_private = actor.may(mentions.READS_PRIVATE)
    return notices.unread(tenant_id=actor.tenant_id, user_id=actor.user_id, sees_private=sees_private)


def _navigation(permissions: frozenset[str]) -> list[dict[str, Any]]:
    here = (request.endpoint or "").rpartition(".")[0]
    sections = []
    for label, items in NAVIGATION:
        shown = [
            {"label": item.label, "url": url_for(item.endpoint), "icon": item.icon, "active": _is_here(item, here)}
            for item in items
            if item.permission in permissions and item.endpoint in current_app.view_functions
        ]
        if shown:
            sections.append({"label": label, "items": shown})
    return sections


def _is_here(item: Item, blueprint: str) -> bool:
    if item.endpoint.startswith("accounts."):
        return request.endpoint == item.endpoint
    return item.endpoint.rpartition(".")[0] == WITHIN.get(blueprint, blueprint)


def organisation() -> accounts.TenantInfo:
    """Return the signed-in tenant's name, locale and time zone (read once a request)."""
    if "organisation" not in g:
        g.organisation = accounts.tenant_info(tenant_id=g.actor.tenant_id)
    found: accounts.TenantInfo = g.organisation
    return found


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@cache
def _region(name: str) -> Locale:
    return Locale.parse(name)


def _asked_for() -> str | None:
    """Return the locale of who is asking, None where nobody is signed in or nothing is asked."""
    return organisation().locale if has_request_context() and g.get("actor") else None


def _locale() -> tuple[Locale, ZoneInfo]:
    if g.get("actor") is None:
        return _region("en"), _zone("UTC")
    here = organisation()
    # User-visible words are English; dates and numbers follow the club's region.
    return _region(here.locale), _zone(here.timezone)


def number(value: int | float | Decimal | None, places: int | None = None) -> str:
    """Return a number as the tenant's region writes it: "12,345" or "12 345,6"; a dash for None.

    With `places` it has so many digits after its point.
    """
    if value is None:
        return "—"
    if places is not None:
        return figures.amount(Decimal(value), places)
    if isinstance(value, int):
        return figures.figure(value)
    return str(format_decimal(value, locale=_locale()[0], decimal_quantization=False))


def percent(share: float, places: int = 0) -> str:
    """Return a share of one as the tenant's region writes it, with so many places: "69.2%" or "69,2 %"."""
    locale, _ = _locale()
    pattern = locale.percent_formats[None].pattern
    return str(format_percent(share, pattern.replace("0", f"0.{'0' * places}", 1) if places else pattern, locale))


def localtime(at: datetime | None, style: str = "d MMM y, HH:mm", timezone: str | None = None) -> str:
    """Return `at` in the tenant's locale and zone (or another), by default "21 Nov 2026, 14:05"; nothing for None."""
    if at is None:
        return ""
    locale, zone = _locale()
    return format_datetime(at, style, tzinfo=ZoneInfo(timezone) if timezone else zone, locale=locale)


def ago(at: datetime | None) -> str:
    """Return how long ago `at` was ("3 min ago"), or how soon it will be; nothing for None."""
    if at is None:
        return ""
    locale, _ = _locale()
    # These are words, which stand in sentences of others.
    spoken = locale if locale.language == "en" else _region("en_GB")
    return format_timedelta(at - clock.now(), add_direction=True, format="short", locale=spoken, threshold=0.95)


def tenant_id() -> UUID:
    """Return the tenant of whoever is asking."""
    found: UUID = g.actor.tenant_id
    return found
