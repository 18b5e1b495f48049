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
    """Return what is told of whom; a single notice that is read already, or gone, makes the letter outdated."""
    notice_id = as_id(context.get("notice_id"))
    if user_id is None or notice_id is None:
        raise Outdated("The mail names no notice.")
    try:
        reader = user(tenant_id=tenant_id, user_id=user_id)
        found = notices.notice(tenant_id=tenant_id, user_id=user_id, notice_id=notice_id, sees_private=False)
    except NotFound:
        raise Outdated("The notice is gone.") from None
    count = int(context.get("count") or 1)
    may = permissions_of(reader.role)
    if reader.status != "active" or tasks.PERMISSION not in may or READS_NOTES not in may:
        raise Outdated("They may not read it any more.")
    if count == 1 and found.read_at is not None:
        raise Outdated("They have read it already.")
    there = f"/customers/{found.customer_id}" if count == 1 else "/notices"
    return {
        "name": reader.name,
        "by": found.by,
        "body": found.body,
        "customer": found.customer_name,
        "count": count,
        "others": count > 1,
        "link": f"{load().public_url}{there}",
    }


builtins.register("notice")(BuiltinLetter(SOURCE, values))
