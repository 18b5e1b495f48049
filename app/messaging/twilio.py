"""Handing texts over to a provider whose API is shaped like Twilio's: a form a message, JSON back.

The provider's own words decide: 4xx means that the message was not taken, 429 and 503 that it may be asked again, and
anything from which it can't be told whether it was taken is unknown. A number is dead when the provider says of the
number that nobody is reached there; what is wrong at our end says nothing about a number.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import orjson

from app.infra.http import Answer, RefusedUrl, Unreachable, check_url, request
from app.messaging import handing
from app.messaging.accounts import Account
from app.messaging.channel import Outcome, Outgoing, Result, Setting
from app.messaging.links import callback_url

TIMEOUT_SECONDS = 10.0
LONGEST_WAIT = timedelta(hours=6)
DEAD_NUMBERS = frozenset((21211, 21214, 21217, 21614, 30005, 30006))
"""What providers say of numbers that no message reaches: not one, no mobile one, unknown, a landline."""
NOT_NOW = frozenset((30001, 30002, 30003, 30008, 30009, 30010))
"""What says that a phone was off, or a network busy: it may be reached another time."""
OPTED_OUT = 21610
"""Its owner told the provider to stop."""
OUR_FAULT = frozenset((401, 403, 404, 407))
"""The account is wrong, or the address is: what was written is not, and is tried again once that is mended."""


def _check_url(value: str) -> str | None:
    try:
        check_url(value)
    except RefusedUrl as refused:
        return refused.message
    return None


def settings(sender: Setting, *more: Setting) -> tuple[Setting, ...]:
    """Return what has to be said of an account with such a provider."""
    return (
        Setting(
            "base_url",
            "Provider’s address",
            "Where its API begins.",
            default="https://api.twilio.com/2010-04-01",
            required=True,
            of_provider=True,
            aims=True,
            longest=500,
            check=_check_url,
        ),
        Setting("account_sid", "Account SID", required=True, of_provider=True, aims=True, longest=100),
        Setting(
            "auth_token", "Auth token", "It is kept encrypted, and not shown again.", secret=True, of_provider=True
        ),
        sender,
        *more,
    )


def hand_over(account: Account, batch: Sequence[Outgoing], fields: Sequence[Mapping[str, str]]) -> list[Outcome]:
    """Send the messages, each with its fields, and return what became of them, in order."""
    of = {one.message_id: given for one, given in zip(batch, fields, strict=True)}

    def send(one: Outgoing) -> Outcome:
        where = callback_url(account.tenant_id, account.channel, one.message_id)
        return _send(account, one.message_id, {**of[one.message_id], "StatusCallback": where})

    return handing.each(
        batch,
        send,
        too_slow="The provider was too slow; this one was not handed over yet.",
        # It asks for that, or is not there.
        stops=lambda outcome: outcome.retry_after is not None or outcome.no_connection,
    )


def _send(account: Account, message_id: UUID, fields: Mapping[str, str]) -> Outcome:
    sid = account.get("account_sid")
    door = base64.b64encode(f"{sid}:{account.secret or ''}".encode()).decode()
    headers = {
        "Authorization": f"Basic {door}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        # Providers that know it take a repeat for one; the others don't mind.
        "Idempotency-Key": str(message_id),
    }
    url = f"{account.get('base_url').rstrip('/')}/Accounts/{quote(sid, safe='')}/Messages.json"
    try:
        answer = request("POST", url, body=urlencode(fields).encode(), headers=headers, timeout=TIMEOUT_SECONDS)
    except Unreachable as problem:
        if problem.sent:
            return Outcome(Result.UNKNOWN, problem.message)
        return Outcome(Result.RETRY, problem.message, no_connection=True)
    except RefusedUrl as problem:
        return Outcome(Result.RETRY, problem.message, no_connection=True)
    return outcome_of(answer)


def outcome_of(answer: Answer) -> Outcome:
    """Return what an answer says of a message."""
    said = _said(answer)
    code = said.get("code")
    code = code if isinstance(code, int) else None
    words = " ".join(str(said.get("message") or said.get("status") or "").split())[:300]
    response = " ".join(filter(None, (str(answer.status), str(code or ""), words, str(said.get("sid") or ""))))
    if answer.ok:
        if code is not None or said.get("error_code"):
            return Outcome(Result.FAILED, response, code or answer.status)
        return Outcome(Result.SENT, response, answer.status)
    if answer.status in (429, 503):
        wait = wait_of(answer.headers.get("retry-after"))
        return Outcome(Result.RETRY, response, answer.status, retry_after=wait)
    if answer.status in OUR_FAULT:
        return Outcome(Result.RETRY, response, answer.status, no_connection=True)
    if 400 <= answer.status < 500:
        dead = code in DEAD_NUMBERS
        return Outcome(
            Result.FAILED,
            response,
            code or answer.status,
            refused_recipient=dead or code == OPTED_OUT,
            dead_address=dead,
        )
    if answer.status >= 500:
        return Outcome(Result.UNKNOWN, response, answer.status)
    # It was sent elsewhere, which is not followed: nobody took it.
    return Outcome(Result.RETRY, response, answer.status, no_connection=True)


def _said(answer: Answer) -> Mapping[str, Any]:
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def wait_of(value: str | None) -> timedelta:
    """Return how long to wait by a Retry-After header: seconds or a date; a little where it says nothing."""
    wait = timedelta(seconds=30)
    if value is not None and value.strip().isdecimal() and len(value.strip()) < 9:
        wait = timedelta(seconds=int(value))
    elif value is not None:
        try:
            at = parsedate_to_datetime(value)
            wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)
        except (ValueError, OverflowError):
            # A zone of a million hours is a date to nobody.
            return wait
    return min(max(wait, timedelta(0)), LONGEST_WAIT)
