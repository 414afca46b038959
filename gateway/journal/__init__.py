"""The durable record: which messages there are, where each is on its road, and what happened to it.

`Journal` is what the other parts use. It keeps four promises: a unit of work is on the disk when its caller hears of
it; a message under someone's lease is written by nobody else's settle; what a unit writes commits together, or not at
all; what the journal says happened can be checked later (`verify`) against a chain and against signed blocks.

`DiskContents` keeps the bytes, outside the database; the journal counts who needs them.
"""

from gateway.journal.blocks import Block, Fault, VerifyReport
from gateway.journal.changes import Change, ChangeAnswerRow
from gateway.journal.contents import DiskContents
from gateway.journal.deadlines import DeadlineRow, Missed
from gateway.journal.directory import OrganLine
from gateway.journal.door import Answered, NewSubmission, Reserved, Running
from gateway.journal.heads import HeadFolder
from gateway.journal.journal import Journal
from gateway.journal.keys import AnsweredBefore, KeyReused
from gateway.journal.lookups import (
    AttemptRow,
    EntryRow,
    InboxRow,
    MessageFilter,
    Page,
    ReceiptRow,
    Stats,
    StatusRow,
    twin_key,
)
from gateway.journal.partners import EndpointRow, KeyRow
from gateway.journal.purge_ledger import LedgerFault, PurgeLedger
from gateway.journal.purges import Purged, SamePerson
from gateway.journal.relations import Overdue, RecallRow, RelationRow
from gateway.journal.work import announced

__all__ = [
    "Answered",
    "AnsweredBefore",
    "AttemptRow",
    "Block",
    "Change",
    "ChangeAnswerRow",
    "DeadlineRow",
    "DiskContents",
    "EndpointRow",
    "EntryRow",
    "Fault",
    "HeadFolder",
    "InboxRow",
    "Journal",
    "KeyReused",
    "KeyRow",
    "LedgerFault",
    "MessageFilter",
    "Missed",
    "NewSubmission",
    "OrganLine",
    "Overdue",
    "Page",
    "PurgeLedger",
    "Purged",
    "RecallRow",
    "ReceiptRow",
    "RelationRow",
    "Reserved",
    "Running",
    "SamePerson",
    "Stats",
    "StatusRow",
    "VerifyReport",
    "announced",
    "twin_key",
]
