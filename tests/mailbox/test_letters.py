"""Mails taken apart, the broken ones too."""

from app.mailbox import letters

WHOLE = b"""\
From: =?utf-8?q?Caf=C3=A9?= <club@example.com>\r
To: ann@example.com\r
Subject: =?utf-8?b?V2VsY29tZSDwn4+M?=\r
 folded\r
X-Raw: \xc3\xa9t\xc3\xa9\r
Message-ID: <1@example.com>\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=a\r
\r
--a\r
Content-Type: multipart/alternative; boundary=b\r
\r
--b\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: quoted-printable\r
\r
Good day =C3=A9\r
--b\r
Content-Type: text/html; charset=nonsense\r
\r
<p>Good day</p>\r
--b--\r
--a\r
Content-Type: text/plain\r
Content-Disposition: attachment; filename=note.txt\r
\r
12345\r
--a--\r
"""


def test_a_mail_is_taken_apart() -> None:
    letter = letters.read(WHOLE)
    assert letter.text is not None
    assert letter.text.strip() == "Good day é"
    assert letter.html is not None
    assert letter.html.strip() == "<p>Good day</p>"
    assert letter.attachments == [letters.Attachment("note.txt", "text/plain", 5)]
    headers = dict(letter.headers)
    assert headers["From"] == "Café <club@example.com>"
    assert headers["Subject"] == "Welcome 🏌 folded"
    assert headers["X-Raw"] == "été"
    assert letter.source == WHOLE.decode()


def test_headers_are_read_without_the_body() -> None:
    found = letters.read_headers(WHOLE, ("Subject", "From", "Message-ID", "X-None"))
    assert found["Subject"] == "Welcome 🏌 folded"
    assert letters.address(found["From"]) == "club@example.com"
    assert found["Message-ID"] == "<1@example.com>"
    assert "X-None" not in found
    assert letters.read_headers(b"Subject: a\r\n\r\nFrom: body@example.com", ("From",)) == {}


def test_broken_mails_come_out_as_far_as_they_can_be_read() -> None:
    for source in (
        b"",
        b"\r\n\r\n",
        b"no header at all",
        b"Subject: \x00 nul\r\n\r\n\xff\xfe\x00",
        b"Subject: =?utf-8?b?!!!?= =?what?q?x?=\r\nFrom: <<>>@\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/html; charset=\xff\r\n\r\nx",
        b"Content-Disposition: attachment; filename*=bad''%ff\"\r\nContent-Type: /;;\r\n\r\nx",
    ):
        letter = letters.read(source)
        found = letters.read_headers(source, ("Subject", "From"))
        for text in (*found.values(), *(value for pair in letter.headers for value in pair)):
            assert "\x00" not in text
            text.encode()
