"""The organ directory, deadlines, and the numbers of documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "organ",
        sa.Column("axis", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("since", sa.String(), nullable=False),
        sa.Column("until", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("old_code", sa.String(), nullable=False),
        sa.Column("predecessors", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("axis", "code", "since", name=op.f("pk_organ")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "directory",
        sa.Column("axis", sa.String(), nullable=False),
        sa.Column("synced_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("axis", name=op.f("pk_directory")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "deadline",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("met_at", sa.BigInteger(), nullable=True),
        sa.Column("late", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name=op.f("fk_deadline_message_id_message")),
        sa.PrimaryKeyConstraint("message_id", "rule", name=op.f("pk_deadline")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_deadline_open",
        "deadline",
        ["rule", "late", "due_at"],
        unique=False,
        sqlite_where=sa.text("met_at IS NULL"),
        postgresql_where=sa.text("met_at IS NULL"),
    )
    op.create_table(
        "numbered",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name=op.f("fk_numbered_message_id_message")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_numbered")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_numbered_code", "numbered", ["sender", "year", "code"], unique=False)
