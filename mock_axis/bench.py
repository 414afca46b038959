"""`lienthong bench`: what the gateway costs, measured on the machine it is run on; see docs/benchmarks.md."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mock_axis import bench_backlog, bench_exchange, bench_large, bench_pdf, bench_year
from mock_axis.bench_exchange import Load
from mock_axis.bench_rig import DoesNotCount, Told

bench = typer.Typer(help="Measure the gateway, with the mock axis beside it.", no_args_is_help=True)

Documents = Annotated[int, typer.Option(min=2, help="In each run, after the warm-up.")]
Size = Annotated[int, typer.Option(min=1, help="Of each document's attachment, in bytes.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]
Quick = Annotated[bool, typer.Option("--quick", help="A short form: shows that it runs; its figures mean little.")]
Driver = Annotated[Literal["soap", "vxp"], typer.Option(help="Which face of the axis the gateway speaks to.")]
Pairs = Annotated[int, typer.Option(min=1, help="How often the two are measured in turn.")]


@bench.command()
def exchange(
    documents: Documents = 1000,
    size: Size = 100_000,
    pairs: Pairs = 5,
    driver: Driver = "soap",
    quick: Quick = False,
    as_json: Json = False,
) -> None:
    """CPU per document on the whole road, beside the floor; documents per second; latency."""
    load = Load(min(documents, 60), size, warm_up=20) if quick else Load(documents, size)
    pairs, seconds = (1, 3.0) if quick else (pairs, 25.0)
    show(
        as_json,
        lambda folder, telling: bench_exchange.exchange(folder, load, pairs, seconds, telling, driver),
        load.documents,
    )


@bench.command()
def large(
    size: Annotated[int, typer.Option(min=1, help="Of the attachment, in bytes.")] = 200 << 20, as_json: Json = False
) -> None:
    """Memory while one large attachment goes out and one comes in, and small documents beside it."""
    show(as_json, lambda folder, telling: bench_large.large(folder, size, telling("three steps")), 3)


@bench.command()
def backlog(
    documents: Documents = 300,
    size: Size = 100_000,
    pairs: Pairs = 5,
    finished: Annotated[int, typer.Option(min=1)] = 100_000,
    waiting: Annotated[int, typer.Option(min=1)] = 10_000,
    as_json: Json = False,
) -> None:
    """CPU per document with a full journal beside that with an empty one."""
    load = Load(documents, size)
    show(
        as_json,
        lambda folder, telling: bench_backlog.backlog(folder, load, pairs, finished, waiting, telling),
        documents,
    )


@bench.command()
def pdf(
    files: Annotated[int, typer.Option(min=5, help="For each number of signatures.")] = 150,
    size: Annotated[int, typer.Option(min=1, help="Of each PDF before it is signed, in bytes.")] = 100_000,
    as_json: Json = False,
) -> None:
    """CPU of examining a PDF, by the number of its signatures, child processes included."""
    show(as_json, lambda folder, telling: bench_pdf.pdf(folder, files, size, telling), files)


@bench.command()
def year(
    fraction: Annotated[float, typer.Option(min=0.0001, max=1, help="Of the year's documents.")] = 1.0,
    documents: Annotated[int, typer.Option(min=0, help="So many documents in all, instead of a fraction.")] = 0,
    seed: Annotated[int, typer.Option(help="Sizes, and which are signed, are drawn from it.")] = 1,
    as_json: Json = False,
) -> None:
    """A province's year, 11,461 documents out and 23,135 in, as fast as it goes; counted on three sides."""
    share = documents / (bench_year.OUT + bench_year.IN) if documents else fraction
    show(as_json, lambda folder, telling: bench_year.year(folder, share, seed, telling), 1)


class Telling(Protocol):
    """Makes a bar; for as many documents as each run has, unless told."""

    def __call__(self, what: str, total: int | None = None, /) -> Told: ...


def show(
    as_json: bool, measure: Callable[[Path, Telling], Coroutine[Any, Any, dict[str, Any]]], documents: int
) -> None:
    """Measure in a folder of its own, and print what came out. Exits 1 where the run does not count."""
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-", dir=Path.cwd()) as folder, progress(documents) as told:
        try:
            result = asyncio.run(measure(Path(folder), told))
        except DoesNotCount as error:
            print(f"the run does not count: {error}", file=sys.stderr)
            raise typer.Exit(1) from None
    print(json.dumps(result, indent=None if as_json else 2, ensure_ascii=False))


@contextmanager
def progress(documents: int) -> Iterator[Telling]:
    """A bar for each part of the work, on standard error, where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        def telling(what: str, total: int | None = None, /) -> Told:
            task = bars.add_task(what, total=total or documents)
            return lambda done: bars.update(task, completed=done)

        yield telling
