"""What the readers of figures keep for themselves."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, Key


class WorkCount(Base):
    """How much of one kind of work was done for a tenant in one minute; moved by one statement a batch."""

    __tablename__ = "work_count"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),)

    tenant_id: Mapped[Key]
    work: Mapped[str] = mapped_column(primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    done: Mapped[int]
