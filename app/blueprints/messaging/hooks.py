"""Where providers tell what became of texts, and what readers answered. Nothing is believed that they did not sign."""

from uuid import UUID

from flask import Blueprint, Response, abort, request

from app.infra.tokens import BadToken
from app.messaging import accounts, phone
from app.messaging.accounts import Account
from app.messaging.links import callback_url, inbound_url
from app.messaging.provider_words import Answer, is_signed, receive, told
from app.messaging.tokens import read_callback, read_inbound
from app.web.guards import public
from app.web.security import csrf

blueprint = Blueprint("hooks", __name__, url_prefix="/hooks")
# Providers have no cookie; each request is signed instead.
csrf.exempt(blueprint)

NOTHING_TO_SAY = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
"""What a provider sends back to the reader: nothing; what we say goes by the outbox."""


@blueprint.post("/<channel>/status/<token>")
@public
def status(channel: str, token: str) -> Response:
    """Take in what became of a text."""
    link = read_callback(token)
    account = _account(channel, link.tenant_id)
    _check(account, callback_url(link.tenant_id, account.channel, link.message_id))
    told(
        link=link,
        status=(request.form.get("MessageStatus") or request.form.get("SmsStatus") or "").lower(),
        code=request.form.get("ErrorCode"),
    )
    return Response(status=204)


@blueprint.post("/<channel>/inbound/<token>")
@public
def inbound(channel: str, token: str) -> Response:
    """Take in what a reader answered."""
    tenant_id = read_inbound(token)
    account = _account(channel, tenant_id)
    _check(account, inbound_url(tenant_id, account.channel))
    number = phone.clean_number(request.form.get("From", "").removeprefix("whatsapp:"))
    provider_id = request.form.get("MessageSid") or request.form.get("SmsSid")
    if number is None or not provider_id:
        abort(400)
    receive(
        tenant_id=tenant_id,
        answer=Answer(account.channel, number, request.form.get("Body", ""), provider_id),
    )
    return Response(NOTHING_TO_SAY, mimetype="text/xml")


def _account(channel: str, tenant_id: UUID) -> Account:
    name = channel.upper()
    if channel != channel.lower() or name not in accounts.having_settings():
        raise BadToken
    return accounts.of(tenant_id=tenant_id, channel_name=name)


def _check(account: Account, url: str) -> None:
    """Answer 403 unless the organisation's provider signed this request to this address."""
    fields = list(request.form.items(multi=True))
    if not is_signed(account, url, fields, request.headers.get("X-Twilio-Signature")):
        abort(403)
