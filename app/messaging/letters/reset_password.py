"""The mail for a forgotten password: a link at which its user sets another."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.accounts.links import reset_link
from app.accounts.queries import user
from app.content.letters import LetterSource
from app.infra.errors import NotFound
from app.infra.tokens import BadToken
from app.messaging.builtin import BuiltinLetter, Outdated, builtins

SOURCE = LetterSource(
    subject="Set a new password for Fairway",
    html=None,
    text="""Hello {{ letter.name }},

somebody, probably you, asked for a new password for your Fairway account at {{ tenant.name }}. Set it here:

{{ letter.link }}

The link is good for two hours and can be used once. If you did not ask for it, ignore this mail: your password stays
as it is.
""",
)


def values(*, tenant_id: UUID, user_id: UUID | None, **_: Any) -> Mapping[str, Any]:
    """Return the name and link of the user; one who is gone or disabled makes the letter outdated."""
    if user_id is None:
        raise Outdated("The mail names no user.")
    try:
        found = user(tenant_id=tenant_id, user_id=user_id)
        link = reset_link(tenant_id=tenant_id, user_id=user_id)
    except (NotFound, BadToken):
        raise Outdated("The account is gone.") from None
    if found.status != "active":
        raise Outdated("The account is not active.")
    return {"name": found.name, "link": link}


builtins.register("reset_password")(BuiltinLetter(SOURCE, values))
