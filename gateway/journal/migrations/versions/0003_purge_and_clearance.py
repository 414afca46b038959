"""Purges, the erasures they leave to do, and two persons' word on suspected state secrets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("message", sa.Column("purged_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "purge",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("ledgered", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name=op.f("fk_purge_message_id_message")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_purge")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_purge_owed",
        "purge",
        ["ledgered"],
        unique=False,
        sqlite_where=sa.text("ledgered = 0"),
        postgresql_where=sa.text("ledgered = 0"),
    )
    op.create_table(
        "erasure",
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_erasure")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "clearance",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("word", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("login", sa.String(), nullable=False),
        sa.Column("login_key", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", "word", name=op.f("pk_clearance")),
        sa.UniqueConstraint("message_id", "name_key", name=op.f("uq_clearance_message_id_name_key")),
        sa.UniqueConstraint("message_id", "login_key", name=op.f("uq_clearance_message_id_login_key")),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name=op.f("fk_clearance_message_id_message")),
        sqlite_with_rowid=False,
    )
