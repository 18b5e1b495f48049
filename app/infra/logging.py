"""Logs: one JSON object a line in production, plain lines in development; always to standard error."""

import json
import logging
import sys
from datetime import UTC, datetime

from app.infra.config import Config


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON, so that a user's line break cannot forge a second one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback inside it."""
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure(config: Config) -> None:
    """Set up the root logger for this process; calling it again changes nothing."""
    root = logging.getLogger()
    if any(getattr(handler, "fairway", False) for handler in root.handlers):
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.fairway = True  # type: ignore[attr-defined]
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if config.is_production else plain)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
