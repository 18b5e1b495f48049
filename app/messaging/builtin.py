"""Letters Fairway writes itself: one file in `letters/` is one of them.

What a letter needs is made when it is sent, from ids: a link that opens an account never lies in the outbox.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol
from uuid import UUID

from app.content.letters import Letter, LetterSource, compile_letter
from app.infra.registry import Registry


class Outdated(Exception):
    """The letter has nothing to say any more (its user is gone, its invitation withdrawn); it is not sent."""


class MakeValues(Protocol):
    """Makes what a letter's template reads under `letter`."""

    def __call__(self, *, tenant_id: UUID, user_id: UUID | None, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values for a user or customer, or raise Outdated.

        `context` is what lies in the outbox (ids only); its `customer_id` is the customer the letter goes to, if any.
        """


@dataclass(frozen=True, slots=True)
class BuiltinLetter:
    """A letter of ours: its Liquid source, and what fills it."""

    source: LetterSource
    values: MakeValues


builtins: Registry[BuiltinLetter] = Registry("built-in letter")


@cache
def _discover() -> None:
    builtins.discover("app.messaging.letters")


def builtin(name: str) -> BuiltinLetter:
    """Return the letter called `name`, or raise NotRegistered."""
    _discover()
    return builtins.get(name)


@cache
def compiled(name: str) -> Letter:
    """Return the letter called `name`, compiled once a process."""
    return compile_letter(builtin(name).source)
