"""What messages do to earlier ones, and recalls with their answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "relation",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("earlier", sa.String(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name=op.f("fk_relation_message_id_message")),
        sa.ForeignKeyConstraint(["earlier"], ["message.message_id"], name=op.f("fk_relation_earlier_message")),
        sa.PrimaryKeyConstraint("message_id", "earlier", "act", name=op.f("pk_relation")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_relation_earlier", "relation", ["earlier"], unique=False)
    op.create_table(
        "recall",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("organ", sa.String(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.String(), nullable=True),
        sa.Column("answered_by", sa.String(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("late", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name=op.f("fk_recall_message_id_message")),
        sa.ForeignKeyConstraint(["asked_by"], ["message.message_id"], name=op.f("fk_recall_asked_by_message")),
        sa.PrimaryKeyConstraint("message_id", "organ", name=op.f("pk_recall")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_recall_open",
        "recall",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("answer IS NULL AND late = 0"),
        postgresql_where=sa.text("answer IS NULL AND late = 0"),
    )
