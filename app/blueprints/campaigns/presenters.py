"""Campaigns in words: what they are called, when they are sent, what may be done with them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.numbers import format_currency
from flask import url_for

from app.campaigns import experiment, goal, queries, readiness, schedule, states, winner
from app.campaigns.experiment import Experiment, Variant
from app.campaigns.models import CAMPAIGN_TYPES, ONE_TIME, RECURRING, Campaign, CampaignRun
from app.campaigns.queries import Stats
from app.campaigns.reach import Reach
from app.campaigns.readiness import Wording
from app.campaigns.states import Act, Status, is_legal
from app.campaigns.winner import Trial
from app.content import queries as templates
from app.content.checks import Finding
from app.infra import recurrence
from app.infra.errors import NotFound
from app.infra.words import listed
from app.messaging import sending_domains
from app.messaging.channel import EMAIL
from app.messaging.states import ANY_CHANNEL, Reason, reason_in_words
from app.messaging.tally import Kind
from app.segments import queries as segments
from app.web.guards import can
from app.web.shell import number, organisation

TYPE_LABELS = {ONE_TIME: "One-off", RECURRING: "Recurring"}
CAMPAIGN_TYPE_LABELS = {one: one.replace("_", "-").capitalize() for one in CAMPAIGN_TYPES}
MODE_LABELS = {
    schedule.NOW: "As soon as I press Send",
    schedule.AT: "At one time for all, by the clocks of the club",
    schedule.RECIPIENT_ZONE: "At the same time of day where each recipient is",
    schedule.BEST_TIME: "At the hour each recipient opens most, within 24 hours",
}
CHANNEL_LABELS = {"EMAIL": "E-mail", "SMS": "SMS", "PUSH": "Push", "WHATSAPP": "WhatsApp"}
STATUS_LABELS = {one.value: words for one, words in states.WORDS.items()}
STATUS_TONES = {one.value: tone for one, tone in states.TONES.items()}
RULE_LABELS = {
    experiment.OPENS: "What most people open",
    experiment.CLICKS: "What most people click",
    experiment.CONVERSIONS: "What most people do the goal after",
    experiment.BY_HAND: "Chosen by hand, whenever I like",
}
RULE_WORDS = {
    experiment.OPENS: "the one most people opened",
    experiment.CLICKS: "the one most people clicked",
    experiment.CONVERSIONS: "the one most people did the goal after",
}
MEASURE_WORDS = {
    Kind.OPENED: "Opened, of these",
    Kind.CLICKED: "Clicked, of these",
    Kind.CONVERTED: "Converted, of these",
}
WORDS: dict[str, Any] = {
    "tones": STATUS_TONES,
    "labels": STATUS_LABELS,
    "type_labels": TYPE_LABELS,
    "campaign_type_labels": CAMPAIGN_TYPE_LABELS,
    "channel_labels": CHANNEL_LABELS,
    "why": reason_in_words,
    "any_channel": ANY_CHANNEL,
}


_WHERE = {
    schedule.RECIPIENT_ZONE: " where each recipient is",
    schedule.BEST_TIME: ", each within 24 hours at the hour they open most",
}


def when(campaign: Campaign) -> str:
    """Return when a campaign is sent, in words without a full stop."""
    given = campaign.schedule
    where = _WHERE.get(given.get("mode", ""), "")
    if campaign.type == RECURRING:
        rule = given.get("rrule")
        return recurrence.in_words(rule, f" at {given['local_time']}{where}") if rule else "Not said yet"
    if start := given.get("start_at"):
        return f"{datetime.fromisoformat(start):%-d %B %Y, %H:%M}{where}"
    return f"When it is started{where}" if schedule.starts_now(given, type_=campaign.type) else "Not said yet"


def skipped_by_clocks(campaign: Campaign, begins: datetime) -> str | None:
    """Return the time of day a campaign was given where the clocks leave it out on the day it begins, else None."""
    given = campaign.schedule
    asked = given.get("local_time") or str(given.get("start_at") or "")[11:16]
    moved = given.get("mode") in (schedule.AT, schedule.RECIPIENT_ZONE) and asked
    return asked if moved and f"{local(begins, campaign.timezone):%H:%M}" != asked else None


def legal(campaign: Campaign, *, goes_out: bool = False) -> dict[str, bool]:
    """Return which acts may be done with a campaign now, by who is asking; `goes_out`: one of its runs goes on."""
    in_use = campaign.archived_at is None
    allowed = {act: is_legal(act, campaign.status, goes_out=goes_out) and in_use for act in Act}
    may = {act: can("campaigns.run") for act in (Act.SCHEDULE, Act.UNSCHEDULE, Act.START, Act.PAUSE, Act.RESUME)}
    may |= {Act.CANCEL: can("campaigns.run"), Act.ASK: can("campaigns.run"), Act.APPROVE: can("campaigns.approve")}
    return {act.value: allowed[act] and may.get(act, can("campaigns.edit")) for act in Act}


@dataclass(frozen=True, slots=True)
class Said:
    """What a campaign says on a channel: the template's name and page, and a subject of its own."""

    channel: str
    name: str
    url: str | None
    findings: Sequence[Finding] = ()
    """What is to be looked at in it."""
    subject: str | None = None


def said(campaign: Campaign, variant: Variant | None = None, subject: str | None = None) -> list[Said]:
    """Return what a campaign, or a variant of it with this subject, says on each of its channels."""
    found = [
        _said(campaign.tenant_id, channel, template_id)
        for channel, template_id in readiness.chosen_by(campaign, variant).items()
    ]
    own = campaign.sender_id if EMAIL in campaign.channels else None
    return found + _beside(campaign.tenant_id, (variant and variant.sender_id) or own, variant, subject)


def said_with(campaign: Campaign, found: Mapping[Wording, Sequence[Finding]]) -> list[Said]:
    """Return what a campaign or its variants say in which something was found, with that."""
    return [
        replace(_said(campaign.tenant_id, one.channel, one.template_id, findings), subject=one.subject)
        for one, findings in found.items()
    ]


def _said(tenant_id: UUID, channel: str, template_id: UUID | None, findings: Sequence[Finding] = ()) -> Said:
    if template_id is None:
        return Said(CHANNEL_LABELS[channel], "Not chosen yet", None)
    try:
        name = templates.get(tenant_id=tenant_id, template_id=template_id).name
    except NotFound:
        return Said(CHANNEL_LABELS[channel], "A template that was deleted", None)
    url = url_for("content.show", template_id=template_id) if can("templates.view") else None
    return Said(CHANNEL_LABELS[channel], name, url, findings)


def _beside(tenant_id: UUID, sender_id: UUID | None, variant: Variant | None, subject: str | None = None) -> list[Said]:
    """Return what it is called, whom it is from, and at what other time a variant goes out, where that was chosen."""
    found = [Said("Subject", f"“{subject}”", None)] if subject else []
    if sender_id is not None:
        known = {one["id"]: one["address"] for one in sending_domains.senders(tenant_id=tenant_id)}
        found.append(Said("From", known.get(sender_id, "A sender that was removed"), None))
    if variant and variant.local_time:
        found.append(Said("At", variant.local_time, None))
    return found


def said_by(trial: Trial) -> dict[str, list[Said]]:
    """Return by variant what a run said, each as it was when it began."""
    tenant_id = trial.run.tenant_id
    subjects = subjects_of(trial.run)
    return {
        one.key: [
            _said(tenant_id, kept["channel"], UUID(kept["template_id"]))
            for kept in trial.run.content
            if kept.get("variant") == one.key
        ]
        + _beside(tenant_id, one.sender_id, one, subjects.get(one.key))
        for one in trial.experiment.variants
    }


def subjects_of(run: CampaignRun) -> dict[str, str]:
    """Return by variant what a run's letters were called, where one of them had a subject of its own."""
    letters = [one for one in run.content if one["channel"] == EMAIL and one.get("variant")]
    return _subjects(
        run.tenant_id,
        {one["variant"]: (one.get("subject"), UUID(one["template_id"]), one["template_version"]) for one in letters},
    )


def _subjects(tenant_id: UUID, letters: Mapping[str, tuple[str | None, UUID | None, int | None]]) -> dict[str, str]:
    """Return what letters are called, by the subject, template and version of each; nothing where none has its own."""
    found: dict[str, str] = {}
    if not any(own for own, _, _ in letters.values()):
        return found
    for key, (own, template_id, version) in letters.items():
        with suppress(NotFound):
            if own:
                found[key] = own
            elif template_id is not None:
                found[key] = templates.source(tenant_id=tenant_id, template_id=template_id, version=version).subject
    return found


@dataclass(frozen=True, slots=True)
class Part:
    """A variant with what it says, and about how many messages go out as it."""

    name: str
    share: int
    messages: int | None
    said: Sequence[Said]


def variants(campaign: Campaign, reached: Reach | None = None) -> list[Part]:
    """Return the variants of a campaign that has some."""
    tried = experiment.of(campaign.experiment)
    each = tried.variants if tried else ()
    # What a template says now is not what was sent.
    begun = campaign.status not in (Status.DRAFT, Status.SCHEDULED)
    subjects = _subjects(
        campaign.tenant_id,
        {
            one.key: (
                readiness.own_subject(campaign, one),
                None if begun else readiness.chosen_by(campaign, one).get(EMAIL),
                None,
            )
            for one in each
        },
    )
    return [
        Part(
            one.name,
            one.share,
            round(reached.received * one.share / 100) if reached else None,
            said(campaign, one, subjects.get(one.key)),
        )
        for one in each
    ]


def trials(runs: Sequence[CampaignRun]) -> list[Trial]:
    """Return the experiments of these runs, the latest first: those that are open, and the latest in any case."""
    if not runs:
        return []
    found = winner.trials(tenant_id=runs[0].tenant_id, runs_of=runs)
    return [one for place, one in enumerate(found) if not place or one.open]


def winner_rule(tried: Experiment) -> str:
    """Return how the winner is chosen, in words without a full stop."""
    if tried.rule == experiment.BY_HAND:
        return "chosen by hand"
    return f"{RULE_WORDS[tried.rule]}, {duration(tried.after_minutes)} after the last of them has gone out"


def duration(minutes: int) -> str:
    """Return a number of minutes in words: "4 hours"."""
    for size, unit in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        if minutes % size == 0:
            many = minutes // size
            return f"{number(many)} {unit}{'' if many == 1 else 's'}"
    raise AssertionError


def segment_of(campaign: Campaign) -> Any:
    """Return the segment of a campaign, None where it has none (any more)."""
    if campaign.segment_id is None:
        return None
    try:
        return segments.one(tenant_id=campaign.tenant_id, segment_id=campaign.segment_id)
    except NotFound:
        return None


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a campaign, with where its people are."""

    label: str
    value: int
    tone: str
    status: str | None
    reason: str | None = None


def sum_line(stats: Stats) -> list[Number]:
    """Return the parts of the sum that a campaign's audience is."""
    awaiting = stats.held.get(Reason.AWAITING_WINNER, 0)
    held_back = [Number("Waiting for the winner", awaiting, "info", "held", Reason.AWAITING_WINNER)]
    return [
        Number("Waiting", stats.queued - awaiting, "info", "in_line" if awaiting else "waiting"),
        *(held_back if awaiting else ()),
        Number("Sending", stats.sending, "info", "sending"),
        Number("Sent", stats.sent, "success", "sent"),
        Number("Skipped", stats.total_skipped, "neutral", "skipped"),
        Number("Failed", stats.failed, "danger", "failed"),
        Number("Unknown", stats.unknown, "warning", "unknown"),
    ]


def has_letter(campaign: Campaign) -> bool:
    """Return whether a campaign sends an e-mail that is chosen."""
    return any(one.channel == EMAIL for one in readiness.says(campaign))


def has_opens(campaign: Campaign, stats: Stats) -> bool:
    """Return whether anybody can know who opened what a campaign sends: nobody does of texts."""
    return EMAIL in campaign.channels or stats.opened > 0


def before_sending(campaign: Campaign, reached: Reach) -> str:
    """Return what sending a campaign now does, in words, for those who are asked whether they want it."""
    one = reached.messages == reached.people
    tried = experiment.of(campaign.experiment)
    said = f"It begins at once: {_count(reached.received, one, about=bool(reached.held_out))}"
    if campaign.schedule.get("mode") == schedule.BEST_TIME:
        said += ", each at the hour they open most, within 24 hours"
    if tried and tried.rest:
        names = listed([variant.name for variant in tried.variants])
        now = round(reached.received * (100 - tried.rest) / 100)
        said += f", about {number(now)} of them now ({names}), all others once the winner is chosen"
    if reached.held_out:
        said += f". About {number(reached.held_out)} more are left out by chance, to measure what it changes"
    if held := waiting(campaign, reached):
        said += f". {held}"
    return f"{said}. You can pause it, but what has gone out has gone out."


def waiting(campaign: Campaign, reached: Reach) -> str | None:
    """Return how many of those who get a campaign wait for the end of quiet hours, and until when; None for nobody."""
    if not reached.waiting:
        return None
    about = "about " if reached.held_out else ""
    until = _until(campaign, min(reached.asleep), max(reached.asleep))
    wait = "waits" if reached.waiting == 1 else "wait"
    return f"Of these {about}{number(reached.waiting)} {wait} {until}, because quiet hours are kept"


def quiet_until(campaign: Campaign) -> str | None:
    """Return until when quiet hours hold messages of a campaign, in words; None if they hold none."""
    found = queries.quiet_until(tenant_id=campaign.tenant_id, campaign_id=campaign.id)
    return _until(campaign, *found) if found else None


def _until(campaign: Campaign, first: datetime, last: datetime) -> str:
    ends = f"{local(last, campaign.timezone):%A, %-d %B, %H:%M}"
    begins = f"{local(first, campaign.timezone):%A, %-d %B, %H:%M}"
    zone = f" ({campaign.timezone})"
    return f"until {ends}{zone}" if first == last else f"until {begins}, the last until {ends}{zone}"


def _count(messages: int, one_each: bool, *, about: bool) -> str:
    many = f"{'about ' if about else ''}{number(messages)}"
    if one_each:
        return f"{many} {'person gets' if messages == 1 else 'people get'} it"
    return f"{many} {'message goes' if messages == 1 else 'messages go'} out"


def local(moment: datetime, zone: str) -> datetime:
    """Return a moment as the clocks of a zone show it."""
    return moment.astimezone(ZoneInfo(zone))


def goal_in_words(campaign: Campaign) -> str | None:
    """Return what a campaign is for, None where it says nothing of it."""
    wanted = goal.of(campaign.goal)
    if wanted is None:
        return None
    place = organisation()
    return goal.in_words(wanted, locale=place.locale, currency=place.currency)


def money(amount: Decimal, currency: str) -> str:
    """Return an amount as the region writes it: "R 1,250.00"."""
    return str(format_currency(amount, currency, locale=organisation().locale))


def revenue(stats: Stats) -> str:
    """Return what conversions brought in, each currency apart; an empty text for nothing."""
    return ", ".join(money(amount, currency) for currency, amount in stats.revenue.items())


def is_live(campaign: Campaign) -> bool:
    """Return whether a campaign's numbers move."""
    return campaign.status in (Status.PREPARING, Status.SENDING) or (
        campaign.status == Status.SCHEDULED and schedule.starts_now(campaign.schedule, type_=campaign.type)
    )


def names_of_segments(tenant_id: UUID, wanted: set[UUID]) -> dict[UUID, str]:
    """Return what these segments are called."""
    return queries.segment_names(tenant_id=tenant_id, segment_ids=wanted)
