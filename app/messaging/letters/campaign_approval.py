"""Word to a colleague that a campaign to many people waits for their yes."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.accounts.permissions import permissions_of
from app.accounts.queries import user
from app.content.letters import LetterSource
from app.infra.config import load
from app.infra.errors import NotFound
from app.messaging.builtin import BuiltinLetter, Outdated, builtins

SOURCE = LetterSource(
    subject="“{{ letter.campaign }}” waits for your yes",
    html=None,
    text="""Hello {{ letter.name }},

the campaign “{{ letter.campaign }}” goes to a segment of {{ letter.people }} people, so it needs a second
person's yes.
{{ letter.by }} asks for it.
{% if letter.note != "" %}
{{ letter.note }}
{% endif %}
Look at it, and approve or decline it here:

{{ letter.link }}

Nothing of it is sent before somebody has approved it.
""",
)


def values(*, tenant_id: UUID, user_id: UUID | None, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return which campaign waits, and where; one whose reader may not approve any more makes the letter outdated."""
    if user_id is None:
        raise Outdated("The mail names no user.")
    try:
        found = user(tenant_id=tenant_id, user_id=user_id)
    except NotFound:
        raise Outdated("The account is gone.") from None
    if found.status != "active" or "campaigns.approve" not in permissions_of(found.role):
        raise Outdated("They may not approve campaigns any more.")
    return {**context, "name": found.name, "link": f"{load().public_url}/campaigns/{context.get('campaign_id')}"}


builtins.register("campaign_approval")(BuiltinLetter(SOURCE, values))
