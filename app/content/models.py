"""Templates: what is said, before it is known to whom, and what each of them said before."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.infra.db import Base, TenantRow


class Template(TenantRow, Base):
    """A message with merge tags. `version` rises with every change, and compiled forms are cached by it.

    `editor` is the way it is written. What is drawn or written in MJML keeps its `mjml`, and
    `html` is what was made of it. `preheader` is what a mailbox shows after the subject. What a channel needs beside
    words stands in `parameters`.
    """

    __tablename__ = "template"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "topic_id"], ["topic.tenant_id", "topic.id"]),
        Index(
            "uq_template_name_in_use", "tenant_id", "name", unique=True, postgresql_where=text("archived_at IS NULL")
        ),
    )

    name: Mapped[str]
    channel: Mapped[str]
    topic_id: Mapped[UUID | None]
    subject: Mapped[str]
    html: Mapped[str | None]
    text: Mapped[str | None]
    editor: Mapped[str] = mapped_column(server_default="html", default="html")
    preheader: Mapped[str | None]
    mjml: Mapped[str | None]
    parameters: Mapped[dict[str, Any] | None]
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TemplateVersion(TenantRow, Base):
    """What a template was at one `number` of its versions: never changed once written.

    `content` holds what is said, by the names of the template's columns. `restored_from` is the version it is again.
    """

    __tablename__ = "template_version"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "template_id"], ["template.tenant_id", "template.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "template_id", "number", name="uq_template_version_number"),
    )

    template_id: Mapped[UUID]
    number: Mapped[int]
    name: Mapped[str]
    topic_id: Mapped[UUID | None]
    content: Mapped[dict[str, Any]]
    restored_from: Mapped[int | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_by: Mapped[str] = mapped_column(server_default="", default="")
    changed_by_name: Mapped[str] = mapped_column(server_default="", default="")


class Snippet(TenantRow, Base):
    """Words that many templates share, under a `key`; with `club_id` those of one club, in place of everybody's.

    `revision` rises with every change, those of no version too: letters are compiled anew when the sum of all rises.
    """

    __tablename__ = "snippet"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "club_id"], ["club.tenant_id", "club.id"]),
        Index(
            "uq_snippet_key",
            "tenant_id",
            "key",
            "club_id",
            unique=True,
            postgresql_where=text("archived_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
    )

    key: Mapped[str]
    club_id: Mapped[UUID | None]
    name: Mapped[str]
    html: Mapped[str]
    text: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    revision: Mapped[int] = mapped_column(server_default="1", default=1)
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SnippetVersion(TenantRow, Base):
    """What a snippet was at one `number` of its versions: never changed once written."""

    __tablename__ = "snippet_version"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "snippet_id"], ["snippet.tenant_id", "snippet.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "snippet_id", "number", name="uq_snippet_version_number"),
    )

    snippet_id: Mapped[UUID]
    number: Mapped[int]
    name: Mapped[str]
    html: Mapped[str]
    text: Mapped[str | None]
    restored_from: Mapped[int | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_by: Mapped[str] = mapped_column(server_default="", default="")
    changed_by_name: Mapped[str] = mapped_column(server_default="", default="")


class ContentImage(TenantRow, Base):
    """A picture of letters, written anew by us (pictures.fit). `size` is that of `data`, in bytes."""

    __tablename__ = "image"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),)

    name: Mapped[str]
    alt: Mapped[str] = mapped_column(server_default="", default="")
    content_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int]
    has_double: Mapped[bool]
    data: Mapped[bytes]
    data_double: Mapped[bytes | None]
    created_by: Mapped[str] = mapped_column(server_default="", default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LinkCheck(TenantRow, Base):
    """What came of trying an address that letters lead to. It waits for it while `due_at` is set.

    `verdict` and `said` are those of the time before while it waits again.
    """

    __tablename__ = "link_check"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "url", name="uq_link_check_url"),
        Index("ix_link_check_due", "tenant_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    url: Mapped[str]
    due_at: Mapped[datetime | None]
    verdict: Mapped[str | None]
    said: Mapped[str | None]
    tried_at: Mapped[datetime | None]
