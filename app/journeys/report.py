"""What a journey has come to: by week and version of entering, by step with its messages, by way, and how people went.

Counters say what there is of everybody. What has to be asked of the log is asked of the latest walks (`latest.MOST`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.infra.db import transaction
from app.infra.errors import Invalid
from app.journeys import cohorts, flow, letters, outcomes, queries, whereabouts
from app.journeys.cohorts import Cohorts
from app.journeys.flow import Flow, Stage
from app.journeys.latest import GOAL, Who
from app.journeys.outcomes import Outcomes
from app.journeys.queries import Analytics, StepNumbers
from app.messaging.states import Status
from app.messaging.tally import Kind


@dataclass(frozen=True, slots=True)
class Letters:
    """What became of a step's messages. Opened and clicked are by people; machines are counted apart."""

    sent: int
    not_sent: int
    waiting: int
    opened: int
    clicked: int
    by_machines: int
    bounced: int
    unsubscribed: int
    complained: int


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step: its numbers, and its messages if it wrote any."""

    numbers: StepNumbers
    letters: Letters | None


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. `funnel` is of the steps `stages`, after everybody."""

    totals: Analytics
    cohorts: Cohorts
    steps: Sequence[StepReport]
    outcomes: Outcomes
    flow: Flow
    start: str | None
    funnel: Sequence[Stage]


def report(*, tenant_id: UUID, journey_id: UUID, who: Who = Who(), stages: Sequence[str] = ()) -> Report:  # noqa: B008
    """Return what a journey has come to; `who` and `stages` are for the parts that are of the latest walks.

    Without `stages` the funnel is of the messages on the way most people went that has any. Raises NoSuchJourney, or
    Invalid.
    """
    with transaction(tenant_id) as session:
        found = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
        graph = whereabouts.live(tenant_id=tenant_id, journey=found)
        totals = queries.analytics(tenant_id=tenant_id, journey_id=journey_id)
        counts = queries.step_counts(tenant_id=tenant_id, journey_id=journey_id)
        wrong = [key for key in stages if key not in graph.steps and key not in counts and key != GOAL]
        if wrong:
            raise Invalid({"steps": f"There is no step “{wrong[0]}” in this journey."})
        chosen = list(dict.fromkeys(stages)) or flow.usual_steps(graph, counts, found.goal is not None)
        became = letters.lately(found, wait=True)
        gone = [one.key for one in totals.steps if one.type is None and one.exits]
        return Report(
            totals=totals,
            cohorts=cohorts.cohorts(session, tenant_id, journey_id),
            steps=[StepReport(one, _letters(became[one.key]) if one.key in became else None) for one in totals.steps],
            outcomes=outcomes.outcomes(session, found, who, graph, gone),
            flow=flow.flow(session, found, who),
            start=graph.trigger.key if graph.trigger else None,
            funnel=flow.funnel(session, found, who, chosen, graph),
        )


def _letters(became: Mapping[str, int]) -> Letters:
    def of(*what: Status | Kind) -> int:
        return sum(became.get(one, 0) for one in what)

    return Letters(
        sent=of(Status.SENT),
        not_sent=of(Status.SKIPPED, Status.FAILED, Status.UNKNOWN),
        waiting=of(Status.QUEUED, Status.HELD, Status.SENDING),
        opened=of(Kind.OPENED),
        clicked=of(Kind.CLICKED),
        by_machines=of(Kind.MACHINE_OPENED),
        bounced=of(Kind.BOUNCED),
        unsubscribed=of(Kind.UNSUBSCRIBED),
        complained=of(Kind.COMPLAINED),
    )
