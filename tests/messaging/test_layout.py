"""A letter filled in between what all its readers get is the letter that is made for one of them alone."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.content.letters import LetterSource, compile_letter, render_letter
from app.content.quick import Filled
from app.infra.config import load
from app.messaging import layout
from app.messaging.channel import Outgoing
from app.messaging.channels.email_smtp import envelope_of
from app.messaging.links import tracked
from app.messaging.mime import QUOTED, SEVEN_BIT, Encoded, encoded

TENANT, MESSAGE = UUID(int=7), UUID(int=8)
TAG = "{{ customer.first_name | default: 'friend' }}"
LINK = '<a href="https://club.example/book?a=1&amp;b=2">book</a>'
BODIES = [
    f"<html><body><p>Dear {TAG},</p>\n<p>{LINK}</p></body></html>",
    f"<p>{TAG}{TAG}</p>{LINK}{LINK}",
    f'<p><a class="x" title="{TAG}" href="https://club.example/{TAG}/x">{TAG}</a> {TAG}\r\n.\r\n..two</p></BODY >',
    "<a href='{{ customer.link }}'>x</a><a href=\"{{ customer.link }}\">y</a>\n\n",
    '<a href="{{ unsubscribe_url }}">out</a> <a href="{{ preferences_url }}">choose</a>' + LINK,
    f"<p>Grüße, {TAG} ⛳</p>{LINK}<p>{'wide ' * 300}</p>",
    f"<p>{'long words ' * 200}</p>{TAG}{LINK}",
    f"<p>Καλημέρα σας, {TAG}, καλώς ήρθατε στη λέσχη γκολφ</p>{LINK}",
    f"<!-- {TAG} --><a href=https://club.example/{TAG}>x</a>",
    f"<a {TAG}>x</a><a {TAG} href='https://club.example/'>y</a>",
    f'<a title=\'{TAG} href="https://club.example">never closed {TAG}',
    f"<AREA HREF='HTTPS://club.example/UP'>{TAG}<a href='mailto:a@club.example'>m</a><a href=''>e</a>",
    f".{TAG}\n.\n{TAG}.\n",
    "nothing to fill in",
]
WORDS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        ["", "Ann", "Zoë", ".", "..", " ", "=", "a=b", "<a href='http://x.example'>", "x" * 299, "y" * 900]
    ),
    st.sampled_from(
        ["y" * 900, '" href="http://evil.example', "' x='", "a\r\nb", "\x00", "https://club.example/?q=ä b", "&amp;"]
    ),
)


def values(first_name: str, link: str, **more: Any) -> dict[str, Any]:
    return {
        "customer": {"first_name": first_name, "link": link},
        "club": {"name": "O'Shea & Sons"},
        "tenant": {"name": "Club"},
        **more,
    }


def decoded(part: Encoded) -> str:
    raw = (
        b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: "
        + part.how.encode()
        + b"\r\n\r\n"
        + part.body
    )
    message = message_from_bytes(raw, policy=policy.SMTP)
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert not message.defects
    return payload.decode().replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


@given(st.sampled_from(BODIES), WORDS, WORDS, st.booleans(), st.booleans())
def test_both_ways_make_the_same_letter(html: str, name: str, link: str, follow: bool, choose: bool) -> None:
    more = {"unsubscribe_url": f"{load().public_url}/u/abc"} if follow else {}
    more |= {"preferences_url": f"{load().public_url}/p/abc?a=1&b=2"} if choose else {}
    letter = render_letter(compile_letter(LetterSource("Hello", html, None)), values(name, link, **more))
    assert isinstance(letter.body, Filled)
    short = layout.encoded_html(letter.body, TENANT, MESSAGE, tracked=follow)
    whole = letter.html or ""
    long = encoded(tracked(whole, TENANT, MESSAGE) if follow else whole)
    if short is None:
        return
    assert decoded(short) == decoded(long)
    assert short.body.isascii()
    assert short.body.endswith(b"\r\n")
    assert b"\n" not in short.body.replace(b"\r\n", b"")
    assert max(map(len, short.body.split(b"\r\n"))) <= (76 if short.how == QUOTED else 990)


@pytest.mark.parametrize("html", BODIES[:7])
def test_ordinary_letters_take_the_short_way(html: str) -> None:
    for name in ("Ann", "Zoë"):
        more = {"unsubscribe_url": f"{load().public_url}/u/abc"}
        given = values(name, "https://club.example/a", **more)
        letter = render_letter(compile_letter(LetterSource("Hello", html, None)), given)
        assert isinstance(letter.body, Filled)
        made = layout.encoded_html(letter.body, TENANT, MESSAGE, tracked=True)
        assert made is not None
        needs_more = html not in BODIES[:5] or (name == "Zoë" and TAG in html)
        assert made.how == (QUOTED if needs_more else SEVEN_BIT)


@pytest.mark.parametrize("html", BODIES[8:11])
def test_markup_that_words_could_change_is_read_for_each_reader(html: str) -> None:
    letter = render_letter(compile_letter(LetterSource("Hello", html, None)), values("Ann", ""))
    assert isinstance(letter.body, Filled)
    assert layout.encoded_html(letter.body, TENANT, MESSAGE, tracked=True) is None


HOSTILE = [
    "\r\nBcc: victim@example.com",
    "\nBcc: victim@example.com",
    "\rBcc: victim@example.com",
    "x\r\n\r\n.\r\nMAIL FROM:<a@example.com>\r\n",
    "=?utf-8?q?=0D=0ABcc:_victim@example.com?=",
    "\x00\r\n.\r\n",
    "\u2028Bcc: victim@example.com",
    "\x85Bcc: victim@example.com",
    "\x0b\x0cBcc: x",
    "a" * 5_000,
    "ü" * 2_000,
    "日本" * 600 + "\r\nBcc: x",
    "\ud800",
    '"><img src=x onerror=alert(1)>',
    "a@example.com>, <victim@example.com",
    ".",
]
EVERYWHERE = LetterSource(
    "{{ customer.first_name }} {{ event.note }} {{ customer.link }}",
    '<html><body>\n{{ event.note }}\n<a href="https://club.example/{{ customer.link }}">{{ customer.first_name }}</a>'
    "</body></html>",
    "{{ customer.first_name }}\n{{ event.note }}\n{{ customer.link }}",
    preheader="{{ event.note }}",
)


@pytest.mark.parametrize("words", HOSTILE)
@pytest.mark.parametrize("field", ["first_name", "link", "note", "club", "tenant"])
def test_no_merge_field_can_end_a_header_or_the_letter(words: str, field: str) -> None:
    given = values(words if field == "first_name" else "Ann", words if field == "link" else "x")
    given["event"] = {"note": words if field == "note" else "n"}
    given["club"] = {"name": words if field == "club" else "Club"}
    out = f"{load().public_url}/u/abc"
    letter = render_letter(compile_letter(EVERYWHERE), given | {"unsubscribe_url": out})
    outgoing = Outgoing(
        tenant_id=TENANT,
        tenant_name="Club" if field != "tenant" else words.replace("\r", " ").replace("\n", " "),
        message_id=MESSAGE,
        address="ann@example.com",
        marketing=True,
        letter=letter,
        unsubscribe_url=out,
    )
    if field == "tenant" and any(ord(one) < 32 for one in outgoing.tenant_name):
        with pytest.raises(ValueError, match="control character"):
            envelope_of(outgoing, load(), "Fri, 20 Nov 2026 12:00:00 +0000", 0)
        return
    sent = envelope_of(outgoing, load(), "Fri, 20 Nov 2026 12:00:00 +0000", 0)
    assert b"\r\n.\r\n" not in sent.body
    assert sent.body.isascii()
    assert max(map(len, sent.body.split(b"\r\n"))) <= 998
    message = message_from_bytes(sent.body.replace(b"\r\n..", b"\r\n."), policy=policy.SMTP)
    assert isinstance(message, EmailMessage)
    wanted = ["Message-ID", "Date", "From", "To", "Subject", "MIME-Version", "X-Fairway-Tenant", "List-Unsubscribe"]
    assert list(message.keys()) == [*wanted, "List-Unsubscribe-Post", "List-Id", "Content-Type"]
    assert [one.addr_spec for one in message["To"].addresses] == ["ann@example.com"]
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert not any(part.defects for part in message.walk())
