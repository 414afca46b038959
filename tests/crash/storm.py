"""The storm: the gateway is killed with SIGKILL at random moments while axis and office misbehave, then all is counted.

    python -m tests.crash.storm --kills 200 --seed 7

Four runs: an axis that deduplicates, one that does not and is asked first, the axis's other face `vxp`, which can only be
asked by listing, and the control, which does not ask and must show doubles. The last line is one JSON object; the exit code is 0 only if everything held.
"""

import argparse
import asyncio
import contextlib
import json
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mock_axis.office import SampleOffice
from mock_axis.scene import DEPARTMENT, DEPARTMENT_ORGAN, OFFICE, OFFICE_ORGAN, Scene
from tests.crash import reckoning, weather
from tests.crash.reckoning import Reckoning

PATIENCE = 3600.0
LIFE = (0.05, 3.0)
"""Seconds between the gateway's first answer and its death."""
LONGEST_DRAIN = 900.0
"""Seconds: even if something moves for ever."""
IN_START_UP = 0.15
"""Share of the kills that do not wait for the first answer."""


async def storm(folder: Path, result: Reckoning, kills: int, minutes: float, drain_seconds: float) -> Reckoning:
    """One run. `minutes`: no further kill once the scene has stood for so long."""
    began = time.monotonic()
    scene = Scene(
        folder,
        faults=weather.VXP_FAULTS if result.driver == "vxp" else weather.FAULTS,
        seed=result.seed,
        deduplicates=result.deduplicates,
        driver=result.driver,
        settings={"times": weather.TIMES, "runner": {"ask_before_repeating": result.asks}},
        axis_options=weather.AXIS_OPTIONS,
    )
    async with _offices(scene, result.seed) as (office, department):
        offices = {OFFICE_ORGAN: office, DEPARTMENT_ORGAN: department}
        async with weather.Traffic(scene, office, department, result.seed) as traffic:
            await _kill(scene, result, kills, time.monotonic() + minutes * 60)
            result.faults = await weather.clear_up(scene, office, leave=() if result.asks else weather.CONTROL_FAULTS)
            await scene.start_gateway()
            await traffic.close()
        await _drain(scene, offices, result, drain_seconds)
        await scene.stop()
        await reckoning.reckon(scene, office, department, result)
    result.seconds = round(time.monotonic() - began, 1)
    return result


@contextlib.asynccontextmanager
async def _offices(scene: Scene, seed: int):
    """Axis, gateway and both offices, at work."""
    async with contextlib.AsyncExitStack() as stack:
        desk = {"gateway": scene.api_url, "seed": seed, "patience": PATIENCE}
        office = SampleOffice(
            scene.folder / "office", secrets=[scene.webhook_secret], faults=weather.OFFICE_FAULTS, **desk
        )
        department = SampleOffice(scene.folder / "department", **desk)
        scene.office_url = await office.start()
        stack.push_async_callback(office.close)
        await department.start()
        stack.push_async_callback(department.close)
        await asyncio.to_thread(scene.lay_out)
        stack.push_async_callback(scene.stop)
        await asyncio.gather(scene.start_axis(), scene.start_gateway())
        office.client.key, department.client.key = await asyncio.gather(
            scene.new_key(OFFICE), scene.new_key(DEPARTMENT)
        )
        clerks = [
            asyncio.create_task(weather.clerk(office, pulls=False)),
            asyncio.create_task(weather.clerk(department, pulls=True)),
        ]
        try:
            yield office, department
        finally:
            for task in clerks:
                task.cancel()
            await asyncio.gather(*clerks, return_exceptions=True)


async def _kill(scene: Scene, result: Reckoning, kills: int, ends: float) -> None:
    """Leaves the gateway dead."""
    drawn = random.Random(result.seed)
    while True:
        await asyncio.sleep(drawn.uniform(*LIFE))
        await scene.kill_gateway()
        result.kills += 1
        if result.kills % 10 == 0:
            print(f"seed {result.seed}: {result.kills} kills", file=sys.stderr, flush=True)
        if result.kills >= kills or time.monotonic() > ends:
            return
        await scene.start_gateway(wait=drawn.random() > IN_START_UP)


async def _drain(scene: Scene, offices: dict[str, SampleOffice], result: Reckoning, seconds: float) -> None:
    """Until nothing is left to do, or nothing has moved for `seconds`.

    What is held is released once by the operator, as a person would.
    """
    last, moved, ends = -1, time.monotonic(), time.monotonic() + LONGEST_DRAIN
    released = False
    while time.monotonic() < min(moved + seconds, ends):
        await asyncio.sleep(0.3)
        if (step := reckoning.steps(scene)) != last:
            last, moved = step, time.monotonic()
        if not await reckoning.settled(scene, offices):
            continue
        held = reckoning.waiting(scene, held=True)
        if released or not held:
            return
        released = True
        for message_id, reason in held:
            if reason == reckoning.IN_DOUBT and result.driver == "vxp":
                continue  # a release says that the axis does not have it, and who could know that here?
            result.released[reason] = result.released.get(reason, 0) + 1
            await scene.run_command("release", message_id, "--why", "the storm is over", "--who", "storm")


SCENES = ("plain", "asking", "vxp", "control")


async def storms(
    folder: Path, seed: int, kills: int, minutes: float, drain_seconds: float, scenes: Sequence[str] = SCENES
) -> dict[str, object]:
    """The runs side by side; a tenth of the kills, at least three, are the control's and not counted."""
    began = time.monotonic()
    runs = {
        "plain": Reckoning(seed, deduplicates=True, asks=True),
        "asking": Reckoning(seed + 1, deduplicates=False, asks=True),
        "vxp": Reckoning(seed + 3, deduplicates=False, asks=True, driver="vxp"),
        "control": Reckoning(seed + 2, deduplicates=False, asks=False),
    }
    runs = {name: run for name, run in runs.items() if name in scenes}
    control = runs.get("control")
    counted = [run for name, run in runs.items() if name != "control"]
    share = -(-kills // max(1, len(counted)))
    async with asyncio.TaskGroup() as group:
        for name, run in runs.items():
            own = max(3, kills // 10) if run is control else share
            group.create_task(storm(folder / name, run, own, minutes, drain_seconds))
    held = all(run.held for run in counted)
    if control is not None:
        held = held and control.faultless and control.doubled + control.statuses_doubled > 0
    told = {
        "held": held,
        **{
            what: sum(getattr(run, what) for run in counted)
            for what in ("kills", "sent", "received", "lost", "doubled")
        },
        "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
        "runs": {name: asdict(run) for name, run in runs.items()},
    }
    if control is not None:
        told |= {
            "control_doubled": control.doubled,
            "control_statuses_doubled": control.statuses_doubled,
            "control_lost": control.lost,
        }
    return told


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--kills", type=int, default=200, help="over all scenes; the control has some of its own")
    asked.add_argument("--seed", type=int, default=None, help="drawn, and printed, when not given")
    asked.add_argument("--minutes", type=float, default=45.0, help="no further kill after so long")
    asked.add_argument("--drain", type=float, default=60.0, help="seconds without a step before giving up")
    asked.add_argument("--folder", type=Path, default=None, help="kept; a temporary one is not")
    asked.add_argument("--scenes", nargs="+", choices=SCENES, default=SCENES, help="only these")
    given = asked.parse_args()
    seed = secrets.randbelow(1 << 31) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lienthong-storm-")))
        result = asyncio.run(storms(folder, seed, given.kills, given.minutes, given.drain, given.scenes))
    print(json.dumps(result, ensure_ascii=False))
    return 0 if result["held"] else 1


if __name__ == "__main__":
    sys.exit(main())
