"""Whether a person answered a letter, and what; what programs send by themselves (RFC 3834) is no answer."""

import re

from app.messaging.inbound.reading import Mail

MOST = 2_000

_AUTO_HEADERS = (
    "X-Autoreply",
    "X-Autorespond",
    "X-AutoReply-From",
    "X-Autoresponse",
    "X-Mail-Autoreply",
    "X-Vacation",
    "X-FC-MachineGenerated",
    "X-MS-Exchange-Generated-Message-Source",
    "X-Ebay-Mailtracker",
    "List-Id",
    "List-Unsubscribe",
    "Feedback-ID",
)
_PRECEDENCE = ("bulk", "junk", "list", "auto_reply", "auto-reply")
_SUBJECT = re.compile(
    r"^\s*\W{0,3}(?:auto(?:mat\w{0,8})?[- ]?(?:reply|response|respond|antwort|generated|svar)|auto: "
    r"|automati\w{1,9} antwoord|out of (?:the )?office|ooo\b|away from (?:the |my )?(?:office|mail)"
    r"|(?:i am|i'm) (?:currently )?(?:away|out)\b|(?:on )?(?:annual |parental |maternity )?(?:leave|vacation|holiday) "
    r"(?:notice|notification|message|reply)|vacation|abwesen|abwezig|afwezig|r[ée]ponse automatique|absence|absen[tc]"
    r"|respuesta autom|fuera de (?:la )?oficina|resposta autom|risposta automatica|fuori sede|buiten kantoor|poissa"
    r"|frånvaro|fravær)",
    re.IGNORECASE,
)
_NOBODY = re.compile(
    r"\b(?:no-?reply|do-?not-?reply|donotreply|notifications?|autoresponder|auto-?reply)@", re.IGNORECASE
)
_REPORTS = ("multipart/report", "text/calendar", "message/disposition-notification")

_QUOTED = re.compile(
    r"^(?:-{2,} ?original[^\n]{0,40}|_{10,}|-{5,}[^\n]{0,60}|"
    r"(?:on|am|le|el|op|il|em|den)\b[^\n]{3,200}(?:\n[^\n]{0,120}){0,2}?(?:wrote|schrieb|écrit|escribió|schreef|scritto"
    r"|escreveu|skrev)[^\n]{0,20}:|"
    r"(?:from|von|de|van|da|från|fra): [^\n]{1,200}\n(?:sent|date|to|gesendet|envoyé|enviado|verzonden|inviato|skickat)"
    r"\b[^\n]*|"
    r"(?:sent|get|gesendet|envoyé|enviado) (?:from|outlook|von|de|desde)\b[^\n]{0,60}|-- ?$)",
    re.IGNORECASE | re.MULTILINE,
)


def is_automatic(mail: Mail) -> bool:
    """Return whether a program sent the mail by itself: out of the office, a receipt, a list, a notice."""
    submitted = mail.header("Auto-Submitted").split(";")[0].strip().lower()
    if submitted and submitted != "no":
        return True
    if any(mail.headers(*_AUTO_HEADERS)):
        return True
    if mail.header("Precedence").strip().lower() in _PRECEDENCE:
        return True
    if mail.header("X-POST-MessageClass").startswith("9") or "autoresponder" in mail.header("Delivered-To").lower():
        return True
    if mail.header("X-Auto-Response-Suppress").lower() == "all":
        return True
    if mail.header("Return-Path").strip() == "<>" or mail.kind.startswith(_REPORTS):
        return True
    return _SUBJECT.search(mail.header("Subject")) is not None or _NOBODY.search(mail.header("From")) is not None


def answer(mail: Mail) -> str:
    """Return what its writer wrote, without what they quote and how they sign; the subject where they wrote nothing."""
    words = mail.text().replace("\r\n", "\n").replace("\r", "\n").strip()
    quoted = _QUOTED.search(words)
    own = words[: quoted.start()] if quoted else words
    lines = [line for line in own.splitlines() if not line.lstrip().startswith(">")]
    return "\n".join(lines).strip()[:MOST] or mail.header("Subject")
