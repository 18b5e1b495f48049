"""What other settings would take away from a step, as its panel asks about it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.infra.words import listed
from app.journeys.graph import Step
from app.journeys.kinds import exit_labels, way_label
from app.journeys.narrowing import Fate, WaysLost


@dataclass(frozen=True, slots=True)
class Loses:
    """What settings would take away from a step, in words, and what can become of the steps there.

    `acts` are the buttons that decide, as (what it does, label).
    """

    words: str
    steps: str
    acts: Sequence[tuple[Fate, str]]


def loses(step: Step, config: Mapping[str, Any], why: WaysLost) -> Loses:
    """Return what changing a step to those settings takes away."""

    def counted(keys: Collection[str]) -> str:
        return "1 step" if len(keys) == 1 else f"{len(keys)} steps"

    labels, changed = exit_labels(step), replace(step, config=config)
    told = [f"“{labels[way]}” with {counted(keys)}" for way, keys in why.ways.items()]
    words = f"This takes away the way{'s' if len(told) > 1 else ''} {listed(told)}."
    those = "the step" if len(why.steps) == 1 else f"the {len(why.steps)} steps"
    if why.moved is None:
        move: tuple[Fate, str] = ("loosen", f"Change it, leave {those} unconnected")
    else:
        to = [f"“{way_label(changed, way)}”" for way in why.moved.to]
        to = [f"to {listed(to)}"] if to else []
        where = " and ".join([*to, *(["below"] if why.moved.behind else [])])
        move = ("move", f"Change it, move {those} {where}")
    return Loses(words, " ".join(sorted(why.steps)), (move, ("delete", f"Change it, delete {those}")))
