"""Making a journey run: activate, publish, pause, resume, archive."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.infra import clock
from app.infra.db import again_after_deadlock, transaction
from app.infra.errors import Invalid
from app.infra.queue import Work, wake
from app.journeys import checks, segments, templates
from app.journeys.drafts import DraftChanged, WrongStatus, locked
from app.journeys.engine import timed
from app.journeys.engine.exits import exit_archived
from app.journeys.graph import Graph, Problem
from app.journeys.kinds import check_graph, read_graph
from app.journeys.models import Journey
from app.journeys.publishing import Placements, lock_settling, write
from app.journeys.queries import known

AT_ONCE = 2000


class NotReady(Invalid):
    """The draft has problems; `problems` lists them, `errors` keys them by step."""

    title = "The journey is not ready"

    def __init__(self, problems: Sequence[Problem]) -> None:
        by_field: dict[str, str] = {}
        for one in problems:
            at = f"steps.{one.step_key}" if one.step_key else "steps"
            by_field.setdefault(f"{at}.{one.field}" if one.field else at, one.message)
        super().__init__(by_field, "Solve the problems marked on the steps, then activate the journey.")
        self.problems = list(problems)


@again_after_deadlock
def activate(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    draft_revision: int | None = None,
    now: datetime | None = None,
    anyway: str | None = None,
) -> Journey:
    """Publish the draft and let the journey run; return it. Of an ACTIVE journey only the draft is published.

    Raises NotReady with the draft's problems, WrongStatus if it is archived, DraftChanged if the draft is another one
    than `draft_revision` by now, or ChecksFailed unless `anyway` says why it is to run although its checks don't pass.
    """

    def may_be_activated(journey: Journey) -> None:
        if journey.status == "ARCHIVED":
            raise WrongStatus("An archived journey can't be activated again. Make a new one from its steps.")
        if draft_revision is not None and draft_revision != journey.draft_revision:
            raise DraftChanged

    anyway = (anyway or "").strip()
    failed, walked = _walked(tenant_id, journey_id, may_be_activated, anyway)
    with transaction(tenant_id) as session:
        lock_settling(session, tenant_id, journey_id)
        journey = locked(session, tenant_id, journey_id)
        may_be_activated(journey)
        if walked is not None and walked != journey.draft_revision:
            raise DraftChanged
        moment = now or clock.now()
        write(session, journey, _ready(session, journey), actor, moment)
        _note(session, journey, actor, failed, anyway)
        if journey.status != "ACTIVE":
            _run(session, journey, actor, moment)
        session.flush()
        return journey


@again_after_deadlock
def publish(
    *,
    tenant_id: UUID,
    journey_id: UUID,
    actor: str,
    draft_revision: int | None = None,
    placements: Placements | None = None,
    seen: Mapping[str, int] | None = None,
    rebase_waits: bool = False,
    note: str | None = None,
    anyway: str | None = None,
    now: datetime | None = None,
) -> Journey:
    """Make the draft the version people follow from their next step on; return the journey.

    `placements` says where people of removed steps go on, at once (see `publishing.write`); `rebase_waits`: who waits
    at a wait that is set otherwise waits from when they came as it says now. The status stays: of a DRAFT journey
    nothing is published before it is activated (WrongStatus). With `draft_revision` raises DraftChanged if the draft
    is another one by now. Raises ChecksFailed unless `anyway` says why it is to be published although its checks don't
    pass.
    """

    def may_be_published(journey: Journey) -> None:
        if journey.status not in ("ACTIVE", "PAUSED"):
            raise WrongStatus("Only a journey that is active or paused has a live version; activate it instead.")
        if draft_revision is not None and draft_revision != journey.draft_revision:
            raise DraftChanged

    anyway = (anyway or "").strip()
    failed, walked = _walked(tenant_id, journey_id, may_be_published, anyway)
    with transaction(tenant_id) as session:
        lock_settling(session, tenant_id, journey_id)
        journey = locked(session, tenant_id, journey_id)
        may_be_published(journey)
        if walked is not None and walked != journey.draft_revision:
            raise DraftChanged
        write(
            session,
            journey,
            _ready(session, journey),
            actor,
            now or clock.now(),
            placements=placements,
            seen=seen,
            rebase_waits=rebase_waits,
            note=note,
        )
        _note(session, journey, actor, failed, anyway)
        session.flush()
        wake(Work.ADVANCE_JOURNEYS, tenant_id)
        return journey


def _walked(
    tenant_id: UUID, journey_id: UUID, may: Callable[[Journey], None], anyway: str
) -> tuple[list[checks.Result], int | None]:
    """Return the checks of the draft that failed, and the revision that was walked; None where it has no checks.

    They take their time: what stands in the way anyhow is raised before.
    """
    if not checks.checks(tenant_id=tenant_id, journey_id=journey_id):
        return [], None
    with transaction(tenant_id) as session:
        journey = locked(session, tenant_id, journey_id)
        may(journey)
        _ready(session, journey)
    return checks.must_pass(tenant_id=tenant_id, journey_id=journey_id, anyway=anyway)


def _note(session: Session, journey: Journey, actor: str, failed: Sequence[checks.Result], anyway: str) -> None:
    """Journal that a draft was published although checks of it failed, and why."""
    if failed:
        detail = {"reason": anyway[:500], "checks": [one.check.name for one in failed]}
        audit.record(session, actor, "journey.publish_anyway", "journey", journey.id, detail)


def pause(*, tenant_id: UUID, journey_id: UUID, actor: str, now: datetime | None = None) -> Journey:
    """Stop an ACTIVE journey: nobody enters, nobody goes on, waits run on. Return it; PAUSED already is no error."""
    with transaction(tenant_id) as session:
        journey = locked(session, tenant_id, journey_id)
        if journey.status not in ("ACTIVE", "PAUSED"):
            raise WrongStatus(f"Only an active journey can be paused; this one is {journey.status.lower()}.")
        if journey.status == "ACTIVE":
            journey.status, journey.paused_at = "PAUSED", now or clock.now()
            audit.record(session, actor, "journey.pause", "journey", journey_id)
            session.flush()
        return journey


@again_after_deadlock
def resume(
    *, tenant_id: UUID, journey_id: UUID, actor: str, move_waits: bool = False, now: datetime | None = None
) -> Journey:
    """Let a PAUSED journey go on with the version people follow, and return it; the engine sees to its people first.

    Waits that ended meanwhile end now. Those whose date or time had come before the pause and who were not let in yet
    come in, within three days of it; those whose came in the pause do not. With `move_waits` all that ran when it was
    paused, or began since, end later by as long as it was paused; who was woken by what they waited for goes on now all
    the same.
    """
    with transaction(tenant_id) as session:
        lock_settling(session, tenant_id, journey_id)
        journey = locked(session, tenant_id, journey_id)
        if journey.status not in ("ACTIVE", "PAUSED"):
            raise WrongStatus(f"Only a paused journey can be resumed; this one is {journey.status.lower()}.")
        if journey.status == "PAUSED":
            _run(session, journey, actor, now or clock.now(), move_waits=move_waits)
        session.flush()
        return journey


def archive(*, tenant_id: UUID, journey_id: UUID, actor: str, now: datetime | None = None) -> Journey:
    """Switch a journey off for good and return it; whoever is in it leaves with the reason "archived"."""
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        journey = locked(session, tenant_id, journey_id)
        if journey.status != "ARCHIVED":
            journey.status, journey.archived_at = "ARCHIVED", moment
            audit.record(session, actor, "journey.archive", "journey", journey_id)
            session.flush()
            wake(Work.ADVANCE_JOURNEYS, tenant_id)
    # Apart, because whoever moves counters locks people before journeys. The engine takes out those who are left.
    with transaction(tenant_id) as session:
        exit_archived(session, tenant_id, [journey_id], moment, AT_ONCE)
        session.refresh(journey)
        return journey


# Of an earlier pause nothing is left to do that this would not do, unless waits are being moved.
GO_ON = text("""
    INSERT INTO journey_settling AS held (tenant_id, journey_id, step_key, rebase, look, paused_at, resumed_at)
    VALUES (:tenant_id, :journey_id, '', false, false, :paused_at, :resumed_at)
    ON CONFLICT (tenant_id, journey_id, step_key) DO UPDATE
    SET paused_at = excluded.paused_at, resumed_at = excluded.resumed_at, after = NULL WHERE held.paused_at IS NULL
    RETURNING 1
""")


def _let_go_on(session: Session, journey: Journey, paused_at: datetime | None, now: datetime) -> None:
    """Have the engine put everybody back on the clock; waits end later by what passed since `paused_at`, if given."""
    where = {"tenant_id": journey.tenant_id, "journey_id": journey.id}
    if session.scalar(GO_ON, {**where, "paused_at": paused_at, "resumed_at": now}) is None:
        raise WrongStatus("Its waits are still being moved by the last pause. Try again in a moment.")


def _run(session: Session, journey: Journey, actor: str, now: datetime, *, move_waits: bool = False) -> None:
    resumed = journey.status == "PAUSED"
    if resumed:
        _let_go_on(session, journey, journey.paused_at if move_waits else None, now)
    went_on = None
    if resumed and journey.paused_at is not None:
        went_on = timed.go_on(journey, journey.paused_at, now)
    else:
        timed.plan(journey, now)
    journey.status, journey.paused_at = "ACTIVE", None
    journey.activated_at = journey.activated_at or now
    session.flush()
    wake(Work.ADVANCE_JOURNEYS, journey.tenant_id)
    told = {} if went_on is None else {"run": "goes on" if went_on else "missed"}
    audit.record(session, actor, "journey.resume" if resumed else "journey.activate", "journey", journey.id, told)


def _ready(session: Session, journey: Journey) -> Graph:
    """Return the draft, or raise NotReady; what it names can't be archived before the transaction ends."""
    graph = read_graph(journey.draft)
    segments.hold(session, journey.tenant_id, journey.draft)
    templates.hold(session, journey.tenant_id, journey.draft)
    problems = check_graph(graph, known(tenant_id=journey.tenant_id, journey_id=journey.id))
    if problems:
        raise NotReady(problems)
    return graph
