"""What a virus scanner's verdicts do to documents on the road, both ways."""

import contextlib

import pytest

from gateway.config import AntivirusSection
from gateway.errors import Busy, Refused, Unreachable
from gateway.model import Business
from gateway.outside.clamd import Clamd
from gateway.pipeline.scanning import Scanning
from gateway.ports import Scanned, ScanVerdict
from gateway.states import Stage
from gateway.web import answers
from tests.pipeline.road import FAR, NEIGHBOUR, OFFICE, OURS, document_file
from tests.scanner import EICAR, NAME, simulated

SOUND = b"%PDF-1.7 mot"


@contextlib.asynccontextmanager
async def scanned(road, **options):
    """The road, with a virus scanner."""
    async with simulated() as scanner:
        section = scanner.section(**{"timeout_seconds": 0.5, "attempts": 3, **options})
        scanning = Scanning(Clamd(section), road.contents, road.journal, section, road.metrics.scanned)
        road.intake._scanning = road.stages[Stage.EXAMINE].__self__._documents._scanning = scanning
        yield scanner


def counted(road, verdict):
    return road.metrics.registry.get_sample_value("lienthong_antivirus_scans_total", {"verdict": verdict})


class Halting:
    """A scanner that fails on some files only."""

    async def scan(self, content, chunks):
        shown = b"".join([chunk async for chunk in chunks])
        if b"HALT" in shown:
            raise Unreachable("antivirus-unreachable", "clamd: TimeoutError")
        return Scanned(ScanVerdict.INFECTED, NAME) if EICAR in shown else Scanned(ScanVerdict.CLEAN)


def halting(road, **options):
    section = AntivirusSection(clamd="/run/clamd", **{"unreachable": "pass", "attempts": 1, **options})
    scanning = Scanning(Halting(), road.contents, road.journal, section, road.metrics.scanned)
    road.intake._scanning = road.stages[Stage.EXAMINE].__self__._documents._scanning = scanning


async def held_bytes(road):
    return sorted(each.name for each in (road.folder / "contents").rglob("*") if each.is_file())


async def test_an_infected_attachment_is_refused_at_the_door_by_field_and_name_and_leaves_nothing(road):
    async with scanned(road):
        with pytest.raises(Refused) as refused:
            await road.submit(files=(("a.pdf", SOUND), ("b.pdf", EICAR)))
    assert (refused.value.code, refused.value.status) == ("infected", 422)
    [problem] = refused.value.problems
    assert (problem.field, problem.code) == ("attachments[1]", "attachment-infected")
    assert problem.facts == {"virus": NAME}
    assert counted(road, "infected") == counted(road, "clean") == 1


async def test_the_verdict_on_what_was_sent_is_in_the_timeline_and_the_answer(road):
    async with scanned(road):
        message_id = await road.submit(files=(("a.pdf", SOUND), ("b.pdf", SOUND + b" hai")))
        await road.run()
    assert (await road.facts(message_id, "accepted"))[0]["antivirus"] == "clean clean"
    message = await road.message(message_id)
    shown = answers.document(message, (), (), (), (), (), ())
    assert [(each.field, each.verdict) for each in shown.antivirus] == [
        ("attachments[0]", "clean"),
        ("attachments[1]", "clean"),
    ]
    assert await road.state(message_id) == "sent"


async def test_what_could_not_be_examined_goes_on_with_a_warning_and_is_held_where_the_policy_says_so(road):
    async with scanned(road, largest_bytes=5):
        message_id = await road.submit()
        assert (await road.facts(message_id, "accepted"))[0]["antivirus"] == "not-examined"
    async with scanned(road, largest_bytes=5, unexamined="hold"):
        waiting = await road.submit()
        await road.run()
        assert (await road.state(waiting), await road.held(waiting)) == ("accepted", "antivirus-not-examined")
        await road.acts.release(waiting, "operator", "seen by hand")
        await road.run()
        assert await road.state(waiting) == "sent"


async def test_while_the_scanner_is_silent_the_door_says_later_or_warns(road):
    async with scanned(road) as scanner:
        scanner.fault = "dead"
        with pytest.raises(Busy, match="antivirus-unreachable") as busy:
            await road.submit()
        assert busy.value.after == 30
    async with scanned(road, unreachable="pass") as scanner:
        scanner.fault = "slow"
        message_id = await road.submit()
    assert (await road.facts(message_id, "accepted"))[0]["antivirus"] == "unreachable"


async def test_an_infected_document_from_outside_waits_for_an_operator_and_no_office_hears_of_it(road):
    async with scanned(road):
        message_id = await road.receive(document_file(OURS, NEIGHBOUR, files=(("b.pdf", SOUND), ("c.pdf", EICAR))))
        assert (await road.state(message_id), await road.held(message_id)) == ("confirmed", "infected")
        [facts] = await road.facts(message_id, "held")
        assert (facts["antivirus"], facts["virus"]) == ("clean infected", NAME)
        assert not road.told()
        kept = [each.content for each in await road.journal.contents(message_id) if each.role == "attachment"]
        assert [await road.contents.read(each) for each in kept] == [SOUND, EICAR]
        assert await road.owed(message_id) == []
        await road.acts.release(message_id, "operator", "try again")
        await road.run()
        assert await road.held(message_id) == "infected"
        await road.acts.reject(message_id, "operator", "infected")
        await road.run()
    assert await road.state(message_id) == "rejected"
    assert await road.owed(message_id) == [(OURS, "02"), (NEIGHBOUR, "02")]
    assert not road.told()


async def test_a_scanner_that_comes_to_another_mind_lets_a_released_document_go_on(road):
    async with scanned(road) as scanner:
        message_id = await road.receive(document_file(files=(("b.pdf", EICAR),)))
        assert await road.held(message_id) == "infected"
        scanner.answer = b"stream: OK"
        await road.acts.release(message_id, "operator", "the signature was wrong")
        await road.run()
    assert await road.state(message_id) == "closed"
    assert (await road.facts(message_id, "trusted"))[0]["antivirus"] == "clean"
    assert road.told(OFFICE)


@pytest.mark.parametrize(
    ("policy", "ends", "held"), [("hold", "confirmed", "antivirus-unreachable"), ("pass", "closed", None)]
)
async def test_what_was_received_is_put_off_while_the_scanner_is_silent_and_then_the_policy_decides(
    road, policy, ends, held
):
    async with scanned(road, unreachable=policy) as scanner:
        scanner.fault = "dead"
        message_id = await road.receive(document_file())
        assert (await road.state(message_id), await road.held(message_id)) == ("confirmed", None)
        for _ in range(5):
            await road.later(minutes=1)
        assert (await road.state(message_id), await road.held(message_id)) == (ends, held)
        assert (await road.codes(message_id)).count("put-off") == 2
        assert await road.journal.partners.endpoints() == []
        if policy == "pass":
            assert (await road.journal.extra(message_id))["findings"] == [
                {"code": "attachment-not-scanned", "severity": "warning", "field": "attachments[0]"}
            ]
        else:
            scanner.fault = None
            await road.acts.release(message_id, "operator", "it works again")
            await road.run()
            assert await road.state(message_id) == "closed"


async def test_an_operator_lets_what_could_not_be_examined_go_on(road):
    async with scanned(road, largest_bytes=5, unexamined="hold"):
        message_id = await road.receive(document_file())
        assert await road.held(message_id) == "antivirus-not-examined"
        await road.acts.release(message_id, "operator", "seen by hand")
        await road.run()
    assert await road.state(message_id) == "closed"
    assert (await road.facts(message_id, "trusted"))[0]["antivirus"] == "not-examined"


async def test_a_document_without_attachments_and_a_status_ask_no_scanner(road):
    async with scanned(road) as scanner:
        scanner.fault = "dead"
        message_id = await road.receive(document_file(files=()))
        assert await road.state(message_id) == "closed"
        assert (await road.message(message_id)).sender == FAR


@pytest.mark.parametrize("policy", ["hold", "pass"])
async def test_what_is_infected_stays_so_where_another_attachment_could_not_be_scanned(road, policy):
    halting(road, unreachable=policy)
    files = (("a.pdf", SOUND + EICAR), ("b.pdf", SOUND + b" HALT"))
    with pytest.raises(Refused) as refused:
        await road.submit(files=files)
    assert [each.field for each in refused.value.problems] == ["attachments[0]"]
    message_id = await road.receive(document_file(files=files))
    assert await road.held(message_id) == "infected"
    [facts] = await road.facts(message_id, "held")
    assert facts["antivirus"] == "infected unreachable"
    assert not road.told()


async def test_only_what_could_not_be_asked_about_is_said_to_be_unscanned(road):
    halting(road, unexamined="hold")
    files = (("a.pdf", SOUND), ("b.pdf", SOUND + b" HALT"))
    message_id = await road.submit(files=files)
    assert (await road.facts(message_id, "accepted"))[0]["antivirus"] == "clean unreachable"
    received = await road.receive(document_file(files=files))
    assert await road.state(received) == "closed"
    assert (await road.facts(received, "trusted"))[0]["antivirus"] == "clean unreachable"


async def test_waiting_for_an_earlier_document_uses_up_no_tries_of_the_scanner(road):
    async with scanned(road, unreachable="pass", attempts=3) as scanner:
        scanner.fault = "dead"
        message_id = await road.receive(document_file(business=Business(type=2, document_id="chua-den", reason="x")))
        for _ in range(12):
            await road.later(minutes=3)
    assert await road.state(message_id) == "closed"
    codes = await road.codes(message_id)
    assert codes.count("waits-for-earlier") >= 3
    assert codes.count("put-off") == 2
