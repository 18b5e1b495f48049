"""Templates: what is said, before it is known to whom."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, TenantRow


class Template(TenantRow, Base):
    """A message with merge tags. `version` rises with every save, and compiled forms are cached by it."""

    __tablename__ = "template"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "topic_id"], ["topic.tenant_id", "topic.id"]),
        UniqueConstraint("tenant_id", "name", name="uq_template_name"),
    )

    name: Mapped[str]
    channel: Mapped[str]
    topic_id: Mapped[UUID | None]
    subject: Mapped[str]
    html: Mapped[str | None]
    text: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
