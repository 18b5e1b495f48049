"""Which of several ways does best, and what share each gets meanwhile.

Each way gets the share that is the chance of its being the best, given how many went it and how many of those did what
was hoped for: "randomized probability matching", after W. R. Thompson (1933), as S. L. Scott describes it in "A modern
Bayesian look at the multi-armed bandit" (2010). Nothing is drawn at run time: the same counts give the same shares.
"""

from collections.abc import Mapping
from functools import lru_cache
from random import Random

ENOUGH = 100
"""Before so many went each way, the shares are as they were set."""
SURE = 0.95
"""So likely the best is decided: everybody goes its way."""
LEAST = 0.1
"""What each way gets until then, or an even share where there are more than ten."""
DRAWS = 2000
LATELY = 200
"""If so many in a row went one way it is decided: the others got their LEAST else."""
BETTER = 0.5
"""What is decided stays so until it is no longer likely that it is the best."""

Counts = Mapping[str, tuple[int, int]]
"""How many went each way, and how many of them did what was hoped for."""


def shares(counts: Counts, decided: str | None = None) -> dict[str, float] | None:
    """Return the share of each way, of 1 together; None while too few went one of them.

    `decided` is the way everybody went lately. It keeps them while what is known of the others does not say otherwise:
    nothing is, once too few of those who came last went another way.
    """
    few = min(went for went, _ in counts.values()) < ENOUGH
    if few:
        return None if decided is None else {key: float(key == decided) for key in counts}
    chances = dict(zip(counts, _chances(tuple(counts.values())), strict=True))
    best = max(chances, key=lambda key: chances[key])
    if decided is not None and chances[decided] >= BETTER:
        best = decided
    if chances[best] >= SURE or best == decided:
        return {key: float(key == best) for key in chances}
    least = min(LEAST, 1 / len(chances))
    return {key: least + (1 - len(chances) * least) * chance for key, chance in chances.items()}


@lru_cache(maxsize=500)
def _chances(counts: tuple[tuple[int, int], ...]) -> tuple[float, ...]:
    """Return how likely each way is the best: how often it is among draws of what their true rates may be."""
    random = Random(0)  # noqa: S311 - the same draws each time
    wins = [0] * len(counts)
    for _ in range(DRAWS):
        rates = [random.betavariate(1 + done, 1 + went - done) for went, done in counts]
        wins[rates.index(max(rates))] += 1
    return tuple(won / DRAWS for won in wins)
