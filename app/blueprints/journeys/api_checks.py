"""The API of checks: rehearsals kept with what they came to, which a draft has to come to before it is published."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.blueprints.journeys.api import api
from app.infra import clock
from app.journeys import checks
from app.journeys.checks import MOST_MEANWHILE, Check, Happens
from app.journeys.made_up import Facts
from app.web.guards import current, must
from app.web.schemas import Body, Moment

PARTS = ("name", "starts_at", "facts", "event", "meanwhile")
Strictness = Literal["path", "messages", "end"]


class CheckBody(Body):
    """Who walks (one of a customer, anybody of a segment, facts of somebody made up), from when on, let in by what
    event, and what happens meanwhile. What the draft does with them is what is expected from then on. Without
    `event` it is kept with the customer's own last one that the trigger takes, else with one like those that come in.
    """

    name: str
    customer_id: UUID | None = None
    segment_id: UUID | None = None
    facts: Facts | None = None
    starts_at: Moment | None = None
    event: dict[str, Any] | None = None
    meanwhile: list[Happens] = Field(default=[])
    strictness: Strictness = "path"


class CheckChangeBody(Body):
    """What is to be different; `anew`: what the draft does now is expected from then on, as it is where anything is
    changed that the walk depends on. `facts` only of a check of somebody made up; without an event (null) nothing is
    said by what lets them in."""

    name: str | None = None
    starts_at: Moment | None = None
    facts: Facts | None = None
    event: dict[str, Any] | None = None
    meanwhile: Annotated[list[Happens], Field(max_length=MOST_MEANWHILE)] | None = None
    strictness: Strictness | None = None
    anew: bool = False


class CheckOut(BaseModel):
    """A check. `expected` holds the path (steps by day), the letters (with status, reason and day), and the end."""

    id: UUID
    name: str
    customer_id: UUID | None
    segment_id: UUID | None
    facts: dict[str, Any] | None
    starts_at: datetime
    event: dict[str, Any] | None
    meanwhile: list[dict[str, Any]]
    strictness: str
    expected: dict[str, Any]
    created_at: datetime


class ChecksOut(BaseModel):
    """All checks of a journey."""

    items: list[CheckOut]


class CheckResultOut(BaseModel):
    """What a run of a check found: sentences that say what differs; none where it passed."""

    id: UUID
    name: str
    passed: bool
    differs: list[str]


class CheckRunOut(BaseModel):
    """What a run of all checks found, on a revision of the draft."""

    draft_revision: int
    passed: bool
    results: list[CheckResultOut]


@api.operation("GET", "/journeys/<uuid:journey_id>/checks", permission="journeys.edit", returns=ChecksOut)
def list_checks(journey_id: UUID) -> ChecksOut:
    """Return the checks of a journey, oldest first; `customers.view` is needed too."""
    must("customers.view")
    found = checks.checks(tenant_id=current().tenant_id, journey_id=journey_id)
    return ChecksOut(items=[_out(one) for one in found])


@api.operation(
    "POST", "/journeys/<uuid:journey_id>/checks", permission="journeys.edit", body=CheckBody, returns=CheckOut,
    status=201,
)  # fmt: skip
def create_check(journey_id: UUID, body: CheckBody) -> CheckOut:
    """Rehearse the draft with somebody and keep what it comes to; `customers.view` is needed too."""
    must("customers.view")
    given = body.model_dump(exclude={"starts_at", "facts", "meanwhile"})
    made = checks.save(
        tenant_id=current().tenant_id,
        journey_id=journey_id,
        actor=current().ref,
        starts_at=body.starts_at or clock.now(),
        facts=body.facts.model_dump(mode="json") if body.facts else None,
        meanwhile=[one.model_dump(mode="json") for one in body.meanwhile],
        **given,
    )
    return _out(made)


@api.operation(
    "PATCH", "/journeys/<uuid:journey_id>/checks/<uuid:check_id>", permission="journeys.edit", body=CheckChangeBody,
    returns=CheckOut,
)  # fmt: skip
def change_check(journey_id: UUID, check_id: UUID, body: CheckChangeBody) -> CheckOut:
    """Change what a check is called, how it walks, how strict it is, or let it expect what the draft does now.

    As with whatever rehearses, `customers.view` is needed too.
    """
    must("customers.view")
    made = checks.change(
        tenant_id=current().tenant_id,
        journey_id=journey_id,
        check_id=check_id,
        actor=current().ref,
        strictness=body.strictness,
        anew=body.anew,
        parts={
            name: value
            for name in PARTS
            if (value := _part(body, name)) is not None or (name == "event" and name in body.model_fields_set)
        },
    )
    return _out(made)


@api.operation("DELETE", "/journeys/<uuid:journey_id>/checks/<uuid:check_id>", permission="journeys.edit", status=204)
def delete_check(journey_id: UUID, check_id: UUID) -> None:
    """Delete a check; `customers.view` is needed too."""
    must("customers.view")
    checks.delete(tenant_id=current().tenant_id, journey_id=journey_id, check_id=check_id, actor=current().ref)


@api.operation("POST", "/journeys/<uuid:journey_id>/checks/run", permission="journeys.edit", returns=CheckRunOut)
def run_checks(journey_id: UUID) -> CheckRunOut:
    """Walk the draft with every check, undo it all, and tell what differs from what was expected.

    It tells what becomes of customers, so `customers.view` is needed too.
    """
    must("customers.view")
    found, revision = checks.run(tenant_id=current().tenant_id, journey_id=journey_id)
    results = [
        CheckResultOut(id=one.check.id, name=one.check.name, passed=one.passed, differs=list(one.differs))
        for one in found
    ]
    return CheckRunOut(draft_revision=revision, passed=all(one.passed for one in results), results=results)


def _part(body: CheckChangeBody, name: str) -> Any:
    value = getattr(body, name)
    if isinstance(value, Facts):
        return value.model_dump(mode="json")
    return [one.model_dump(mode="json") for one in value] if isinstance(value, list) else value


def _out(found: Check) -> CheckOut:
    return CheckOut.model_validate(found, from_attributes=True)
