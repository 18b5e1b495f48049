"""SPLIT: people go different ways by chance, so that one can see which does better."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal
from uuid import UUID

from babel import Locale
from babel.numbers import format_percent
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from app.conditions.telling import LOCALE
from app.infra.arrays import array
from app.journeys import best, paths
from app.journeys.graph import Graph, Step
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, registry

HOLDOUT = "holdout"
MAX_WEIGHT = 1_000_000
MAX_NAME = 80


class Variant(BaseModel):
    """One way, and how many go it, told beside the others: 1 and 3 are 25 and 75 percent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str | None = Field(default=None, title="Key", description="Its exit; made of the name where it is left out.")
    name: str = Field(title="Name", min_length=1, max_length=MAX_NAME)
    weight: float = Field(default=1, ge=0, le=MAX_WEIGHT, title="Weight", allow_inf_nan=False)


class SplitConfig(StepConfig):
    """The variants, and who is left out."""

    variants: list[Variant] = Field(
        title="Ways on",
        min_length=1,
        max_length=paths.MOST,
        description="Numbers need not add up to 100. Whoever comes again goes the same way again.",
        json_schema_extra={"widget": "variants"},
    )
    holdout_percent: float = Field(
        default=0,
        ge=0,
        le=90,
        allow_inf_nan=False,
        title="Leave out, percent",
        description="These people leave the journey here, so that you can see what it changes for the others.",
    )

    learn: Literal["no", "clicks", "step"] = Field(
        default="no",
        title="Over time, more go the way that does better",
        description="From 100 people a way on. Each keeps at least 10% until one is surely the best; then all go it.",
        json_schema_extra={
            "labels": {"no": "No, the shares stay", "clicks": "By clicks in messages", "step": "By who reaches a step"}
        },
    )
    learn_step: str | None = Field(default=None, max_length=64, title="That step", json_schema_extra={"widget": "step"})

    def keys(self) -> list[str]:
        """Return the exits of the variants, in their order."""
        return paths.keys_of([one.model_dump() for one in self.variants])

    def shares(self) -> dict[str, float]:
        """Return the share of each variant by key, in percent of all who come here; none where all weights are 0."""
        whole = sum(one.weight for one in self.variants)
        rest = 100 - self.holdout_percent
        return {
            key: one.weight / whole * rest if whole else 0.0
            for key, one in zip(self.keys(), self.variants, strict=True)
        }


NEVER = 1e-6
LAST = 5000
"""So many of the people who came last tell which way does better: what did well a year ago may not now."""
# The latest of each status first: the index has them in order.
_COUNT = """
    SELECT s.exit, count(*) AS went, count(*) FILTER (WHERE EXISTS ({done})) AS done, array_agg(e.place) AS places
    FROM (
        SELECT e.id, e.customer_id, row_number() OVER (ORDER BY e.id DESC) AS place
        FROM unnest(ARRAY['ACTIVE', 'COMPLETED', 'EXITED', 'FAILED']) AS each(status)
        CROSS JOIN LATERAL (
            SELECT id, customer_id FROM journey_enrollment
            WHERE tenant_id = :tenant_id AND journey_id = :journey_id AND status = each.status
                AND id <= :upto
            ORDER BY id DESC LIMIT :limit
        ) e ORDER BY e.id DESC LIMIT :limit
    ) e JOIN journey_enrollment_step s ON s.tenant_id = :tenant_id AND s.enrollment_id = e.id
    WHERE s.step_key = :step_key AND s.exit = ANY(:ways)
    GROUP BY s.exit
"""
BY_CLICKS = text(
    _COUNT.format(
        done="""
    SELECT FROM message m WHERE m.tenant_id = :tenant_id AND m.customer_id = e.customer_id
      AND m.enrollment_id = e.id AND m.first_click_at IS NOT NULL"""
    )
)
BY_STEP = text(
    _COUNT.format(
        done="""
    SELECT FROM journey_enrollment_step g WHERE g.tenant_id = :tenant_id AND g.enrollment_id = e.id
      AND g.step_key = :goal AND g.step_number > s.step_number"""
    )
)
WENT = text("""
    SELECT DISTINCT ON (e.customer_id) e.customer_id, s.exit
    FROM journey_enrollment e JOIN journey_enrollment_step s
        ON s.tenant_id = e.tenant_id AND s.enrollment_id = e.id AND s.step_key = :step_key AND s.exit IS NOT NULL
    WHERE e.tenant_id = :tenant_id AND e.journey_id = :journey_id
      AND e.customer_id = ANY(CAST(:customers AS uuid[]))
    ORDER BY e.customer_id, e.id DESC, s.step_number DESC
""")


class Split(StepType[SplitConfig]):
    """Sends everybody the way a hash of person and step says: nothing is drawn, so a rerun gives the same."""

    label = "Split"
    icon = "arrows-split-2"
    description = "Send people different ways by chance, to see which does better."
    Config = SplitConfig

    def exits(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the keys of the variants."""
        return tuple(paths.keys_of(config.get("variants")))

    def exit_labels(self, config: Mapping[str, Any]) -> dict[str, str]:
        """Return the names of the variants."""
        return {**paths.labels_of(config.get("variants")), HOLDOUT: "Left out"}

    def defaults(self) -> dict[str, Any]:
        """Return two halves."""
        return {
            "variants": [{"key": "a", "name": "A", "weight": 50}, {"key": "b", "name": "B", "weight": 50}],
            "holdout_percent": 0,
        }

    def retargeted(self, config: Mapping[str, Any], called: Callable[[str], str]) -> Mapping[str, Any]:
        """Return the settings counting by the same step under its other key."""
        step = config.get("learn_step")
        return {**config, "learn_step": called(step)} if isinstance(step, str) else config

    def check_place(self, step: Step, graph: Graph, known: Known) -> Iterator[tuple[str | None, str]]:  # noqa: ARG002
        """Yield that the step people are to reach is none that comes after this one."""
        if step.config.get("learn") == "step" and step.config.get("learn_step") not in (
            graph.reached_from(*step.exits.values())
        ):
            yield "learn_step", "Choose a step below this one."

    def check(self, config: SplitConfig, known: Known) -> Iterator[tuple[str | None, str]]:  # noqa: ARG002
        """Yield what is wrong with the variants."""
        rows = [one.model_dump() for one in config.variants]
        for index, one in enumerate(config.variants):
            if wrong := paths.problem(one.key, one.name, rows, index):
                yield f"variants[{index}]", wrong
        if not any(one.weight for one in config.variants):
            yield "variants", "Give at least one way a number above 0."
        elif len(config.variants) < 2 and not config.holdout_percent:
            yield "variants", "Add another way, or leave some people out."

    def words(self, config: SplitConfig, known: Known) -> str:
        """Return the shares."""
        shares = {key: percent(share, known.locale) for key, share in config.shares().items()}
        told = [f"{one.name} {shares[key]}" for key, one in zip(config.keys(), config.variants, strict=True)]
        if config.holdout_percent:
            told.append(f"{percent(config.holdout_percent, known.locale)} left out")
        if config.learn != "no":
            told.append("more where it does better")
        return ", ".join(told)

    def run(self, batch: StepBatch[SplitConfig]) -> None:
        """Send each person their way."""
        config = batch.config
        names = {key: one.name for key, one in zip(config.keys(), config.variants, strict=True)}
        weights = {key: one.weight for key, one in zip(config.keys(), config.variants, strict=True) if one.weight}
        went: Mapping[UUID, str] = {}
        if config.learn != "no" and len(weights) > 1:
            went = _went(batch)
            weights = {key: one for key, one in (_learned(batch, tuple(weights)) or weights).items() if one}
        results = {key: {"variant": name} for key, name in names.items()}
        salt = batch.journey.chance.bytes + batch.step_key.encode()
        held_out = {"held_out": True}
        for walker in batch.walkers:
            if config.holdout_percent and chance(salt, HOLDOUT, walker.customer_id) * 100 < config.holdout_percent:
                batch.leave_journey(walker, HOLDOUT, held_out)
                continue
            before = went.get(walker.customer_id)
            key = before if before in names else choose(salt, weights, walker.customer_id)
            batch.leave(walker, key, results[key])


def _learned(batch: StepBatch[SplitConfig], ways: Sequence[str]) -> dict[str, float] | None:
    """Return the shares the ways have earned by the last people who went them, or None while too few did."""
    config = batch.config
    asked = {
        "tenant_id": batch.tenant_id,
        "journey_id": batch.journey.chance,
        "step_key": batch.step_key,
        "ways": list(ways),
        "goal": config.learn_step,
        "limit": LAST,
        # Of many who came in at once those that have passed by here tell, and not those to come.
        "upto": max(walker.enrollment_id for walker in batch.walkers),
    }
    statement = BY_CLICKS if config.learn == "clicks" else BY_STEP
    counts = dict.fromkeys(ways, (0, 0))
    places: list[tuple[int, str]] = []
    for row in batch.session.execute(statement, asked):
        counts[row.exit] = (row.went, row.done)
        places += [(place, row.exit) for place in row.places]
    lately = [way for _, way in sorted(places)[: best.LATELY]]
    return best.shares(counts, _decided(lately, config))


def _decided(lately: Sequence[str], config: SplitConfig) -> str | None:
    """Return the way all of the last people went, unless the shares that were set may have led them there."""
    if len(lately) < best.LATELY or len(set(lately)) > 1:
        return None
    shares = config.shares()
    by_chance: float = (shares.get(lately[0], 0) / (sum(shares.values()) or 1)) ** best.LATELY
    return lately[0] if by_chance < NEVER else None


def _went(batch: StepBatch[SplitConfig]) -> dict[UUID, str]:
    """Return the way each person went when they came here before, of those who did."""
    asked = {
        "tenant_id": batch.tenant_id,
        "journey_id": batch.journey.chance,
        "step_key": batch.step_key,
        "customers": array(batch.customer_ids),
    }
    return {row.customer_id: row.exit for row in batch.session.execute(WENT, asked)}


def choose(salt: bytes, weights: Mapping[str, float], customer_id: UUID) -> str:
    """Return which of the keys a person gets, each as likely as its weight is large.

    Each key runs a race of its own for the person and the quickest wins ("weighted rendezvous hashing"). So when
    weights change or a way comes or goes, only those people go another way who have to.
    """
    return min(weights, key=lambda key: -math.log(chance(salt, key, customer_id)) / weights[key])


def chance(salt: bytes, key: str, customer_id: UUID) -> float:
    """Return a number between 0 and 1 for a person, each as likely, and the same whenever it is asked."""
    digest = blake2b(_salted(salt, key) + customer_id.bytes, digest_size=8).digest()
    # Of 53 bits and a half, so that it is neither 0 nor 1.
    return ((int.from_bytes(digest) >> 12) + 0.5) / 2**52


@lru_cache(maxsize=1000)
def _salted(salt: bytes, key: str) -> bytes:
    return blake2b(salt + b"\0" + key.encode(), digest_size=16).digest()


def percent(share: float, locale: str = LOCALE) -> str:
    """Return a share of a hundred as people write it there: 33.3%, 50%."""
    pattern = Locale.parse(locale).percent_formats[None].pattern.replace("0", "0.#", 1)
    return str(format_percent(share / 100, pattern, locale))


registry.register("SPLIT")(Split())
