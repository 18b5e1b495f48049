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
    """Return what is to be done; a single task that is done or gone makes the letter outdated."""
    task_id = as_id(context.get("task_id"))
    if user_id is None or task_id is None:
        raise Outdated("The mail names no task.")
    try:
        reader = user(tenant_id=tenant_id, user_id=user_id)
        found = tasks.task(tenant_id=tenant_id, task_id=task_id)
    except NotFound:
        raise Outdated("The task is gone.") from None
    count = int(context.get("count") or 1)
    if reader.status != "active" or tasks.PERMISSION not in permissions_of(reader.role):
        raise Outdated("They may not do tasks any more.")
    if count == 1 and found.done_at is not None:
        raise Outdated("The task is done already.")
    there = f"/customers/{found.customer_id}" if count == 1 else "/"
    return {
        "name": reader.name,
        "title": found.title,
        "customer": found.customer_name,
        "count": count,
        "others": count > 1,
        "link": f"{load().public_url}{there}",
    }


builtins.register("task")(BuiltinLetter(SOURCE, values))
