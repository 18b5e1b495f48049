"""The letter of a campaign, or of one of its variants, as a customer would get it, and a test of it to whoever asks."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response, abort, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from app.blueprints.campaigns.base import blueprint
from app.campaigns import experiment, queries, readiness
from app.campaigns.experiment import Variant
from app.campaigns.models import Campaign
from app.campaigns.readiness import Wording
from app.content import checks
from app.content import queries as templates
from app.content.letters import LetterSource, RenderedLetter
from app.content.preview import preview
from app.customers import queries as customers
from app.infra.errors import NotFound
from app.infra.ids import new_id
from app.messaging import drafts
from app.messaging.channel import EMAIL
from app.web.guards import can, current, requires
from app.web.htmx import page
from app.web.lists import asked_choice, asked_id
from app.web.security import allow_letters
from app.web.shell import organisation

OFFERED = 8
"""How many customers are offered at once."""


class NoLetter(NotFound):
    """The campaign sends no e-mail, or it is not chosen yet."""

    def __init__(self) -> None:
        super().__init__("This campaign has no e-mail to look at yet.")


def _asked(campaign_id: UUID) -> tuple[Campaign, Mapping[str, Variant], Variant | None, Wording]:
    """Return the campaign, those of its variants that have a letter, the one asked for (else the first), and that."""
    campaign = queries.one(tenant_id=current().tenant_id, campaign_id=campaign_id)
    tried = experiment.of(campaign.experiment)
    each = tried.variants if tried else ()
    variants = {one.key: one for one in each if readiness.chosen_by(campaign, one).get(EMAIL)}
    asked = asked_choice("variant", variants)
    variant = variants[asked] if asked else next(iter(variants.values()), None)
    template_id = readiness.chosen_by(campaign, variant).get(EMAIL)
    if template_id is None:
        raise NoLetter
    return campaign, variants, variant, Wording(EMAIL, template_id, readiness.own_subject(campaign, variant))


def _shown(source: LetterSource) -> tuple[RenderedLetter | None, dict[str, str]]:
    """Return a letter as the customer asked for gets it, or None and what is wrong with it by part."""
    here = organisation()
    return preview(tenant_id=here.id, tenant_name=here.name, source=source, customer_id=_customer_id())


def _customer_id() -> UUID | None:
    return asked_id("customer_id") if can("customers.view") else None


@blueprint.get("/<uuid:campaign_id>/preview")
@requires("campaigns.view")
def preview_page(campaign_id: UUID) -> Response:
    """Show a letter of a campaign as a customer, or one made up, would get it now."""
    tenant_id = current().tenant_id
    campaign, variants, variant, wording = _asked(campaign_id)
    source = wording.source(tenant_id)
    letter, problems = _shown(source)
    q, chosen = request.args.get("q", "").strip(), _customer_id()
    found = customers.customers(tenant_id=tenant_id, q=q, limit=OFFERED).items if q and can("customers.view") else []
    looked_at = checks.of_letter(letter, source) if letter else []
    names = checks.unfilled(tenant_id=tenant_id, source=source, in_campaign=True) if letter else []
    response = page(
        "campaigns/preview.html",
        campaign=campaign,
        variants=variants.values(),
        variant=variant,
        saved=templates.get(tenant_id=tenant_id, template_id=wording.template_id),
        own_subject=wording.subject is not None,
        letter=letter,
        problems=problems,
        checks=[*names, *looked_at],
        q=q,
        found=found,
        who=customers.customer(tenant_id=tenant_id, customer_id=chosen) if chosen else None,
        asked=_address(variant),
        once=new_id(),
    )
    return allow_letters(response)


@blueprint.post("/<uuid:campaign_id>/preview/test")
@requires("messages.send_test")
def send_test(campaign_id: UUID) -> Answer:
    """Send a letter of a campaign to whoever asks, filled in for whom the preview shows."""
    if not can("campaigns.view"):
        abort(403)
    _, _, variant, wording = _asked(campaign_id)
    flash(*_try(wording))
    return redirect(url_for("campaigns.preview_page", campaign_id=campaign_id, **_address(variant)))


def _address(variant: Variant | None) -> dict[str, Any]:
    return {"variant": variant and variant.key, "customer_id": _customer_id()}


def _try(wording: Wording) -> tuple[str, str]:
    """Put a test into the outbox and return what to say of it, with its tone."""
    actor = current()
    if actor.user_id is None or actor.email is None:
        abort(403)
    letter, problems = _shown(wording.source(actor.tenant_id))
    if letter is None:
        return f"No test was sent. {' '.join(problems.values())}", "warning"
    if not letter.subject:
        return drafts.NO_SUBJECT, "warning"
    content = templates.content_of(templates.get(tenant_id=actor.tenant_id, template_id=wording.template_id))
    drafts.put(
        tenant_id=actor.tenant_id,
        user_id=actor.user_id,
        channel_name=EMAIL,
        content=content | ({"subject": wording.subject} if wording.subject else {}),
        to_address=actor.email,
        customer_id=_customer_id(),
        dedupe_key=drafts.key_of(user_id=actor.user_id, once=request.form.get("once")),
    )
    return f"A test is on its way to {actor.email}.", "success"
