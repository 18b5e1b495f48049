"""Logs: one JSON object a line in production, plain lines in development; always to standard error."""

import json
import logging
import re
import sys
from datetime import UTC, datetime

from app.infra.config import Config

_HIDDEN = "•••"
_ADDRESS = re.compile(r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+")
_NUMBER = re.compile(r"(?<![\w-])\+\d[\d ()-]{6,}\d")
# What Postgres says of a unique or foreign key: Key (tenant_id, value)=(…, …) already exists.
_KEY = re.compile(r"(Key \([^)]*\))=\(.*\)")


def masked(line: str) -> str:
    """Return a line of the log without e-mail addresses, phone numbers and values of keys: a log names no customer."""
    if "@" in line:
        line = _ADDRESS.sub(_HIDDEN, line)
    if "+" in line:
        line = _NUMBER.sub(_HIDDEN, line)
    return _KEY.sub(rf"\1=({_HIDDEN})", line) if "Key (" in line else line


class Lines(logging.Formatter):
    """Formats a record as plain text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record, masked."""
        return masked(super().format(record))


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON, so that a user's line break cannot forge a second one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback inside it."""
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": masked(record.getMessage()),
        }
        if record.exc_info:
            entry["traceback"] = masked(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


def configure(config: Config) -> None:
    """Set up the root logger for this process; calling it again changes nothing."""
    root = logging.getLogger()
    if any(getattr(handler, "fairway", False) for handler in root.handlers):
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.fairway = True  # type: ignore[attr-defined]
    plain = Lines("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if config.is_production else plain)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
