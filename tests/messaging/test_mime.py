"""Letters on the wire, read back with the standard library: no header can be slipped in, every body arrives whole."""

import random
import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.messaging.mime import HeaderProblem, Mail, build, clean_address, mailbox, stuff_dots

BOUNDARY = UUID(int=5)
NAMES = ["Message-ID", "Date", "From", "To", "Subject", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"]


def mail(**changes: Any) -> Mail:
    fields: dict[str, Any] = {
        "message_id": "1.2@club.example",
        "date": "Fri, 20 Nov 2026 12:00:00 +0000",
        "from_name": "Two Oceans Golf",
        "from_address": "no-reply@club.example",
        "to_address": "ann@example.com",
        "subject": "Welcome",
        "text": "Hello\n",
        "html": None,
        "boundary": BOUNDARY,
    }
    return Mail(**(fields | changes))


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.SMTP)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects, part.defects
    return message


def check_wire(raw: bytes) -> None:
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=300)


@given(TEXT, TEXT)
def test_every_body_arrives_as_it_was_written(text: str, html: str) -> None:
    raw = build(mail(text=text, html=html))
    check_wire(raw)
    message = read(raw)
    assert message.get_content_type() == "multipart/alternative"
    plain, rich = message.iter_parts()
    assert (plain.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html")
    for part, wanted in ((plain, text), (rich, html)):
        got = part.get_payload(decode=True).decode("utf-8")  # type: ignore[union-attr]
        wanted = re.sub("\r\n|\r|\n", "\r\n", wanted)
        assert got.rstrip("\r\n") == wanted.rstrip("\r\n")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=200))
def test_every_subject_and_name_arrives_as_it_was_written(words: str) -> None:
    raw = build(mail(subject=words, from_name=words))
    check_wire(raw)
    message = read(raw)
    assert list(message.keys()) == NAMES
    decoded = "".join(str(message["Subject"]).split())
    assert decoded == "".join(words.split())
    [sender] = message["From"].addresses
    assert sender.addr_spec == "no-reply@club.example"


@pytest.mark.parametrize(
    "text", ["x" * 5_000, "ü" * 3_000, "a\n" * 4_000 + "b" * 2_000, "Zoë " * 700, "\u4f60\u597d" * 900]
)
def test_long_lines_are_folded(text: str) -> None:
    raw = build(mail(text=text, html=f"<p>{text}</p>"))
    check_wire(raw)
    assert max(map(len, raw.split(b"\r\n"))) <= 990
    assert read(raw).get_body(("plain",)).get_content().strip() == text.replace("\n", "\r\n").strip()  # type: ignore[union-attr]


BREAKS = ["\r\nBcc: x@evil.example", "\nBcc: x", "\rBcc: x", "\x00", "\r\n\r\nbody", "\x0b\x0c", "\x1f", "\x7f"]


@pytest.mark.parametrize("bad", BREAKS)
def test_a_line_break_in_a_header_is_refused(bad: str) -> None:
    for change in (
        {"subject": f"Hi{bad}"},
        {"from_name": f"Hi{bad}"},
        {"to_address": f"ann@example.com{bad}x"},
        {"from_address": f"no-reply@club.example{bad}x"},
        {"message_id": f"1{bad}"},
        {"date": f"Fri{bad}"},
        {"headers": [("X-Tenant", f"1{bad}")]},
        {"headers": [(f"X{bad}", "1")]},
    ):
        with pytest.raises(HeaderProblem):
            build(mail(**change))


@pytest.mark.parametrize(("length", "goes"), [(895, True), (985, True), (986, False)])
def test_a_header_of_ours_is_as_long_as_a_line_may_be(length: int, goes: bool) -> None:
    letter = mail(headers=[("X-A", "x" * length), ("X-100%", "5 %s")])
    if goes:
        message = read(build(letter))
        assert (message["X-A"], message["X-100%"]) == ("x" * length, "5 %s")
    else:
        with pytest.raises(HeaderProblem, match="too long"):
            build(letter)


def test_an_encoded_word_in_a_value_stays_the_text_it_is() -> None:
    sly = "=?utf-8?q?a=0d=0aBcc:_x@evil.example?="
    message = read(build(mail(subject=sly, from_name=sly)))
    assert message["Subject"] == sly
    assert message["Bcc"] is None
    assert list(message.keys()) == NAMES


@pytest.mark.parametrize("subject", ["x" * 3_000, "Zoë " * 400, "🏌️" * 300, "a" * 66, "a" * 67, "a" * 68, "word " * 30])
def test_long_subjects_are_folded_between_letters(subject: str) -> None:
    raw = build(mail(subject=subject))
    check_wire(raw)
    assert max(map(len, raw.split(b"\r\n\r\n")[0].split(b"\r\n"))) <= 78
    assert "".join(str(read(raw)["Subject"]).split()) == "".join(subject.split())


@pytest.mark.parametrize(
    ("address", "cleaned"),
    [
        ("ann@example.com", "ann@example.com"),
        (" Ann.O'Neil+x@Example.COM ", "Ann.O'Neil+x@Example.COM"),
        ("ann@münchen.example", "ann@xn--mnchen-3ya.example"),
        ("ann@localhost", "ann@localhost"),
        ("zoë@example.com", None),
        ("ann", None),
        ("@example.com", None),
        ("ann@", None),
        ("ann@exa mple.com", None),
        ("a..b@example.com", None),
        ('"a b"@example.com', None),
        ("ann@[127.0.0.1]", None),
        ("ann@-x.example", None),
        ("ann@example.com>\r\nRCPT TO:<x@evil.example", None),
        ("a>b@example.com", None),
        ("a" * 65 + "@example.com", None),
        ("a@" + "b." * 130 + "com", None),
        ("a@b@example.com", None),
    ],
)
def test_addresses_that_can_stand_on_an_envelope(address: str, cleaned: str | None) -> None:
    assert clean_address(address) == cleaned


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "a@b.example"),
        ("Two Oceans Golf", "Two Oceans Golf <a@b.example>"),
        ('Bob "the Golfer", Inc.', '"Bob \\"the Golfer\\", Inc." <a@b.example>'),
        ("a\\b.", '"a\\\\b." <a@b.example>'),
        ("x <evil@evil.example>", '"x <evil@evil.example>" <a@b.example>'),
        ("Zoë", "=?utf-8?B?Wm/Dqw==?= <a@b.example>"),
    ],
)
def test_names_are_quoted_or_encoded(name: str, written: str) -> None:
    assert mailbox(name, "a@b.example") == written


def test_leading_dots_are_doubled_and_the_end_is_a_line() -> None:
    assert stuff_dots(b".a\r\n..b\r\n.\r\nc.d") == b"..a\r\n...b\r\n..\r\nc.d\r\n"
    lines = [random.Random(7).choice(["", ".", "..", "a", ".a"]) for _ in range(200)]
    raw = "\r\n".join(lines).encode() + b"\r\n"
    assert re.sub(rb"(?m)^\.", b"", stuff_dots(raw)) == raw
