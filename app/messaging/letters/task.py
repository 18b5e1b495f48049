"""Word to a colleague who got something to do about a customer, or about several at once."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.accounts.permissions import permissions_of
from app.accounts.queries import user
from app.content.letters import LetterSource
from app.customers import tasks
from app.infra.config import load
from app.infra.errors import NotFound
from app.infra.ids import as_id
from app.messaging.builtin import BuiltinLetter, Outdated, builtins

SOURCE = LetterSource(
    subject="{% if letter.others %}{{ letter.count }} tasks for you{% else %}Task: {{ letter.title }}{% endif %}",
    html=None,
    text="""Hello {{ letter.name }},

{% if letter.others %}There are {{ letter.count }} tasks for you. The first one is about {{ letter.customer }}: \
{{ letter.title }}

You find them all here:
{% else %}There is a task for you about {{ letter.customer }}: {{ letter.title }}

You find it here:
{% endif %}
{{ letter.link }}
""",
)


def values(*, tenant_id: UUID, user_id: UUID | None, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is to be done; tasks that are done or gone are left out, and if all are the letter is outdated."""
    # Mails that an earlier version of Fairway queued name the first of their tasks alone.
    given = context.get("task_ids") or [context.get("task_id")]
    task_ids = [one for name in given if (one := as_id(name))]
    if user_id is None or not task_ids:
        raise Outdated("The mail names no task.")
    try:
        reader = user(tenant_id=tenant_id, user_id=user_id)
    except NotFound:
        raise Outdated("The user is gone.") from None
    if reader.status != "active" or tasks.PERMISSION not in permissions_of(reader.role):
        raise Outdated("They may not do tasks any more.")
    found = tasks.still_open(tenant_id=tenant_id, task_ids=task_ids)
    if not found:
        raise Outdated("The task is done already, or it is gone.")
    first, count = found[0], len(found)
    there = f"/customers/{first.customer_id}" if count == 1 else "/"
    return {
        "name": reader.name,
        "title": first.title,
        "customer": first.customer_name,
        "count": count,
        "others": count > 1,
        "link": f"{load().public_url}{there}",
    }


builtins.register("task")(BuiltinLetter(SOURCE, values))
