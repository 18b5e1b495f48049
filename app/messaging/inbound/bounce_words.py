"""How servers say in words that a letter did not arrive, and how such mails are known."""

import re

from app.messaging.feedback import Bounce


def _any(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE | re.MULTILINE)


_NAME = r"(?:user|recipient|mailbox|address|account|person|destination|addressee)\b"
_GONE = r"(?:disabled|suspended|deactivated|closed)"

# In this order: a refusal for spam that mentions the recipient is one for spam.
WORDS = (
    (
        Bounce.BLOCKED,
        _any(
            "spam|unsolicited|bulk mail|black ?list|block ?list",
            r"\bblocked\b|\brbl\b|dnsbl|spamhaus|barracuda|reputation|banned|prohibited|listed (?:at|by|on)\b",
            r"\bpolicy\b|\bspf\b|\bdkim\b|\bdmarc\b|reverse dns",
            "not accepting (?:e?-?mail|messages) from|unauthenticated|not authenticated",
            "authentication (?:is )?required|access denied|not authori[sz]ed",
            "relay(?:ing)? (?:access )?denied|(?:unable to|not permitted to|cannot|can't|not) relay",
            "sender (?:address )?(?:rejected|denied|verify failed|blocked)",
            "message (?:content )?(?:rejected|refused|size)|content (?:rejected|filter)|virus|malware",
            "too (?:large|big)|size (?:limit|exceeds)|rate limit|too many (?!hops)|throttl",
            "name (?:service|server) error|dns (?:error|failure|lookup)",
        ),
    ),
    (
        Bounce.SOFT,
        _any(
            r"\bfull\b|quota|out of space|insufficient (?:disk|storage|system)|exceed\w{0,9} (?:storage|the maximum)",
            "temporar|try (?:again|later)|timed? ?out|time-out|gr[ea]ylist|deferred|delayed|on vacation",
            "connection (?:refused|reset|lost|failed)|not respond|could not connect|unreachable",
            "(?:server|host|site) (?:busy|down|unavailable|could not be reached)",
            "mail loop|too many hops|still being retried",
        ),
    ),
    (
        Bounce.HARD,
        _any(
            f"{_NAME} (?:name )?(?:is )?(?:unknown|invalid|not (?:found|known|valid|recogni[sz]ed)|unavailable)",
            f"{_NAME} (?:is )?(?:inactive|expired|rejected|(?:has been )?{_GONE})",
            r"(?:unknown|invalid|bad|no such|non-?existent|inactive|unrouteable|undeliverable|no valid) (?:local )?"
            rf"(?:[\w-]{{1,20}} )?{_NAME}",
            "no such (?:person|name|login|domain|host)|no mailbox here|not? (?:exist|a known)|not a valid",
            rf"(?:does|do|did)(?:n't| not) (?:exist|have an?)|no {_NAME} (?:here|by that name|with)",
            "(?:couldn'?t|could not|can'?t|cannot|wasn'?t|was not|unable to) (?:be )?(?:find|found|verify)",
            "unknown_user|unknown host|host (?:unknown|not found)|domain (?:name )?not found|mailbox unavailable",
            "not (?:our|my) (?:user|customer)|not listed in|doesn'?t work here|there is no one|no longer",
            "permanently (?:undeliver|remov)|unbekannt|inconnu|desconocid",
        ),
    ),
)

NO_SUCH_DOMAIN = _any("host not found|domain (?:name )?(?:does not exist|doesn't exist|not found)|nxdomain")
"""The other side's domain was asked for, and there is none."""

COPY = _any(
    "^-{2,} ?(?:below this line|this is a copy|original message|returned message|message (?:header|text)|forwarded)",
    "^(?:return-path|received|message-id|mime-version): |^the (?:header|text) of your message",
)
"""From here on it is a copy of what we wrote, which says nothing of why it came back."""

MACHINES = _any(r"mailer-?daemon|postmaster|mail ?delivery|double-?bounce|maild?er@|bounces?[@+]|mdaemon|autoresponder")
"""Who bounces are from."""

SUBJECTS = _any(
    r"undeliver|deliver\w{0,9} (?:status|fail|notif|problem|error|report)",
    r"fail\w{0,9} (?:notice|to deliver|delivery|mail)|returned (?:mail|to sender)|rejected mail|delayed mail",
    "mail (?:system error|delivery|could not|returned|failure)|could not (?:be )?deliver|warning: (?:could|message)",
    "message (?:delay|fail|not delivered)|unzustellbar|non remis",
)

TEMPORARY = _any("warning: (?:could|message)|delay|still being retried|not yet been delivered")
