"""How quick the machine is meanwhile: what a piece of work that never changes takes of a processor, each second.

A virtual machine shares its processors and their memory with others, and is not equally quick for a quarter of an hour.
"""

import contextlib
import multiprocessing
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

PIECE = 50_000
"""Numbers that are put in order: about 15 ms, and more memory than is next to a processor."""


@dataclass
class Machine:
    """What the pieces took, in seconds of processor time; there once the block is left."""

    took: list[float] = field(default_factory=list)

    @property
    def piece(self) -> float:
        """Return the median of what a piece took."""
        return median(self.took)


def _work(ready: Any, over: Any, answers: Any) -> None:
    draw = random.Random(1)
    numbers = [draw.random() for _ in range(PIECE)]
    took: list[float] = []
    ready.set()
    while not took or not over.wait(1):
        began = time.process_time()
        sorted(numbers)
        took.append(time.process_time() - began)
    answers.put(took)


@contextlib.contextmanager
def watched() -> Iterator[Machine]:
    """Look at the machine, from a process of its own, for as long as the block runs."""
    context = multiprocessing.get_context("spawn")
    ready, over, answers = context.Event(), context.Event(), context.SimpleQueue()
    process = context.Process(target=_work, args=(ready, over, answers), daemon=True)
    process.start()
    ready.wait()
    found = Machine()
    try:
        yield found
    finally:
        over.set()
        found.took = answers.get()
        process.join()
