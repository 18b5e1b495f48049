"""What somebody gets who answers a text with HELP."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.accounts.queries import tenant_info
from app.content.letters import LetterSource
from app.messaging import accounts
from app.messaging.builtin import BuiltinLetter, Outdated, builtins

SOURCE = LetterSource(subject="", html=None, text="{{ letter.words }}", bare=True)


def values(*, tenant_id: UUID, user_id: UUID | None, context: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    """Return what the organisation says to who asks for help, else who it is and how to stop it."""
    name = context.get("channel")
    if not isinstance(name, str) or name not in accounts.having_settings():
        raise Outdated("Nobody knows any more by which channel help was asked for.")
    words = accounts.of(tenant_id=tenant_id, channel_name=name).get("help")
    return {"words": words or f"{tenant_info(tenant_id=tenant_id).name}: reply STOP to get no more messages."}


builtins.register("text_help")(BuiltinLetter(SOURCE, values))
