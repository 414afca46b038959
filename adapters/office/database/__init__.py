"""The office that lends us tables of its database: it writes rows and reads rows, and knows no other way.

    lt_out_document   the office writes a document with its receivers and attachments and sets state = 'ready';
                      the answer is state = 'taken', or 'rejected' with the reasons; both can be read beside it
    lt_out_status     the same for what became of a document it received
    lt_in_message     what is for the office: it appears by one transaction, with all that belongs to it

Both ways a repeat changes nothing: going out, the office's own `out_id` is the key at the door; coming in, `lt_handed`
keeps every message id for ever, whatever the office does with its rows. Attachments are rows of at most some megabytes,
or files in a shared folder, and are never whole in memory. We make and change no tables (`ddl/`); we say what is missing.

`outgoing` carries to the door, `incoming` hands over, `connection` holds the database, `tables` names it all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from adapters.office.database.connection import Database, read_url
from adapters.office.database.incoming import Incoming
from adapters.office.database.options import DatabaseOptions, read_options
from adapters.office.database.outgoing import Outgoing
from gateway.errors import Misconfigured, NeedsOperator
from gateway.model import Problem
from gateway.ports import Door, Handover, Office, OfficeContext


def connect(options: Mapping[str, Any], context: OfficeContext) -> Office:
    """Raises `Misconfigured`. Does not wait for the database: an office that is away stops nobody."""
    return DatabaseOffice(read_options(options), context)


def check(options: Mapping[str, Any]) -> list[Problem]:
    """Everything wrong with the options; the database itself is not asked."""
    try:
        settings = read_options(options)
    except Misconfigured as exc:
        return list(exc.problems)
    problems = []
    try:
        read_url(settings, {})
    except NeedsOperator as exc:
        problems.append(Problem("url_env" if settings.url_env else "url_file", exc.code, exc.message))
    if settings.files is not None and not (settings.files.is_dir() and os.access(settings.files, os.W_OK | os.X_OK)):
        problems.append(Problem("files", "unwritable", f"{settings.files} must be a folder the gateway may write to"))
    return problems


class DatabaseOffice:
    pulls = False

    def __init__(self, options: DatabaseOptions, context: OfficeContext) -> None:
        self.name = context.name
        self._database = Database(options, context.secrets)
        self._incoming = Incoming(self._database, options, context.now)
        self._outgoing = Outgoing(self._database, options, context)

    async def hand_over(self, handover: Handover) -> None:
        """Write it into the office's tables, once and for ever."""
        await self._incoming.hand_over(handover)

    async def run(self, door: Door) -> None:
        """Carry what the office makes ready to the door until cancelled."""
        await self._outgoing.run(door)

    async def close(self) -> None:
        await self._database.close()
