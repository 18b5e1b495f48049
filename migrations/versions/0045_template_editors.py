"""Ways to write a letter: drawn, in MJML, in HTML, plain; and the line that stands after the subject."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("template", sa.Column("editor", sa.Text(), server_default="html", nullable=False))
    op.add_column("template", sa.Column("preheader", sa.Text(), nullable=True))
    op.add_column("template", sa.Column("mjml", sa.Text(), nullable=True))


def downgrade() -> None:
    for column in ("mjml", "preheader", "editor"):
        op.drop_column("template", column)
