"""Signs of life of the processes that have no page of their own (the scheduler's tick), by the database's clock."""

from datetime import datetime, timedelta

from sqlalchemy import func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, transaction


class Heartbeat(Base):
    """The last moment a named process was seen at work. No tenant's data, so no tenant's table."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())


def beat(name: str) -> None:
    """Record that `name` is at work now."""
    with transaction(None) as session:
        session.execute(
            text("INSERT INTO heartbeat (name, at) VALUES (:name, now()) ON CONFLICT (name) DO UPDATE SET at = now()"),
            {"name": name},
        )


def silent_for(name: str) -> timedelta | None:
    """Return how long ago `name` was last at work, or None if it never was.

    Whoever asks may be on another machine, with another clock, than who was at work.
    """
    with transaction(None) as session:
        query = text("SELECT clock_timestamp() - at FROM heartbeat WHERE name = :name")
        return session.execute(query, {"name": name}).scalar()
