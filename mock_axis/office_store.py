"""What the sample office remembers: what it sent, what it was told, what it fetched; and the counts a test compares.

Everything is committed before it is answered or sent, so that killing the office at any moment leaves a true account.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mock_axis.store import Store, Transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS sent (
    key TEXT PRIMARY KEY,
    document_id TEXT NOT NULL,       -- '' until the gateway has told it
    digests TEXT NOT NULL,           -- JSON: SHA-256 of each attachment
    tries INTEGER NOT NULL DEFAULT 0,
    status INTEGER,                  -- HTTP status of the answer that settled it
    answer TEXT                      -- JSON
);
CREATE TABLE IF NOT EXISTS heard (
    webhook_id TEXT PRIMARY KEY,     -- or what stands for it where the office pulls
    type TEXT NOT NULL,
    message_id TEXT NOT NULL,
    document_id TEXT NOT NULL,
    organ TEXT NOT NULL,             -- who speaks
    code TEXT NOT NULL,              -- of a status or a notice
    about TEXT NOT NULL,
    times INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS fetched (
    message_id TEXT PRIMARY KEY,
    digests TEXT NOT NULL,           -- JSON: SHA-256 of each attachment, as counted here
    spoiled TEXT NOT NULL,           -- what did not match its promised digest or size; '' when all did
    reported TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS recalled (
    message_id TEXT PRIMARY KEY      -- of a document asked back, once we have answered
);
"""

COUNTS = """
SELECT count(*), count(*) - count(DISTINCT organ || ' ' || document_id || ' ' || coalesce(digests, message_id))
FROM heard LEFT JOIN fetched USING (message_id) WHERE type = 'document.received'
"""


class OfficeStore:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def close(self) -> None:
        await self._store.close()

    # --- sent ---

    async def begin(self, key: str, document_id: str, digests: Sequence[str]) -> dict[str, Any] | None:
        """Count one more try of a submission; its answer, where it has had one that settles it."""

        def unit(tx: Transaction) -> dict[str, Any] | None:
            tx.run(
                "INSERT INTO sent (key, document_id, digests, tries) VALUES (?, ?, ?, 1) "
                "ON CONFLICT (key) DO UPDATE SET tries = tries + (status IS NULL)",
                (key, document_id, json.dumps(list(digests))),
            )
            status, answer = tx.run("SELECT status, answer FROM sent WHERE key = ?", (key,)).fetchone()
            return None if status is None else {"status": status, **json.loads(answer)}

        return await self._store.write(unit)

    async def answered(self, key: str, status: int, answer: Mapping[str, Any]) -> None:
        def unit(tx: Transaction) -> None:
            tx.run("UPDATE sent SET status = ?, answer = ? WHERE key = ?", (status, json.dumps(answer), key))

        await self._store.write(unit)

    # --- heard ---

    async def hear(self, webhook_id: str, event: Mapping[str, Any]) -> bool:
        """Keep an event; False for one that was known."""
        data = event["data"]

        def unit(tx: Transaction) -> bool:
            times = tx.run(
                "INSERT INTO heard (webhook_id, type, message_id, document_id, organ, code, about) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (webhook_id) DO UPDATE SET times = times + 1 RETURNING times",
                (
                    webhook_id,
                    event["type"],
                    data["message_id"],
                    data.get("document_id", ""),
                    data.get("from", ""),
                    data.get("status") or data.get("code") or "",
                    data.get("about", ""),
                ),
            ).fetchone()
            return bool(times[0] == 1)

        return await self._store.write(unit)

    async def not_fetched(self, limit: int) -> list[str]:
        return [
            row[0]
            for row in await self._rows(
                "SELECT message_id FROM heard WHERE type = 'document.received' "
                "AND message_id NOT IN (SELECT message_id FROM fetched) ORDER BY rowid LIMIT ?",
                limit,
            )
        ]

    async def keep_fetched(self, message_id: str, digests: Sequence[str], spoiled: str) -> None:
        def unit(tx: Transaction) -> None:
            tx.run(
                "INSERT OR REPLACE INTO fetched (message_id, digests, spoiled) VALUES (?, ?, ?)",
                (message_id, json.dumps(sorted(digests)), spoiled),
            )

        await self._store.write(unit)

    async def not_reported(self, code: str, limit: int) -> list[str]:
        return [
            row[0]
            for row in await self._rows(
                "SELECT message_id FROM fetched WHERE reported < ? AND spoiled = '' ORDER BY rowid LIMIT ?", code, limit
            )
        ]

    async def keep_reported(self, message_id: str, code: str) -> None:
        def unit(tx: Transaction) -> None:
            tx.run("UPDATE fetched SET reported = ? WHERE message_id = ?", (code, message_id))

        await self._store.write(unit)

    async def not_answered(self, limit: int) -> list[str]:
        """Documents asked back, and not answered yet."""
        return [
            row[0]
            for row in await self._rows(
                "SELECT DISTINCT about FROM heard WHERE type = 'recall.asked' "
                "AND about NOT IN (SELECT message_id FROM recalled) LIMIT ?",
                limit,
            )
        ]

    async def keep_answered(self, message_id: str) -> None:
        await self._store.write(lambda tx: tx.run("INSERT OR IGNORE INTO recalled VALUES (?)", (message_id,)))

    # --- the account ---

    async def state(self) -> dict[str, Any]:
        """Counts, and for each document sent the statuses heard about it."""
        ((sent, accepted, refused),) = await self._rows(
            "SELECT count(*), coalesce(sum(status = 202), 0), coalesce(sum(status <> 202), 0) FROM sent"
        )
        ((messages, doubled),) = await self._rows(COUNTS)
        ((events, repeats),) = await self._rows("SELECT count(*), coalesce(sum(times - 1), 0) FROM heard")
        ((fetched, spoiled),) = await self._rows("SELECT count(*), coalesce(sum(spoiled <> ''), 0) FROM fetched")
        statuses: dict[str, list[str]] = {}
        for document_id, organ, code in await self._rows(
            "SELECT document_id, organ, code FROM heard WHERE type IN ('status.received', 'recall.asked') ORDER BY rowid"
        ):
            statuses.setdefault(document_id, []).append(f"{organ} {code}")
        notices = dict(await self._rows("SELECT about, type FROM heard WHERE type LIKE 'message.%' ORDER BY rowid"))
        return {
            "sent": sent,
            "accepted": accepted,
            "refused": refused,
            "received": messages - doubled,
            "doubled": doubled,
            "events": events,
            "repeats": repeats,
            "fetched": fetched,
            "spoiled": spoiled,
            "statuses": statuses,
            "notices": notices,
        }

    async def documents(self) -> list[dict[str, Any]]:
        """Every document received, for a comparison with what the other side sent."""
        rows = await self._rows(
            "SELECT message_id, document_id, organ, digests, spoiled FROM heard LEFT JOIN fetched USING (message_id) "
            "WHERE type = 'document.received' ORDER BY heard.rowid"
        )
        names = ("message_id", "document_id", "from", "digests", "spoiled")
        return [dict(zip(names, row, strict=True)) | {"digests": json.loads(row[3] or "null")} for row in rows]

    async def submissions(self) -> list[dict[str, Any]]:
        """Every document sent: key, document_id, digests, tries, HTTP status, answer."""
        rows = await self._rows("SELECT key, document_id, digests, tries, status, answer FROM sent ORDER BY rowid")
        names = ("key", "document_id", "digests", "tries", "status", "answer")
        return [
            dict(zip(names, row, strict=True)) | {"digests": json.loads(row[2]), "answer": json.loads(row[5] or "null")}
            for row in rows
        ]

    async def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return await self._store.write(lambda tx: tx.run(query, values).fetchall())
