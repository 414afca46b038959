"""The organ directory from the axis to the journal to the door; organs are invented."""

import asyncio
import datetime as dt

import pytest

from gateway.config import AxisSection
from gateway.errors import NeedsOperator, Unreachable
from gateway.journal import Journal, OrganLine
from gateway.model import Document, Organ
from gateway.pipeline.directory import Directories, sync
from gateway.ports import AxisOrgan
from tests.fakes import FakeClock

FIRST = [AxisOrgan("H1.01", "Sở Một", "000.00.01.H1"), AxisOrgan("H1.02", "Sở Hai", predecessors=("H1.09",))]
TODAY = dt.date(2026, 3, 2)


class Listing:
    """As much of an axis as the directory asks."""

    name = "national"

    def __init__(self, *organs):
        self.listed = list(organs)
        self.down = None

    async def organs(self):
        if self.down:
            raise self.down
        return self.listed


class House:
    def __init__(self, journal, clock):
        self.journal, self.clock, self.axis = journal, clock, Listing(*FIRST)

    async def sync(self, **options):
        return await sync(self.axis, self.journal, self.clock().date(), **options)

    def door(self, policy="enforce"):
        section = AxisSection(name="national", driver="soap", system_id="a", axis_system_id="b", directory=policy)
        return Directories([section], self.journal, self.clock)

    async def look(self, *codes, policy="enforce", door=None):
        to = tuple(code if isinstance(code, Organ) else Organ(code) for code in codes)
        document = Document(Organ("H9"), to, "d1", "1", "A", "V/v")
        return await (door or self.door(policy)).receivers(document, {"national": tuple(each.code for each in to)})


@pytest.fixture
async def house(tmp_path):
    clock = FakeClock()
    clock.now = dt.datetime(2026, 3, 2, 1, 30, tzinfo=dt.UTC)
    journal = await Journal.open(tmp_path / "journal.db", now=clock)
    yield House(journal, clock)
    await journal.close()


async def test_what_an_axis_lists_is_kept_with_the_day_and_read_back(house):
    done = await house.sync()
    assert (done.listed, done.written, done.closed) == (2, 2, 0)
    assert await house.journal.directory.organs("national") == [
        OrganLine("H1.01", "Sở Một", TODAY, None, "000.00.01.H1"),
        OrganLine("H1.02", "Sở Hai", TODAY, None, "", ("H1.09",)),
    ]
    assert await house.journal.directory.compared() == {"national": house.clock()}


async def test_a_second_sync_writes_only_what_changed(house):
    await house.sync()
    house.clock.advance(days=1)
    house.axis.listed = [FIRST[0], AxisOrgan("H1.03", "Sở Ba")]
    done = await house.sync()
    assert (done.written, done.closed) == (2, 1)
    house.clock.advance(days=1)
    assert (await house.sync()).written == 0
    assert await house.journal.directory.compared() == {"national": house.clock()}


async def test_a_failed_sync_leaves_the_directory_as_it_was(house):
    await house.sync()
    before = await house.journal.directory.organs("national")
    house.axis.down = Unreachable("axis-down")
    with pytest.raises(Unreachable):
        await house.sync()
    assert await house.journal.directory.organs("national") == before


async def test_a_list_that_would_close_most_organs_is_not_believed_unasked(house):
    house.axis.listed = [AxisOrgan(f"H1.{number:02}", f"Sở {number}") for number in range(20)]
    await house.sync()
    house.clock.advance(days=1)
    house.axis.listed = house.axis.listed[:5]
    with pytest.raises(NeedsOperator, match="15 of 20"):
        await house.sync()
    assert (await house.look("H1.19")).problems == ()
    assert (await house.sync(force=True)).closed == 15
    [problem] = (await house.look("H1.19")).problems
    assert problem.code == "organ-closed"


async def test_nothing_is_judged_before_the_first_sync_and_nothing_where_the_policy_is_off(house):
    assert (await house.look("X9")).problems == ()
    await house.sync()
    assert (await house.look("X9", policy="off")).problems == ()
    assert (await house.look("X9")).problems != ()


async def test_a_bare_code_gets_its_name_and_a_given_name_stays(house):
    await house.sync()
    looked = await house.look("H1.01", Organ("H1.02", "Sở theo văn thư"))
    assert [organ.name for organ in looked.document.to] == ["Sở Một", "Sở theo văn thư"]


async def test_an_old_code_is_written_as_the_directory_lists_it_and_said_so(house):
    await house.sync()
    looked = await house.look("000.00.01.H1")
    assert looked.document.to == (Organ("H1.01", "Sở Một"),)
    assert looked.roads == {"national": ("H1.01",)}
    assert [(each.code, each.facts["listed"]) for each in looked.warnings] == [("organ-renamed", "H1.01")]


async def test_an_organ_named_by_both_its_codes_is_one_receiver(house):
    await house.sync()
    looked = await house.look("H1.01", "000.00.01.H1")
    assert [organ.code for organ in looked.document.to] == ["H1.01"]
    assert looked.roads == {"national": ("H1.01",)}


async def test_an_unknown_receiver_is_a_problem_with_its_nearest_matches(house):
    await house.sync()
    [problem] = (await house.look("H1.01", Organ("H1.11", "so hai"))).problems
    assert (problem.field, problem.code) == ("to[1].code", "organ-unlisted")
    assert problem.facts["nearest"].startswith("H1.02 Sở Hai")


async def test_a_closed_receiver_is_a_problem_that_names_what_it_became(house):
    house.axis.listed = [*FIRST, AxisOrgan("H1.09", "Phòng Cũ")]
    await house.sync()
    house.clock.advance(days=1)
    house.axis.listed = FIRST
    await house.sync()
    [problem] = (await house.look("H1.09")).problems
    assert (problem.code, problem.facts["name"]) == ("organ-closed", "Phòng Cũ")
    assert problem.facts["nearest"].startswith("H1.02 Sở Hai")


async def test_under_warn_the_same_is_only_a_warning(house):
    await house.sync()
    looked = await house.look("X9", policy="warn")
    assert (looked.problems, [each.code for each in looked.warnings]) == ((), ["organ-unlisted"])


async def test_a_sync_by_another_process_is_seen_within_half_a_minute(house):
    await house.sync()
    door = house.door()
    assert (await house.look("H1.03", door=door)).problems != ()
    house.axis.listed = [*FIRST, AxisOrgan("H1.03", "Sở Ba")]
    house.clock.advance(seconds=1)
    await house.sync()
    assert (await house.look("H1.03", door=door)).problems != ()
    house.clock.advance(seconds=30)
    assert (await house.look("H1.03", door=door)).problems == ()


async def test_a_code_that_was_replaced_is_an_alias_of_the_listed_one(house):
    await house.sync()
    assert await house.door().aliases("national", "H1.01") == {"000.00.01.H1"}
    assert await house.door().aliases("national", "X9") == frozenset()


async def test_many_who_ask_at_once_after_a_start_are_all_judged(house):
    await house.sync()
    door = house.door()
    looked = await asyncio.gather(*(house.look("X9", door=door) for _ in range(20)))
    assert all(each.problems for each in looked)
