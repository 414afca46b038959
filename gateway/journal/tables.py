"""The journal's tables, in SQLAlchemy Core; what is done with them is in `queries`.

Values are kept as the drivers give them, because hot statements bypass SQLAlchemy's type processing: times are
integers (microseconds since 1970, UTC), truth is 0 or 1, JSON is text. Text that people wrote sits in columns of its
own (`detail`, `content_ref.attachment`, `extra.value`), so that a purge can erase it and the chain still verifies.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)

# SQLite counts rows only in a column of exactly this type.
Number = BigInteger().with_variant(Integer, "sqlite")
Time = BigInteger
Flag = Integer


def _of_message() -> Column[str]:
    return Column("message_id", String, ForeignKey("message.message_id"), nullable=False)


message = Table(
    "message",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("message_id", String, nullable=False, unique=True),
    Column("direction", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("axis", String, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("submission_id", String, nullable=False),
    Column("office", String),
    Column("axis_id", String),
    Column("document_id", String, nullable=False),
    Column("sender", String, nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("detail", Text),
    Column("size", BigInteger),
    Column("sha256", String),
    Column("proof", String),
    Column("version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("accepted_at", Time),
    Column("due_at", Time),
    Column("expires_at", Time),
    Column("sent_at", Time),
    Column("closed_at", Time),
    Column("held", String),
    Column("supersedes", String),
    Column("duplicate_of", String),
    Column("purged_at", Time),
    # Beyond `states.Message`: the lease, doubt and a wake-up that came while leased; the chain's head; the twin key.
    Column("holder", String),
    Column("doubt", Flag, nullable=False),
    Column("woken", Flag, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("last_digest", String, nullable=False),
    Column("twin", String, unique=True),
    UniqueConstraint("direction", "axis", "axis_id"),
    # Finished, held and waiting-for-an-event rows are not in it; rows due later lie behind the ones due now.
    Index(
        "ix_message_due",
        "endpoint",
        "urgency",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index("ix_message_held", "held", sqlite_where=text("held IS NOT NULL"), postgresql_where=text("held IS NOT NULL")),
    Index("ix_message_doubt", "doubt", sqlite_where=text("doubt = 1"), postgresql_where=text("doubt = 1")),
    Index("ix_message_state", "state", "direction"),
    Index("ix_message_submission", "submission_id"),
    Index("ix_message_document", "document_id"),
    sqlite_autoincrement=True,
)

extra = Table(
    "extra",
    metadata,
    Column("message_id", String, ForeignKey("message.message_id"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

delivery = Table(
    "delivery",
    metadata,
    Column("message_id", String, ForeignKey("message.message_id"), primary_key=True),
    Column("organ", String, primary_key=True),
    Column("office", String),
    Column("status", String),
    Column("status_at", Time),
    Column("answered", Flag, nullable=False),
    sqlite_with_rowid=False,
)

status_heard = Table(
    "status_heard",
    metadata,
    Column("message_id", String, ForeignKey("message.message_id"), primary_key=True),
    Column("organ", String, primary_key=True),
    Column("status", String, primary_key=True),
    Column("status_at", Time, primary_key=True),
    Column("heard_at", Time, nullable=False),
    # SHA-256 of the edXML file that said it; none where we said it ourselves.
    Column("file", String),
    sqlite_with_rowid=False,
)

handover = Table(
    "handover",
    metadata,
    Column("message_id", String, ForeignKey("message.message_id"), primary_key=True),
    Column("office", String, primary_key=True),
    # pending: not yet examined; offered: the office may have it, `seq` is its place in the inbox; done: it has it.
    Column("state", String, nullable=False),
    Column("seq", BigInteger, unique=True),
    Column("at", Time, nullable=False),
    Index("ix_handover_inbox", "office", "state", "seq"),
    sqlite_with_rowid=False,
)

content = Table(
    "content",
    metadata,
    # By place, not by digest: two copies of the same bytes must both be erased one day.
    Column("place", String, primary_key=True),
    Column("sha256", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("kept_at", Time, nullable=False),
)

content_ref = Table(
    "content_ref",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    _of_message(),
    Column("role", String, nullable=False),
    Column("place", String, ForeignKey("content.place"), nullable=False),
    Column("attachment", Text),
    Index("ix_content_ref_message", "message_id"),
    Index("ix_content_ref_place", "place"),
)

receipt = Table(
    "receipt",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    _of_message(),
    Column("receipt_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("given", Flag, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("sha256", String, nullable=False),
    Column("mismatch", Text),
    Column("at", Time, nullable=False),
    # The same receipt heard again is the same receipt.
    UniqueConstraint("message_id", "given", "sha256"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("message_id", String, ForeignKey("message.message_id"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("stage", String, nullable=False),
    Column("holder", String, nullable=False),
    Column("opened_at", Time, nullable=False),
    Column("closed_at", Time),
    Column("outcome", String),
    Column("doubt", Flag, nullable=False),
    sqlite_with_rowid=False,
)

entry = Table(
    "entry",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    _of_message(),
    Column("seq", Integer, nullable=False),
    Column("at", Time, nullable=False),
    Column("code", String, nullable=False),
    Column("who", String, nullable=False),
    Column("facts", Text, nullable=False),
    Column("commitment", String),
    Column("prev", String, nullable=False),
    Column("digest", String, nullable=False),
    # Outside the digest, erasable together:
    Column("detail", Text),
    Column("salt", String),
    UniqueConstraint("message_id", "seq"),
    sqlite_autoincrement=True,
)

block = Table(
    "block",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("first_entry", BigInteger, nullable=False),
    Column("last_entry", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("root", String, nullable=False),
    Column("prev", String, nullable=False),
    Column("closed_at", Time, nullable=False),
    Column("digest", String, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    # [message_id, seq, digest] of each entry, in order: names what is missing; vouched for by `root`.
    Column("leaves", Text, nullable=False),
)

submission = Table(
    "submission",
    metadata,
    Column("office", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("fingerprint", String),
    Column("answer", Text),
    sqlite_with_rowid=False,
)

endpoint = Table(
    "endpoint",
    metadata,
    Column("name", String, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("failing_since", Time, nullable=False),
    Column("next_try_at", Time, nullable=False),
    sqlite_with_rowid=False,
)

role = Table(
    "role",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("until", Time, nullable=False),
    sqlite_with_rowid=False,
)

api_key = Table(
    "api_key",
    metadata,
    Column("key_id", String, primary_key=True),
    Column("office", String, nullable=False),
    Column("hash", String, nullable=False, unique=True),
    Column("label", String, nullable=False),
    Column("added_at", Time, nullable=False),
    Column("revoked_at", Time),
)

organ = Table(
    "organ",
    metadata,
    # What an axis's directory says of an organ, from one day on; days as ISO 8601 text, both included.
    Column("axis", String, primary_key=True),
    Column("code", String, primary_key=True),
    Column("since", String, primary_key=True),
    Column("until", String),
    Column("name", String, nullable=False),
    Column("old_code", String, nullable=False),
    # Codes of the organs it came out of, as JSON.
    Column("predecessors", Text, nullable=False),
    sqlite_with_rowid=False,
)

directory = Table(
    "directory",
    metadata,
    Column("axis", String, primary_key=True),
    Column("synced_at", Time, nullable=False),
    sqlite_with_rowid=False,
)

deadline = Table(
    "deadline",
    metadata,
    Column("message_id", String, ForeignKey("message.message_id"), primary_key=True),
    Column("rule", String, primary_key=True),
    Column("due_at", Time, nullable=False),
    Column("met_at", Time),
    # 1: met after its time, or found unmet when its time was over.
    Column("late", Flag, nullable=False),
    Index(
        "ix_deadline_open",
        "rule",
        "late",
        "due_at",
        sqlite_where=text("met_at IS NULL"),
        postgresql_where=text("met_at IS NULL"),
    ),
    sqlite_with_rowid=False,
)

relation = Table(
    "relation",
    metadata,
    # What a message does to an earlier one: recall, update, replace.
    Column("message_id", String, ForeignKey("message.message_id"), primary_key=True),
    Column("earlier", String, ForeignKey("message.message_id"), primary_key=True),
    Column("act", String, primary_key=True),
    Column("at", Time, nullable=False),
    Index("ix_relation_earlier", "earlier"),
    sqlite_with_rowid=False,
)

recall = Table(
    "recall",
    metadata,
    # The last recall of a document at one organ, and what became of it.
    Column("message_id", String, ForeignKey("message.message_id"), primary_key=True),
    Column("organ", String, primary_key=True),
    Column("asked_by", String, ForeignKey("message.message_id"), nullable=False),
    Column("asked_at", Time, nullable=False),
    Column("due_at", Time),
    # 15, 16, or nothing yet; `late`: found unanswered when its time was over.
    Column("answer", String),
    Column("answered_by", String),
    Column("answered_at", Time),
    Column("late", Flag, nullable=False),
    Index(
        "ix_recall_open",
        "due_at",
        sqlite_where=text("answer IS NULL AND late = 0"),
        postgresql_where=text("answer IS NULL AND late = 0"),
    ),
    sqlite_with_rowid=False,
)

change_answer = Table(
    "change_answer",
    metadata,
    # What an organ says to a message that recalls, updates or replaces earlier ones: 15 or 16, and in which status.
    Column("message_id", String, ForeignKey("message.message_id"), primary_key=True),
    Column("organ", String, primary_key=True),
    Column("answer", String, nullable=False),
    Column("answered_by", String, ForeignKey("message.message_id"), nullable=False),
    Column("answered_at", Time, nullable=False),
    sqlite_with_rowid=False,
)

numbered = Table(
    "numbered",
    metadata,
    Column("message_id", String, ForeignKey("message.message_id"), primary_key=True),
    Column("sender", String, nullable=False),
    Column("year", Integer, nullable=False),
    # Number and notation, in one spelling.
    Column("code", String, nullable=False),
    Index("ix_numbered_code", "sender", "year", "code"),
    sqlite_with_rowid=False,
)

purge = Table(
    "purge",
    metadata,
    Column("message_id", String, ForeignKey("message.message_id"), primary_key=True),
    Column("at", Time, nullable=False),
    Column("reason", String, nullable=False),
    # 1: the ledger outside the database has it.
    Column("ledgered", Flag, nullable=False),
    Index("ix_purge_owed", "ledgered", sqlite_where=text("ledgered = 0"), postgresql_where=text("ledgered = 0")),
    sqlite_with_rowid=False,
)

refused_secret = Table(
    "refused_secret",
    metadata,
    # The number that the DocumentId of a rejected state secret tells, where it does: a recall may know it by no more.
    Column("message_id", String, ForeignKey("message.message_id"), primary_key=True),
    Column("year", Integer, nullable=False),
    Column("code", String, nullable=False),
    Index("ix_refused_secret_code", "code", "year"),
    sqlite_with_rowid=False,
)

erasure = Table(
    "erasure",
    metadata,
    # Contents that nothing refers to any more, whose bytes are still to be erased.
    Column("place", String, primary_key=True),
    Column("sha256", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

clearance = Table(
    "clearance",
    metadata,
    # Two words of two persons, under two logins: no statement can make one person count twice.
    Column("message_id", String, ForeignKey("message.message_id"), primary_key=True),
    Column("word", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("name_key", String, nullable=False),
    Column("login", String, nullable=False),
    Column("login_key", String, nullable=False),
    Column("at", Time, nullable=False),
    UniqueConstraint("message_id", "name_key"),
    UniqueConstraint("message_id", "login_key"),
    sqlite_with_rowid=False,
)
