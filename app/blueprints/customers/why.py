"""Why did they get it, why not: a customer and a campaign, or a step of a journey."""

from typing import Any
from uuid import UUID

from flask import request
from werkzeug.wrappers import Response

from app.blueprints.customers.base import Person, blueprint
from app.campaigns import queries as campaigns
from app.campaigns import why as of_campaign
from app.campaigns.why import Trace
from app.infra.errors import NotFound
from app.infra.ids import as_id
from app.journeys import why as of_step
from app.web.guards import can, requires


@blueprint.get("/<uuid:customer_id>/why")
@requires("messages.view")
def why_not(customer_id: UUID) -> Response:
    """Choose a campaign, or a step of a journey, and see what was looked at for this person, in order."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    chosen = request.args.get("about", "")
    return person.page("why", chosen=chosen, groups=_choices(person.tenant_id), traces=_traces(person, chosen))


def _choices(tenant_id: UUID) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what can be asked about, by group: what the reader may see of."""
    groups = []
    if can("campaigns.view"):
        found = campaigns.page(tenant_id=tenant_id, sort="-changed", limit=100).items
        groups.append(("Campaigns", [(f"campaign:{one.id}", one.name) for one in found]))
    if can("journeys.view"):
        steps = of_step.sending_steps(tenant_id=tenant_id)
        groups.append(("Journeys", [(f"step:{id_}:{key}", f"{name}: {step}") for id_, name, key, step in steps]))
    return [(label, options) for label, options in groups if options]


def _traces(person: Person, chosen: str) -> list[Trace] | None:
    """Return what was asked for; None where nothing was, or nothing that is there."""
    kind, _, rest = chosen.partition(":")
    identity, _, key = rest.partition(":")
    about = as_id(identity)
    if about is None:
        return None
    who: dict[str, Any] = {"tenant_id": person.tenant_id, "customer_id": person.customer.id}
    try:
        if kind == "campaign" and can("campaigns.view"):
            return of_campaign.of(**who, campaign_id=about)
        if kind == "step" and can("journeys.view"):
            return [Trace(None, "", of_step.of(**who, journey_id=about, step_key=key))]
    except NotFound:
        return None
    return None
