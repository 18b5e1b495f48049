"""The only place that asks the machine for the time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def midnight(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return when the day that `moment` is in began in `zone`."""
    return moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)
