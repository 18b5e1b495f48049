"""What an organisation says of all its sending, over the API."""

from datetime import time
from typing import Annotated, Any, Literal

from pydantic import Field

from app.infra.clock import TimeOfDay
from app.messaging import policy, rates
from app.messaging.policy import Policy
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, Shown

api = ApiBlueprint("limits_api", __name__)

Channel = Literal["EMAIL", "SMS", "PUSH", "WHATSAPP"]


class CapBody(Body):
    """At most `most` marketing messages a person in `hours`; without a channel of all channels together."""

    channel: Channel | None = None
    most: Annotated[int, Field(ge=1, le=policy.MOST_MESSAGES)]
    hours: Annotated[int, Field(ge=1, le=policy.MOST_HOURS)]


class QuietBody(Body):
    """Local times of a person's day between which nothing goes out, over midnight too."""

    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay


class RateBody(Body):
    """At most `most` messages of a channel in so many `seconds` (1, 60, 3600 or 86400), or of those to one `domain`."""

    channel: Channel
    domain: Annotated[str, Field(max_length=253)] | None = None
    most: Annotated[int, Field(ge=1, le=rates.MOST_MESSAGES)]
    seconds: Literal[1, 60, 3600, 86400]


class PolicyPatch(Body):
    """What to change; what is left out stays. A channel of `quiet` that is null has no quiet hours any more.

    A campaign to more than `approval_above` people needs a second person's yes; null: none does.
    """

    caps: list[CapBody] | None = Field(default=None, max_length=policy.MOST_CAPS)
    quiet: dict[Channel, QuietBody | None] | None = None
    rates: list[RateBody] | None = Field(default=None, max_length=rates.MOST_RATES)
    approval_above: Annotated[int, Field(ge=0, le=policy.MOST_PEOPLE)] | None = None


class CapOut(Shown):
    """A frequency cap."""

    channel: str | None
    most: int
    hours: int


class RateOut(Shown):
    """A rate of sending."""

    channel: str
    domain: str | None
    most: int
    seconds: int


class PolicyOut(Shown):
    """Frequency caps, quiet hours by channel, rates of sending; more than `approval_above` people need a second yes."""

    caps: list[CapOut]
    quiet: dict[str, dict[str, str]]
    rates: list[RateOut]
    approval_above: int | None


def _shown(known: Policy) -> PolicyOut:
    quiet = {
        channel: {"from": _clock(hours.starts), "to": _clock(hours.ends)}
        for channel in policy.CHANNELS
        if (hours := known.quiet_hours(channel)) is not None
    }
    caps = [CapOut.model_validate(one) for one in known.caps]
    kept = [RateOut.model_validate(one) for one in rates.of(tenant_id=current().tenant_id)]
    return PolicyOut(caps=caps, quiet=quiet, rates=kept, approval_above=known.approval_above)


def _clock(of: time) -> str:
    return f"{of:%H:%M}"


@api.operation("GET", "/sending-policy", permission="settings.manage", returns=PolicyOut)
def sending_policy() -> PolicyOut:
    """Show how much marketing a person gets, at what hours none goes out, and what needs a second person's yes."""
    return _shown(policy.get(tenant_id=current().tenant_id))


@api.operation("PATCH", "/sending-policy", permission="settings.manage", body=PolicyPatch, returns=PolicyOut)
def change_sending_policy(body: PolicyPatch) -> PolicyOut:
    """Change it; what was held back is looked at again at once."""
    actor = current()
    changes: dict[str, Any] = body.model_dump(exclude_unset=True, by_alias=True)
    changes = {name: value for name, value in changes.items() if value is not None or name == "approval_above"}
    return _shown(policy.save(tenant_id=actor.tenant_id, actor=actor.ref, changes=changes))
