"""Values that are told from now, as statements bind them: at once, or each time that a kept statement is asked.

Making a statement of a few hundred trees takes much longer than asking it of one person, so whoever asks again and
again keeps it. What it says depends on the trees and the zone alone; now is left open, and filled in when it is asked.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, bindparam, literal
from sqlalchemy.types import TypeEngine

from app.conditions.periods import Present


@dataclass(slots=True, eq=False)
class Later:
    """The values a kept statement leaves open; pass `values(now)` along whenever it is asked."""

    _tells: dict[Hashable, tuple[str, Callable[[datetime], Any]]] = field(default_factory=dict)

    def bind(self, key: Hashable, tell: Callable[[datetime], Any], type: TypeEngine[Any]) -> ColumnElement[Any]:
        """Return what stands for a value in the statement; `key` is the same where the value always is."""
        name, _ = self._tells.setdefault(key, (f"later_{len(self._tells)}", tell))
        return bindparam(name, type_=type)

    def values(self, now: datetime) -> dict[str, Any]:
        """Return the values at a moment, by the names they have in the statement."""
        return {name: tell(now) for name, tell in self._tells.values()}


@dataclass(frozen=True, slots=True)
class Someday:
    """In the place of a Present: where a tree will be asked is known, and when is not."""

    zone: tzinfo
    later: Later
    currency: str = ""


def told(
    present: Present | Someday, key: Hashable, tell: Callable[[Present], Any], type: TypeEngine[Any]
) -> ColumnElement[Any]:
    """Return a value that is told from the present, bound; one `key` (in one zone) always tells the same value."""
    if isinstance(present, Present):
        return literal(tell(present), type)
    zone = present.zone
    return present.later.bind((zone, key), lambda now: tell(Present(zone, now)), type)
