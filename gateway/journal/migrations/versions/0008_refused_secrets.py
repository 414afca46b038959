"""By what number a recall finds a document that was rejected and purged as a state secret."""

from __future__ import annotations

import datetime as dt
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table(
        "refused_secret",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["message.message_id"], name=op.f("fk_refused_secret_message_id_message")
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_refused_secret")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_refused_secret_code", "refused_secret", ["code", "year"], unique=False)
    refused = op.get_bind().execute(
        sa.text(
            "select message.message_id, message.document_id from purge join message using (message_id)"
            " where purge.reason = 'state-secret' and message.direction = 'in' and message.kind = 'document'"
        )
    )
    told = [(message_id, _told(document_id)) for message_id, document_id in refused]
    rows = [{"message_id": message_id, "year": number[0], "code": number[1]} for message_id, number in told if number]
    op.bulk_insert(table, rows)


def _told(document_id: str) -> tuple[int, str] | None:
    """Year and number, as `gateway.rules.duplicates` told them of a DocumentId when this step was written."""
    _, day, code = [*document_id.split(",", 2), "", ""][:3]
    try:
        year = dt.date(*map(int, day.strip().replace("-", "/").split("/"))).year
    except (TypeError, ValueError, OverflowError):
        return None
    return (year, "".join(unicodedata.normalize("NFC", code).casefold().split())) if code else None
