"""The tables that an office's database lends to the gateway.

The office's administrator makes them (`ddl/`); we never change them, we look whether they are there. Names avoid the
reserved words of the usual databases. Times are UTC without a zone. What a column is for stands in the DDL.

    the office writes     lt_out_document, lt_out_receiver, lt_out_attachment, lt_out_piece, lt_out_status
    the gateway writes    lt_in_message, lt_in_receiver, lt_in_attachment, lt_in_piece, and the answers in lt_out_*
    the gateway alone     lt_handed: what was handed over once, whatever the office did with it since
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    inspect,
)

metadata = MetaData()


def _asked_and_answered() -> list[Column[object]]:
    """What both kinds of work share: the office's flag, our claim, our answer."""
    return [
        Column("state", String(16), nullable=False, server_default="draft"),
        Column("claimed_by", String(40)),
        Column("claimed_until", DateTime),
        Column("problem_code", String(64)),
        Column("problem_text", Text),
        Column("answered_at", DateTime),
    ]


def _described() -> list[Column[object]]:
    """A document as people know it; the same in both directions."""
    return [
        Column("document_number", String(11)),
        Column("document_notation", String(30)),
        Column("promulgation_date", Date),
        Column("promulgation_place", String(50)),
        Column("type_code", Integer),
        Column("type_name", String(100)),
        Column("subject", String(500)),
        Column("summary", String(500)),
        Column("signer_competence", String(50)),
        Column("signer_position", String(100)),
        Column("signer_name", String(50)),
        Column("due_date", Date),
        Column("priority", Integer),
        Column("document_id", String(200)),
    ]


def _file() -> list[Column[object]]:
    return [
        Column("name", String(500), nullable=False),
        Column("content_type", String(127)),
        Column("description", String(500)),
        Column("size_bytes", BigInteger, nullable=False),
        Column("sha256", String(64)),
        Column("file_name", String(400)),
    ]


OUT_DOCUMENT = Table(
    "lt_out_document",
    metadata,
    Column("out_id", String(64), primary_key=True),
    *_asked_and_answered(),
    Column("act", String(10)),
    Column("message_id", String(64)),
    Column("reason", String(500)),
    Column("recall_by", String(10)),
    Column("from_code", String(35)),
    Column("from_name", String(200)),
    *_described(),
    Column("deliver_by", String(35)),
    Column("secrecy", String(100)),
    Column("more", Text),
    Column("submission_id", String(64)),
)
OUT_RECEIVER = Table(
    "lt_out_receiver",
    metadata,
    Column("out_id", String(64), ForeignKey("lt_out_document.out_id"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("code", String(35), nullable=False),
    Column("name", String(200)),
    Column("message_id", String(64)),
    Column("axis", String(40)),
    Column("recall", String(10)),
)
OUT_ATTACHMENT = Table(
    "lt_out_attachment",
    metadata,
    Column("out_id", String(64), ForeignKey("lt_out_document.out_id"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    *_file(),
)
OUT_PIECE = Table(
    "lt_out_piece",
    metadata,
    Column("out_id", String(64), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("piece", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
OUT_STATUS = Table(
    "lt_out_status",
    metadata,
    Column("report_id", String(64), primary_key=True),
    *_asked_and_answered(),
    Column("message_id", String(64), nullable=False),
    Column("code", String(2), nullable=False),
    Column("reason", String(500)),
    Column("organ", String(35)),
    Column("staff_department", String(200)),
    Column("staff_name", String(100)),
    Column("staff_mobile", String(20)),
    Column("staff_email", String(100)),
    Column("status_id", String(64)),
)
IN_MESSAGE = Table(
    "lt_in_message",
    metadata,
    Column("message_id", String(64), primary_key=True),
    Column("event_type", String(40), nullable=False),
    Column("state", String(16), nullable=False, server_default="new"),
    Column("received_at", DateTime, nullable=False),
    Column("sender_code", String(35)),
    Column("sender_name", String(200)),
    *_described(),
    Column("business_type", Integer),
    Column("about", String(64)),
    Column("status_code", String(16)),
    Column("status_text", String(500)),
    Column("problem_code", String(64)),
    Column("body", Text, nullable=False),
)
IN_RECEIVER = Table(
    "lt_in_receiver",
    metadata,
    Column("message_id", String(64), ForeignKey("lt_in_message.message_id"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("code", String(35), nullable=False),
)
IN_ATTACHMENT = Table(
    "lt_in_attachment",
    metadata,
    Column("message_id", String(64), ForeignKey("lt_in_message.message_id"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    *_file(),
)
IN_PIECE = Table(
    "lt_in_piece",
    metadata,
    # No reference to lt_in_message: the bytes come before the row that shows them.
    Column("message_id", String(64), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("piece", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
HANDED = Table(
    "lt_handed",
    metadata,
    Column("message_id", String(64), primary_key=True),
    Column("attempt", String(40), nullable=False),
    Column("handed_at", DateTime),
)


def missing(connection: Connection, schema: str | None) -> list[str]:
    """Tables and columns that the database lacks, as `lt_handed` or `lt_in_message.about`."""
    found = inspect(connection)
    there = set(found.get_table_names(schema)) | set(found.get_view_names(schema))
    lacking: list[str] = []
    for table in metadata.sorted_tables:
        if table.name not in there:
            lacking.append(table.name)
            continue
        columns = {column["name"].lower() for column in found.get_columns(table.name, schema)}
        lacking += [f"{table.name}.{column.name}" for column in table.columns if column.name not in columns]
    return lacking


def clipped(column: Column[object], text: str | None) -> str | None:
    """As much of a text as the column takes: strangers write longer than the standard allows."""
    length = getattr(column.type, "length", None)
    return text[:length] if text and length else text or None
