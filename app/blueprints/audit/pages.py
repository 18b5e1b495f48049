"""Settings → Audit log: who did what and when, and where sign-ins came from."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, request
from werkzeug.wrappers import Response

from app.accounts import api_keys
from app.accounts import queries as accounts
from app.analytics import audit_log
from app.analytics.audit_log import Asked, Entry
from app.blueprints.audit import words
from app.infra import clock
from app.infra.paging import MAX_LIMIT
from app.web.downloads import PERMISSION, download
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.lists import asked_day, asked_until, wrong
from app.web.shell import organisation

blueprint = Blueprint("audit", __name__, url_prefix="/settings/audit-log")

COLUMNS = ("at", "who", "what", "details", "action", "actor", "object_type", "object_id", "ip")


@blueprint.get("")
@requires("audit.view")
def index() -> Response:
    """List what was done, the newest first."""
    tenant_id, asked = current().tenant_id, _asked()
    found = audit_log.page(tenant_id=tenant_id, asked=asked, cursor=request.args.get("cursor"))
    about = None
    if asked.object_type and asked.object_id:
        name = None
        if words.may_name(asked.object_type):
            name = audit_log.object_name(tenant_id=tenant_id, object_type=asked.object_type, object_id=asked.object_id)
        known = words.OBJECTS.get(asked.object_type)
        about = " ".join(filter(None, (known.noun if known else asked.object_type, name)))
    return page(
        "audit/index.html",
        block="results",
        lines=[words.line(one) for one in found.items],
        next_cursor=found.next_cursor,
        people=_people(),
        choices=words.choices(),
        asked=asked,
        what=request.args.get("what"),
        first=asked_day("from"),
        last=asked_day("to"),
        about=about,
        filtered=asked != Asked(),
    )


@blueprint.post("/export")
@requires(PERMISSION)
def export() -> Response:
    """Give out the entries the list shows."""
    tenant_id, asked = current().tenant_id, _asked()
    filters = {name: request.args.get(name) for name in ("who", "what", "object", "from", "to")}
    return download(
        "audit-log",
        seen_by="audit.view",
        header=COLUMNS,
        pages=lambda cursor, limit: audit_log.page(tenant_id=tenant_id, asked=asked, cursor=cursor, limit=limit),
        rows=lambda found: [_cells(one) for one in found],
        filters=filters,
    )


def _cells(entry: Entry) -> list[Any]:
    line = words.line(entry)
    told = "; ".join(f"{label}: {said}" for label, said in line.details)
    kept = (entry.action, entry.actor, entry.object_type, entry.object_id, entry.ip)
    return [entry.at, line.who, line.sentence, told, *kept]


def _people() -> list[tuple[str, str]]:
    """Return who may have done something: the users, the keys, Fairway itself."""
    tenant_id = current().tenant_id
    users = accounts.users(tenant_id=tenant_id, limit=MAX_LIMIT).items
    keys = api_keys.listed(tenant_id=tenant_id, limit=MAX_LIMIT).items
    named = sorted(((f"user:{one.id}", one.name or one.email) for one in users), key=lambda one: one[1].casefold())
    return [*named, *((f"key:{one.id}", f"API key {one.name}") for one in keys), (words.SYSTEM, "Fairway itself")]


def _asked() -> Asked:
    zone = ZoneInfo(organisation().timezone)
    kind, _, identity = request.args.get("object", "").partition(":")
    first = asked_day("from")
    last = asked_until("to", first)
    return Asked(
        actor=request.args.get("who") or None,
        actions=_acts(),
        object_type=kind or None,
        object_id=identity or None,
        since=_midnight(first, zone),
        until=_midnight(last and last + timedelta(days=1), zone),
    )


def _acts() -> tuple[str, ...] | None:
    asked = request.args.get("what")
    found = words.actions_of(asked)
    if asked and found is None:
        raise wrong("what", "is not one of the choices.")
    return found


def _midnight(day: date | None, zone: ZoneInfo) -> datetime | None:
    return None if day is None else clock.instant(datetime.combine(day, time()), zone)
