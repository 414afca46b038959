"""What a call looks like on the wire: parameters as headers, the HMAC over them, the quirks that servers differ in."""

import datetime as dt
import hashlib
import hmac
import json

import pytest
import typer

from adapters.axis.vxp import check
from adapters.axis.vxp.signing import file_hash, timestamp
from gateway import app
from gateway.commands.config import check_config
from gateway.config import load
from gateway.errors import Misconfigured, NeedsOperator
from gateway.model import Kind
from tests.pki import GATEWAY, NOW, valid, write_keys, write_trust

from .conftest import RECEIVER, SECRET, SENDER, ok, parcel

PREFIX = "XroadVnpt-"
EVENING = dt.datetime(2026, 12, 31, 17, 30, 5, 42_000, tzinfo=dt.UTC)


async def test_a_document_is_posted_as_it_is_with_its_parameters_in_headers(axis, driver):
    axis.answers = [ok(DocId="A-1")]
    await driver.send(parcel(b"<edXML>x</edXML>"))
    (asked,) = axis.asked
    assert (asked.method, asked.operation, asked.body) == ("POST", "sendEdoc", b"<edXML>x</edXML>\r\n")
    assert asked.headers["User-Agent"] == "JAVASDKAgent/1.0.0 XRoad/VPCP"
    assert asked.headers["Content-Type"] == asked.param("Content-Type") == "application/octet-stream"
    assert asked.param("version") == "3.0.201608"
    assert (asked.param("systemid"), asked.param("from")) == (GATEWAY, SENDER)
    assert (asked.param("servicetype"), asked.param("messagetype")) == ("eDoc", "edoc")
    assert json.loads(asked.param("to")) == [RECEIVER]
    assert asked.param("hash-file") == hashlib.sha256(b"<edXML>x</edXML>").hexdigest()


async def test_the_hmac_covers_exactly_the_signed_parameters_under_the_secret_as_text(axis, driver):
    axis.answers = [ok(DocId="A-1")]
    await driver.send(parcel())
    (asked,) = axis.asked
    text = asked.param("sign-header")
    assert asked.param("hash-header") == hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    signed = json.loads(text)
    assert text == json.dumps(signed, separators=(",", ":"))
    assert [PREFIX + name for name in asked.param("sign-header-key").split(";")] == list(signed)
    assert {name: asked.headers[name] for name in signed} == signed
    assert {PREFIX + name for name in ("systemid", "timestamp", "Content-Type", "hash-file")} <= set(signed)


async def test_a_status_goes_by_the_same_operation_and_names_no_receivers(axis, driver):
    axis.answers = [ok(DocId="A-1")]
    await driver.send(parcel(kind=Kind.STATUS))
    (asked,) = axis.asked
    assert (asked.operation, asked.param("messagetype"), asked.param("to")) == ("sendEdoc", "status", None)


async def test_nothing_of_one_call_is_in_the_headers_of_the_next(axis, driver):
    axis.answers = [ok(DocId="A-1"), ok()]
    await driver.send(parcel())
    await driver.confirm("R-1", b"receipt")
    second = axis.asked[1]
    assert (second.operation, second.body) == ("updateStatus", b"{}")
    assert (second.param("docId"), second.param("status")) == ("R-1", "done")
    assert second.param("hash-file") is second.param("from") is None


async def test_very_many_receivers_stand_in_the_file_only(axis, driver):
    axis.answers = [ok(DocId="A-1")]
    await driver.send(parcel(to=tuple(f"000.00.{number:02}.H08" for number in range(200))))
    assert axis.asked[0].param("to") is None


async def test_the_switches_for_servers_that_differ(axis, connected):
    axis.answers = [ok(DocId="A-1")]
    data = next(bytes([number]) for number in range(256) if "0" in hashlib.sha256(bytes([number])).hexdigest()[::2])
    driver = connected(hash_file="unpadded", ends_with_crlf=False, to_header=False, timestamp="zone")
    await driver.send(parcel(data))
    (asked,) = axis.asked
    assert asked.body == data
    assert asked.param("to") is None
    assert asked.param("hash-file") == "".join(f"{byte:x}" for byte in hashlib.sha256(data).digest())
    assert len(asked.param("hash-file")) < 64
    assert asked.param("timestamp").endswith("+0700")


def test_a_timestamp_is_vietnam_s_clock_with_milliseconds_where_a_zone_seems_to_be():
    assert timestamp(EVENING, "milliseconds") == "01012027T003005+0042"
    assert timestamp(EVENING, "zone") == "01012027T003005+0700"


def test_an_unpadded_hash_leaves_out_the_first_zero_of_a_byte():
    assert file_hash("0a00ff10", "unpadded") == "a0ff10"
    assert file_hash("0a00ff10", "padded") == "0a00ff10"


async def test_lists_are_asked_for_in_vietnam_s_time_and_to_the_end_of_tomorrow(axis, driver):
    axis.answers = [ok(data=[])]
    await driver.pending(10)
    assert {asked.param("messagetype") for asked in axis.asked} == {"edoc", "status"}
    since, until = (
        dt.datetime.strptime(axis.asked[0].param(name) + " +0700", "%d/%m/%Y %H:%M:%S %z")
        for name in ("fromDate", "toDate")
    )
    assert (until - NOW, NOW - since) == (dt.timedelta(days=1), dt.timedelta(days=7))


async def test_a_server_may_want_plain_days_or_no_window(axis, connected):
    axis.answers = [ok(data=[])]
    await connected(list_dates="yyyy/MM/dd").pending(10)
    assert axis.asked[0].param("fromDate").count("/") == 2
    assert ":" not in axis.asked[0].param("toDate")
    axis.asked.clear()
    await connected(list_dates="none").pending(10)
    assert axis.asked[0].param("fromDate") is axis.asked[0].param("toDate") is None


async def test_a_value_that_would_break_out_of_its_header_is_not_sent(axis, driver):
    with pytest.raises(NeedsOperator):
        await driver.confirm("R-1\r\nX: y", b"")
    assert not axis.asked


async def test_a_changed_secret_holds_from_the_next_call_on(axis, driver, secret):
    axis.answers = [ok(DocId="A-1")]
    await driver.send(parcel())
    secret.write_text("mot-bi-mat-khac", encoding="ascii")
    await driver.send(parcel())
    text = axis.asked[1].param("sign-header")
    assert axis.asked[1].param("hash-header") == hmac.new(b"mot-bi-mat-khac", text.encode(), "sha256").hexdigest()


async def test_a_secret_that_went_away_is_for_a_person(axis, driver, secret):
    axis.answers = [ok(DocId="A-1")]
    secret.unlink()
    with pytest.raises(NeedsOperator) as caught:
        await driver.send(parcel())
    assert caught.value.code == "axis-secret-missing"


async def test_the_secret_may_come_from_the_environment(axis, connected, monkeypatch):
    monkeypatch.setenv("TRUC_SECRET", "tu-moi-truong")
    axis.answers = [ok(DocId="A-1")]
    await connected(secret_file=None, secret_env="TRUC_SECRET").send(parcel())
    text = axis.asked[0].param("sign-header")
    assert axis.asked[0].param("hash-header") == hmac.new(b"tu-moi-truong", text.encode(), "sha256").hexdigest()


WRONG = [
    ({"url": "http://10.0.0.5/XrdAdapter/adapter"}, ""),
    ({"url": "ftp://10.0.0.5/"}, "url"),
    ({"url": "https://a:b@10.0.0.5/"}, "url"),
    ({"secret_file": None}, ""),
    ({"secret_env": "X"}, ""),
    ({"secret": "không bao giờ ở đây"}, "secret"),
    ({"secret_file": "relative"}, "secret_file"),
    ({"finds": "by-message-id"}, "finds"),
]


@pytest.mark.parametrize(("options", "field"), WRONG)
def test_options_that_cannot_hold_are_refused_by_name_and_without_their_values(connected, options, field):
    with pytest.raises(Misconfigured) as caught:
        connected(**options)
    assert field in caught.value.problems[0].field
    assert "không bao giờ" not in str(caught.value)


def test_a_missing_secret_is_told_before_the_gateway_starts(connected, tmp_path):
    with pytest.raises(Misconfigured):
        connected(secret_file=str(tmp_path / "nothing"))


def test_plain_http_is_taken_where_the_operator_says_that_the_way_is_private(connected):
    assert connected(url="http://10.0.0.5/XrdAdapter/adapter", private_network=True)


def test_check_config_names_what_is_wrong_with_the_options(tmp_path):
    assert [(each.field, each.code) for each in check({"url": "ftp://x", "secret_file": "relative"})] == [
        ("url", "value-error"),
        ("secret_file", "value-error"),
    ]
    (problem,) = check({"url": "http://127.0.0.1/a", "secret_file": str(tmp_path / "nothing")})
    assert problem.code == "axis-secret-missing"


def configuration(folder, **axis):
    folder.mkdir(exist_ok=True)
    (folder / "vxp.secret").write_text(SECRET, encoding="ascii")
    write_keys(folder / "keys", valid(GATEWAY))
    write_trust(folder / "trust", valid("somebody-else"))
    lines = [f"{name} = {json.dumps(value)}" for name, value in axis.items()]
    path = folder / "lienthong.toml"
    path.write_text(
        "\n".join(
            [
                f"[[axis]]\nname = 'quoc-gia'\ndriver = 'vxp'\nsystem_id = '{GATEWAY}'\naxis_system_id = 'truc'",
                *lines,
                f"[axis.options]\nurl = 'http://127.0.0.1:9/adapter'\nsecret_file = '{folder / 'vxp.secret'}'",
            ]
        ),
        encoding="utf-8",
    )
    return path


async def test_a_signature_that_cannot_survive_must_not_be_required(tmp_path, capsys):
    path = configuration(tmp_path / "a")
    with pytest.raises(typer.Exit):
        check_config(path)
    assert "axis.0.edxml_signature" in "".join(capsys.readouterr())
    with pytest.raises(Misconfigured):
        async with app.built(load(path)):
            pass


async def test_an_axis_that_signs_nothing_needs_no_certificate(tmp_path):
    path = configuration(tmp_path / "a", edxml_signature="if-present-report")
    check_config(path)
    async with app.built(load(path)) as gateway:
        assert gateway.partners.axes["quoc-gia"].must_ask_first
