"""Heads outside the database: what cannot be cut off unseen."""

import asyncio
import datetime as dt
import json
import sqlite3

import pytest
from aiohttp import web
from typer.testing import CliRunner

from gateway import cli
from gateway.config import TimestampsSection
from gateway.errors import Unreachable
from gateway.journal import HeadFolder, Journal
from gateway.journal.heads import Position, read
from gateway.outside.authority import TimeStampingAuthority
from gateway.pipeline.heads import Heads
from gateway.trust import timestamps
from gateway.trust.errors import SignatureInvalid
from tests import pki
from tests.authority import Authority
from tests.contract.journals import Clock, accepted

US = pki.valid("gateway-h99")
PLACE = Position(3, "ab" * 32, 7)
AT = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)


def sign(signed):
    pair = US.pair()
    return pair.sign(signed), pair.fingerprint


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tsa"))


# --- the folder -------------------------------------------------------------------------------------------------


def test_heads_name_each_other_and_are_never_overwritten(tmp_path):
    folder = HeadFolder(tmp_path / "heads")
    first = folder.write(PLACE, AT, sign)
    second = folder.write(PLACE, AT, sign)
    assert (first.file, second.file) == ("00000001.json", "00000002.json")
    assert (first.prev, second.prev) == ("", first.digest)
    assert folder.newest() == second == read((tmp_path / "heads" / second.file).read_bytes())
    assert not folder._put(first.file, b"another")
    assert (tmp_path / "heads" / first.file).read_bytes() == first.data
    report = folder.examine(None, None)
    assert (len(report.heads), report.faults) == (2, ())


@pytest.mark.parametrize(
    ("spoil", "faults"),
    [
        (lambda files: files[1].unlink(), [("00000002.json", "head-missing")]),
        (lambda files: files[0].unlink(), [("00000001.json", "head-missing")]),
        (lambda files: spoilt(files[1], b'"entries":7', b'"entries":8'), [("00000002.json", "head-forged"), ("00000003.json", "head-changed")]),
        (lambda files: files[2].replace(files[1]), [("00000002.json", "head-changed")]),
        (lambda files: spoilt(files[1], b"{", b"("), [("00000002.json", "head-unreadable"), ("00000003.json", "head-changed")]),
        (lambda files: spoilt(files[2], b'":', b'" :'), [("00000003.json", "head-unreadable")]),
    ],
)  # fmt: skip
def test_a_head_that_was_changed_or_taken_away_is_named(tmp_path, spoil, faults):
    folder = HeadFolder(tmp_path)
    for _ in range(3):
        folder.write(PLACE, AT, sign)
    spoil(sorted(tmp_path.glob("*.json")))

    def ours(signed, signature):
        return signature == US.pair().sign(signed)

    assert [(each.file, each.what) for each in folder.examine(ours, None).faults] == faults


def spoilt(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.chmod(0o600)
    path.write_bytes(data.replace(old, new, 1))


def test_a_head_that_a_crash_cut_short_is_no_fault_once_the_next_one_names_it(tmp_path):
    folder = HeadFolder(tmp_path)
    folder.write(PLACE, AT, sign)
    (tmp_path / "00000002.json").write_bytes(b'{"certificate":')
    assert [each.what for each in folder.examine(None, None).faults] == ["head-unreadable"]
    assert folder.newest().number == 1
    assert folder.write(PLACE, AT, sign).number == 3
    assert folder.examine(None, None).faults == ()


# --- the command ------------------------------------------------------------------------------------------------


@pytest.fixture
def ran(tmp_path):
    """Three messages, each in a block of its own; a head after each but the first."""
    pki.write_keys(tmp_path / "keys", US)
    (tmp_path / "lienthong.toml").write_text('data_dir = "data"\nkeys = "keys"\n', encoding="utf-8")

    async def run():
        clock = Clock()
        journal = await Journal.open(tmp_path / "data" / "journal.sqlite", now=clock)
        heads = Heads(journal, HeadFolder(tmp_path / "data" / "heads"), sign, None, clock)
        for number in (1, 2, 3):
            await accepted(journal, message_id=f"m-{number}")
            clock.pass_(60)
            await journal.blocks.close(US.pair().sign)
            await heads.at_stop() if number > 1 else None
        await journal.close()

    asyncio.run(run())
    return tmp_path


def lienthong(folder, *arguments):
    done = CliRunner().invoke(cli.app, ["journal", *arguments, "--config", str(folder / "lienthong.toml")])
    return done.exit_code, done.output


def cut(folder, *, blocks, entries):
    """As whoever holds the database could: the newest blocks go, with their entries and messages."""
    connection = sqlite3.connect(folder / "data" / "journal.sqlite")
    connection.executescript(
        f"PRAGMA foreign_keys=OFF; DELETE FROM block WHERE number IN ({blocks});"
        f"DELETE FROM entry WHERE message_id IN ({entries}); DELETE FROM delivery WHERE message_id IN ({entries});"
        f"DELETE FROM message WHERE message_id IN ({entries});"
    )
    connection.close()


def test_the_newest_block_cut_off_with_its_entries_is_found_by_the_head(ran):
    assert lienthong(ran, "verify")[0] == 0
    cut(ran, blocks="3", entries="'m-3'")
    code, output = lienthong(ran, "verify", "--json")
    report = json.loads(output)
    assert (code, report["intact"]) == (1, False)
    assert report["faults"] == [{"message_id": None, "seq": 3, "what": "cut-off", "head": "00000002.json"}]
    assert "block 3: cut-off, as head 00000002.json shows" in lienthong(ran, "verify")[1]


def test_a_journal_written_anew_differs_from_its_heads(ran):
    cut(ran, blocks="1,2,3", entries="'m-1','m-2','m-3'")

    async def again():
        journal = await Journal.open(ran / "data" / "journal.sqlite", now=Clock())
        for number in (1, 2, 3):
            await accepted(journal, message_id=f"n-{number}")
            await journal.blocks.close(US.pair().sign)
        await journal.close()

    asyncio.run(again())
    _, output = lienthong(ran, "verify", "--json")
    faults = [(each["what"], each["seq"]) for each in json.loads(output)["faults"]]
    assert faults == [("head-differs", 2), ("head-differs", 3)]


def test_without_a_head_it_is_said_that_a_cut_would_not_show(ran):
    for each in (ran / "data" / "heads").iterdir():
        each.unlink()
    code, output = lienthong(ran, "verify")
    assert code == 0
    assert "nothing shows whether the newest blocks were cut off" in output


def test_the_command_writes_a_head_of_what_is_there_now(ran):
    code, output = lienthong(ran, "head", "--json")
    told = json.loads(output)
    assert (code, told["block"], told["entries"], told["timestamp"]) == (0, 3, 3, "not-configured")
    assert told["file"].endswith("heads/00000003.json")
    assert json.loads(lienthong(ran, "verify", "--json")[1])["heads"]["newest"]["file"] == "00000003.json"


# --- the daily loop, and the authority ---------------------------------------------------------------------------


async def daily(folder, stamper=None):
    clock = Clock()
    journal = await Journal.open(folder / "journal.sqlite", now=clock)
    heads = Heads(journal, HeadFolder(folder / "heads"), sign, stamper, clock)
    return clock, journal, heads


def kept(folder):
    return sorted(each.name for each in (folder / "heads").glob("*"))


async def test_a_head_is_written_each_day_and_not_before_there_is_a_block(tmp_path):
    clock, journal, heads = await daily(tmp_path)
    await heads.look()
    assert (kept(tmp_path), heads.watched.ages(clock())) == ([], (0.0, 0.0))
    await accepted(journal, message_id="m-1")
    await journal.blocks.close(US.pair().sign)
    await heads.look()
    clock.pass_(23 * 3600)
    await heads.look()
    assert kept(tmp_path) == ["00000001.json"]
    assert heads.watched.ages(clock())[0] == 23 * 3600
    clock.pass_(3600)
    await heads.look()
    assert kept(tmp_path) == ["00000001.json", "00000002.json"]
    assert heads.watched.ages(clock()) == (0.0, 0.0)
    await journal.close()


async def test_a_folder_that_takes_no_head_shows_in_its_age(tmp_path):
    clock, journal, heads = await daily(tmp_path)
    (tmp_path / "heads").write_text("not a folder")
    await accepted(journal, message_id="m-1")
    await journal.blocks.close(US.pair().sign)
    await heads.look()
    clock.pass_(100)
    await heads.look()
    assert heads.watched.ages(clock())[0] == 100
    await journal.close()


class Fails:
    def __init__(self, authority):
        self.authority, self.down = authority, True

    async def stamp(self, data):
        if self.down:
            raise Unreachable("tsa-unreachable")
        return self.authority.token(data)


async def test_a_head_waits_for_its_timestamp_until_the_authority_answers(tmp_path, authority):
    stamper = Fails(authority)
    clock, journal, heads = await daily(tmp_path, stamper)
    await accepted(journal, message_id="m-1")
    await journal.blocks.close(US.pair().sign)
    await heads.look()
    clock.pass_(600)
    await heads.look()
    assert (kept(tmp_path), heads.watched.ages(clock())[1]) == (["00000001.json"], 600)
    stamper.down = False
    await heads.look()
    assert (kept(tmp_path), heads.watched.ages(clock())[1]) == (["00000001.json", "00000001.tsr"], 0)
    await journal.close()


async def served(answer):
    app = web.Application()
    app.router.add_post("/tsa", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/tsa"


async def test_the_authority_is_asked_over_http_and_its_answer_checked(authority):
    async def answer(request):
        assert request.headers["Content-Type"] == "application/timestamp-query"
        return web.Response(body=authority.answer(await request.read()), content_type="application/timestamp-reply")

    runner, url = await served(answer)
    asked = TimeStampingAuthority(TimestampsSection(url=url, trust=authority.trust), lambda: AT)
    token = await asked.stamp(b"data")
    assert (await timestamps.check(token, b"data", authority.known(), AT)).at == AT
    stranger = TimeStampingAuthority(TimestampsSection(url=url, trust=authority.trust / "none"), lambda: AT)
    with pytest.raises(SignatureInvalid, match="timestamp-untrusted"):
        await stranger.stamp(b"data")
    await runner.cleanup()


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (lambda: web.Response(status=503), "tsa-status"),
        (lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"}), "tsa-status"),
        (lambda: web.Response(body=b"x" * 300_000), "tsa-too-large"),
        (lambda: web.Response(body=b"hello"), "timestamp-form"),
    ],
)
async def test_an_authority_that_gives_no_timestamp_is_said_so(response, code):
    async def answer(request):
        return response()

    runner, url = await served(answer)
    with pytest.raises((Unreachable, SignatureInvalid), match=code):
        await TimeStampingAuthority(TimestampsSection(url=url), lambda: AT).stamp(b"data")
    await runner.cleanup()
