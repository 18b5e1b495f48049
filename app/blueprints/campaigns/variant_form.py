"""The form of one variant of a campaign's A/B test, which stands in that of what the campaign says."""

from collections.abc import Collection
from typing import Any

from wtforms import IntegerField, SelectField, StringField

from app.campaigns import experiment
from app.campaigns.models import TEMPLATES
from app.messaging.channel import EMAIL
from app.web.forms import Form


class VariantForm(Form):
    """One variant of an A/B test: its name, to how many of a hundred it goes, what it says instead."""

    name = StringField("Name", render_kw={"maxlength": experiment.MAX_NAME, "autocomplete": "off"})
    share = IntegerField("To so many percent", default=10, render_kw={"min": 1, "max": 100, "inputmode": "numeric"})
    email_template_id = SelectField("E-mail", validate_choice=False)
    sms_template_id = SelectField("SMS", validate_choice=False)
    push_template_id = SelectField("Push", validate_choice=False)
    whatsapp_template_id = SelectField("WhatsApp", validate_choice=False)
    subject = StringField("Subject", render_kw={"autocomplete": "off"})
    sender_id = SelectField("From", validate_choice=False)
    local_time = StringField("At another time", render_kw={"type": "time"})

    def given(self, channels: Collection[str]) -> dict[str, Any]:
        """Return the variant as the service takes it, without what belongs to a channel that isn't chosen."""
        chosen = {channel: self[TEMPLATES[channel]].data for channel in channels}
        return {
            "name": self["name"].data or "",
            "share": self["share"].data,
            "templates": {channel: template_id for channel, template_id in chosen.items() if template_id},
            "sender_id": self["sender_id"].data or None,
            "local_time": self["local_time"].data or None,
            "subject": self["subject"].data if EMAIL in channels else None,
        }
