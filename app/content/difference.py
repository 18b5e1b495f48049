"""What changed between two versions of a text, line by line and word by word, as a person reads it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

MAX_LINES = 1_500
"""More changed lines than these are not told apart: it would take long, and nobody would read it."""
MAX_WORDS = 400
MAX_WORK = 10 * MAX_WORDS * MAX_WORDS
"""So many words may be held against words in one difference; the lines after that are shown whole."""
CONTEXT = 2
MAX_LINE = 2_000

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")

SAME, GONE, NEW, SKIPPED = "same", "gone", "new", "skipped"


@dataclass(frozen=True, slots=True)
class Line:
    """A line as (words, whether they changed); `state` is SAME, GONE, NEW, or SKIPPED for a gap in what is shown."""

    state: str
    pieces: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """The changed lines with a little around them. `too_much`: they were too many to be told apart."""

    lines: tuple[Line, ...]
    too_much: bool = False


def between(old: str, new: str) -> Difference | None:
    """Return what changed from `old` to `new`, or None where nothing did."""
    if old == new:
        return None
    before, after = old.splitlines(), new.splitlines()
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    left, right = before[head : len(before) - tail], after[head : len(after) - tail]
    if max(len(left), len(right)) > MAX_LINES:
        return Difference((), too_much=True)
    lines = [*_around(before[max(0, head - CONTEXT) : head], cut=head > CONTEXT, at_start=True)]
    lines += _changed(left, right)
    lines += _around(before[len(before) - tail :][:CONTEXT], cut=tail > CONTEXT, at_start=False)
    return Difference(tuple(lines))


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def _around(lines: Sequence[str], *, cut: bool, at_start: bool) -> list[Line]:
    shown = [_line(SAME, line) for line in lines]
    gap = [Line(SKIPPED)] if cut else []
    return gap + shown if at_start else shown + gap


def _changed(left: Sequence[str], right: Sequence[str]) -> Iterator[Line]:
    work = 0
    for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from _between_changes(left[a:b])
        elif kind == "replace" and b - a == d - c:
            for one, other in zip(left[a:b], right[c:d], strict=True):
                words = _words(one), _words(other)
                work += len(words[0]) * len(words[1])
                if work > MAX_WORK or max(map(len, words)) > MAX_WORDS or max(len(one), len(other)) > MAX_LINE:
                    yield _line(GONE, one)
                    yield _line(NEW, other)
                else:
                    yield from _word_by_word(*words)
        else:
            yield from (_line(GONE, line) for line in left[a:b])
            yield from (_line(NEW, line) for line in right[c:d])


def _between_changes(lines: Sequence[str]) -> Iterator[Line]:
    if len(lines) <= 2 * CONTEXT + 1:
        yield from (_line(SAME, line) for line in lines)
        return
    yield from (_line(SAME, line) for line in lines[:CONTEXT])
    yield Line(SKIPPED)
    yield from (_line(SAME, line) for line in lines[-CONTEXT:])


def _words(line: str) -> list[str]:
    return _WORDS.findall(line[:MAX_LINE])


def _word_by_word(left: Sequence[str], right: Sequence[str]) -> Iterator[Line]:
    gone: list[tuple[str, bool]] = []
    new: list[tuple[str, bool]] = []
    for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if b > a:
            gone.append(("".join(left[a:b]), kind != "equal"))
        if d > c:
            new.append(("".join(right[c:d]), kind != "equal"))
    yield Line(GONE, tuple(gone))
    yield Line(NEW, tuple(new))


def _line(kind: str, words: str) -> Line:
    shown = words if len(words) <= MAX_LINE else words[:MAX_LINE] + " …"
    return Line(kind, ((shown, False),))
