"""Mail that came in, over the API: for who has no mail server of their own to run `flask mail receive`."""

from uuid import UUID

from pydantic import BaseModel, Field

from app.messaging.inbound.intake import MOST_BYTES, Outcome, Taken, take_in
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, Text

blueprint = ApiBlueprint("inbound_mail_api", __name__)


class InboundQuery(Body):
    """Where the mail was delivered to, if that is known: its headers may not say."""

    recipient: Text | None = Field(default=None, max_length=320)


class TakenOut(BaseModel):
    """What the mail was taken for, of which message, and whether that is news."""

    outcome: Outcome
    message_id: UUID | None
    new: bool


@blueprint.operation(
    "POST",
    "/inbound/mail",
    permission="mail.receive",
    query=InboundQuery,
    raw=True,
    media="message/rfc822",
    most_bytes=MOST_BYTES,
    returns=TakenOut,
)
def receive(query: InboundQuery, body: bytes) -> TakenOut:
    """Take in one mail as it came over the wire: a bounce, a complaint, a reply or an unsubscription.

    It is known by the address it was sent to, which Fairway signed; any other mail is `forged`, and nothing follows.
    """
    recipients = [query.recipient] if query.recipient else []
    taken: Taken = take_in(source=body, recipients=recipients, tenant_id=current().tenant_id)
    return TakenOut(outcome=taken.outcome, message_id=taken.message_id, new=taken.new)
