"""Liquid for tenants: every limit set, nothing reachable but the values a render is given.

The limits of python-liquid alone do not stop `replace` from multiplying two long strings, a range from being turned
into a list of a billion items, or many small loops one after another; the metered context below does.
"""

import time
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from itertools import takewhile
from typing import Any

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions.logical import ContainsExpression
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.exceptions import (
    FilterArgumentError,
    LiquidError,
    LiquidSyntaxError,
    LoopIterationLimitError,
    OutputStreamLimitError,
)
from liquid.expression import Expression
from liquid.token import Token

from app.content import quick
from app.infra import clock
from app.infra.figures import figure

MAX_SOURCE = 500_000
MAX_OUTPUT = 1_000_000
MAX_VALUE = 200_000
MAX_ITEMS = 2_000
MAX_ITERATIONS = 10_000
MAX_NODE_VISITS = 500_000
MAX_NODES = 10_000
MAX_FILTER_WORK = 20_000_000
MAX_SECONDS = 1.0
MAX_DATE_FORMAT = 100

REMOVED_TAGS = ("include", "render", "doc")
REMOVED_FILTERS = ("safe", "escapejs")


class TemplateProblem(ValueError):
    """A template cannot be read or rendered. `message` is for its author; `line` counts from 1, or is None."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(f"Line {line}: {message}" if line else message)
        self.message = message
        self.line = line


def date_filter(value: object, format_: object = "%-d %B %Y") -> str:
    """Return a date (or ISO 8601 text, or "now") in a strftime format; other values come back as text.

    Only ISO 8601 is read: guessing at formats takes the day for the month, and can be made to run long.
    """
    layout = str(format_)
    if len(layout) > MAX_DATE_FORMAT:
        raise FilterArgumentError("the date format is too long", token=None)
    moment = value
    if isinstance(value, str):
        if value in ("now", "today"):
            moment = clock.now()
        else:
            try:
                moment = datetime.fromisoformat(value[:40])
            except ValueError:
                return value
    if not isinstance(moment, date):
        return "" if value is None else str(value)
    return moment.strftime(layout)


class MeteredContext(RenderContext):
    """A render context with a purse: loops and filters pay, and an empty purse ends the render."""

    __slots__ = ("deadline", "iterations", "work")

    template: "MeteredTemplate"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.iterations = 0
        self.work = 0
        self.deadline = time.monotonic() + MAX_SECONDS

    def raise_for_loop_limit(self, length: int = 1) -> None:
        """Count the loop's iterations with those of all loops before it, weighed by the template's size."""
        self.iterations += length
        if self.iterations > self.template.max_iterations:
            raise LoopIterationLimitError("this template loops too often", token=None)
        self.check_clock()
        super().raise_for_loop_limit(length)

    def assign(self, key: str, val: Any) -> None:
        """Set a variable; a range too long to be walked is refused, since `contains` would walk it."""
        if isinstance(val, range):
            _size(val)
        super().assign(key, val)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """Return the filter called `name`, wrapped so that it pays for the size of what it is given."""
        return partial(self._metered, name, super().filter(name, token))

    def check_clock(self) -> None:
        """Raise once the render has used its time."""
        if time.monotonic() > self.deadline:
            raise LoopIterationLimitError("this template takes too long", token=None)

    def _metered(self, name: str, function: Callable[..., object], left: object, *args: Any, **kwargs: Any) -> object:
        cost = _size(left)
        for value in args:
            cost += _size(value)
        if args:
            cost += _growth(name, left, args)
        self.work += cost
        if cost > MAX_VALUE or self.work > MAX_FILTER_WORK:
            raise OutputStreamLimitError(f"the values given to {name!r} are too large", token=None)
        if cost > 1_000:
            self.check_clock()
        result = function(left, *args, **kwargs)
        _size(result)
        return result


class MeteredTemplate(BoundTemplate):
    """A compiled template that knows how many loop iterations its size allows, and its short way if it has one."""

    context_class = MeteredContext
    max_iterations = MAX_ITERATIONS
    parts: tuple[quick.Part, ...] | None = None


class ClubEnvironment(Environment):
    """The language tenants write: standard Liquid without partials, raw output and the clock of this machine."""

    loop_iteration_limit = MAX_ITERATIONS
    output_stream_limit = MAX_OUTPUT
    local_namespace_limit = MAX_VALUE
    context_depth_limit = 30
    block_nesting_limit = 30
    template_class = MeteredTemplate

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for name in REMOVED_TAGS:
            del self.tags[name]
        for name in REMOVED_FILTERS:
            del self.filters[name]
        self.add_filter("date", date_filter)


HTML = ClubEnvironment(autoescape=True)
PLAIN = ClubEnvironment(autoescape=False)


def compile_source(source: str, *, html: bool) -> MeteredTemplate:
    """Return `source` compiled, or raise TemplateProblem (syntax, unknown tag or filter, too large).

    With `html`, values are HTML-escaped when they are put out; without, they are put out as they are.
    """
    if len(source) > MAX_SOURCE:
        raise TemplateProblem(f"This is longer than {figure(MAX_SOURCE)} characters; shorten it.")
    try:
        template = (HTML if html else PLAIN).from_string(source)
        unknown = {name: spans for name, spans in template.analyze().filters.items() if name not in PLAIN.filters}
    except LiquidError as error:
        raise _problem(error) from None
    except RecursionError:
        raise TemplateProblem("A condition in this template is nested too deeply; split it.") from None
    if unknown:
        name, spans = min(unknown.items(), key=lambda item: item[1][0].index)
        line = source.count("\n", 0, spans[0].index) + 1
        raise TemplateProblem(f"There is no filter called {name!r}.", line)
    if not isinstance(template, MeteredTemplate):
        raise TypeError("the environment makes metered templates")
    nodes = _weigh(template)
    template.max_iterations = min(MAX_ITERATIONS, MAX_NODE_VISITS // max(nodes, 1))
    template.parts = quick.plan(template)
    return template


def render(template: MeteredTemplate, values: Mapping[str, object]) -> str:
    """Return the text of a compiled template for `values`; missing ones are empty. Raise TemplateProblem otherwise."""
    if template.parts is not None:
        short = quick.put_together(template.parts, values, html=template.env.autoescape)
        # Four bytes are the most a character takes.
        if short is not None and len(short) <= MAX_OUTPUT // 4:
            return short
    try:
        return template.render(values)
    except LiquidError as error:
        raise _problem(error) from None
    except (
        ArithmeticError,
        ValueError,
        TypeError,
        LookupError,
        RecursionError,
        MemoryError,
        OSError,
    ) as error:
        raise TemplateProblem(f"A value does not fit what the template does with it ({error}).") from None


def names(template: BoundTemplate) -> tuple[str, ...]:
    """Return what a template asks of its values, such as "customer.first_name"; not what it sets itself."""
    asked = [one.segments for ones in template.analyze().globals.values() for one in ones]
    parts = (takewhile(lambda part: isinstance(part, str), segments) for segments in asked)
    return tuple(dict.fromkeys(".".join(map(str, one)) for one in parts))


def _size(value: object) -> int:
    """Return what handling `value` costs, in characters; raise when it is larger than any mail needs."""
    if isinstance(value, str):
        cost = len(value)
    elif isinstance(value, (list, tuple, range)):
        # `len` of an endless range overflows; its ends tell the same.
        cost = value.stop - value.start if isinstance(value, range) else len(value)
        if cost > MAX_ITEMS:
            raise OutputStreamLimitError(f"a list has more than {figure(MAX_ITEMS)} items", token=None)
        # Filters over lists may compare every item with every other.
        cost *= max(1, cost // 50)
    elif isinstance(value, int):
        cost = value.bit_length() // 8
    else:
        return 1
    if cost > MAX_VALUE:
        raise OutputStreamLimitError(f"a value is longer than {figure(MAX_VALUE)} characters", token=None)
    return cost


def _growth(name: str, left: object, args: tuple[Any, ...]) -> int:
    """Return the length of what a multiplying filter will put out, before it does."""
    if name == "join" and isinstance(left, (list, tuple, range)):
        return len(left) * len(str(args[0])) + sum(len(str(item)) for item in left)
    if name == "replace" and len(args) > 1:
        return str(left).count(str(args[0])) * len(str(args[1]))
    return 0


def _weigh(template: BoundTemplate) -> int:
    """Return the number of nodes and expressions of a template, refusing what no letter needs."""
    context = RenderContext(template)
    nodes: list[Node] = list(template.nodes)
    count = 0
    while nodes:
        node = nodes.pop()
        expressions: list[Expression] = list(node.expressions())
        count += 1 + len(expressions)
        while expressions:
            expression = expressions.pop()
            if isinstance(expression, ContainsExpression) and isinstance(expression.left, RangeLiteral):
                raise TemplateProblem("A range cannot be asked what it contains; compare the number instead.")
            children = list(expression.children())
            count += len(children)
            expressions.extend(children)
        nodes.extend(node.children(context))
        if count > MAX_NODES:
            raise TemplateProblem("This template has too many tags; shorten it.")
    return count


def _problem(error: LiquidError) -> TemplateProblem:
    """Return python-liquid's complaint in our words, with its line."""
    try:
        context = error.context()
    except ValueError:
        # An error at the very end of the source has no character to point at.
        context = None
        if error.token is not None:
            context = (error.token.source.count("\n") + 1, 0, "", "", "")
    message = str(error.message or "This cannot be read.")
    if isinstance(error, LiquidSyntaxError) and message.startswith("unexpected tag"):
        message = f"There is no tag called {message.removeprefix('unexpected tag').strip()}."
    return TemplateProblem(message[:1].upper() + message[1:], context[0] if context else None)
