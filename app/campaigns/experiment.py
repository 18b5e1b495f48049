"""An A/B test: variants of what a campaign says, each to a share of its people; the rest get the one that does best.

Who gets which is settled by a hash of run and customer. The rest is put into the run with everybody else, held back,
and goes out as the winner: chosen by hand, or by the rule some time after the run began.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.campaigns.split import position
from app.infra import clock
from app.infra.errors import Invalid
from app.infra.figures import figure
from app.infra.ids import as_id
from app.infra.statistics import Interval, difference, wilson
from app.messaging.states import Reason
from app.messaging.tally import Count, Kind

OPENS, CLICKS, CONVERSIONS, BY_HAND = "opens", "clicks", "conversions", "by_hand"
RULES = (OPENS, CLICKS, CONVERSIONS, BY_HAND)
KEYS = "abcde"
FEWEST, MOST = 2, len(KEYS)
MOST_MINUTES = 14 * 24 * 60
AFTER_MINUTES = 4 * 60
"""When the winner is chosen where nobody says when."""
MAX_NAME = 80
FEW = 100
"""To fewer than so many of each variant, most differences are chance."""
_COUNTED = {OPENS: Kind.OPENED, CLICKS: Kind.CLICKED, CONVERSIONS: Kind.CONVERTED}
_REST = "_rest"


def to_rest(key: str) -> str:
    """Return the variant of messages to those who waited and got this one: they are no part of the trial."""
    return key + _REST


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of saying it, to `share` percent; `templates` by channel, of the campaign's own where one is missing.

    Its letters are from `sender_id`, and it goes out at `local_time` ("18:00"), else as the campaign says. They are
    called `subject` (Liquid), else what their template says.
    """

    key: str
    name: str
    share: int
    templates: Mapping[str, UUID]
    sender_id: UUID | None = None
    local_time: str | None = None
    subject: str | None = None

    def at(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """Return when it goes out by the clocks of a zone: its time of day, at this moment or after it."""
        if self.local_time is None:
            return moment
        here = moment.astimezone(zone)
        local = datetime.combine(here.date(), time.fromisoformat(self.local_time))
        found = clock.instant(local, zone)
        return found if found >= moment else clock.instant(local + timedelta(days=1), zone)


@dataclass(frozen=True, slots=True)
class Experiment:
    """The variants, by what the winner is chosen (one of RULES), and how many minutes after the last of them is out."""

    variants: Sequence[Variant]
    rule: str
    after_minutes: int

    @property
    def rest(self) -> int:
        """Return how many percent wait for the winner."""
        return 100 - sum(one.share for one in self.variants)

    def of(self, run_id: UUID, customer_id: UUID, held_out: int = 0) -> str | None:
        """Return the key of the variant a customer gets, None for one who waits for the winner.

        `held_out` percent at the beginning are nobody's.
        """
        place = (position(run_id, customer_id) * 100 - held_out) / (100 - held_out) * 100
        for one in self.variants:
            place -= one.share
            if place < 0:
                return one.key
        return None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a variant does: to so many it was sent, and so many did something; it is measured by the `measure`.

    Of so many nobody knows whether they got it (`unknown`). They count among those who may have done something.
    """

    variant: Variant
    measure: Kind
    sent: int
    unknown: int
    opened: int
    clicked: int
    converted: int

    @property
    def out(self) -> int:
        """Return how many got it, or may have got it: those the shares are of."""
        return self.sent + self.unknown

    @property
    def did(self) -> int:
        """Return how many did what it is measured by."""
        return {Kind.OPENED: self.opened, Kind.CLICKED: self.clicked}.get(self.measure, self.converted)

    @property
    def share(self) -> Interval:
        """Return the share, and between what it lies."""
        return wilson(self.did, self.out)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The variants, the best first. `decided`: the first is ahead of the second by more than chance."""

    standings: Sequence[Standing]
    waiting: int
    """So many messages wait for the winner."""
    rest: int
    """To so many of those who had waited it was sent as the winner."""
    unsettled: int
    """So many of the variants themselves are still to go out."""
    skipped: int = 0
    """So many of the variants themselves were skipped."""

    @property
    def will_get(self) -> int | None:
        """Return about how many of those who wait will get the winner, as of the variants; None before any has gone."""
        out = sum(one.out for one in self.standings)
        return round(self.waiting * out / (out + self.skipped)) if out and self.waiting else None

    @property
    def measure(self) -> Kind:
        """Return what the variants are measured by."""
        return self.best.measure

    @property
    def best(self) -> Standing:
        """Return the one that does best; of those that do as well the one named first."""
        return self.standings[0]

    @property
    def lead(self) -> Interval:
        """Return by how much the best is ahead of the second."""
        first, second = self.standings[:2]
        return difference(first.did, first.out, second.did, second.out)

    @property
    def decided(self) -> bool:
        """Return whether the best is told from the second by more than chance."""
        return self.lead.low > 0

    @property
    def words(self) -> str:
        """Return what may be said of it: no more than the numbers allow."""
        name, second = self.best.variant.name, self.standings[1]
        if not any(one.out for one in self.standings):
            return "Nothing has gone out yet."
        if self.decided:
            return f"{name} wins: it is ahead by more than chance."
        if min(one.out for one in self.standings) < FEW:
            return "No difference to be seen with so few."
        if self.best.share.value == second.share.value:
            return "They do equally well so far."
        return f"{name} is ahead, not yet decided: it could be chance."


def outcome(experiment: Experiment, counts: Sequence[Count]) -> Outcome:
    """Return how the variants stand, by what was counted of one run and the experiment's rule (by hand: clicks)."""

    def number(variants: Collection[str], *what: str, but: Collection[str] = ()) -> int:
        of_these = (one for one in counts if one.variant in variants and one.what in what and one.reason not in but)
        return sum(one.number for one in of_these)

    found = [
        Standing(
            one,
            _COUNTED.get(experiment.rule, Kind.CLICKED),
            *(number([one.key], status) for status in ("sent", "unknown")),
            *(number([one.key], what) for what in _COUNTED.values()),
        )
        for one in experiment.variants
    ]
    keys = [one.key for one in experiment.variants]
    return Outcome(
        sorted(found, key=lambda one: (-one.share.value, one.variant.key)),
        waiting=sum(one.number for one in counts if one.reason == Reason.AWAITING_WINNER and one.what == "held"),
        rest=number([to_rest(one) for one in keys], "sent"),
        # One whose address is shared may wait for somebody who waits for the winner.
        unsettled=number(keys, "queued", "held", "sending", but=[Reason.COPY_PENDING]),
        skipped=number(keys, "skipped"),
    )


def of(kept: Mapping[str, Any] | None) -> Experiment | None:
    """Return an experiment as a campaign keeps it."""
    if not kept:
        return None
    variants = [
        Variant(
            one["key"],
            one["name"],
            one["share"],
            {name: UUID(id_) for name, id_ in one["templates"].items()},
            as_id(one.get("sender_id")),
            one.get("local_time"),
            one.get("subject"),
        )
        for one in kept["variants"]
    ]
    return Experiment(variants, kept["rule"], kept["after_minutes"])


def read(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return an experiment as it is kept, None for none; raise Invalid with a message for each part that is wrong."""
    if not given:
        return None
    errors: dict[str, str] = {}
    listed = given.get("variants") or ()
    if not FEWEST <= len(listed) <= MOST:
        errors["experiment.variants"] = f"Give {FEWEST} to {MOST} variants."
    variants = [_variant(one, place, errors) for place, one in enumerate(listed[:MOST])]
    if not errors and sum(one["share"] for one in variants) > 100:
        errors["experiment.variants"] = "The shares come to more than 100 percent."
    names = [one["name"].casefold() for one in variants]
    for place, name in enumerate(names):
        if name in names[:place]:
            errors.setdefault(f"experiment.variants[{place}].name", "Give each variant a name of its own.")
    rule, minutes = given.get("rule", CLICKS), given.get("after_minutes", AFTER_MINUTES)
    if rule not in RULES:
        errors["experiment.rule"] = f"Choose one of {', '.join(RULES)}."
    if not isinstance(minutes, int) or isinstance(minutes, bool) or not 1 <= minutes <= MOST_MINUTES:
        errors["experiment.after_minutes"] = f"Give a number of minutes from 1 to {figure(MOST_MINUTES)}."
    if errors:
        raise Invalid(errors)
    return {"variants": variants, "rule": rule, "after_minutes": minutes}


def _variant(given: Mapping[str, Any], place: int, errors: dict[str, str]) -> dict[str, Any]:
    at = f"experiment.variants[{place}]"
    name, share = " ".join(str(given.get("name") or "").split()), given.get("share")
    if len(name) > MAX_NAME:
        errors[f"{at}.name"] = f"Give at most {MAX_NAME} characters."
    if not isinstance(share, int) or isinstance(share, bool) or not 1 <= share <= 100:
        errors[f"{at}.share"] = "Give a share from 1 to 100 percent."
        share = 0
    templates = {}
    for channel, chosen in (given.get("templates") or {}).items():
        found = as_id(chosen)
        if found is None:
            errors[f"{at}.templates"] = "Choose a template."
        else:
            templates[channel] = str(found)
    sender, at_time = given.get("sender_id"), given.get("local_time")
    sender_id = as_id(sender)
    if sender and sender_id is None:
        errors[f"{at}.sender_id"] = "Choose a sender."
    if at_time and not clock.is_time_of_day(at_time):
        errors[f"{at}.local_time"] = "Give a time of day such as 18:00."
    more = {
        "sender_id": sender_id and str(sender_id),
        "local_time": at_time or None,
        "subject": str(given.get("subject") or "").strip() or None,
    }
    return {
        "key": KEYS[place],
        "name": name or KEYS[place].upper(),
        "share": share,
        "templates": templates,
        **{part: value for part, value in more.items() if value is not None},
    }
