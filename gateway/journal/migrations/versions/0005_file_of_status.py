"""Of which edXML file a status was heard, so that one listed twice is told from two at the same time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("status_heard", sa.Column("file", sa.String(), nullable=True))
