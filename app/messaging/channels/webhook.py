"""Webhook: what happens to somebody, told to the organisation's own receiver."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from app.infra import webhooks
from app.infra.http import Answer, RefusedUrl, Unreachable, check_url, request
from app.messaging import accounts, handing, local, twilio
from app.messaging.accounts import Account
from app.messaging.channel import Outcome, Outgoing, Result, Setting, channels

NAME = "WEBHOOK"
TYPE = "message"
_FIELDS = "parameters.fields."


def _check_url(value: str) -> str | None:
    try:
        check_url(value)
    except RefusedUrl as refused:
        return refused.message
    return None


class WebhookChannel:
    """Posts JSON to one receiver, signed as Standard Webhooks says. What it tells of is a customer, by their id.

    A repeat has the id of the first: a receiver that takes each id once may be told again, so whatever was not
    answered is.
    """

    label = "Webhook"
    customer_field = "reader_id"
    consent_field: str | None = None
    answered = False
    settings: tuple[Setting, ...] = (
        Setting(
            "url",
            "Address",
            "Where it is posted. It must start with https://.",
            required=True,
            of_provider=True,
            longest=2_000,
            check=_check_url,
        ),
        Setting(
            "signing_secret",
            "Signing secret",
            "By it the receiver knows who posts (Standard Webhooks).",
            secret=True,
            made=webhooks.new_secret,
            shown=True,
        ),
    )

    def clean_address(self, raw: str) -> str | None:
        """Return whom it tells of."""
        return raw.strip() or None

    def address_key(self, raw: str) -> str:
        """Return whom it tells of."""
        return raw.strip()

    def taker(self, address: str) -> None:
        """Return nobody: one takes them all."""

    def deliver(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """Post the messages, a few at a time."""
        handing.not_yet(batch)
        account = accounts.of(tenant_id=batch[0].tenant_id, channel_name=NAME)
        if account.carrier == accounts.NOBODY:
            return [Outcome(Result.FAILED, accounts.NotSetUp(self.label).message) for _ in batch]
        if account.carrier == accounts.MAILBOX:
            texts = [orjson.dumps(body_of(one), option=orjson.OPT_INDENT_2).decode() for one in batch]
            return local.keep(account.tenant_id, NAME, self.label, batch, texts)
        return handing.each(
            batch,
            lambda outgoing: _post(account, outgoing),
            too_slow="The receiver was too slow; this one was not posted yet.",
        )


def body_of(outgoing: Outgoing) -> Mapping[str, Any]:
    """Return what is posted."""
    lines = [value for name, value in outgoing.letter.parameters.items() if name.startswith(_FIELDS)]
    told = (line.partition(":") for line in lines)
    return {
        "type": TYPE,
        "data": {
            "message_id": str(outgoing.message_id),
            "tenant_id": str(outgoing.tenant_id),
            "customer_id": outgoing.address,
            "marketing": outgoing.marketing,
            "text": outgoing.letter.text,
            "fields": {name.strip(): value.strip() for name, _, value in told},
        },
    }


def _post(account: Account, outgoing: Outgoing) -> Outcome:
    assert account.secret is not None
    content = orjson.dumps(body_of(outgoing))
    headers = webhooks.headers(outgoing.message_id, content, signing=[account.secret], now=datetime.now(UTC))
    try:
        answer = request("POST", account.get("url"), body=content, headers=headers)
    except (Unreachable, RefusedUrl) as problem:
        return Outcome(Result.RETRY, problem.message)
    return outcome_of(answer)


def outcome_of(answer: Answer) -> Outcome:
    """Return what a receiver's answer says of a message: 4xx that it never takes it, all else that it may later."""
    words = " ".join(answer.body[:200].decode("utf-8", "replace").split())
    response = f"{answer.status} {words}".strip()
    if answer.ok:
        return Outcome(Result.SENT, response, answer.status)
    if answer.status in (429, 503):
        wait = twilio.wait_of(answer.headers.get("retry-after"))
        return Outcome(Result.RETRY, response, answer.status, retry_after=wait)
    if 400 <= answer.status < 500 and answer.status not in (*twilio.OUR_FAULT, 408, 410):
        return Outcome(Result.FAILED, response, answer.status)
    return Outcome(Result.RETRY, response, answer.status)


channels.register(NAME)(WebhookChannel())
