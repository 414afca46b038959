"""What organs say to recalls, updates and replacements: rows of its own, made of the recalls and entries so far."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ANSWERS = {
    **dict.fromkeys(("update-agreed", "replace-agreed"), "15"),
    **dict.fromkeys(("update-declined", "replace-declined"), "16"),
}


def upgrade() -> None:
    table = op.create_table(
        "change_answer",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("organ", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("answered_by", sa.String(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["message.message_id"], name=op.f("fk_change_answer_message_id_message")
        ),
        sa.ForeignKeyConstraint(
            ["answered_by"], ["message.message_id"], name=op.f("fk_change_answer_answered_by_message")
        ),
        sa.PrimaryKeyConstraint("message_id", "organ", name=op.f("pk_change_answer")),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            "select asked_by, organ, answer, answered_by, answered_at from recall"
            " where answer is not null and answered_by is not null order by answered_at"
        )
    ).all()
    found = {(row[0], row[1]): tuple(row) for row in rows}
    entries = sa.text("select message_id, at, code, facts from entry where code = :code order by message_id, seq")
    for code, answer in ANSWERS.items():
        for message_id, at, _, facts in connection.execute(entries, {"code": code}).all():
            told = json.loads(facts)
            # With a message id it is the entry of the document that was changed. Agreed comes first, and stands.
            if "message_id" not in told:
                found.setdefault((message_id, told["organ"]), (message_id, told["organ"], answer, told["by"], at))
    if found:
        op.bulk_insert(table, [dict(zip(table.c.keys(), row, strict=True)) for row in found.values()])
