"""Settings → Limits: how much marketing a person gets, at what hours none goes out, what needs a second yes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from app.infra.errors import Invalid
from app.messaging import policy, rates
from app.messaging.policy import CHANNELS, Policy
from app.messaging.rates import Rate
from app.web.guards import current, requires
from app.web.htmx import page

blueprint = Blueprint("limits", __name__, url_prefix="/settings/limits")

CHANNEL_LABELS = {"EMAIL": "E-mail", "SMS": "SMS", "PUSH": "Push", "WHATSAPP": "WhatsApp"}
_UNITS = {"hours": 1, "days": 24}


@dataclass(slots=True)
class CapRow:
    """One row of the form, as it was typed."""

    most: str = ""
    channel: str = ""
    over: str = ""
    unit: str = "days"
    error: str | None = None

    @property
    def empty(self) -> bool:
        """Return whether nothing was typed."""
        return not self.most.strip() and not self.over.strip()

    def value(self) -> dict[str, Any]:
        """Return the cap as the service takes it; what is no number is None."""
        over = _number(self.over)
        hours = over * _UNITS.get(self.unit, 24) if over is not None else None
        return {"channel": self.channel or None, "most": _number(self.most), "hours": hours}


@dataclass(slots=True)
class RateRow:
    """One rate of sending, as it was typed."""

    most: str = ""
    channel: str = "EMAIL"
    domain: str = ""
    seconds: str = "60"
    error: str | None = None

    def value(self) -> dict[str, Any]:
        """Return the rate as the service takes it; what is no number is None."""
        return {
            "channel": self.channel,
            "domain": self.domain.strip() or None,
            "most": _number(self.most),
            "seconds": _number(self.seconds),
        }


@dataclass(slots=True)
class QuietRow:
    """The quiet hours of one channel, as they were typed."""

    channel: str
    on: bool
    starts: str
    ends: str
    error: str | None = None


@dataclass(slots=True)
class PolicyForm:
    """The form: rows of caps with an empty one at the end, a row of quiet hours for each channel."""

    caps: list[CapRow] = field(default_factory=list)
    quiet: list[QuietRow] = field(default_factory=list)
    rates: list[RateRow] = field(default_factory=list)
    approval_above: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, known: Policy, kept: Sequence[Rate]) -> "PolicyForm":
        """Return the form filled in with what is said."""
        caps = []
        for one in known.caps:
            unit = "hours" if one.hours % 24 else "days"
            caps.append(CapRow(str(one.most), one.channel or "", str(one.hours // _UNITS[unit]), unit))
        quiet = []
        for channel in CHANNELS:
            hours = known.quiet_hours(channel)
            shown = hours or policy.NIGHT
            quiet.append(QuietRow(channel, hours is not None, f"{shown.starts:%H:%M}", f"{shown.ends:%H:%M}"))
        above = "" if known.approval_above is None else str(known.approval_above)
        rows = [RateRow(str(one.most), one.channel, one.domain or "", str(one.seconds)) for one in kept]
        return cls([*caps, CapRow()], quiet, [*rows, RateRow()], above)

    @classmethod
    def typed(cls, form: MultiDict[str, str]) -> "PolicyForm":
        """Return the form as it was typed."""
        columns = [form.getlist(name) for name in ("cap_most", "cap_channel", "cap_over", "cap_unit")]
        caps = [CapRow(*values) for values in zip(*columns, strict=False)][: policy.MOST_CAPS * 2]
        quiet = [
            QuietRow(one, f"quiet_{one}" in form, form.get(f"from_{one}", ""), form.get(f"to_{one}", ""))
            for one in CHANNELS
        ]
        told = [form.getlist(name) for name in ("rate_most", "rate_channel", "rate_domain", "rate_seconds")]
        rows = [RateRow(*values) for values in zip(*told, strict=False)][: rates.MOST_RATES * 2]
        return cls(
            [one for one in caps if not one.empty] + [CapRow()],
            quiet,
            [one for one in rows if one.most.strip() or one.domain.strip()] + [RateRow()],
            form.get("approval_above", "").strip(),
        )

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        return {
            "caps": [one.value() for one in self.caps if not one.empty],
            "quiet": {one.channel: {"from": one.starts, "to": one.ends} if one.on else None for one in self.quiet},
            "rates": [one.value() for one in self.rates if one.most.strip() or one.domain.strip()],
            "approval_above": _people(self.approval_above),
        }

    def show(self, refused: Invalid) -> None:
        """Put what is wrong beside what it is about."""
        self.errors = dict(refused.errors)
        for place, cap in enumerate(self.caps):
            cap.error = self.errors.get(f"caps.{place}")
        for place, rate in enumerate(self.rates):
            rate.error = self.errors.get(f"rates.{place}")
        for one in self.quiet:
            one.error = self.errors.get(f"quiet.{one.channel}")


def _number(typed: str) -> int | None:
    typed = typed.strip()
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 else None


def _people(typed: str) -> int | None:
    """Return a number of people, None for none; what is no number is one that is refused."""
    if not typed.strip():
        return None
    found = _number(typed)
    return -1 if found is None else found


@blueprint.get("")
@requires("settings.manage")
def index() -> Response:
    """Show what the organisation says of its sending."""
    tenant_id = current().tenant_id
    return _page(PolicyForm.of(policy.get(tenant_id=tenant_id), rates.of(tenant_id=tenant_id)))


@blueprint.post("")
@requires("settings.manage")
def save() -> Response:
    """Save it."""
    actor, form = current(), PolicyForm.typed(request.form)
    try:
        policy.save(tenant_id=actor.tenant_id, actor=actor.ref, changes=form.values(), ip=request.remote_addr)
    except Invalid as refused:
        form.show(refused)
        return _page(form, status=422)
    flash("What you say of sending is saved. What was held back is looked at again.", "success")
    return redirect(url_for("limits.index"))


def _page(form: PolicyForm, status: int = 200) -> Response:
    return page(
        "messaging/limits.html",
        form=form,
        channels=CHANNEL_LABELS,
        units=list(_UNITS),
        spans=rates.SPANS,
        status=status,
    )
