"""The invitation to an account: a link at which the invited user sets a password."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.accounts.links import invitation_link
from app.accounts.queries import user
from app.content.letters import LetterSource
from app.infra.errors import NotFound
from app.infra.tokens import BadToken
from app.messaging.builtin import BuiltinLetter, Outdated, builtins

SOURCE = LetterSource(
    subject="{{ tenant.name }} invites you to Fairway",
    html=None,
    text="""Hello {{ letter.name }},

you have been invited to work with {{ tenant.name }} in Fairway. Choose a password here:

{{ letter.link }}

The link is good for seven days and can be used once. If you did not expect it, ignore this mail.
""",
)


def values(*, tenant_id: UUID, user_id: UUID | None, **_: Any) -> Mapping[str, Any]:
    """Return the name and link of an invited user; one who has answered or is gone makes the letter outdated."""
    if user_id is None:
        raise Outdated("The invitation names no user.")
    try:
        found = user(tenant_id=tenant_id, user_id=user_id)
        link = invitation_link(tenant_id=tenant_id, user_id=user_id)
    except (NotFound, BadToken):
        raise Outdated("The invitation was withdrawn.") from None
    if found.status != "invited":
        raise Outdated("The invitation was answered already.")
    return {"name": found.name, "link": link}


builtins.register("invitation")(BuiltinLetter(SOURCE, values))
