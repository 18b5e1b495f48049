"""Of two who have the form of one profile open, each writes only what they changed themselves."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson


def read(said: str | None) -> dict[str, str]:
    """Return the texts by field that a form says it was opened with; nothing where it does not say."""
    try:
        found = orjson.loads(said or "{}")
    except orjson.JSONDecodeError:
        return {}
    return {name: text for name, text in found.items() if isinstance(text, str)} if isinstance(found, dict) else {}


def write(texts: Mapping[str, str]) -> str:
    """Return the texts by field as a form carries them."""
    return orjson.dumps(texts).decode()


@dataclass(frozen=True, slots=True)
class Compared:
    """What stands in the fields of a form, by name: as it was `opened`, as `typed`, and as the profile has it `now`.

    A form that does not say what it was opened with was opened just `now`.
    """

    opened: Mapping[str, str]
    typed: Mapping[str, str]
    now: Mapping[str, str]

    @property
    def changed(self) -> frozenset[str]:
        """Return the fields that whoever typed has changed."""
        return frozenset(
            name
            for name, text in self.typed.items()
            if text.strip() != self.opened.get(name, self.now.get(name, "")).strip()
        )

    @property
    def clashing(self) -> frozenset[str]:
        """Return those of them that somebody else has changed meanwhile to something else."""
        return frozenset(
            name
            for name in self.changed & self.now.keys() & self.opened.keys()
            if self.now[name] not in (self.opened[name], self.typed[name].strip())
        )
