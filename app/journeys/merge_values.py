"""Merge tags in settings of steps: `{{ event.competition }}`, `{{ customer.first_name }}`, an answer to a call."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from app.content.liquid import MeteredTemplate, compile_source
from app.content.merge_tags import letter_values
from app.journeys.step_type import Walker


@lru_cache(maxsize=2000)
def compiled(source: str) -> MeteredTemplate:
    """Return the merge tags of a text, read; raise TemplateProblem, which is a ValueError."""
    return compile_source(source, html=False)


def values_of(walker: Walker, customer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what merge tags can reach for somebody; `customer` is a row of `content.queries.readers`."""
    return letter_values(
        customer=customer,
        club_name=customer["club_name"],
        tenant_name=customer["tenant_name"],
        context=walker.context,
        unsubscribe_url=None,
    )
