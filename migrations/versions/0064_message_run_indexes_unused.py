"""What came back on messages is counted by the tally (0049): the indexes it was to be counted by are read by nobody."""

from importlib import import_module

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None

_made = import_module("migrations.versions.0048_message_feedback_indexes")


def upgrade() -> None:
    _made.downgrade()


def downgrade() -> None:
    _made.upgrade()
