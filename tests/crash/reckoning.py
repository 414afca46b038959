"""The count after a storm, from what both ends hold, and what the journal says of whatever is not done."""

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

from mock_axis import account
from mock_axis.office import SampleOffice
from mock_axis.recount import looking_at
from mock_axis.scene import DEPARTMENT_ORGAN, OFFICE_ORGAN, Scene

OF_MESSAGE = "select organ from delivery where message_id = ?"
UNFINISHED = "state not in ('closed', 'rejected', 'expired')"


IN_DOUBT = "in-doubt"
DOUBTS = """
select case when m.held is not null then 'held' when r.body is null then m.state
when substr(cast(r.body as text), 1, 1) = '[' then 'found' else 'repeated' end as how, count(*)
from message m left join receipt r on r.message_id = m.message_id and r.given = 0 and r.mismatch is null
where m.direction = 'out' and m.axis <> 'local' and exists (
  select 1 from attempt a where a.message_id = m.message_id and a.stage = 'send' and (a.doubt or a.closed_at is null))
group by how
"""
"""How sends that might have doubled ended. What was found is kept as the lines of a list, an answer as an object."""


@dataclass(slots=True)
class Doubts:
    """Of messages that had a send end in doubt: each could have been doubled."""

    found: int = 0
    """In the axis's list of sent messages, and not sent again."""
    repeated: int = 0
    """Not in that list, and sent again."""
    held: int = 0
    rejected: int = 0
    """Refused by the axis at another try."""
    unsettled: int = 0


@dataclass(slots=True)
class Reckoning:
    """What one run came to."""

    seed: int
    deduplicates: bool
    asks: bool
    driver: str = "soap"
    kills: int = 0
    sent: int = 0
    received: int = 0
    lost: int = 0
    doubled: int = 0
    statuses: int = 0
    statuses_lost: int = 0
    statuses_doubled: int = 0
    rejected_and_told: int = 0
    doubts: Doubts = field(default_factory=Doubts)
    receipts_verified: int = 0
    receipts_bad: int = 0
    receipts_missing: int = 0
    spoiled: int = 0
    journal_verified: bool = False
    released: dict[str, int] = field(default_factory=dict)
    """Messages that were held when the storm was over, by reason, and released by the operator."""
    waiting: dict[str, int] = field(default_factory=dict)
    """Messages that wait at the very end, by reason."""
    unexplained: int = 0
    """Messages that wait and say no reason."""
    faults: dict[str, int] = field(default_factory=dict)
    webhooks_lost: int = 0
    seconds: float = 0.0

    @property
    def faultless(self) -> bool:
        """All but doubles: those are the control's to show."""
        bad = (
            self.lost,
            self.statuses_lost,
            self.receipts_bad,
            self.receipts_missing,
            self.spoiled,
            self.unexplained,
            self.doubts.unsettled,
        )
        return self.journal_verified and not any(bad) and self.sent > 0 and self.received > 0

    @property
    def held(self) -> bool:
        return self.faultless and not self.doubled and not self.statuses_doubled


def waiting(scene: Scene, *, held: bool) -> list[tuple[str, str]]:
    """(message id, reason) of messages on which nobody works: `held` by the gateway, or only due later."""
    with looking_at(scene.journal) as journal:
        rows = journal.execute(
            "select message_id, state, held, due_at from message where held is not null"
            if held
            else f"select message_id, state, held, due_at from message where held is null and {UNFINISHED}"
        ).fetchall()
    return [
        (message_id, held or (f"{state}, due" if due else f"{state}, offered")) for message_id, state, held, due in rows
    ]


def held_in_doubt(scene: Scene) -> set[tuple[str, str]]:
    """(receiving organ, DocumentId) of what waits for a person who has to ask over there: it may be there or not."""
    with looking_at(scene.journal) as journal:
        rows = journal.execute(
            "select message_id, document_id, kind, detail from message where held = ? and direction = 'out'",
            (IN_DOUBT,),
        ).fetchall()
        found = set()
        for message_id, document_id, kind, detail in rows:
            organs = [organ for (organ,) in journal.execute(OF_MESSAGE, (message_id,))]
            if kind == "status":
                organs = [json.loads(detail)["status"]["response_for"]["organ"]]
            found |= {(organ, document_id) for organ in organs}
    return found


def doubts(scene: Scene) -> Doubts:
    """What became of every send that may have doubled something, by the journal."""
    with looking_at(scene.journal) as journal:
        ends = dict(journal.execute(DOUBTS).fetchall())
    known = {name: ends.pop(name, 0) for name in ("found", "repeated", "held", "rejected")}
    return Doubts(**known, unsettled=sum(ends.values()))


def steps(scene: Scene) -> int:
    """How many entries the journal has: it grows while anything moves."""
    with looking_at(scene.journal) as journal:
        return int(journal.execute("select max(number) from entry").fetchone()[0] or 0)


async def settled(scene: Scene, offices: dict[str, SampleOffice]) -> bool:
    """Nothing is left to be done by anybody but a person."""
    if waiting(scene, held=False):
        return False
    async with aiohttp.ClientSession() as session, session.get(f"{scene.control_url}/counts") as answer:
        counts = await answer.json()
    if counts["tasks"]:
        return False
    for office in offices.values():
        if await office.store.not_fetched(1):
            return False
    held = waiting(scene, held=True)
    return bool(held) or not counts["waiting"]


async def reckon(scene: Scene, office: SampleOffice, department: SampleOffice, result: Reckoning) -> None:
    offices = {OFFICE_ORGAN: office, DEPARTMENT_ORGAN: department}
    drawn = await account.draw_up(scene.folder, offices)
    result.sent, result.received = sum(drawn.out.values()), sum(drawn.incoming_here.values())
    result.rejected_and_told = sum(drawn.told.values())
    excused = held_in_doubt(scene)
    result.lost = sum((line[0], line[1]) not in excused for line in drawn.lost)
    result.doubled = len(drawn.doubled)
    result.statuses = sum(drawn.statuses.values())
    result.statuses_lost = sum((line[0], line[1]) not in excused for line in drawn.statuses_lost)
    result.statuses_doubled = len(drawn.statuses_doubled)
    if result.driver == "vxp":
        result.doubts = doubts(scene)
    for each in offices.values():
        state = await each.state()
        result.spoiled += state["spoiled"]
        result.webhooks_lost += state["lost"]
    left = waiting(scene, held=True) + waiting(scene, held=False)
    result.waiting = dict(Counter(reason for _, reason in left))
    result.unexplained = sum(not reason for _, reason in left)
    counted = await _recount(scene)
    result.receipts_verified = counted["verified"]
    result.receipts_bad, result.receipts_missing = len(counted["bad"]), len(counted["missing"])
    try:
        await scene.run_command("journal", "verify")
    except RuntimeError as exc:
        print(exc, file=sys.stderr)
    else:
        result.journal_verified = True
    for kind in ("lost", "doubled", "statuses_lost", "statuses_doubled"):
        for line in getattr(drawn, kind)[:20]:
            print(f"{kind}: {line[0]} {line[1]} {line[2] if kind.startswith('status') else ''}", file=sys.stderr)


async def _recount(scene: Scene) -> dict[str, list[str]]:
    """In a process of its own, that shares nothing with the gateway but its files."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mock_axis.recount", str(scene.folder), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return json.loads(output)
