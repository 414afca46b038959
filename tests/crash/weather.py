"""What goes wrong in a storm, and what is sent meanwhile: faults, short times, letters both ways."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from typing import Self

import aiohttp

from mock_axis import office_client, pki
from mock_axis.office import Faults as OfficeFaults
from mock_axis.office import NoAnswer, NotTaken, SampleOffice
from mock_axis.office_letters import letter
from mock_axis.scene import DEPARTMENT_ORGAN, OFFICE_ORGAN, Scene

FAULTS = (
    "reply-lost:SendDocument:0.15",
    "reply-lost:UpdateTraces:0.15",
    "reply-lost:ConfirmReceived:0.15",
    "reply-lost:*:0.02",
    "cut:*:0.04:bytes=700",
    "busy:*:0.03",
    "slow:*:0.02:seconds=0.4",
    "slow-reply:*:0.03:seconds=1.2",
    "disk-full:*:0.04:status=503",
    "unsigned-fault:*:0.02",
    "wrong-digest:*:0.03",
    "broken-signature:*:0.03",
    "foreign-signature:*:0.02",
    "foreign-receipt:*:0.02",
    "expired-certificate:*:0.02",
    "replayed-older-reply:*:0.03",
    "clock-skew:*:0.02",
    "delivered-twice:Deliver:0.2",
    "delivered-again:ConfirmReceived:0.1",
    "late:Deliver:0.1:seconds=2",
    "out-of-order:GetPendingDocumentIds:0.3",
)
VXP_FAULTS = (
    "reply-lost:sendEdoc:0.2",
    "reply-lost:updateStatus:0.15",
    "reply-lost:*:0.02",
    "cut:*:0.04:bytes=20",
    "cut:downloadEdoc:0.05:bytes=700",
    "busy:*:0.03",
    "fail:*:0.03",
    "slow:*:0.02:seconds=0.4",
    "slow-reply:*:0.03:seconds=1.2",
    "disk-full:*:0.04:status=503",
    "wrong-digest:*:0.03",
    "delivered-twice:Deliver:0.2",
    "delivered-again:updateStatus:0.1",
    "late:Deliver:0.1:seconds=2",
    "out-of-order:getReceivedEdocList:0.3",
)
"""On the axis's other face. Nothing is signed there that could be forged."""
CONTROL_FAULTS = ("reply-lost:SendDocument:0.4",)
"""Stay to the end of the control, so that even a short one must show doubles."""
OFFICE_FAULTS = OfficeFaults(lose=0.1, lose_answer=0.1)
TIMES = {
    "lease_seconds": 2.5,
    "longest_call_seconds": 1.2,
    "retry_first_seconds": 0.1,
    "retry_longest_seconds": 1.0,
    "block_seconds": 2.0,
}
AXIS_OPTIONS = {
    "section": {"poll_seconds": 0.3},
    "options": {"first_byte_seconds": 0.9, "connect_seconds": 0.9, "idle_seconds": 0.9},
}
"""Every call of the driver must end before `longest_call_seconds`."""
NOBODY = "000.00.00.G98"
"""The axis knows no such organ: what goes there is rejected, and the office must be told."""
AT_ONCE = 24
"""Letters under way in each direction."""
OUT_EVERY, IN_EVERY = 0.15, 0.4
"""Seconds between two letters, on average."""
office_client.LONGEST_PAUSE = 0.4  # an office in a hurry: most submissions shall meet a gateway that is about to die


class Traffic:
    """Letters out, letters in, letters between two offices, until told to stop; `close` waits for the last answers."""

    def __init__(self, scene: Scene, office: SampleOffice, department: SampleOffice, seed: int) -> None:
        self._scene, self._office, self._department = scene, office, department
        self._random = random.Random(seed)
        self._seed = seed
        self._stopped = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._write(self._hand_in, OUT_EVERY)),
            asyncio.create_task(self._write(self._receive, IN_EVERY)),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        self._stopped.set()
        await asyncio.gather(*self._tasks)

    async def _write(self, one, pause: float) -> None:
        """Letter after letter, a few at once; a gateway that is down holds up the writers, not the storm."""
        async with asyncio.TaskGroup() as group:
            places = asyncio.Semaphore(AT_ONCE)
            number = 0
            while not self._stopped.is_set():
                number += 1
                await places.acquire()
                task = group.create_task(one(number))
                task.add_done_callback(lambda _: places.release())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), self._random.uniform(0.5, 1.5) * pause)

    def _file(self) -> bytes:
        return b"%PDF-1.7\n" + self._random.randbytes(self._random.choice((500, 5_000, 60_000, 300_000)))

    async def _hand_in(self, number: int) -> None:
        agencies = list(pki.AGENCIES)
        office, sender, neighbour = self._office, OFFICE_ORGAN, DEPARTMENT_ORGAN
        if number % 4 == 0:
            office, sender, neighbour = self._department, DEPARTMENT_ORGAN, OFFICE_ORGAN
        to = [agencies[number % 3]]
        if number % 3 == 0:
            to += [agencies[(number + 1) % 3], neighbour]
        if number % 10 == 7:
            to = [NOBODY]
        record, files = letter(number, sender, to, [self._file() for _ in range(1 + number % 2)], seed=self._seed)
        await office.send(f"storm-{number}", record, files)

    async def _receive(self, number: int) -> None:
        to = [OFFICE_ORGAN, DEPARTMENT_ORGAN] if number % 5 == 0 else [(OFFICE_ORGAN, DEPARTMENT_ORGAN)[number % 2]]
        told = {"to": to, "subject": f"V/v thử bão số {number}", "number": f"{5000 + number}", "priority": number % 4}
        form = aiohttp.FormData(quote_fields=False, charset="utf-8")
        form.add_field("letter", json.dumps(told), content_type="application/json")
        form.add_field("file", self._file(), filename=f"Công văn {number}.pdf", content_type="application/pdf")
        agency = list(pki.AGENCIES)[number % 3]
        url = f"{self._scene.control_url}/agencies/{agency}/send"
        async with aiohttp.ClientSession() as session, session.post(url, data=form) as answer:
            answer.raise_for_status()


async def clear_up(scene: Scene, office: SampleOffice, *, leave: tuple[str, ...] = ()) -> dict[str, int]:
    """The sun comes out, but for the faults to `leave`. Returns how often each fault struck."""
    office.faults = OfficeFaults()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{scene.control_url}/faults") as answer:
            faults = (await answer.json())["faults"]
        async with session.put(f"{scene.control_url}/faults", json={"faults": leave}) as answer:
            answer.raise_for_status()
    struck: Counter[str] = Counter()
    for fault in faults:
        struck[fault["rule"].partition(":")[0]] += fault["struck"]
    return dict(struck)


async def clerk(office: SampleOffice, *, pulls: bool) -> None:
    """A clerk who does not give up when the gateway is away."""
    while True:
        with contextlib.suppress(NoAnswer, NotTaken):
            await office.run(pulls=pulls, reports=(), interval=0.1)
