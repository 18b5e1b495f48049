"""What a bounce says: that a letter did not arrive, for good or for now, or because of what we are.

Status codes (RFC 3463) are believed first, those in the words of the server that refused before those of whoever tells
of it; where there is none that says anything, the words are. What nobody can make sense of is `soft`: an address is not
ended by a riddle.
"""

import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser

from flufl.bounce import all_failures

from app.messaging.feedback import Bounce
from app.messaging.inbound.bounce_words import COPY, MACHINES, NO_SUCH_DOMAIN, SUBJECTS, TEMPORARY, WORDS
from app.messaging.inbound.reading import Mail, content

log = logging.getLogger(__name__)
# It tells of each shape it tries.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Told:
    """What a bounce tells: `bounce` is None where the letter has arrived, or may yet (`arrived` says which)."""

    bounce: Bounce | None
    reason: str
    arrived: bool = False


_CODE = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_REPLY = re.compile(r"(?<![\d.])([45])[0-5]\d(?=[ \-#])")
_SUBJECT = re.compile(r"^[^\w\n]{0,40}subject:.*$", re.IGNORECASE | re.MULTILINE)

HARD = frozenset(((1, 1), (1, 2), (1, 3), (1, 6), (1, 10), (2, 1)))
BLOCKED = frozenset(((1, 7), (1, 8), (2, 3), (3, 4), (4, 3), (5, 1), (5, 2), (5, 3), (5, 4), (5, 5), (5, 6)))
# These say nothing of what is the matter.
VAGUE = frozenset(((0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)))


def told_by_status(mail: Mail) -> Told | None:
    """Return what a report on delivery (RFC 3464) tells of the letter, or None where the mail is none."""
    groups = [group for part in mail.parts() if _is_status(part) for group in _groups(part)]
    told = [_of_group(group) for group in groups if group.get("action") or group.get("status")]
    if not told:
        return None
    failed = next((one for one in told if one.bounce), None)
    if failed is None:
        return next((one for one in told if one.arrived), told[0])
    if failed.reason:
        return failed
    words = _words(mail)
    return Told(classify("", words) if failed.bounce is Bounce.SOFT else failed.bounce, _first_line(words))


def told_by_words(mail: Mail) -> Told | None:
    """Return what a bounce of another shape tells, or None where nobody would take the mail for one."""
    temporary, permanent = _known_shapes(mail)
    if permanent or temporary:
        words = _words(mail)
        if not permanent:
            # Of what is tried again only the last word counts.
            return Told(None, _first_line(words))
        return Told(classify("", words), _first_line(words))
    if is_of_a_machine(mail) and SUBJECTS.search(mail.header("Subject")):
        words = _words(mail)
        if TEMPORARY.search(mail.header("Subject")):
            return Told(None, _first_line(words))
        return Told(classify("", words), _first_line(words))
    return None


def _known_shapes(mail: Mail) -> tuple[Collection[bytes], Collection[bytes]]:
    """Return whose letters failed for now and for good, as flufl.bounce reads the many shapes it knows."""
    try:
        return all_failures(mail.message)
    except Exception as error:
        # It stumbles over mails that lack what every honest one has; those are of no shape it knows.
        log.info("flufl.bounce can't read a mail: %r", error)
        return (), ()


def is_of_a_machine(mail: Mail) -> bool:
    """Return whether a mail system wrote the mail, and nobody is behind it."""
    return mail.header("Return-Path").strip() == "<>" or MACHINES.search(mail.header("From")) is not None


def classify(status: str, words: str) -> Bounce:
    """Return of which kind a failure is by its status code, if it has one, and the words of the server that refused."""
    words = words.lower()
    codes = [tuple(map(int, code.groups())) for code in _CODE.finditer(f"{words} {status}")]
    for family, subject, detail in codes:
        if found := _by_code(family, (subject, detail), words):
            return found
    reply = _REPLY.search(words)
    temporary = reply[1] == "4" if reply else any(family == 4 for family, _, _ in codes)
    for bounce, pattern in WORDS:
        if pattern.search(words):
            return Bounce.SOFT if temporary and bounce is Bounce.HARD else bounce
    return Bounce.SOFT


def _by_code(family: int, code: tuple[int, int], words: str) -> Bounce | None:
    if family == 2 or code in VAGUE:
        return None
    if code[0] in (6, 7) or code in BLOCKED:
        return Bounce.BLOCKED
    if code == (4, 4):
        # A name that was looked up: there is none, or nobody knows.
        return Bounce.SOFT if family == 5 and NO_SUCH_DOMAIN.search(words) else Bounce.BLOCKED
    return Bounce.HARD if family == 5 and code in HARD else Bounce.SOFT


def _is_status(part: Message) -> bool:
    return part.get_content_type() in ("message/delivery-status", "message/global-delivery-status")


def _groups(part: Message) -> list[Message]:
    """Return the blocks of headers of a status part, also of one whose sender encoded it."""
    inner = part.get_payload()
    if isinstance(inner, list) and len(inner) > 1:
        return [one for one in inner if isinstance(one, Message)]
    words = content(part) if isinstance(inner, str) else "\n\n".join(str(one) for one in inner or ())
    return [
        Parser().parsestr(block, headersonly=True) for block in re.split(r"\r?\n\r?\n", words)[:50] if block.strip()
    ]


def _of_group(group: Message) -> Told:
    action = str(group.get("action", "")).strip().lower()
    status = str(group.get("status", ""))[:200]
    said = re.sub(r"\s+", " ", str(group.get("diagnostic-code", "")))[:1000]
    reason = re.sub(r"^[\w-]{1,20}\s?;\s?", "", said).strip() or status.strip()
    if action.startswith("delay"):
        return Told(None, reason)
    if action.startswith(("deliver", "relay", "expand")):
        # Handed to a system that tells no more is not arrived.
        return Told(None, reason, arrived=action.startswith("deliver"))
    if not action and status.strip().startswith("2"):
        return Told(None, reason, arrived=True)
    return Told(classify(status, said), reason)


def _words(mail: Mail) -> str:
    words = mail.text()
    copy = COPY.search(words, 1)
    # The subject is ours too.
    return _SUBJECT.sub("", words[: copy.start()] if copy else words)[:8_000]


def _first_line(words: str) -> str:
    """Return the line that says why, or the first that says anything."""
    lines = [line.strip() for line in words.splitlines() if line.strip(" -*>~=_\t")]
    telling = next((line for line in lines if _CODE.search(line) or _REPLY.search(line)), None)
    if telling is None:
        telling = next((line for line in lines if any(one.search(line.lower()) for _, one in WORDS)), None)
    return telling or (lines[0] if lines else "")
