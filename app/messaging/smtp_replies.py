"""What an SMTP server's answers mean: a line of one, and what becomes of the letter it answers."""

import re
from functools import lru_cache

from app.messaging.channel import Outcome, Result

RESPONSE_LENGTH = 500
_NO_SUCH_MAILBOX = re.compile(r"\b5\.1\.(?:1|2|3|6|10)\b")
_ENHANCED = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
_GREYLISTED = re.compile(r"gr[ea]y-?\s?list", re.IGNORECASE)
_TOO_MUCH = re.compile(
    r"too (?:many|much|fast)|\brate\b|throttl|slow(?:ed)? down|temporarily deferred|limit (?:exceeded|reached)",
    re.IGNORECASE,
)
_NO_SUCH_WORDS = re.compile(r"no such|unknown|does not exist|doesn't exist", re.IGNORECASE)


# Most answers to a batch are the same few.
@lru_cache(maxsize=100)
def read_line(line: bytes) -> tuple[int | None, str, bool]:
    """Return the code of a line of an answer, if it has one, its words, and whether more lines follow."""
    code = line[:3]
    words = line[4:].rstrip(b"\r").decode("utf-8", "replace")
    return int(code) if code.isdigit() else None, words, line[3:4] == b"-"


def outcome_of(code: int, text: str, *, refused_recipient: bool = False) -> Outcome:
    """Return what an answer to a letter, or to its envelope, says of it; `refused_recipient`: it was to its reader."""
    response = (f"{code} {text}".replace("\n", " ") if "\n" in text else f"{code} {text}")[:RESPONSE_LENGTH]
    result = Result.SENT if code < 400 else Result.RETRY if code < 500 else Result.FAILED
    dead = result is Result.FAILED and refused_recipient and _means_no_such_mailbox(code, response)
    slow = result is Result.RETRY and _asks_for_less(code, response)
    return Outcome(result, response, code, refused_recipient, dead_address=dead, slow=slow)


def _asks_for_less(code: int, response: str) -> bool:
    """Return whether a temporary no is to how much we send, or to all of it, and not to one letter or mailbox.

    Greylisting is not: who is new to it is told to come back once, and what was told so before goes through.
    """
    if _GREYLISTED.search(response):
        return False
    status = _ENHANCED.search(response)
    if status is None:
        return code == 421 or bool(_TOO_MUCH.search(response))
    # Addresses, mailboxes and what is in the letter; what the server itself is about (4.3) is told by its words.
    if status[0].startswith(("4.1.", "4.2.", "4.6.")):
        return False
    return status[0].startswith("4.7.") or bool(_TOO_MUCH.search(response))


def _means_no_such_mailbox(code: int, response: str) -> bool:
    """Return whether a refusal says the address does not exist; policy and full mailboxes say other things."""
    if _ENHANCED.search(response):
        return bool(_NO_SUCH_MAILBOX.search(response))
    return code == 550 and bool(_NO_SUCH_WORDS.search(response))
