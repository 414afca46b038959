"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("office", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_key_hash")),
    )
    op.create_table(
        "block",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_entry", sa.BigInteger(), nullable=False),
        sa.Column("last_entry", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("root", sa.String(), nullable=False),
        sa.Column("prev", sa.String(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("leaves", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_block")),
    )
    op.create_table(
        "content",
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_content")),
    )
    op.create_index("ix_content_sha256", "content", ["sha256"], unique=False)
    op.create_table(
        "endpoint",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=False),
        sa.Column("next_try_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_endpoint")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("axis", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("submission_id", sa.String(), nullable=False),
        sa.Column("office", sa.String(), nullable=True),
        sa.Column("axis_id", sa.String(), nullable=True),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("urgency", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("proof", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("held", sa.String(), nullable=True),
        sa.Column("supersedes", sa.String(), nullable=True),
        sa.Column("duplicate_of", sa.String(), nullable=True),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("doubt", sa.Integer(), nullable=False),
        sa.Column("woken", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("last_digest", sa.String(), nullable=False),
        sa.Column("twin", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_message")),
        sa.UniqueConstraint("direction", "axis", "axis_id", name=op.f("uq_message_direction_axis_axis_id")),
        sa.UniqueConstraint("message_id", name=op.f("uq_message_message_id")),
        sa.UniqueConstraint("twin", name=op.f("uq_message_twin")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_message_document", "message", ["document_id"], unique=False)
    op.create_index(
        "ix_message_doubt",
        "message",
        ["doubt"],
        unique=False,
        sqlite_where=sa.text("doubt = 1"),
        postgresql_where=sa.text("doubt = 1"),
    )
    op.create_index(
        "ix_message_due",
        "message",
        ["endpoint", "urgency", "due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_message_held",
        "message",
        ["held"],
        unique=False,
        sqlite_where=sa.text("held IS NOT NULL"),
        postgresql_where=sa.text("held IS NOT NULL"),
    )
    op.create_index("ix_message_state", "message", ["state", "direction"], unique=False)
    op.create_index("ix_message_submission", "message", ["submission_id"], unique=False)
    op.create_table(
        "role",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_role")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "submission",
        sa.Column("office", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("reserved_until", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("office", "key", name=op.f("pk_submission")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "attempt",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("doubt", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name=op.f("fk_attempt_message_id_message")),
        sa.PrimaryKeyConstraint("message_id", "n", name=op.f("pk_attempt")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "content_ref",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("attachment", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name=op.f("fk_content_ref_message_id_message")),
        sa.ForeignKeyConstraint(["place"], ["content.place"], name=op.f("fk_content_ref_place_content")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_content_ref")),
    )
    op.create_index("ix_content_ref_message", "content_ref", ["message_id"], unique=False)
    op.create_index("ix_content_ref_place", "content_ref", ["place"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("organ", sa.String(), nullable=False),
        sa.Column("office", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=True),
        sa.Column("status_at", sa.BigInteger(), nullable=True),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name=op.f("fk_delivery_message_id_message")),
        sa.PrimaryKeyConstraint("message_id", "organ", name=op.f("pk_delivery")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "entry",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("commitment", sa.String(), nullable=True),
        sa.Column("prev", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("salt", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name=op.f("fk_entry_message_id_message")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_entry")),
        sa.UniqueConstraint("message_id", "seq", name=op.f("uq_entry_message_id_seq")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "extra",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name=op.f("fk_extra_message_id_message")),
        sa.PrimaryKeyConstraint("message_id", "name", name=op.f("pk_extra")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "handover",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("office", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name=op.f("fk_handover_message_id_message")),
        sa.PrimaryKeyConstraint("message_id", "office", name=op.f("pk_handover")),
        sa.UniqueConstraint("seq", name=op.f("uq_handover_seq")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_handover_inbox", "handover", ["office", "state", "seq"], unique=False)
    op.create_table(
        "receipt",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("receipt_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("given", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("mismatch", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name=op.f("fk_receipt_message_id_message")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_receipt")),
        sa.UniqueConstraint("message_id", "given", "sha256", name=op.f("uq_receipt_message_id_given_sha256")),
    )
    op.create_table(
        "status_heard",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("organ", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("status_at", sa.BigInteger(), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["message.message_id"], name=op.f("fk_status_heard_message_id_message")
        ),
        sa.PrimaryKeyConstraint("message_id", "organ", "status", "status_at", name=op.f("pk_status_heard")),
        sqlite_with_rowid=False,
    )
