"""Settings → Channels: by whom the messages of each channel are carried."""

from functools import cache
from typing import Any, cast

from flask import Blueprint, Response, abort, flash, redirect, request, url_for
from pydantic import Field
from werkzeug.wrappers import Response as Answer
from wtforms import PasswordField, RadioField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.content.kind import kinds
from app.infra.config import load
from app.infra.errors import Invalid
from app.messaging import accounts
from app.messaging.accounts import CARRIERS, MAILBOX, NOBODY, PROVIDER, Account
from app.messaging.channel import Setting, channel, installed
from app.messaging.links import inbound_url
from app.web.api import ApiBlueprint
from app.web.forms import Form
from app.web.guards import current, requires
from app.web.htmx import page
from app.web.schemas import Body, Shown

blueprint = Blueprint("channels", __name__, url_prefix="/settings/channels")
api = ApiBlueprint("channels_api", __name__)

TONES = {PROVIDER: "success", MAILBOX: "info", NOBODY: "warning"}
LABELS = {PROVIDER: "Set up", MAILBOX: "Built-in mailbox", NOBODY: "Not set up"}


class AccountForm(Form):
    """Who carries a channel's messages. What they want to know are fields of their own, by the channel."""

    carrier = RadioField(
        "Carried by",
        choices=[SelectChoice(value, words) for value, words in CARRIERS.items()],
        validate_choice=False,
    )


@cache
def _form_class(name: str) -> type[AccountForm]:
    fields = {one.name: _drawn(one) for one in _typed(name)}
    return cast("type[AccountForm]", type("ChannelForm", (AccountForm,), fields))


def _typed(name: str) -> list[Setting]:
    """Return what of a channel's settings somebody types."""
    return [one for one in channel(name).settings if one.made is None]


def _drawn(setting: Setting) -> Any:
    quiet = {"autocomplete": "off", "spellcheck": "false"}
    if setting.secret:
        return PasswordField(setting.label, description=setting.help, render_kw={"autocomplete": "new-password"})
    return StringField(setting.label, description=setting.help, render_kw=quiet)


def _account(name: str) -> Account:
    """Return a channel's account, or answer 404 where it has none."""
    if name not in accounts.having_settings():
        abort(404)
    return accounts.of(tenant_id=current().tenant_id, channel_name=name)


@blueprint.get("")
@requires("settings.manage")
def index() -> Response:
    """List the channels, and who carries each."""
    tenant_id = current().tenant_id
    found = [
        (name, one.label, accounts.of(tenant_id=tenant_id, channel_name=name) if one.settings else None)
        for name, one in installed()
    ]
    return page(
        "messaging/channels.html",
        channels=found,
        kinds=kinds(),
        tones=TONES,
        labels=LABELS,
        mail_stays_here=load().mail_stays_here,
    )


@blueprint.get("/<name>")
@requires("settings.manage")
def show(name: str) -> Response:
    """Show who carries a channel's messages."""
    account = _account(name)
    data = {one.name: account.get(one.name) for one in channel(name).settings if not one.secret}
    return _page(account, _form_class(name)(data={"carrier": account.carrier, **data}))


@blueprint.post("/<name>")
@requires("settings.manage")
def save(name: str) -> Response | Answer:
    """Let a channel's messages be carried so from now on."""
    account, actor = _account(name), current()
    form = _form_class(name)(request.form)
    try:
        accounts.save(
            tenant_id=actor.tenant_id,
            channel_name=name,
            carrier=form.carrier.data or "",
            settings={one.name: form[one.name].data for one in _typed(name)},
            actor=actor.ref,
        )
    except Invalid as wrong:
        form.refuse(wrong)
        return _page(account, form, status=422)
    flash(f"{channel(name).label} is saved. What goes out from now on goes that way.", "success")
    return redirect(url_for("channels.index"))


def _page(account: Account, form: AccountForm, status: int = 200) -> Response:
    found = channel(account.channel)
    return page(
        "messaging/channel.html",
        status=status,
        account=account,
        label=found.label,
        form=form,
        inbound=inbound_url(account.tenant_id, account.channel) if found.answered else None,
        fields=[(one, form[one.name]) for one in _typed(account.channel)],
        told=[(one, account.secret) for one in found.settings if one.shown and account.secret],
    )


class AccountBody(Body):
    """Who carries a channel's messages (`mailbox`, `provider` or `none`), and what they want to know."""

    carrier: str
    settings: dict[str, str | None] = Field(default_factory=dict)


class AccountOut(Shown):
    """Who carries a channel's messages. Secrets are never told, only whether there is one."""

    channel: str
    label: str
    carrier: str
    settings: dict[str, str]
    has_secret: bool
    version: int


@api.operation("GET", "/channels", permission="settings.manage")
def list_channels() -> dict[str, Any]:
    """List the channels that have an account of the organisation's, and who carries them."""
    tenant_id = current().tenant_id
    found = [accounts.of(tenant_id=tenant_id, channel_name=name) for name in accounts.having_settings()]
    return {"items": [_out(one).model_dump(mode="json") for one in found], "next_cursor": None}


@api.operation("PUT", "/channels/<name>", permission="settings.manage", body=AccountBody, returns=AccountOut)
def put_channel(name: str, body: AccountBody) -> AccountOut:
    """Let a channel's messages be carried so from now on.

    A secret that is left out stays; with another `base_url` or `account_sid` it has to be given again.
    """
    actor = current()
    return _out(
        accounts.save(
            tenant_id=actor.tenant_id,
            channel_name=name,
            carrier=body.carrier,
            settings=body.settings,
            actor=actor.ref,
        )
    )


def _out(account: Account) -> AccountOut:
    found = channel(account.channel)
    return AccountOut(
        channel=account.channel,
        label=found.label,
        carrier=account.carrier,
        settings={one.name: account.get(one.name) for one in found.settings if not one.secret},
        has_secret=account.secret is not None,
        version=account.version,
    )
