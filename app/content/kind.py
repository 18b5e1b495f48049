"""What a channel needs of a template: one file a channel in `kinds/`, found at start."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from app.content.letters import LetterSource
from app.infra.registry import Registry

Judge = Callable[[LetterSource], Mapping[str, str]]
"""Returns what is wrong with a letter by part: its merge tags and snippets."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is written in a template: `name` is its column, or `parameters.<key>`.

    `lines`: how many of them its field shows; `merge`: it may hold merge tags; `many`: each line is one of a list.
    """

    name: str
    label: str
    help: str = ""
    lines: int = 1
    merge: bool = True
    optional: bool = False
    many: bool = False


class TemplateKind(ABC):
    """The templates of one channel: what they are called, how they are written, and what makes one whole."""

    label: str
    icon: str
    editors: Mapping[str, str]
    """Ways to write one, by name, with what people call them."""
    usual: str
    """The way that is meant where none is said."""
    noun: str
    """What one that was sent is called, with its article."""
    point: str
    """The kind of contact point it goes to."""
    bare: bool = True
    """Whether nothing is put at its end that its author did not write."""
    parts: tuple[Part, ...] = ()
    """What its form asks for; none where it has an editor of its own."""
    test_help: str = ""
    """What is written where a test is sent to."""
    counted: bool = False
    """Whether it is paid for by the SMS it takes, and its links are made short."""
    view: str = "phone"
    """How it is shown: content/views/<view>.html."""

    @abstractmethod
    def read(self, given: Mapping[str, Any], errors: dict[str, str], judge: Judge) -> dict[str, Any]:
        """Return the columns of `queries.CONTENT` for what was `given`; what is wrong goes into `errors` by field."""

    def starter(self) -> Mapping[str, str]:
        """Return what stands in a new one, by the names of its parts."""
        return {}

    def text_of(self, content: Mapping[str, Any]) -> str | None:
        """Return the text as it is filled in for a reader, of what a template says."""
        text: str | None = content.get("text")
        return text

    def editor_of(self, given: Mapping[str, Any], errors: dict[str, str]) -> str:
        """Return the way that is given, or the usual one."""
        editor = given.get("editor") or self.usual
        if editor not in self.editors:
            errors["editor"] = f"Choose one of: {', '.join(self.editors)}."
            return self.usual
        return str(editor)


registry: Registry[TemplateKind] = Registry("template kind")


def kind_of(channel: str) -> TemplateKind:
    """Return the kind of a channel's templates."""
    return kinds()[channel]


@cache
def kinds() -> Mapping[str, TemplateKind]:
    """Return every kind there is by its channel, found on the first call."""
    registry.discover("app.content.kinds")
    return dict(registry)
