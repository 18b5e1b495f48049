"""Publishing a draft beside people: the panel that says what changes for whom, and the act."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.journeys.base import blueprint, seen_revision
from app.blueprints.journeys.board import Board
from app.blueprints.journeys.pages import warn_of_silence
from app.journeys import lifecycle, queries
from app.journeys import publishing as room
from app.journeys.checks import ChecksFailed, Result, checks
from app.journeys.drafts import DraftChanged, WrongStatus
from app.web.guards import current, requires

PLACE, SEEN = "place.", "seen."
LEAVE = ""
"""What the list of places says for those who are to leave."""

ICONS = {
    "trigger": "bolt",
    "added": "plus",
    "removed": "trash",
    "moved": "arrows-sort",
    "connected": "git-branch",
    "settings": "pencil",
    "renamed": "tag",
    "journey": "settings",
}


@blueprint.get("/<uuid:journey_id>/publish")
@requires("journeys.run")
def publishing(journey_id: UUID) -> Response:
    """Show each change of the draft with how many people it touches, and ask where those of removed steps go on."""
    return _panel(Board(journey_id))


@blueprint.post("/<uuid:journey_id>/publish")
@requires("journeys.run")
def publish(journey_id: UUID) -> Response | Answer:
    """Let people follow the draft from their next step on; put those of removed steps where they are to go on."""
    actor, form = current(), request.form
    live = queries.journey(tenant_id=actor.tenant_id, journey_id=journey_id)
    if not queries.draft_differs(tenant_id=actor.tenant_id, journey=live):
        words = f"Nothing was to be published: the steps are those of version {live.published_version}."
        flash(f"{words} Settings of the journey hold since they were saved.", "info")
        return redirect(url_for("journeys.builder", journey_id=journey_id))
    try:
        live = lifecycle.publish(
            tenant_id=actor.tenant_id,
            journey_id=journey_id,
            actor=actor.ref,
            draft_revision=seen_revision(),
            placements={name: value or None for name, value in _named(PLACE).items()},
            seen={name: seen for name, value in _named(SEEN).items() if (seen := _number(value)) is not None},
            rebase_waits=bool(form.get("rebase_waits")),
            note=form.get("note"),
            anyway=form.get("reason") if form.get("anyway") else None,
        )
    except ChecksFailed as refused:
        return _panel(Board(journey_id), status=422, failed=refused.failed)
    except room.PlacesNeeded as asked:
        return _panel(Board(journey_id), status=422, errors=asked.errors)
    except DraftChanged:
        flash("Somebody changed the draft while you were reading. This is what would be published as it is.", "warning")
        return _panel(Board(journey_id), status=409)
    except (lifecycle.NotReady, WrongStatus) as refused:
        flash(refused.message, "warning")
    else:
        words = f"The changes are live as version {live.published_version}: people follow them from their next step on"
        flash(f"{words}{', once the journey is resumed.' if live.status == 'PAUSED' else '.'}", "success")
        warn_of_silence(actor.tenant_id, journey_id)
    return redirect(url_for("journeys.builder", journey_id=journey_id))


def _number(typed: str) -> int | None:
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else None


def _named(prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in request.form.items() if name.startswith(prefix)}


def _panel(
    board: Board, *, status: int = 200, errors: dict[str, str] | None = None, failed: Sequence[Result] = ()
) -> Response:
    found = room.review(tenant_id=board.tenant_id, journey=board.journey, known=board.known)
    chosen = _named(PLACE)
    panel: dict[str, Any] = {
        "panel": "journeys/_publish.html",
        "to_publish": queries.draft_differs(tenant_id=board.tenant_id, journey=board.journey),
        "changes": found.changes,
        "icons": ICONS,
        "removed": [(one, chosen.get(one.key, one.default or LEAVE)) for one in found.removed],
        "places": [*found.places.items(), (LEAVE, "Leave the journey")],
        "waits": found.waits,
        "warnings": queries.draft_warnings(tenant_id=board.tenant_id, journey=board.journey),
        "checks": checks(tenant_id=board.tenant_id, journey_id=board.journey.id),
        "failed": failed,
        "errors": errors or {},
        "form": request.form,
    }
    return board.show(panel, status=status)
