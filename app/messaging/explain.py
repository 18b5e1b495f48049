"""What the gate looks at for one message, in order, with what it sees: of one that waits, or of one that is only meant.

It asks the gate's own checks of a row as the gate reads it. It goes on past the first that says no, so that all that
stands in the way is told. Nothing is locked and nothing written: by the time a message goes out it may stand otherwise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app.customers.consents import State
from app.infra.db import transaction
from app.infra.ids import new_id
from app.messaging import gate, limits, policy, slowing
from app.messaging.channel import EMAIL, channel, installed
from app.messaging.destination import destinations
from app.messaging.feedback import BOUNCE_WORDS
from app.messaging.gate import Asked
from app.messaging.limits import Facts
from app.messaging.policy import Cap
from app.messaging.rates import Rate
from app.messaging.runs import Content
from app.messaging.states import Priority, Purpose, Reason, Status, instead_in_words, reason_in_words
from app.messaging.suppression import REASONS
from app.messaging.verdict import Verdict

MENDS = {
    Reason.NO_ADDRESS: "An address on their page.",
    Reason.INVALID_ADDRESS: "A correct address on their page.",
    Reason.SUPPRESSED: "Taking the address off the suppression list.",
    Reason.OPTED_OUT: "A yes of their own to the channel.",
    Reason.TOPIC_OPTED_OUT: "A yes of their own to the topic.",
    Reason.STOPPED: "Their own word that they want news again.",
    Reason.NO_OPT_IN: "A yes of their own to the channel.",
    Reason.NO_TOPIC_OPT_IN: "A yes of their own to the topic.",
    Reason.UNCONFIRMED: "Their confirming by the link we sent.",
    Reason.AWAITING_CONSENT: "A yes that comes in within five minutes of it.",
    Reason.FREQUENCY_CAP: "Time, or other caps, which an owner or admin sets in Settings → Limits.",
    Reason.QUIET_HOURS: "Time: it goes out when they are over, or other quiet hours in Settings → Limits.",
    Reason.SEND_WINDOW: "Time, or another send window in the journey’s settings.",
    Reason.HOUSEHOLD_COPY: "A copy for each of them.",
    Reason.RATE_LIMIT: "Time, or other rates, which an owner or admin sets in Settings → Limits.",
    Reason.SLOWED: "Time: a few are tried then, and all the others when those are taken.",
    Reason.COPY_PENDING: "If theirs is skipped, this one goes.",
    Reason.AWAITING_WINNER: "The winner's being chosen.",
}
"""What would change a reason, in words; what nothing changes is missing."""

_MESSAGE = """
    SELECT id, channel, purpose, created_at, due_at, expires_at, attempts, customer_id, user_id, to_address,
           template_id, template_version, topic_id, builtin, context, run_id, variant, journey_id, step_key, priority,
           one_copy
    FROM message WHERE tenant_id = :tenant_id AND id = :id
"""
_INTENDED = """
    SELECT CAST(:id AS uuid) AS id, CAST(:channel AS text) AS channel, CAST(:purpose AS text) AS purpose,
           CAST(:now AS timestamptz) AS created_at, CAST(:now AS timestamptz) AS due_at,
           CAST(NULL AS timestamptz) AS expires_at, 0 AS attempts, CAST(:customer_id AS uuid) AS customer_id,
           CAST(NULL AS uuid) AS user_id, CAST(NULL AS text) AS to_address, CAST(:template_id AS uuid) AS template_id,
           CAST(:template_version AS integer) AS template_version, CAST(:topic_id AS uuid) AS topic_id,
           CAST(NULL AS text) AS builtin, CAST('{}' AS jsonb) AS context, CAST(:run_id AS uuid) AS run_id,
           CAST(NULL AS text) AS variant,
           CAST(:journey_id AS uuid) AS journey_id, CAST(:step_key AS text) AS step_key,
           CAST(:priority AS smallint) AS priority, CAST(:one_copy AS boolean) AS one_copy
"""


def _looking(due: str) -> TextClause:
    return text(f"WITH due AS MATERIALIZED ({due}) {gate.LOOKED_AT}")


_OF_MESSAGE, _OF_INTENDED = _looking(_MESSAGE), _looking(_INTENDED)


@dataclass(frozen=True, slots=True)
class Looked:
    """One thing that is looked at: whether it `holds` (None: not known yet), what is seen in words, since when or until
    when, and what would change it. `reason` is what a message is held or skipped for, `message_id` which one it is."""

    what: str
    holds: bool | None
    words: str
    at: datetime | None = None
    could_change: str | None = None
    reason: str | None = None
    message_id: UUID | None = None


def of_message(*, tenant_id: UUID, message_id: UUID, now: datetime) -> list[Looked]:
    """Return what the gate sees now of a message; nothing of one that is not there, or of no channel that is."""
    with transaction(tenant_id) as session:
        return _told(session, tenant_id, _OF_MESSAGE, {"id": message_id}, now)


def of_intended(
    *,
    tenant_id: UUID,
    customer_id: UUID,
    content: Content,
    purpose: Purpose = Purpose.MARKETING,
    of_run: bool = False,
    journey_id: UUID | None = None,
    step_key: str | None = None,
    one_copy: bool = False,
    now: datetime,
) -> list[Looked]:
    """Return what the gate would see now of a message that somebody might get: of a run, or of a journey's step."""
    values = {
        "id": new_id(),
        "customer_id": customer_id,
        "channel": content.channel,
        "template_id": content.template_id,
        "template_version": content.template_version,
        "topic_id": content.topic_id,
        "purpose": purpose,
        # A run that is not there yet: nobody else has a message of it.
        "run_id": new_id() if of_run else None,
        "journey_id": journey_id,
        "step_key": step_key,
        "priority": Priority.CAMPAIGN if of_run else Priority.JOURNEY,
        "one_copy": one_copy,
    }
    with transaction(tenant_id) as session:
        return _told(session, tenant_id, _OF_INTENDED, values, now)


def _told(
    session: Session, tenant_id: UUID, query: TextClause, values: Mapping[str, Any], now: datetime
) -> list[Looked]:
    found = session.execute(query, {**values, "tenant_id": tenant_id, "now": now}).mappings().first()
    if found is None:
        return []
    row = dict(found)
    if row["channel"] not in installed():
        return [Looked("Channel", False, reason_in_words(Reason.NO_CHANNEL), reason=Reason.NO_CHANNEL)]
    [there] = destinations(session, tenant_id, [row])
    asked = Asked(row, channel(row["channel"]), there, gate.unread_events(session, tenant_id, [row["created_at"]]), now)
    told = []
    for name, check in gate.CHECKS:
        if there.address is None and name in ("list", "consent", "events"):
            continue
        verdict = check(asked)
        told.append(_refused(name, asked, verdict) if verdict else _passed(name, asked))
    if row["purpose"] != Purpose.MARKETING or row["reader_id"] is None:
        return told
    tenant = session.execute(policy.OF_TENANT, {"tenant_id": tenant_id}).one()
    facts = Facts(policy.read(tenant.caps, tenant.quiet), tenant.timezone, now)
    goes = Verdict(Status.SENDING, None, there.address, instead_of=there.instead_of)
    limits.learn(session, tenant_id, [(row, goes)], facts, lock=False)
    for name, limit in limits.CHECKS:
        if name == "window" and row["journey_id"] not in facts.windows:
            continue
        kept_back = limit(row, goes, facts)
        told.append(_kept_back(name, row, kept_back, facts) if kept_back else _let_by(name, row, facts))
    asks = {"tenant_id": tenant_id, "channel_name": row["channel"], "address": there.address, "now": now}
    if slow := slowing.of_address(session, **asks):
        words = f"{_why(Reason.SLOWED, row)} {slow.taker} said: {slow.said}"
        told.append(Looked("Provider", None, words, slow.until, MENDS[Reason.SLOWED], Reason.SLOWED))
    return told


COPY = "One copy an address"
_NAMES = {
    "worth": "Still worth sending",
    "once": "Once",
    "address": "Address",
    "list": "Suppression list",
    "consent": "Consent",
    "events": "Events that came in",
    "window": "Send window",
    "quiet": "Quiet hours",
    "cap": "Frequency caps",
    "copy": COPY,
}


def _why(reason: str | None, row: Mapping[str, Any]) -> str:
    """Return the sentence for a reason, as it is said of the row's channel."""
    return reason_in_words(reason, None if row["channel"] == EMAIL else channel_label(row["channel"]))


def _refused(name: str, asked: Asked, verdict: Verdict) -> Looked:
    reason = verdict.reason
    assert reason is not None
    words, at = _why(reason, asked.row), verdict.due_at
    if reason is Reason.SUPPRESSED and asked.there.held is not None:
        words, at = f"{words} There it says: {REASONS[asked.there.held.reason]}.", asked.there.held.created_at
    elif reason is Reason.EXPIRED:
        at = asked.row["expires_at"]
    elif name == "consent" and verdict.status is Status.SKIPPED:
        at = asked.row["said_at"] or asked.row[f"{asked.via.consent_field}_at"]
    holds = None if verdict.status is Status.HELD else False
    return Looked(_NAMES[name], holds, words, at, MENDS.get(reason), reason)


def _passed(name: str, asked: Asked) -> Looked:
    return Looked(_NAMES[name], True, *_SEEN[name](asked))


def _seen_worth(asked: Asked) -> tuple[str, datetime | None]:
    until = asked.row["expires_at"]
    return ("It is sent until this moment, and not later.", until) if until else ("It has no end.", None)


def _seen_address(asked: Asked) -> tuple[str, None]:
    more = instead_in_words(asked.there.instead_of)
    return f"It goes to {asked.there.address}." + (f" {more}" if more else ""), None


def _seen_list(asked: Asked) -> tuple[str, None]:
    if asked.there.held is not None:
        return "The address is on it, which does not stop transactional messages.", None
    return "The address is not on it.", None


def _seen_consent(asked: Asked) -> tuple[str, datetime | None]:
    if not asked.marketing:
        return "A transactional message needs none.", None
    row = asked.row
    if row["topic_id"] is not None and row["said_state"] == State.SUBSCRIBED:
        return "They said yes to the topic.", row["said_at"]
    name = "e-mail" if row["channel"] == EMAIL else asked.via.label
    said = f"They said yes to {name}" + (" and nothing of the topic." if row["topic_id"] else ".")
    return said, row[f"{asked.via.consent_field}_at"]


_SEEN: dict[str, Callable[[Asked], tuple[str, datetime | None]]] = {
    "worth": _seen_worth,
    "once": lambda _: ("They have no other of it.", None),
    "address": _seen_address,
    "list": _seen_list,
    "consent": _seen_consent,
    "events": lambda _: ("None that could change their mind is waiting.", None),
}


def _kept_back(name: str, row: Mapping[str, Any], verdict: Verdict, facts: Facts) -> Looked:
    reason = verdict.reason
    assert reason is not None
    holds = None if verdict.status is Status.HELD else False
    words = _why(reason, row) + (f" {_let_by(name, row, facts).words}" if name != "copy" else "")
    return Looked(_NAMES[name], holds, words, _opens(verdict), MENDS.get(reason), reason)


def _opens(verdict: Verdict) -> datetime | None:
    opens = (verdict.saw or {}).get("cap", {}).get("opens_at")
    return datetime.fromisoformat(opens) if opens else verdict.due_at


def _let_by(name: str, row: Mapping[str, Any], facts: Facts) -> Looked:
    if name == "window":
        words = _seen_window(row, facts)
    elif name == "quiet":
        words = _seen_quiet(row, facts)
    elif name == "cap":
        words = " ".join(_seen_cap(one, row, facts) for one in facts.policy.caps_of(row["channel"]))
        words = words or "There are none for this channel."
    elif row["one_copy"]:
        words = "Nobody else at their address comes first."
    else:
        words = "Each person gets their own."
    return Looked(_NAMES[name], True, words)


def _seen_window(row: Mapping[str, Any], facts: Facts) -> str:
    window = facts.windows[row["journey_id"]]
    zone = limits.window_zone(window, row, facts)
    here = facts.now.astimezone(zone)
    return f"It is {here:%A, %H:%M} in {zone.key}; it sends: {window.words}."


def _seen_quiet(row: Mapping[str, Any], facts: Facts) -> str:
    quiet = facts.policy.quiet_hours(row["channel"])
    if quiet is None:
        return "There are none on this channel."
    zone = limits.zone_of(row, facts)
    here = facts.now.astimezone(zone)
    return f"It is {here:%H:%M} in {zone.key}; they last from {quiet.starts:%H:%M} to {quiet.ends:%H:%M}."


def _seen_cap(cap: Cap, row: Mapping[str, Any], facts: Facts) -> str:
    received = facts.received.get(row["reader_id"], ())
    number = sum(at > facts.now - cap.window and cap.channel in (None, name) for name, at in received)
    return f"{number} of {cap.most} {cap.words}."


_CHANGES = {
    "queued": "It goes out when it is its turn.",
    "held": "It is looked at again by itself.",
    "sending": "It is being handed over just now.",
    "unknown": "Nobody can tell whether it arrived; it is not sent again.",
}
STORY = """
    id, channel, status, reason, saw, to_address, instead_of, due_at, created_at, sending_at, sent_at, response,
    subject, first_open_at, first_click_at, bounced_at, bounce_kind, complained_at, replied_at, unsubscribed_at
"""
"""The columns that a story is told of."""
_AFTERWARDS = (
    ("first_open_at", "Opened", True, "They opened it."),
    ("first_click_at", "Clicked", True, "They followed a link in it."),
    ("replied_at", "Replied", True, "They replied to it."),
    ("unsubscribed_at", "Unsubscribed", True, "They unsubscribed by it."),
    ("complained_at", "Complained", True, "They marked it as spam."),
)


def story(one: Mapping[str, Any]) -> list[Looked]:
    """Return what was recorded of a message, in order: a row with (at least) the columns of STORY."""
    return [replace(step, message_id=one["id"]) for step in _story(one)]


def _story(one: Mapping[str, Any]) -> list[Looked]:
    status, reason = one["status"], one["reason"]
    if status in (Status.HELD, Status.SKIPPED) and reason is not None:
        return [_settled(one)]
    if status in (Status.QUEUED, Status.HELD, Status.SENDING):
        words = _why(reason, one) or _CHANGES[status]
        return [Looked("Gate", None, words, one["due_at"], _CHANGES[status], reason)]
    if status == Status.SKIPPED:
        return [Looked("Gate", False, "It was left out.")]
    let_out = f"Nothing that is looked at kept it back ({channel_label(one['channel'])})."
    told = [Looked("Gate", True, let_out, one["sending_at"])]
    if status != Status.SENT:
        happened = None if status == Status.UNKNOWN else False
        return [*told, Looked("Sent", happened, _why(reason, one), None, _CHANGES.get(status), reason)]
    where = f"Sent to {one['to_address']}."
    if one["instead_of"]:
        where = f"Sent to {one['to_address']}, because mail can’t reach them at {one['instead_of']}."
    told.append(Looked("Sent", True, where, one["sent_at"]))
    if one["bounced_at"]:
        bounce = BOUNCE_WORDS.get(one["bounce_kind"], "Came back")
        told.append(Looked("Came back", False, f"{bounce}.", one["bounced_at"]))
    return told + [Looked(name, good, words, one[at]) for at, name, good, words in _AFTERWARDS if one[at]]


def channel_label(name: str) -> str:
    """Return what a channel is called; one that is installed no more by its name."""
    return channel(name).label if name in installed() else name


def _settled(one: Mapping[str, Any]) -> Looked:
    """Return why a message is held or was skipped, with what a limit went by."""
    reason, saw = one["reason"], one["saw"] or {}
    name, words = "Gate", _why(reason, one)
    if cap := saw.get("cap"):
        name = _NAMES["cap"]
        words += f" It went by: {cap['most']} {Cap(cap['channel'], cap['most'], cap['hours']).words}."
    elif window := saw.get("window"):
        name = _NAMES["window"]
        words += f" It went by: {window['words']} in {window['zone']}."
    elif quiet := saw.get("quiet"):
        name = _NAMES["quiet"]
        words += f" It went by: {quiet['from']} to {quiet['to']} in {quiet['zone']}."
    elif rate := saw.get("rate"):
        name = "Rate"
        # What a release before this one held had its words written down.
        told = rate.get("words") or Rate(**rate).words
        words += f" It went by: {told} ({channel_label(rate['channel'])})."
    elif slow := saw.get("slow"):
        name = "Provider"
        words += f" {slow['taker']} said: {slow['said']}"
    elif reason in (Reason.HOUSEHOLD_COPY, Reason.COPY_PENDING):
        name = _NAMES["copy"]
    waits = one["status"] == Status.HELD
    at = datetime.fromisoformat(saw["at"]) if "at" in saw and not waits else one["due_at"] if waits else None
    could = MENDS.get(Reason(reason)) if reason in set(Reason) else None
    if could and not waits:
        could = f"Nothing for this one; for another: {could[:1].lower()}{could[1:]}"
    return Looked(name, None if waits else False, words, at, could or (_CHANGES["held"] if waits else None), reason)
