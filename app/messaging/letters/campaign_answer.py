"""Word to who asked for a second person's yes to a campaign: what the answer is."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.accounts.queries import user
from app.content.letters import LetterSource
from app.infra.config import load
from app.infra.errors import NotFound
from app.messaging.builtin import BuiltinLetter, Outdated, builtins

SOURCE = LetterSource(
    subject="“{{ letter.campaign }}” was {% if letter.approved %}approved{% else %}declined{% endif %}",
    html=None,
    text="""Hello {{ letter.name }},

{{ letter.by }} has {% if letter.approved %}approved{% else %}declined{% endif %} the campaign “{{ letter.campaign }}”.
{% if letter.note != "" %}
{{ letter.note }}
{% endif %}
{% if letter.approved and letter.status == "paused" %}It is paused, and goes on once somebody resumes it:
{% elsif letter.approved and letter.status == "scheduled" %}It begins by its schedule:
{% elsif letter.approved %}You can schedule or send it now:
{% else %}Look at it here:
{% endif %}
{{ letter.link }}
""",
)


def values(*, tenant_id: UUID, user_id: UUID | None, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return which campaign was answered, and how; a reader who is gone makes the letter outdated."""
    if user_id is None:
        raise Outdated("The mail names no user.")
    try:
        found = user(tenant_id=tenant_id, user_id=user_id)
    except NotFound:
        raise Outdated("The account is gone.") from None
    if found.status != "active":
        raise Outdated("The account is not active.")
    return {**context, "name": found.name, "link": f"{load().public_url}/campaigns/{context.get('campaign_id')}"}


builtins.register("campaign_answer")(BuiltinLetter(SOURCE, values))
