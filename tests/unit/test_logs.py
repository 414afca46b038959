import asyncio
import gc
import io
import json
import logging
import sys

import pytest
import structlog

from gateway import logs
from gateway.errors import Rejection

SECRET = "Về việc bổ nhiệm cán bộ"


@pytest.fixture
def written(monkeypatch):
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in logs.PINNED}
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    logs.configure("DEBUG", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], level, pinned = before
    root.setLevel(level)
    for name, number in pinned.items():
        logging.getLogger(name).setLevel(number)
    structlog.reset_defaults()


def test_a_line_is_json_with_level_time_and_the_bound_message_id(written):
    with structlog.contextvars.bound_contextvars(message_id="m1"):
        structlog.get_logger().info("stage-done", stage="pack")
    (line,) = written()
    assert line["event"] == "stage-done"
    assert line["message_id"] == "m1"
    assert line["level"] == "info"
    assert line["stage"] == "pack"
    assert line["timestamp"].endswith("Z")


def test_the_message_id_reaches_lines_of_the_standard_library_too(written):
    with structlog.contextvars.bound_contextvars(message_id="m1"):
        logging.getLogger("alembic").warning("slow migration")
    (line,) = written()
    assert line["message_id"] == "m1"
    assert line["logger"] == "alembic"


@pytest.mark.parametrize("key", ["body", "subject", "key", "Authorization", "private_key", "payload"])
def test_forbidden_keys_are_dropped_by_name_even_inside_a_table(written, key):
    structlog.get_logger().info("odd", facts={key: SECRET}, **{key: SECRET})
    (line,) = written()
    assert SECRET not in json.dumps(line, ensure_ascii=False)
    assert line["dropped"] == [key]


def test_bytes_are_never_rendered(written):
    structlog.get_logger().info("odd", chunk=SECRET.encode())
    (line,) = written()
    assert "chunk" not in line
    assert line["dropped"] == ["chunk"]


def test_a_value_of_great_length_is_cut(written):
    structlog.get_logger().info("odd", note="x" * 10_000)
    assert len(written()[0]["note"]) <= logs.LONGEST + 1


def test_of_a_foreign_exception_only_type_and_places_are_told(written):
    try:
        raise ValueError(SECRET)
    except ValueError:
        structlog.get_logger().exception("stage-bug")
    (line,) = written()
    assert line["error"] == "ValueError"
    assert "test_logs.py" in line["places"][-1]
    assert SECRET not in json.dumps(line, ensure_ascii=False)


def test_the_same_holds_for_exceptions_that_libraries_log(written):
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling request")
    (line,) = written()
    assert line["error"] == "ValueError"
    assert SECRET not in json.dumps(line, ensure_ascii=False)


def test_what_ends_the_process_is_told_without_its_text(written):
    try:
        raise ValueError(SECRET)
    except ValueError as exc:
        sys.excepthook(type(exc), exc, exc.__traceback__)
    (line,) = written()
    assert (line["event"], line["level"], line["error"]) == ("unhandled", "critical", "ValueError")
    assert SECRET not in json.dumps(line, ensure_ascii=False)


async def test_a_task_that_nobody_asked_about_is_told_without_what_its_exception_says(written):
    async def fail():
        raise ValueError(SECRET)

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    gc.collect()
    (line,) = written()
    assert line["logger"] == "asyncio"
    assert line["error"] == "ValueError"
    assert SECRET not in json.dumps(line, ensure_ascii=False)


def test_our_own_errors_say_their_code_and_message_and_what_type_caused_them(written):
    try:
        try:
            raise ValueError(SECRET)
        except ValueError as exc:
            raise Rejection("organ-unknown", "no organ 000.00.99.H08") from exc
    except Rejection:
        structlog.get_logger().warning("rejected", exc_info=True)
    (line,) = written()
    assert line["error_code"] == "organ-unknown"
    assert line["error_message"] == "no organ 000.00.99.H08"
    assert line["caused_by"] == "ValueError"
    assert SECRET not in json.dumps(line, ensure_ascii=False)


@pytest.mark.parametrize("name", ["signxml.processor", "signxml.verifier", "zeep.transports", "aiohttp.access"])
def test_loggers_that_write_whole_documents_are_silent_even_at_debug(written, name):
    logging.getLogger(name).debug(SECRET)
    logging.getLogger(name).info(SECRET)
    assert written() == []


def test_debug_lines_of_ours_are_left_out_at_info(written):
    stream = io.StringIO()
    logs.configure("INFO", stream)
    structlog.get_logger().debug("detail")
    structlog.get_logger().info("event")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["event"]
