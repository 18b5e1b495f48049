"""A snippet that changes is in every message that is made after it, whatever was compiled before."""

from typing import Any

from app.content import service
from app.content import snippet_service as snippets
from app.messaging import outbox
from app.messaging.sender import send_batch
from tests.messaging.conftest import NOON
from tests.messaging.sink import Sink


def test_what_is_sent_after_a_change_says_it(tenant: Any, sink: Sink) -> None:
    footer = snippets.create(tenant_id=tenant.id, key="footer", name="Footer", html="<p>First words</p>")
    html = '<p>Hello</p>{% snippet "footer" %}'
    made = service.create(tenant_id=tenant.id, name="Welcome", subject="Hi", html=html)
    for number, words in enumerate(("First words", "Second words", "First words")):
        if number:
            changes = {"html": f"<p>{words}</p>"}
            snippets.update(tenant_id=tenant.id, snippet_id=footer.id, changes=changes)
        outbox.put_one(
            tenant_id=tenant.id,
            to_address="ann@example.com",
            template_id=made.id,
            dedupe_key=f"test:{number}",
            now=NOON,
        )
        send_batch(tenant_id=tenant.id, now=NOON)
        body = sink.letters[-1].mail.get_body(("html",))
        assert body is not None
        assert words in body.get_content()
