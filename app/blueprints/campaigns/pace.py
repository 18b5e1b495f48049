"""How quickly a campaign goes out, by its own limits and its organisation's, and how long that takes."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.blueprints.campaigns.presenters import CHANNEL_LABELS
from app.campaigns import reach
from app.campaigns.models import Campaign
from app.campaigns.queries import Stats
from app.campaigns.reach import Reach
from app.messaging import rates
from app.messaging.rates import Rate
from app.messaging.states import Reason
from app.web.shell import number

_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Pace:
    """In words without a full stop; `takes` says how long all of it takes, where a limit holds and that is known."""

    words: str
    takes: str | None = None
    left_out_after: int | None = None
    """So many hours after which what is not out yet is left out, where it takes longer."""


def planned(campaign: Campaign, reached: Reach | None) -> Pace:
    """Return how quickly a campaign would go out to those it would reach; None where that is not known."""
    limits = _limits(campaign)
    if reached is None:
        return Pace(_words(campaign, limits))
    share = reached.received / reached.total_sent if reached.total_sent else 0
    many = {channel: round(number_ * share) for channel, number_ in reached.sent.items()}
    domains = [one.domain for one in limits if one.domain]
    there = reach.at_domains(tenant_id=campaign.tenant_id, campaign=campaign, domains=domains) if domains else {}
    going = reached.received / reached.people if reached.people else 0
    seconds = _seconds(campaign, limits, many, {name: round(found * going) for name, found in there.items()})
    takes = f"about {_about(seconds)} for {number(reached.received)}" if seconds and reached.received else None
    late = campaign.expires_hours if takes and seconds > (campaign.expires_hours or seconds) * _HOUR else None
    return Pace(_words(campaign, limits), takes, late)


def under_way(campaign: Campaign, stats: Stats) -> Pace:
    """Return how quickly what is left of a campaign goes out."""
    limits = _limits(campaign)
    left = stats.queued - stats.held.get(Reason.AWAITING_WINNER, 0)
    many = {campaign.channels[0]: left} if len(campaign.channels) == 1 else {}
    # What is left of a time it is spread over is not told by how many are left.
    seconds = 0.0 if campaign.spread_minutes else _seconds(campaign, limits, many, {})
    takes = f"about {_about(seconds)} for the {number(left)} that wait" if seconds and left else None
    return Pace(_words(campaign, limits), takes)


def _limits(campaign: Campaign) -> list[Rate]:
    return [one for one in rates.of(tenant_id=campaign.tenant_id) if one.channel in campaign.channels]


def _words(campaign: Campaign, limits: list[Rate]) -> str:
    said = []
    if campaign.throttle_per_hour:
        said.append(f"at most {number(campaign.throttle_per_hour)} an hour")
    if campaign.spread_minutes:
        said.append(f"spread over {number(campaign.spread_minutes)} minutes")
    if limits:
        several = len(campaign.channels) > 1
        allowed = [_allowed(one, f" by {CHANNEL_LABELS[one.channel]}" if several else "") for one in limits]
        said.append(f"your organisation allows {', '.join(allowed)} (set by owners and admins)")
    return ", ".join(said) or "as quickly as the server takes it"


def _allowed(rate: Rate, channel: str) -> str:
    return rate.words if rate.domain else f"{rate.words}{channel}"


def _seconds(campaign: Campaign, limits: list[Rate], many: Mapping[str, int], at_domains: Mapping[str, int]) -> float:
    """Return how long the slowest of the limits takes for so many messages by channel and domain; 0 for no limit."""
    each = [0.0]
    if campaign.throttle_per_hour:
        each.append(sum(many.values()) / campaign.throttle_per_hour * _HOUR)
    if campaign.spread_minutes:
        each.append(campaign.spread_minutes * 60.0)
    for one in limits:
        counted = at_domains.get(one.domain, 0) if one.domain else many.get(one.channel, 0)
        each.append(counted / one.most * one.seconds)
    return max(each)


def _about(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 1.5 * size:
            return f"{number(round(seconds / size))} {unit}s"
    return "a minute"
