"""Programs that follow every link of a mail before its reader does: nothing they fetch says anything for the reader."""

import html
import re
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import text

from app.content import service as content
from app.customers import topics
from app.customers.consents import Proof, State, Word
from app.infra.db import transaction
from app.messaging import double_opt_in
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.sink import Sink

READERS = 10
# What a reader said, where they are reached, and what is sent to them; not the log of opened links, which is to change.
SAID = ("customer", "consent", "consent_change", "contact_point", "suppression", "topic")
AGENTS = ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/605", "Barracuda Sentinel (EE)", "")
LINK = re.compile(r"""http://localhost(/[^\s"'<>)]+)""")


def said(tenant: Any) -> list[Any]:
    with transaction(tenant.id) as session:
        return [session.execute(text(f"SELECT * FROM {table} ORDER BY id")).all() for table in SAID]


def paths_of(words: str) -> set[str]:
    return set(LINK.findall(html.unescape(words)))


def test_who_fetches_every_link_of_every_mail_changes_nothing(
    app: Flask, mailer: Mailer, customer: MakeCustomer, sink: Sink, tenant: Any
) -> None:
    template = content.create(
        tenant_id=tenant.id,
        name="Links",
        subject="Links",
        html='<p><a href="https://club.example/a">a</a> <a href="https://club.example/b">b</a>'
        '<a href="{{ unsubscribe_url }}">out</a> <a href="{{ preferences_url }}">choose</a></p>',
        text="{{ unsubscribe_url }} {{ preferences_url }}",
    ).id
    mailer.put(*(customer() for _ in range(READERS)), template_id=template)
    news = topics.create(tenant_id=tenant.id, name="News", double_opt_in=True, actor="system").id
    asked = customer(email_opt_in=None)
    double_opt_in.record(
        tenant_id=tenant.id,
        customer_id=asked,
        words=[Word("EMAIL", State.SUBSCRIBED, news)],
        proof=Proof("staff", "desk"),
        now=NOON,
    )
    # The event of what was asked is not applied here; nobody waits for it longer than this.
    mailer.send(timedelta(minutes=1))
    assert len(sink.letters) == READERS + 1
    before = said(tenant)
    found: set[str] = set()
    for letter in sink.letters:
        mail = letter.mail
        parts = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
        found |= paths_of("\n".join([*parts, str(mail["List-Unsubscribe"] or "")]))
    kinds = {path.split("/")[1] for path in found}
    assert {"t", "u", "p"} <= kinds
    assert len(found) >= READERS * 5
    http = app.test_client()
    # And what the pages behind them lead to.
    for path in sorted(found):
        for agent in AGENTS:
            for method in ("GET", "HEAD", "OPTIONS"):
                answer = http.open(path, method=method, headers={"User-Agent": agent})
                assert answer.status_code < 500
                if method == "GET" and answer.mimetype == "text/html":
                    further = paths_of(answer.text.replace('href="/', 'href="http://localhost/'))
                    for link in (one for one in further - found if not one.startswith("/static")):
                        assert http.get(link, headers={"User-Agent": agent}).status_code < 500
    assert said(tenant) == before
    # The button of the mail program does, without a cookie, and again says the same.
    [out] = paths_of(str(sink.to(sink.letters[0].recipient)[0].mail["List-Unsubscribe"]))
    for _ in range(2):
        assert app.test_client().post(out, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert said(tenant) != before
