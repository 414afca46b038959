"""A door over the real journal and disk, and submissions to knock with; organs and people are invented."""

import contextlib
import datetime as dt

from gateway.config import AxisSection, Limits, OfficeSection, RouteSection, Settings
from gateway.journal import DiskContents, Journal
from gateway.pipeline.intake import Intake
from gateway.pipeline.routing import Router
from gateway.ports import Upload

NOW = dt.datetime(2026, 3, 2, 1, 30, tzinfo=dt.UTC)
OURS = "000.00.05.H99"
ALSO_OURS = "000.00.06.H99"
NEIGHBOUR = "000.00.07.H99"
FAR = "000.00.00.G98"
FARTHER = "000.00.00.G97"
OFFICE, OTHER_OFFICE = "so-thu-nghiem", "huyen-thu-nghiem"


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> dt.datetime:
        return self.time


def settings(**limits) -> Settings:
    axis = {"driver": "soap", "system_id": "here", "axis_system_id": "there"}
    return Settings(
        limits=Limits(**{"disk_reserve_bytes": 0, **limits}),
        axis=(AxisSection(name="national", **axis), AxisSection(name="provincial", **axis)),
        office=(
            OfficeSection(name=OFFICE, adapter="pull", organs=(OURS, ALSO_OURS)),
            OfficeSection(name=OTHER_OFFICE, adapter="pull", organs=(NEIGHBOUR,)),
        ),
        route=(RouteSection(organ="*.G98", axis="national"), RouteSection(organ="*.G97", axis="provincial")),
    )


class House:
    """The door with all that stands behind it, and counts what is left on the disk."""

    def __init__(self, journal, contents, configured, clock):
        self.journal, self.contents, self.settings, self.clock = journal, contents, configured, clock
        self.router = Router(configured.office, configured.route)
        self.nudges = 0
        self.door = Intake(configured, journal, contents, self.router, clock, accepted=self._nudge)

    def _nudge(self):
        self.nudges += 1


@contextlib.asynccontextmanager
async def open_house(folder, **limits):
    clock = Clock()
    contents = DiskContents(folder / "contents")
    journal = await Journal.open(folder / "journal.db", now=clock)
    try:
        yield House(journal, contents, settings(**limits), clock)
    finally:
        await journal.close()
        await contents.close()


def record(**changes):
    """A record that the door takes, without attachments."""
    whole = {
        "from": {"code": OURS, "name": "Sở Thử nghiệm"},
        "to": [{"code": FAR, "name": "Bộ Thử nghiệm"}],
        "number": "15",
        "notation": "STN-VP",
        "promulgation": {"place": "Thử nghiệm", "date": "2026-03-01"},
        "type": {"code": 2, "name": "Công văn"},
        "subject": "V/v thử nghiệm liên thông",
        "signer": {"competence": "KT", "position": "Phó Giám đốc", "full_name": "Nguyễn Văn Thử"},
        "priority": 1,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def with_files(*names, **changes):
    return record(attachments=[{"name": name, "content_type": "application/pdf"} for name in names], **changes)


async def uploads(*files, before_end=None):
    """Files as (name, bytes); `before_end` is raised in the midst of the last one."""

    async def chunks(data, last):
        yield data[: len(data) // 2]
        if last and before_end:
            raise before_end
        yield data[len(data) // 2 :]

    for index, (name, data) in enumerate(files):
        yield Upload(name, "application/pdf", chunks(data, index == len(files) - 1))


def bytes_on_disk(folder):
    """What of our bytes the disk still holds: erased parts of segments are zeros."""
    return b"".join(path.read_bytes() for path in sorted((folder / "contents").rglob("*")) if path.is_file()).strip(
        b"\0"
    )
