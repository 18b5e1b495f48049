"""Merge tags in settings of steps: `{{ event.competition }}`, `{{ customer.first_name }}`, an answer to a call."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from app.content import liquid
from app.content.liquid import MeteredTemplate, TemplateProblem, compile_source
from app.content.merge_tags import letter_values
from app.content.queries import readers
from app.journeys.step_type import GONE, StepBatch, Walker

T = TypeVar("T")


@lru_cache(maxsize=2000)
def compiled(source: str) -> MeteredTemplate:
    """Return the merge tags of a text, read; raise TemplateProblem, which is a ValueError."""
    return compile_source(source, html=False)


@lru_cache(maxsize=2000)
def names(source: str) -> tuple[str, ...]:
    """Return what the merge tags of a text ask for, such as "event.competition"; nothing of one that can't be read."""
    try:
        return liquid.names(compiled(source))
    except TemplateProblem:
        return ()


def values_of(walker: Walker, customer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what merge tags can reach for somebody; `customer` is a row of `content.queries.readers`."""
    return letter_values(
        customer=customer,
        club_name=customer["club_name"],
        tenant_name=customer["tenant_name"],
        context=walker.context,
        unsubscribe_url=None,
    )


def write_each(
    batch: StepBatch[Any], walkers: Sequence[Walker], write: Callable[[Walker, dict[str, Any]], T], what: str
) -> dict[Walker, T]:
    """Return what `write` makes of each of these people and the values their merge tags can reach.

    Fails those who are gone, and those of whom it raises TemplateProblem: `what` can't be written.
    """
    people = readers(tenant_id=batch.tenant_id, customer_ids={walker.customer_id for walker in walkers})
    written: dict[Walker, T] = {}
    for walker in walkers:
        customer = people.get(walker.customer_id)
        if customer is None:
            batch.fail(walker, GONE)
            continue
        try:
            written[walker] = write(walker, values_of(walker, customer))
        except TemplateProblem as problem:
            batch.fail(walker, f"{what} can't be written: {problem}")
    return written
