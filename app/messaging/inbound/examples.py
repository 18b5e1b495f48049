"""What readers and their mail systems send back, made up: so that bounces and replies can be seen on a machine whose
mails leave it for nobody."""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from enum import StrEnum

MOST_WORDS = 2_000


class Answer(StrEnum):
    """What somebody's answer to a mail is."""

    HARD = "hard"
    FULL = "full"
    SPAM = "spam"
    AWAY = "away"
    REPLY = "reply"


ANSWER_WORDS = {
    Answer.HARD: "Nobody is there",
    Answer.FULL: "Mailbox is full",
    Answer.SPAM: "This is spam",
    Answer.AWAY: "Out of office",
    Answer.REPLY: "Reply",
}
"""The answers in words."""
_REFUSALS = {Answer.HARD: ("5.1.1", "550 5.1.1 User unknown"), Answer.FULL: ("4.2.2", "452 4.2.2 Mailbox full")}


def answer(what: Answer, *, reader: str, return_path: str, reply_to: str, subject: str, words: str = "") -> bytes:
    """Return a mail such as would come back from `reader` on one with this return path and address for replies.

    `words` is what the reader writes.
    """
    mail = EmailMessage()
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = make_msgid(domain="reader.example")
    if what in (Answer.HARD, Answer.FULL):
        return _bounce(mail, what, reader, return_path)
    if what is Answer.SPAM:
        return _complaint(mail, reader, return_path)
    mail["From"], mail["To"] = reader, return_path if what is Answer.AWAY else reply_to
    mail["Subject"] = f"{'Automatic reply' if what is Answer.AWAY else 'Re'}: {' '.join(subject.split())}"[:200]
    if what is Answer.AWAY:
        mail["Auto-Submitted"] = "auto-replied"
    mail.set_content(words[:MOST_WORDS] or "I am away until Monday.")
    return mail.as_bytes()


def _bounce(mail: EmailMessage, what: Answer, reader: str, return_path: str) -> bytes:
    status, said = _REFUSALS[what]
    mail["Return-Path"] = "<>"
    mail["From"], mail["To"] = "MAILER-DAEMON@reader.example", return_path
    mail["Subject"] = "Undelivered Mail Returned to Sender"
    report = (
        f"Reporting-MTA: dns; mx.reader.example\r\n\r\nFinal-Recipient: rfc822; {reader}\r\nAction: failed\r\n"
        f"Status: {status}\r\nDiagnostic-Code: smtp; {said}\r\n"
    )
    return _report(mail, "delivery-status", f"Your mail to {reader} could not be delivered: {said}", report)


def _complaint(mail: EmailMessage, reader: str, return_path: str) -> bytes:
    mail["From"], mail["To"], mail["Subject"] = "feedback@reader.example", return_path, "Complaint"
    report = f"Feedback-Type: abuse\r\nUser-Agent: Example/1\r\nVersion: 1\r\nOriginal-Mail-From: <{return_path}>\r\n"
    return _report(mail, "feedback-report", f"{reader} marked this mail as spam.", report)


def _report(mail: EmailMessage, kind: str, words: str, report: str) -> bytes:
    """Return a multipart/report (RFC 6522) of two parts; the library makes none of its own."""
    head = mail.as_bytes().split(b"\n\n")[0].replace(b"\n", b"\r\n").strip()
    mark = "=_example"
    body = (
        f'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={kind}; boundary="{mark}"\r\n\r\n'
        f"--{mark}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{words}\r\n"
        f"--{mark}\r\nContent-Type: message/{kind}\r\n\r\n{report}\r\n--{mark}--\r\n"
    )
    return head + b"\r\n" + body.encode("ascii", "replace")
