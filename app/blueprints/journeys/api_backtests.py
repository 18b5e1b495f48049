"""The API of backtests: walk the draft over what happened in the past, and read what it would have come to."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from app.blueprints.journeys.api import api
from app.infra import clock
from app.journeys import backtest
from app.journeys.backtest import Backtest
from app.web.guards import current, must
from app.web.schemas import Body, Moment


class BacktestBody(Body):
    """From when to before when things happened; without them the last 30 days."""

    since: Moment | None = None
    until: Moment | None = None


class BacktestOut(BaseModel):
    """How far it has come. RUNNING: a worker is at it; DONE, or FAILED with `error`.

    `total` people would have been let in, about; the sums are of `walked` of them, chosen at random where those are
    fewer. `sums`: `entered` by day, `steps` by key (came, passed, skipped, failed, here), `letters` by step and
    "status:reason", `days` of messages sent by channel, `endings` by "status:reason", and `held`. `sample`: some walks.
    """

    id: UUID
    status: str
    since: datetime
    until: datetime
    total: int | None
    picked: int
    walked: int
    broken_off: int
    sums: dict[str, Any]
    sample: list[dict[str, Any]]
    error: str | None
    created_at: datetime


@api.operation(
    "POST",
    "/journeys/<uuid:journey_id>/backtest",
    permission="journeys.edit",
    body=BacktestBody,
    returns=BacktestOut,
    status=202,
)
def ask_backtest(journey_id: UUID, body: BacktestBody) -> BacktestOut:
    """Let a worker walk the draft over what happened in a stretch of the past; nothing is sent or changed.

    It names customers, so `customers.view` is needed too. The last five of a journey are kept.
    """
    must("customers.view")
    found = backtest.ask(
        tenant_id=current().tenant_id,
        journey_id=journey_id,
        since=body.since,
        until=body.until,
        actor=current().ref,
        now=clock.now(),
    )
    return _out(found)


@api.operation(
    "GET",
    "/journeys/<uuid:journey_id>/backtests/<uuid:backtest_id>",
    permission="journeys.edit",
    returns=BacktestOut,
)
def get_backtest(journey_id: UUID, backtest_id: UUID) -> BacktestOut:
    """Return how far a backtest has come, and the sums so far."""
    must("customers.view")
    return _out(backtest.backtest(tenant_id=current().tenant_id, journey_id=journey_id, backtest_id=backtest_id))


def _out(found: Backtest) -> BacktestOut:
    return BacktestOut(
        id=found.id,
        status=found.status,
        since=found.since,
        until=found.until,
        total=found.total,
        picked=found.picked,
        walked=found.walked,
        broken_off=found.broken_off,
        sums=found.sums,
        sample=[dict(one) for one in found.sample],
        error=found.error,
        created_at=found.created_at,
    )
