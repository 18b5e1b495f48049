"""The forms of a campaign, a step each. The service checks what is typed; a form carries it and shows what it said."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from wtforms import (
    BooleanField,
    DecimalField,
    FieldList,
    FormField,
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.widgets import CheckboxInput, ListWidget

from app.blueprints.campaigns.presenters import (
    CAMPAIGN_TYPE_LABELS,
    CHANNEL_LABELS,
    MODE_LABELS,
    RULE_LABELS,
    TYPE_LABELS,
)
from app.blueprints.campaigns.variant_form import VariantForm
from app.campaigns import experiment, goal, schedule, service
from app.campaigns.models import ALL, FIRST, ONE_TIME, RECURRING, TEMPLATES, Campaign
from app.infra.errors import Invalid
from app.infra.ids import as_id
from app.infra.recurrence import DAYS, MAX_RULE
from app.messaging.channel import EMAIL, installed
from app.web.forms import Form

_RULE = "RULE"
REPEATS = {
    "DAILY": "Every so many days",
    "WEEKLY": "On days of the week",
    "MONTHLY": "On a day of the month",
    _RULE: "By a rule of my own",
}
_LAST_DAY = "-1"


def _choices(found: Iterable[tuple[str, str]], blank: str | None = None) -> list[SelectChoice]:
    head = [] if blank is None else [SelectChoice("", blank)]
    return [*head, *(SelectChoice(value, label) for value, label in found)]


class StepForm(Form):
    """What the forms of all steps share: the version that was read, so that two who save don't overwrite each other."""

    version = HiddenField()

    @property
    def seen(self) -> int | None:
        """Return the version the form was made of."""
        told = self["version"].data
        return int(told) if told and told.isascii() and told.isdigit() and len(told) < 10 else None

    def unread(self, told: Mapping[str, str]) -> dict[str, str]:
        """Return by field what is `told` of it, where what was typed is no number."""
        return {
            name: words
            for name, words in told.items()
            if (raw := self[name].raw_data) and raw[0].strip() and self[name].data is None
        }


class WhomForm(StepForm):
    """Whom it goes to, and what it is called. `key` makes a new campaign one, however often it is posted."""

    key = HiddenField()
    name = StringField("Name", render_kw={"required": True, "maxlength": 200, "autocomplete": "off"})
    description = TextAreaField("Description", render_kw={"rows": 2, "maxlength": 2000})
    campaign_type = SelectField("Type", validate_choice=False)
    segment_id = SelectField("Segment", description="Who is in it when it begins gets it.", validate_choice=False)

    def offer(self, segments: Sequence[tuple[str, str]]) -> None:
        """Fill the selects."""
        self.segment_id.choices = _choices(segments, "Choose a segment")
        self.campaign_type.choices = _choices(CAMPAIGN_TYPE_LABELS.items(), "No type")

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        return {
            "name": self["name"].data or "",
            "description": self["description"].data or "",
            "campaign_type": self["campaign_type"].data or None,
            "segment_id": _id(self["segment_id"].data, "segment_id"),
        }


class WhatForm(StepForm):
    """What it says, on which channels and in which `order` of them, and which variants of it are tried first."""

    order = HiddenField()
    channels = SelectMultipleField(
        "Channels", widget=ListWidget(prefix_label=False), option_widget=CheckboxInput(), validate_choice=False
    )
    channel_mode = RadioField(
        "On several channels",
        choices=[
            SelectChoice(FIRST, "The first that reaches them, in the order above"),
            SelectChoice(ALL, "Each that reaches them"),
        ],
        default=FIRST,
        validate_choice=False,
    )
    email_template_id = SelectField("E-mail", validate_choice=False)
    sms_template_id = SelectField("SMS", validate_choice=False)
    push_template_id = SelectField("Push", validate_choice=False)
    whatsapp_template_id = SelectField("WhatsApp", validate_choice=False)
    sender_id = SelectField("From", validate_choice=False)
    topic_id = SelectField("Topic", description="Goes to those who want this topic.", validate_choice=False)
    one_copy = BooleanField(
        "One copy an address",
        description="People who share an address get one together: the head of the household does, children last.",
    )

    tries = BooleanField(
        "Try variants first (A/B test)",
        description="Some get one variant, some another; all others get the one that does best.",
    )
    variants = FieldList(FormField(VariantForm), "Variants", min_entries=experiment.FEWEST)
    rule = RadioField(
        "The others get",
        choices=_choices(RULE_LABELS.items()),
        default=experiment.CLICKS,
        validate_choice=False,
    )
    after_hours = DecimalField(
        "So many hours after the last variant has gone out",
        default=Decimal(experiment.AFTER_MINUTES) / 60,
        places=None,
        render_kw={"min": 0, "inputmode": "decimal"},
    )

    @classmethod
    def of(cls, campaign: Campaign) -> "WhatForm":
        """Return the form filled in with what a campaign says."""
        tried = experiment.of(campaign.experiment)
        order = ",".join(campaign.channels)
        if tried is None:
            return cls(obj=campaign, order=order, variants=[{"name": name, "share": 10} for name in ("A", "B")])
        return cls(
            obj=campaign,
            order=order,
            tries=True,
            variants=[
                {name: getattr(one, name) for name in ("name", "share", "sender_id", "local_time", "subject")}
                | {TEMPLATES[channel]: str(template_id) for channel, template_id in one.templates.items()}
                for one in tried.variants
            ],
            rule=tried.rule,
            after_hours=(Decimal(tried.after_minutes) / 60).quantize(Decimal("0.01")).normalize(),
        )

    @property
    def ordered(self) -> list[str]:
        """Return the channels that are there, in the order in which they are asked."""
        there = [one for one in TEMPLATES if one in installed()]
        said = [one for one in (self["order"].data or "").split(",") if one in there]
        return list(dict.fromkeys([*said, *there]))

    def acted(self, act: str) -> "WhatForm | None":
        """Return the form as one of its buttons makes it: with a variant more or less, or a channel one place up."""
        what, _, place = act.partition("-")
        filled = dict(self.data)
        ordered = self.ordered
        if what == "earlier" and place in ordered[1:]:
            at = ordered.index(place)
            ordered[at - 1 : at + 1] = [place, ordered[at - 1]]
            return type(self)(data=filled | {"order": ",".join(ordered)})
        variants: list[dict[str, Any]] = filled["variants"]
        if what == "add" and len(variants) < experiment.MOST:
            taken = {(one["name"] or "").strip().upper() for one in variants}
            name = next(one.upper() for one in experiment.KEYS if one.upper() not in taken)
            variants.append({"name": name, "share": 10})
        elif what == "remove" and place.isascii() and place.isdigit() and len(variants) > experiment.FEWEST:
            variants[int(place) : int(place) + 1] = []
        elif what not in ("add", "remove"):
            return None
        return type(self)(data=filled)

    @property
    def tried(self) -> list[Any]:
        """Return the forms of the variants."""
        return self.variants.entries

    def offer(
        self,
        templates: Mapping[str, Sequence[tuple[str, str]]],
        topics: Sequence[tuple[str, str]],
        senders: Sequence[tuple[str, str]],
        subjects: Mapping[str, str],
    ) -> None:
        """Fill the selects: of each channel that is there its templates, letters with their `subjects`."""
        self.sender_id.choices = _choices(senders, "The sender of each reader’s club")
        for one in self.tried:
            one["sender_id"].choices = _choices(senders, "The same as above")
        self.channels.choices = _choices((one, CHANNEL_LABELS[one]) for one in templates)
        for channel, column in TEMPLATES.items():
            field: Any = self[column]
            known = [
                SelectChoice(value, label, {"data-subject": subjects[value]} if value in subjects else {})
                for value, label in templates.get(channel, ())
            ]
            field.choices = [SelectChoice("", "Choose a template"), *known]
            for one in self.tried:
                one[column].choices = [SelectChoice("", "The same as above"), *known]
        self.topic_id.choices = _choices(topics, "The template’s own, or none")

    def values(self) -> dict[str, Any]:
        """Return what the service takes. Where there is one channel, it is that one."""
        there = self.ordered
        chosen = self["channels"].data or []
        found: dict[str, Any] = {
            "channels": there if len(there) == 1 else [one for one in there if one in chosen],
            "channel_mode": self["channel_mode"].data or FIRST,
            "topic_id": _id(self["topic_id"].data, "topic_id"),
            "sender_id": _id(self["sender_id"].data, "sender_id"),
            "one_copy": bool(self["one_copy"].data),
        }
        for channel, column in TEMPLATES.items():
            found[column] = _id(self[column].data, column) if channel in there else None
        found["experiment"] = self._experiment(found["channels"]) if self["tries"].data else None
        return found

    def _experiment(self, channels: Sequence[str]) -> dict[str, Any]:
        hours = self["after_hours"].data
        by_hand = self["rule"].data == experiment.BY_HAND
        sound = hours is not None and hours.is_finite() and 0 < hours * 60 <= experiment.MOST_MINUTES
        if not sound and not by_hand:
            raise Invalid({"after_hours": f"Give a number of hours, at most {experiment.MOST_MINUTES // 60}."})
        return {
            "variants": [one.form.given(channels) for one in self.tried],
            "rule": self["rule"].data or experiment.CLICKS,
            "after_minutes": max(round(hours * 60), 1) if sound else experiment.AFTER_MINUTES,
        }

    def show(self, errors: Mapping[str, str]) -> bool:
        """Put what the service found wrong beside the fields; return whether all of it found one."""
        told: list[str] = []
        for name, message in errors.items():
            of_variant = re.fullmatch(r"experiment\.variants\[(\d+)\]\.([a-z_]+)", name)
            if of_variant:
                one = self.tried[int(of_variant[1])]
                told.append(f"{one['name'].data or 'A variant'}: {message}")
                column = TEMPLATES[(self["channels"].data or [EMAIL])[0]]
                one[column if of_variant[2] == "templates" else of_variant[2]].errors = [message]
            elif name == "experiment.variants":
                told.append(message)
            elif (field := name.removeprefix("experiment.")) in self:
                self[field].errors = [message]
            else:
                return False
        self["variants"].errors = told
        return True


class WhenForm(StepForm):
    """When it is sent, how often, and how quickly."""

    type = RadioField(
        "How often",
        choices=[SelectChoice(key, label) for key, label in TYPE_LABELS.items()],
        default=ONE_TIME,
        validate_choice=False,
    )
    mode = RadioField(
        "When",
        choices=[
            SelectChoice(key, label, {"data-shown-when": "type: ONE_TIME"} if key == schedule.NOW else {})
            for key, label in MODE_LABELS.items()
        ],
        default=schedule.NOW,
        validate_choice=False,
    )
    date = StringField("Day", render_kw={"type": "date"})
    time = StringField("Time", default="09:00", render_kw={"type": "time"})
    timezone = StringField(
        "Time zone", description="The club’s, unless you say otherwise.", render_kw={"maxlength": 60, "list": "zones"}
    )
    repeat = SelectField("Repeat", choices=_choices(REPEATS.items()), default="WEEKLY", validate_choice=False)
    every = IntegerField("Every", default=1, render_kw={"min": 1, "max": 999})
    days = SelectMultipleField(
        "On",
        choices=_choices(DAYS.items()),
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
        validate_choice=False,
    )
    month_day = SelectField(
        "Day of the month",
        choices=_choices([*((str(day), str(day)) for day in range(1, 32)), (_LAST_DAY, "The last")]),
        default="1",
        validate_choice=False,
    )
    rrule = StringField(
        "Rule", description="An RRULE such as FREQ=MONTHLY;BYDAY=2TU.", render_kw={"maxlength": MAX_RULE}
    )
    until = StringField("Until", render_kw={"type": "date"})
    throttle_per_hour = IntegerField("At most this many an hour", render_kw={"min": 1})
    spread_minutes = IntegerField("Spread over this many minutes", render_kw={"min": 1})
    expires_hours = IntegerField(
        "Give up after this many hours",
        description="Who was kept back for longer, by quiet hours or the pace, does not get it any more.",
        render_kw={"min": 1},
    )

    @classmethod
    def of(cls, campaign: Campaign) -> "WhenForm":
        """Return the form filled in with what a campaign says."""
        kept = campaign.schedule
        filled: dict[str, Any] = {
            "version": campaign.version,
            "type": campaign.type,
            "mode": kept.get("mode") or schedule.NOW,
            "timezone": campaign.timezone,
            "throttle_per_hour": campaign.throttle_per_hour,
            "spread_minutes": campaign.spread_minutes,
            "expires_hours": campaign.expires_hours,
        }
        if start := kept.get("start_at"):
            filled |= {"date": start[:10], "time": start[11:16] or "09:00"}
        if campaign.type == RECURRING:
            filled |= {"time": kept.get("local_time")} | _repeat_of(kept.get("rrule"))
            if filled.get("days") == [""]:
                # A rule that names no day goes by that of its first.
                filled["days"] = [list(DAYS)[datetime.fromisoformat(kept["start_at"]).weekday()]]
            filled["mode"] = kept.get("mode") or schedule.AT
        return cls(data=filled)

    def values(self) -> dict[str, Any]:
        """Return what the service takes, or raise Invalid where a number is none, or a day is missing."""
        numbers = ("every", "throttle_per_hour", "spread_minutes", "expires_hours")
        errors = self.unread(dict.fromkeys(numbers, "Give a whole number."))
        if self["type"].data == RECURRING and self["repeat"].data == "WEEKLY" and not self["days"].data:
            errors["days"] = "Tick at least one day of the week."
        at_a_time = self["mode"].data in (schedule.AT, schedule.RECIPIENT_ZONE)
        if self["type"].data != RECURRING and at_a_time and not self["date"].data:
            errors["date"] = "Choose the day on which it is sent."
        if errors:
            raise Invalid(errors)
        return {
            "type": self["type"].data or ONE_TIME,
            "timezone": self["timezone"].data or None,
            "schedule": self._schedule(),
            "throttle_per_hour": self["throttle_per_hour"].data,
            "spread_minutes": self["spread_minutes"].data,
            "expires_hours": self["expires_hours"].data,
        }

    def _schedule(self) -> dict[str, Any]:
        day, clock = self["date"].data or "", self["time"].data or "09:00"
        if self["type"].data == RECURRING:
            mode = self["mode"].data
            given = {"mode": schedule.AT if mode == schedule.NOW else mode, "local_time": clock, "rrule": self._rule()}
            return given | ({"start_at": f"{day}T{clock}"} if day else {})
        if self["mode"].data == schedule.NOW:
            return {"mode": schedule.NOW}
        return {"mode": self["mode"].data} | ({"start_at": f"{day}T{clock}"} if day else {})

    def _rule(self) -> str:
        repeat = self["repeat"].data
        if repeat == _RULE:
            return self["rrule"].data or ""
        parts = [f"FREQ={repeat}", f"INTERVAL={self['every'].data or 1}"]
        if repeat == "WEEKLY" and self["days"].data:
            parts.append("BYDAY=" + ",".join(day for day in DAYS if day in self["days"].data))
        if repeat == "MONTHLY":
            parts.append(f"BYMONTHDAY={self['month_day'].data}")
        if self["until"].data:
            parts.append("UNTIL=" + self["until"].data.replace("-", ""))
        return ";".join(parts)

    def show(self, errors: Mapping[str, str]) -> bool:
        """Put what the service found wrong beside the fields; return whether all of it found one."""
        places = {
            "schedule.start_at": "date",
            "schedule.local_time": "time",
            "schedule.mode": "mode",
            "schedule.rrule": "rrule" if self["repeat"].data == _RULE else "repeat",
        }
        for name, message in errors.items():
            field = places.get(name, name)
            if field not in self:
                return False
            self[field].errors = [message]
        return True


class GoalForm(StepForm):
    """What it is for, and what it costs. The conditions on the event have a form of their own."""

    event_type = SelectField(
        "Its goal",
        description="What its readers should do. Who does it is counted, with what it brought in.",
        validate_choice=False,
    )
    window_days = IntegerField(
        "Within so many days of getting it",
        default=goal.DAYS,
        render_kw={"min": 1, "max": goal.MOST_DAYS, "inputmode": "numeric"},
    )
    cost = DecimalField("What it costs", render_kw={"min": 0, "inputmode": "decimal"})
    cost_currency = StringField("Currency", render_kw={"maxlength": 3, "size": 4, "autocomplete": "off"})
    holdout_percent = IntegerField(
        "Leave out so many percent", render_kw={"min": 1, "max": service.MOST_HELD_OUT, "inputmode": "numeric"}
    )

    @classmethod
    def of(cls, campaign: Campaign) -> "GoalForm":
        """Return the form filled in with what a campaign is for."""
        wanted = goal.of(campaign.goal)
        return cls(
            data={
                "version": campaign.version,
                "event_type": wanted and wanted.event_type,
                "window_days": wanted.window_days if wanted else goal.DAYS,
                "cost": campaign.cost,
                "cost_currency": campaign.cost_currency,
                "holdout_percent": campaign.holdout_percent,
            }
        )

    def offer(self, events: Sequence[tuple[str, str]]) -> None:
        """Fill the select."""
        known = _choices(events, "None: only opens and clicks are counted")
        chosen = self["event_type"].data
        if chosen and chosen not in {value for value, _ in events}:
            known.append(SelectChoice(chosen, chosen))
        self.event_type.choices = known

    def values(self, conditions: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the service takes, or raise Invalid where a number is none."""
        numbers = dict.fromkeys(("window_days", "holdout_percent"), "Give a whole number.")
        errors = self.unread(numbers | {"cost": "Give an amount such as 250.00."})
        if errors:
            raise Invalid(errors)
        event = self["event_type"].data or None
        wanted = {"event_type": event, "conditions": conditions, "window_days": self["window_days"].data}
        return {
            "goal": wanted if event else None,
            "cost": self["cost"].data,
            "cost_currency": (self["cost_currency"].data or "").strip().upper() or None,
            "holdout_percent": self["holdout_percent"].data,
        }


def _repeat_of(rule: str | None) -> dict[str, Any]:
    """Return a rule as the fields of the form say it; one they can't as it is written."""
    if rule is None:
        return {}
    parts = dict(part.split("=", 1) for part in rule.split(";"))
    filled: dict[str, Any] = {"repeat": parts.pop("FREQ"), "every": int(parts.pop("INTERVAL", "1")), "rrule": rule}
    if until := parts.pop("UNTIL", None):
        filled["until"] = datetime.strptime(until[:8], "%Y%m%d").date().isoformat()  # noqa: DTZ007 - a date has no zone
    if filled["repeat"] == "WEEKLY":
        filled["days"] = parts.pop("BYDAY", "").split(",")
    if filled["repeat"] == "MONTHLY":
        filled["month_day"] = parts.pop("BYMONTHDAY", "")
    plain = not parts and filled["repeat"] in REPEATS and set(filled.get("days", ())) <= {*DAYS, ""}
    if not plain or filled.get("month_day", "1") not in (*map(str, range(1, 32)), _LAST_DAY):
        return {"repeat": _RULE, "rrule": rule}
    return filled


def _id(chosen: str | None, field: str) -> UUID | None:
    found = as_id(chosen)
    if chosen and found is None:
        raise Invalid({field: "Choose one of the list."})
    return found
