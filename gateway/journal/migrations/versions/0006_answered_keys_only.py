"""A key has a row once it is answered, not while its first request runs; and nothing looks contents up by digest."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("delete from submission where answer is null")
    op.drop_column("submission", "reserved_until")
    op.drop_index("ix_content_sha256", "content")
