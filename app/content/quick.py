"""The short way for plain letters: words, merge tags, and a default for those that are empty.

Most letters are nothing else, and a batch of them is rendered eight times as fast this way. Whatever is not certain to
come out as Liquid would have it is left to Liquid; a test holds the two to the same text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from liquid import BoundTemplate
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.arguments import PositionalArgument
from liquid.builtin.expressions.primitive import StringLiteral
from liquid.builtin.output import OutputNode
from markupsafe import escape

# Liquid gives these a meaning of their own.
_PROPERTIES = {"size", "first", "last"}
_BUILT_IN = {"now", "today"}


@dataclass(frozen=True, slots=True)
class Tag:
    """One merge tag: where its value stands, and the words for an empty one."""

    root: str
    path: tuple[str, ...]
    default: str | None


Part = str | Tag


class Stencil:
    """The parts of a text that many readers get, as one thing to be known again by: what was made of it can be kept.

    `size` is how long it is without its readers' words.
    """

    __slots__ = ("__weakref__", "parts", "size", "tags")

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self.parts = parts
        self.tags = tuple(part for part in parts if isinstance(part, Tag))
        self.size = sum(len(part) for part in parts if type(part) is str)


@dataclass(slots=True)
class Filled:
    """A text for one reader that is not put together yet: `words` stand where its stencil has tags, in order."""

    stencil: Stencil
    words: list[str]

    def __str__(self) -> str:
        """Return the text."""
        words = iter(self.words)
        return "".join([part if type(part) is str else next(words) for part in self.stencil.parts])


def plan(template: BoundTemplate) -> tuple[Part, ...] | None:
    """Return the parts of a template that the short way can render, or None for one it can't."""
    parts: list[Part] = []
    for node in template.nodes:
        part = _part(node)
        if part is None:
            return None
        parts.append(part)
    return tuple(parts)


def put_together(parts: tuple[Part, ...], values: Mapping[str, Any], *, html: bool) -> str | None:
    """Return the text of the parts for `values`, or None when a value needs Liquid to be written."""
    texts: list[str] = []
    for part in parts:
        if type(part) is str:
            texts.append(part)
            continue
        word = _word(part, values, html)  # type: ignore[arg-type] # it is a Tag, and asking again takes time
        if word is None:
            return None
        texts.append(word)
    return "".join(texts)


def fill(stencil: Stencil, values: Mapping[str, Any], *, html: bool) -> Filled | None:
    """Return the stencil with the words for `values`, or None when a value needs Liquid to be written."""
    words: list[str] = []
    for tag in stencil.tags:
        word = _word(tag, values, html)
        if word is None:
            return None
        words.append(word)
    return Filled(stencil, words)


def _word(tag: Tag, values: Mapping[str, Any], html: bool) -> str | None:
    value = values.get(tag.root)
    for name in tag.path:
        if value is None:
            break
        if type(value) is not dict:
            return None
        value = value.get(name)
    if value is None or value == "":
        return tag.default or ""
    if type(value) is not str:
        return None
    # Most words have nothing to escape.
    return value if not html or value.isalnum() else str(escape(value))


def _part(node: Node) -> Part | None:
    if isinstance(node, ContentNode):
        return str(node.text)
    if not isinstance(node, OutputNode) or not isinstance(node.expression, FilteredExpression):
        return None
    path = node.expression.left
    if not isinstance(path, Path) or not all(isinstance(name, str) for name in path.path):
        return None
    root, *names = map(str, path.path)
    if root in _BUILT_IN or _PROPERTIES.intersection(names):
        return None
    if not node.expression.filters:
        return Tag(root, tuple(names), None)
    default = _only_default(node.expression)
    return None if default is None else Tag(root, tuple(names), default)


def _only_default(expression: FilteredExpression) -> str | None:
    """Return the words of the filter `default` if it is the only one and they are plain, else None."""
    filters = expression.filters or []
    if len(filters) != 1:
        return None
    first = filters[0]
    if first.name != "default" or len(first.args) != 1:
        return None
    [argument] = first.args
    if not isinstance(argument, PositionalArgument) or not isinstance(argument.value, StringLiteral):
        return None
    return str(argument.value.value)
