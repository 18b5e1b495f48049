"""The second half of a double opt-in: a link by which the reader confirms what somebody said for them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.content.letters import LetterSource
from app.customers.consents import standing
from app.customers.queries import NoSuchCustomer, customer
from app.infra.ids import as_id
from app.messaging.builtin import BuiltinLetter, Outdated, builtins
from app.messaging.channel import EMAIL
from app.messaging.double_opt_in import awaited
from app.messaging.links import confirm_url

SOURCE = LetterSource(
    subject="Please confirm that {{ club.name }} may write to you",
    html=None,
    text="""Hello {{ customer.first_name | default: "there" }},

somebody, probably you, asked {{ club.name }} to send you:

{% for what in letter.topics %}- {{ what }}
{% endfor %}
Is that right? Confirm it here:

{{ letter.link }}

If you did not ask for it, ignore this mail: nothing is sent to you until you confirm.
""",
)


def values(*, tenant_id: UUID, context: Mapping[str, Any], **_: Any) -> Mapping[str, Any]:
    """Return what is to be confirmed, and the link; without anything left to confirm the letter is outdated."""
    customer_id = as_id(context.get("customer_id"))
    if customer_id is None:
        raise Outdated("The customer is gone.")
    try:
        reader = customer(tenant_id=tenant_id, customer_id=customer_id)
        waiting = awaited(standing(tenant_id=tenant_id, customer_id=customer_id), EMAIL)
    except NoSuchCustomer:
        raise Outdated("The customer is gone.") from None
    if not waiting or not reader.email:
        raise Outdated("There is nothing to confirm any more.")
    topics = [line.topic.name if line.topic else "News by e-mail" for line in waiting]
    return {"topics": topics, "link": confirm_url(tenant_id, customer_id, reader.email)}


builtins.register("confirm_consent")(BuiltinLetter(SOURCE, values))
