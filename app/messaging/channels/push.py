"""Web Push: notifications on devices whose owners asked for them, by the push service of their browser."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import orjson

from app.infra.config import load
from app.infra.http import Answer, RefusedUrl, Unreachable, request
from app.messaging import accounts, handing, local, twilio, web_push
from app.messaging.accounts import Account
from app.messaging.channel import Outcome, Outgoing, Result, Setting, channels
from app.messaging.links import MAX_URL
from app.messaging.tokens import click_token
from app.messaging.web_push import BadSubscription, Subscription

NAME = "PUSH"
TIMEOUT_SECONDS = 10.0
KEPT_SECONDS = 24 * 3600
"""So long a push service keeps what a device that is off has not got."""
GONE = (404, 410)


class PushChannel:
    """Notifications by the push services of browsers."""

    label = "Push"
    customer_field = "push"
    consent_field: str | None = "push_opt_in"
    answered = False
    settings: tuple[Setting, ...] = (
        Setting(
            "contact",
            "Contact",
            "The push services write there if something is wrong: an e-mail address.",
            required=True,
            of_provider=True,
        ),
        Setting("private_key", "Key", "Fairway made it; browsers know you by it.", secret=True, made=web_push.new_key),
    )

    def clean_address(self, raw: str) -> str | None:
        """Return the subscription, or None where it is none of a browser's."""
        try:
            return str(web_push.read(raw.strip()))
        except BadSubscription:
            return None

    def address_key(self, raw: str) -> str:
        """Return the address at which the browser listens."""
        return raw.strip()

    def taker(self, address: str) -> str | None:
        """Return the host of the push service at which the browser listens."""
        return urlsplit(address.partition("|")[0]).hostname

    def deliver(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """Encrypt the messages and hand them to the push services."""
        handing.not_yet(batch)
        account = accounts.of(tenant_id=batch[0].tenant_id, channel_name=NAME)
        if account.carrier == accounts.NOBODY:
            return [Outcome(Result.FAILED, accounts.NotSetUp(self.label).message) for _ in batch]
        if account.carrier == accounts.MAILBOX:
            return local.keep(account.tenant_id, NAME, self.label, batch, [_words(one) for one in batch])
        return handing.each(
            batch,
            lambda outgoing: _send(account, outgoing),
            too_slow="The push services were too slow; this one was not handed over yet.",
        )


def payload_of(outgoing: Outgoing) -> bytes:
    """Return what the browser's worker shows."""
    said = outgoing.letter.parameters
    shown = {
        "title": outgoing.letter.subject,
        "body": outgoing.letter.text,
        "url": _link(outgoing),
        "icon": said.get("parameters.icon") or None,
        "tag": str(outgoing.message_id),
    }
    return orjson.dumps({key: value for key, value in shown.items() if value})


def _link(outgoing: Outgoing) -> str | None:
    """Return where a tap leads, by way of us, which counts it."""
    url = outgoing.letter.parameters.get("parameters.url", "").strip()
    if not url.startswith("https://") or len(url) > MAX_URL or any(ord(sign) < 33 for sign in url):
        return None
    return f"{load().public_url}/t/c/{click_token(outgoing.tenant_id, outgoing.message_id, url)}"


def _words(outgoing: Outgoing) -> str:
    link = _link(outgoing)
    return outgoing.letter.text + (f"\n\n{link}" if link else "")


def _send(account: Account, outgoing: Outgoing) -> Outcome:
    assert account.secret is not None
    contact = account.get("contact")
    try:
        there: Subscription = web_push.read(outgoing.address)
        body = web_push.encrypt(payload_of(outgoing), there)
    except ValueError as problem:
        return Outcome(Result.FAILED, f"It can't be sent: {problem}.")
    headers = {
        "Authorization": web_push.authorization(there.endpoint, account.secret, f"mailto:{contact}"),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(KEPT_SECONDS),
        "Urgency": "normal",
        # Of two with the same topic a device that was off gets the last: an attempt that is repeated is shown once.
        "Topic": outgoing.message_id.hex[:32],
    }
    try:
        answer = request("POST", there.endpoint, body=body, headers=headers, timeout=TIMEOUT_SECONDS)
    except Unreachable as problem:
        if problem.sent:
            return Outcome(Result.UNKNOWN, problem.message)
        return Outcome(Result.RETRY, problem.message, slow=True)
    except RefusedUrl as problem:
        return Outcome(Result.FAILED, problem.message, refused_recipient=True, dead_address=True)
    return outcome_of(answer)


def outcome_of(answer: Answer) -> Outcome:
    """Return what a push service's answer says of a message."""
    words = " ".join(answer.body[:200].decode("utf-8", "replace").split())
    response = f"{answer.status} {words}".strip()
    if answer.ok:
        return Outcome(Result.SENT, response, answer.status)
    if answer.status in GONE:
        return Outcome(Result.FAILED, response, answer.status, refused_recipient=True, dead_address=True)
    if answer.status in (429, 503):
        wait = twilio.wait_of(answer.headers.get("retry-after"))
        return Outcome(
            Result.RETRY, response, answer.status, retry_after=wait, asked_by_one=True, slow=answer.status == 503
        )
    if answer.status in (401, 403) or 300 <= answer.status < 400:
        return Outcome(Result.RETRY, response, answer.status)
    if answer.status >= 500:
        return Outcome(Result.UNKNOWN, response, answer.status)
    return Outcome(Result.FAILED, response, answer.status)


channels.register(NAME)(PushChannel())
