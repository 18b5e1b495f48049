"""What channels are called on pages."""

from collections import defaultdict
from collections.abc import Mapping

CHANNEL_LABELS: Mapping[str, str] = {
    "EMAIL": "E-mail",
    "SMS": "SMS",
    "PUSH": "Push",
    "WHATSAPP": "WhatsApp",
    "WEBHOOK": "Webhook",
}
NOT_MAIL: Mapping[str, str | None] = defaultdict(
    lambda: None, {"SMS": "SMS", "PUSH": "push messages", "WHATSAPP": "WhatsApp", "WEBHOOK": "webhooks"}
)
"""What a sentence calls the channels that are not e-mail; nothing for that."""
CHANNEL_OF: Mapping[str, str] = {"email": "EMAIL", "phone": "SMS", "whatsapp": "WHATSAPP", "push": "PUSH"}
"""The channel that writes to each kind of contact point."""
