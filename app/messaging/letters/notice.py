"""Word to a colleague who is told something about a customer, or about several at once."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.accounts.permissions import permissions_of
from app.accounts.queries import user
from app.content.letters import LetterSource
from app.customers import notices, tasks
from app.customers.mentions import READS_NOTES
from app.infra.config import load
from app.infra.errors import NotFound
from app.infra.ids import as_id
from app.messaging.builtin import BuiltinLetter, Outdated, builtins

SOURCE = LetterSource(
    subject="{% if letter.others %}{{ letter.by }} tells you about {{ letter.count }} people"
    "{% else %}{{ letter.customer }}: {{ letter.body }}{% endif %}",
    html=None,
    text="""Hello {{ letter.name }},

{% if letter.others %}{{ letter.by }} tells you about {{ letter.count }} people. \
The first one is {{ letter.customer }}: {{ letter.body }}

You find them all here:
{% else %}{{ letter.by }} tells you about {{ letter.customer }}: {{ letter.body }}

You find them here:
{% endif %}
{{ letter.link }}
""",
)


def values(*, tenant_id: UUID, user_id: UUID | None, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is told of whom; notices that are read or gone are left out, and if all are it is outdated."""
    notice_ids = [one for given in context.get("notice_ids") or () if (one := as_id(given))]
    if user_id is None or not notice_ids:
        raise Outdated("The mail names no notice.")
    try:
        reader = user(tenant_id=tenant_id, user_id=user_id)
    except NotFound:
        raise Outdated("The user is gone.") from None
    may = permissions_of(reader.role)
    if reader.status != "active" or tasks.PERMISSION not in may or READS_NOTES not in may:
        raise Outdated("They may not read it any more.")
    found = notices.still_unread(tenant_id=tenant_id, user_id=user_id, notice_ids=notice_ids)
    if not found:
        raise Outdated("They have read it already, or it is gone.")
    first, count = found[0], len(found) + int(context.get("more") or 0)
    there = f"/customers/{first.customer_id}" if count == 1 else "/notices"
    return {
        "name": reader.name,
        "by": first.by,
        "body": first.body,
        "customer": first.customer_name,
        "count": count,
        "others": count > 1,
        "link": f"{load().public_url}{there}",
    }


builtins.register("notice")(BuiltinLetter(SOURCE, values))
