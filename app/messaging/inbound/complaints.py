"""What a report of a mail provider's says (ARF, RFC 5965): a reader pressed "This is spam"."""

import re
from email.parser import Parser
from urllib.parse import unquote

from app.infra.tokens import BadToken
from app.messaging.inbound.reading import Mail, content
from app.messaging.return_address import For, Returned
from app.messaging.tokens import read_unsubscribe

# What is not of a reader's doing, or takes a complaint back, is no complaint.
COMPLAINTS = ("abuse", "fraud", "other", "opt-out", "opt-out-list", "complaint")

_LINK = re.compile(r"/u/([A-Za-z0-9_-]{60,120})")


def feedback(mail: Mail) -> str | None:
    """Return the kind of feedback a mail is a report of, in small letters; None where it is no such report."""
    for part in mail.parts():
        if part.get_content_type() == "message/feedback-report":
            inner = part.get_payload()
            words = content(part) if isinstance(inner, str) else "\n".join(str(one) for one in inner or ())
            found = Parser().parsestr(words.strip(), headersonly=True).get("Feedback-Type")
            return str(found or "").split(";")[0].strip().lower()
    return None


def by_link(mail: Mail) -> list[Returned]:
    """Return whose letters a report holds, by the unsubscribe links in them: providers blacken addresses, not links."""
    found: dict[Returned, None] = {}
    for link in _LINK.finditer(unquote(mail.unfolded())):
        try:
            reader = read_unsubscribe(link[1])
        except BadToken:
            continue
        found[Returned(For.BOUNCES, reader.tenant_id, reader.message_id)] = None
        if len(found) > 1:
            break
    return list(found)
