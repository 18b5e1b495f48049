"""What a channel needs of a template: one file a channel in `kinds/`, found at start."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from app.content.letters import LetterSource
from app.infra.registry import Registry

Judge = Callable[[LetterSource], Mapping[str, str]]
"""Returns what is wrong with a letter by part: its merge tags and snippets."""


class TemplateKind(ABC):
    """The templates of one channel: what they are called, how they are written, and what makes one whole."""

    label: str
    icon: str
    editors: Mapping[str, str]
    """Ways to write one, by name, with what people call them."""
    usual: str
    """The way that is meant where none is said."""

    @abstractmethod
    def read(self, given: Mapping[str, Any], errors: dict[str, str], judge: Judge) -> dict[str, Any]:
        """Return the columns of `queries.CONTENT` for what was `given`; what is wrong goes into `errors` by field."""

    def editor_of(self, given: Mapping[str, Any], errors: dict[str, str]) -> str:
        """Return the way that is given, or the usual one."""
        editor = given.get("editor") or self.usual
        if editor not in self.editors:
            errors["editor"] = f"Choose one of: {', '.join(self.editors)}."
            return self.usual
        return str(editor)


registry: Registry[TemplateKind] = Registry("template kind")


@cache
def kinds() -> Mapping[str, TemplateKind]:
    """Return every kind there is by its channel, found on the first call."""
    registry.discover("app.content.kinds")
    return dict(registry)
