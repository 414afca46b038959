"""The process that touches hostile PDFs: `python -m gateway.trust.pdf.worker`, one JSON line in, one out.

The first line is its options; then, per file, where the bytes are, the time to judge at, and revocation answers at hand. It has a ceiling on memory
and on processor time per file, writes no file, starts no process and opens no connection: those are refused inside the
interpreter. It ends when its input ends. What goes wrong outside the file's own doing is answered by its death, which
`examiner` reports.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import json
import logging
import resource
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import TypeAdapter

from gateway.trust.pdf import signatures, text
from gateway.trust.pdf.options import PdfOptions
from gateway.trust.pdf.reading import Unexaminable
from gateway.trust.pdf.report import OUT_OF_MEMORY, PdfReport, PdfText, to_json, unexamined
from gateway.trust.pdf.trust_list import TrustList, with_answers

_FORBIDDEN = (
    "subprocess.Popen",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "pty.spawn",
)
_FORBIDDEN_NET = (
    "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname",
)  # fmt: skip


def main() -> None:
    logging.disable(logging.CRITICAL)  # libraries name subjects and objects in their warnings
    options = TypeAdapter(PdfOptions).validate_json(sys.stdin.buffer.readline())
    trust = TrustList(options.trust, options.revocation_answers)
    trust.known()
    _confine(options)
    gc.freeze()  # the libraries stay: collecting after each file looks at what the file left
    answer, loop = sys.stdout.buffer, asyncio.new_event_loop()
    answer.write(b'{"ready":true}\n')
    answer.flush()
    while line := sys.stdin.buffer.readline():
        _allow_processor_time(options.limits.cpu_seconds)
        report = _one(json.loads(line), options, trust, loop)
        answer.write(to_json(report) + b"\n")
        answer.flush()
        if OUT_OF_MEMORY.intersection(report.findings):
            return  # what is left of the heap is nobody's business any more
        gc.collect()  # readers are full of cycles, and the next file may need the room


def _one(order: dict[str, Any], options: PdfOptions, trust: TrustList, loop: asyncio.AbstractEventLoop) -> PdfReport:
    try:
        with Path(order["path"]).open("rb") as file:
            return _examined(file, order, options, trust, loop)
    except Unexaminable as error:
        return unexamined(error.code)
    except MemoryError:
        return unexamined("memory")
    except RecursionError:
        return unexamined("too-deep")


def _examined(
    file: BinaryIO, order: dict[str, Any], options: PdfOptions, trust: TrustList, loop: asyncio.AbstractEventLoop
) -> PdfReport:
    now = dt.datetime.fromisoformat(order["now"])
    known = with_answers(trust.known(), [Path(each) for each in order["answers"]])
    signed = loop.run_until_complete(signatures.examine(file, options, known, now))
    if not order["text"]:
        return signed
    file.seek(0)
    content, findings = PdfText("could-not-be-examined"), signed.findings
    try:
        content = text.extract(file, options.limits)
    except MemoryError:
        findings += ("text-memory",)
    except RecursionError:
        findings += ("text-too-deep",)
    return replace(signed, findings=findings, text=content)


def _confine(options: PdfOptions) -> None:
    memory = options.limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def refuse(event: str, _arguments: object) -> None:
        if event in _FORBIDDEN or event in _FORBIDDEN_NET:
            raise PermissionError(event)

    sys.addaudithook(refuse)


def _allow_processor_time(seconds: int) -> None:
    """The system counts a process's whole life: each file gets its share from here."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + seconds, hard))


if __name__ == "__main__":
    main()
