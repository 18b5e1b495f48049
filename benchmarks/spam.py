"""`python -m benchmarks.spam`: what SpamAssassin (Debian's, network tests off) says of the letters we begin with.

Not part of `make bench`: it needs the program `spamassassin`, and tells no rates. It exits with 1 where a letter scores
2 or more; a filter calls a letter spam at 5.
"""

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import UUID

MOST = 2.0
_SCORE = re.compile(
    rb"^X-Spam-Status: .*?score=(-?\d+(?:\.\d+)?).*?tests=(\S.*?)\s+autolearn", re.MULTILINE | re.DOTALL
)
_SETTINGS = {
    "FAIRWAY_ENV": "test",
    "DATABASE_URL": "postgresql://nobody@localhost/nothing",
    "REDIS_URL": "redis://localhost",
    "SECRET_KEY": "a secret of forty characters for this only",
    "ENCRYPTION_KEYS": "this-only",
    "PUBLIC_URL": "https://crm.club.example",
    "SMTP_URL": "smtp://localhost",
    "MAIL_FROM": "news@club.example",
    "INBOUND_DOMAIN": "in.club.example",
}
_TENANT, _CUSTOMER, _MESSAGE = (UUID(int=number, version=4) for number in (11, 12, 13))


def main() -> int:
    """Score each starter, as marketing and as an answer, and return the exit status."""
    program = shutil.which("spamassassin")
    if program is None:
        print("There is no spamassassin on this machine; on Debian and Ubuntu: apt install spamassassin")
        return 2
    os.environ.update(_SETTINGS)
    worst = 0.0
    for name, letter in _letters():
        done = subprocess.run([program, "-t", "-L"], input=letter, capture_output=True, check=True)
        found = _SCORE.search(done.stdout)
        if found is None:
            print(done.stdout.decode("utf-8", "replace")[:2_000])
            return 2
        score, tests = float(found[1]), re.sub(rb"\s+", b" ", found[2]).decode("ascii", "replace")
        worst = max(worst, score)
        print(f"{name:24} {score:5.1f}  {tests}")
    print(f"worst {worst:.1f}, {'below' if worst < MOST else 'NOT below'} {MOST}")
    return 0 if worst < MOST else 1


def _letters() -> list[tuple[str, bytes]]:
    from app.blueprints.content.editing import STARTERS
    from app.content.letters import LetterSource, compile_letter, render_letter
    from app.content.merge_tags import CUSTOMER_FIELDS, letter_values
    from app.content.mjml import to_html
    from app.infra.config import load
    from app.messaging.channel import Outgoing
    from app.messaging.channels.email_smtp import envelope_of
    from app.messaging.links import preferences_url, unsubscribe_url
    from app.messaging.return_address import addresses

    letters = []
    now = datetime.now(UTC)
    for editor, written in STARTERS.items():
        for marketing in (True, False):
            link = unsubscribe_url(_TENANT, _CUSTOMER, _MESSAGE) if marketing else None
            html = to_html(written["mjml"]) if "mjml" in written else written.get("html")
            source = LetterSource("News of the {{ club.name }} for November", html, written.get("text"))
            values = letter_values(
                customer=dict.fromkeys(CUSTOMER_FIELDS) | {"first_name": "Ann", "email": "ann@example.com"},
                club_name="Harbour Links",
                tenant_name="Two Oceans Golf",
                context={},
                unsubscribe_url=link,
                preferences_url=preferences_url(_TENANT, _CUSTOMER, _MESSAGE),
            )
            back = addresses(_TENANT, _MESSAGE)
            outgoing = Outgoing(
                tenant_id=_TENANT,
                tenant_name="Two Oceans Golf",
                message_id=_MESSAGE,
                address="ann@example.com",
                marketing=marketing,
                letter=render_letter(compile_letter(source), values),
                unsubscribe_url=link,
                return_path=back.bounces,
                reply_to=back.replies,
                leave_address=back.leaving if marketing else None,
            )
            envelope = envelope_of(outgoing, load(), format_datetime(now), int(now.timestamp()))
            returns = f"Return-Path: <{envelope.sender}>\r\n"
            letters.append((f"{editor}, {'marketing' if marketing else 'answer'}", returns.encode() + envelope.body))
    return letters


if __name__ == "__main__":
    sys.exit(main())
