"""What was measured: rates of the product and of the raw limit, round by round, and the table of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles


@dataclass
class Figure:
    """Rates (units a second) of both sides, one of each a round; `floor` is the least ratio of their medians.

    `least` is the least rate asked of the product on the machine docs/benchmarks.md names, 0 if none is. `limits`
    holds upper bounds on other things measured: name → (values, bound, unit). `beside` is shown and asked nothing, and
    so is `spent`: the processor time of each unit of the product, in microseconds, by whose it is.
    """

    name: str
    what: str
    raw_what: str
    floor: float
    least: float = 0.0
    product: list[float] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    limits: dict[str, tuple[list[float], float, str]] = field(default_factory=dict)
    beside: dict[str, list[float]] = field(default_factory=dict)
    spent: dict[str, list[float]] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Return the median rate of the product over the raw limit's."""
        return median(self.product) / median(self.raw)

    def failures(self) -> list[str]:
        """Return what falls short, in words."""
        found = []
        if self.ratio < self.floor:
            found.append(f"{self.name}: ratio {self.ratio:.3f} is below its floor of {self.floor}")
        if median(self.product) < self.least:
            found.append(f"{self.name}: {median(self.product):,.0f} a second is below {self.least:,.0f}")
        for what, (values, bound, unit) in self.limits.items():
            if median(values) > bound:
                found.append(f"{self.name}: {what} took {median(values):.2f} {unit}, {bound} at most")
        return found

    def lines(self) -> list[str]:
        """Return the figure as lines to show: medians, the ratio, and each round's rates."""
        shown = [
            f"{self.name}: {self.what}",
            f"  product  {_rates(self.product)}",
            f"  raw      {_rates(self.raw)}   ({self.raw_what})",
            f"  ratio    {self.ratio:.3f}   floor {self.floor}" + (f", {self.least:,.0f} a second" * bool(self.least)),
        ]
        for what, (values, bound, unit) in self.limits.items():
            shown.append(f"  {what}: {median(values):.2f} {unit}, at most {bound}")
        for what, values in self.beside.items():
            shown.append(f"  {what}: {_rates(values)}")
        for what, values in self.spent.items():
            each = " ".join(f"{one:,.0f}" for one in values)
            shown.append(f"  processor time of {what}: {median(values):,.0f} µs each  [{each}]")
        return shown


@dataclass
class Latencies:
    """How long requests took, in seconds, by kind. `most`: the 95th of a hundred may take so long."""

    name: str
    what: str
    most: float
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def failures(self) -> list[str]:
        """Return which kinds take too long, in words."""
        return [
            f"{self.name}: {what} took {percentile(values, 95) * 1000:.0f} ms at p95, {self.most * 1000:.0f} at most"
            for what, values in self.seconds.items()
            if percentile(values, 95) > self.most
        ]

    def lines(self) -> list[str]:
        """Return a line for each kind: median, 95th of a hundred, and the slowest, in milliseconds."""
        shown = [f"{self.name}: {self.what}; p95 at most {self.most * 1000:.0f} ms", f"  {'':34} p50   p95   max  ms"]
        for what, values in self.seconds.items():
            each = (percentile(values, 50), percentile(values, 95), max(values))
            shown.append(f"  {what:32}" + "".join(f"{one * 1000:6.1f}" for one in each))
        return shown


def percentile(values: Sequence[float], at: int) -> float:
    """Return the value that `at` of a hundred do not exceed."""
    return quantiles(values, n=100, method="inclusive")[at - 1]


def _rates(values: Sequence[float]) -> str:
    each = " ".join(f"{value:,.0f}" for value in values)
    return f"{median(values):>9,.0f} a second  [{each}]"
