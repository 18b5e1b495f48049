"""A customer's segments: every one, in it or not, and why."""

from uuid import UUID

from flask import request
from werkzeug.wrappers import Response

from app.blueprints.customers.base import Person, blueprint
from app.infra.ids import as_id
from app.road import condition_labels
from app.segments import queries
from app.segments import why as reasons
from app.web.guards import requires


@blueprint.get("/<uuid:customer_id>/segments")
@requires("customers.view")
def segments(customer_id: UUID) -> Response:
    """List how a customer stands to each segment; of one of them (`why`) with each rule and the value it sees."""
    person = Person(customer_id)
    if person.moved:
        return person.moved
    found = queries.of_customer(tenant_id=person.tenant_id, customer_id=customer_id, cursor=request.args.get("cursor"))
    asked = as_id(request.args.get("why"))
    segment = queries.one(tenant_id=person.tenant_id, segment_id=asked) if asked else None
    labels = condition_labels(person.tenant_id) if segment else {}
    return person.page(
        "segments",
        block="why" if "why" in request.args else "standings",
        page=found,
        asked=segment,
        reason=reasons.of(tenant_id=person.tenant_id, segment_id=segment.id, customer_id=customer_id, names=labels)
        if segment
        else None,
    )
