"""What a journey has come to: by week and version of entering, by step with its messages, by way, and how people went.

Counters say what there is of everybody, and by the week and version of entering. What has to be asked of the log is
asked of the latest walks (`latest.MOST`): of some of the people the steps and their messages, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.infra.db import transaction
from app.infra.errors import Invalid
from app.journeys import chosen, cohorts, flow, letters, outcomes, queries, whereabouts
from app.journeys.cohorts import Cohorts
from app.journeys.flow import Flow, Stage
from app.journeys.latest import GOAL, Who
from app.journeys.outcomes import Outcomes
from app.journeys.queries import StepNumbers
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
    """All of it, of `who` (by whole weeks); `everybody` are the cohorts of all people. `funnel` is of the steps
    `stages`, after everybody of these."""

    who: Who
    everybody: Cohorts
    cohorts: Cohorts
    steps: Sequence[StepReport]
    outcomes: Outcomes
    flow: Flow
    start: str | None
    funnel: Sequence[Stage]


def report(*, tenant_id: UUID, journey_id: UUID, who: Who = Who(), stages: Sequence[str] = ()) -> Report:  # noqa: B008
    """Return what a journey has come to, with those who came in in the weeks of `who` and under its version.

    Without `stages` the funnel is of the messages on the way most people went that has any. Raises NoSuchJourney, or
    Invalid.
    """
    who = who.in_weeks()
    with transaction(tenant_id) as session:
        found = queries.journey(tenant_id=tenant_id, journey_id=journey_id)
        graph = whereabouts.live(tenant_id=tenant_id, journey=found)
        counts = queries.step_counts(tenant_id=tenant_id, journey_id=journey_id)
        wrong = [key for key in stages if key not in graph.steps and key not in counts and key != GOAL]
        if wrong:
            raise Invalid({"steps": f"There is no step “{wrong[0]}” in this journey."})
        funnel = list(dict.fromkeys(stages)) or flow.usual_steps(graph, counts, found.goal is not None)
        everybody = of_them = cohorts.cohorts(session, tenant_id, journey_id)
        if who == Who():
            became = letters.lately(found, wait=True)
        else:
            of_them = cohorts.cohorts(session, tenant_id, journey_id, who)
            counts, became = chosen.steps(session, found, who), chosen.letters(session, found, who)
        numbers = queries.analytics(tenant_id=tenant_id, journey_id=journey_id, counted=counts).steps
        gone = [one.key for one in numbers if one.type is None and one.exits]
        return Report(
            who=who,
            everybody=everybody,
            cohorts=of_them,
            steps=[StepReport(one, _letters(became[one.key]) if one.key in became else None) for one in numbers],
            outcomes=outcomes.outcomes(session, found, who, graph, gone),
            flow=flow.flow(session, found, who),
            start=graph.trigger.key if graph.trigger else None,
            funnel=flow.funnel(session, found, who, funnel, graph),
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
