"""Throughput and latency under a closed loop of clients, compared with a plain server of the same parts.

    python -m benchmarks.load --clips FOLDER
    python -m benchmarks.load --clips FOLDER --recognise

The servers are measured alternately on the same cores; the load generator is pinned to one core and its utilisation is
printed. Only ratios carry over to another machine.
"""

import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from alignment.audio import decode_audio
from benchmarks.clips import FIXTURES, given_words, read_clips
from benchmarks.load_client import LIVE, LoadResult, form_request, run_clients
from benchmarks.server_process import Server, run_server

_CORE: Final = 0
_LIVE_EVERY_S: Final = 0.1
_SERVICE: Final = "service"
_SCORERS: Final = "service, a scorer a core"
_UNBATCHED: Final = "service, batches of 1"
_PLAIN: Final = "plain server"
_POCKETSPHINX: Final = "service, PocketSphinx"
_SERVERS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    _SERVICE: ("service", {}),
    _SCORERS: ("service", {"CAN_SCORERS": str(os.cpu_count() or 1)}),
    _UNBATCHED: ("service", {"CAN_BATCH__MAX_REQUESTS": "1"}),
    _PLAIN: ("benchmarks.plain_server", {"OPENBLAS_NUM_THREADS": "1"}),
}


@dataclass(frozen=True, slots=True)
class Run:
    """Results of the clients and of concurrent health checks, and processor time per response."""

    load: LoadResult
    live: LoadResult
    cpu_ms: float


console = Console(highlight=False, width=140)


def run_once(server: Server, requests: list[bytes], clients: int, seconds: float) -> Run:
    """Run one closed loop against one server."""
    before = server.cpu_s()
    with ThreadPoolExecutor(1) as pool:
        live = pool.submit(run_clients, server.port, [LIVE], 1, seconds, _LIVE_EVERY_S, _CORE)
        load = run_clients(server.port, requests, clients, seconds, core=_CORE)
    return Run(load, live.result(), 1_000 * (server.cpu_s() - before) / max(1, len(load.latencies_s)))


def measure(
    servers: Mapping[str, Server], requests: list[bytes], clients: int, seconds: float, rounds: int
) -> dict[str, Run]:
    """Measure all servers alternately, `rounds` times; return the median run of each by requests per second."""
    runs: dict[str, list[Run]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, server in servers.items():
            runs[name].append(run_once(server, requests, clients, seconds))
    return {name: sorted(each, key=lambda run: run.load.per_second)[rounds // 2] for name, each in runs.items()}


def show(table: Table, clients: int, measured: Mapping[str, Run]) -> None:
    """Add one row per server."""
    plain = measured[_PLAIN].load.per_second
    for name, run in measured.items():
        refused = sum(number for status, number in run.load.statuses.items() if status != 200)
        table.add_row(
            str(clients),
            name,
            f"{run.load.per_second:.1f}",
            f"{run.load.per_second / plain:.2f}",
            *(f"{run.load.percentile_ms(percent):.0f}" for percent in (50, 95, 99)),
            str(refused),
            f"{run.live.percentile_ms(99):.0f}",
            f"{run.cpu_ms:.1f}",
            f"{100 * run.load.core_share:.0f} %",
        )


def start_servers(stack: ExitStack, folder: Path, places: int | None, *, recognise: bool) -> dict[str, Server]:
    """Start all servers; `places` adds a service with that limit, `recognise` one with another recogniser."""
    servers = dict(_SERVERS)
    cores = {"CAN_POCKETSPHINX__WORKERS": str(os.cpu_count() or 1)}
    if recognise:
        servers[_POCKETSPHINX] = ("service", cores)
    if places is not None:
        servers[f"{_SERVICE}, {places} places"] = ("service", {"CAN_MAX_WAITING": str(places)})
    return {
        name: stack.enter_context(
            run_server(
                folder / name,
                "--aligner",
                "pocketsphinx" if name == _POCKETSPHINX else "moonshine",
                module=module,
                settings=settings,
            )
        )
        for name, (module, settings) in servers.items()
    }


def main(
    clips: Annotated[Path, typer.Option(help="Folder of wav or flac recordings.")] = FIXTURES,
    count: Annotated[int, typer.Option(min=1, help="Number of clips.")] = 48,
    clients: Annotated[str, typer.Option(help="Numbers of clients, separated by commas.")] = "1,4,16,64",
    seconds: Annotated[float, typer.Option(help="Seconds of each run.")] = 6.0,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each server; the median is shown.")] = 3,
    recognise: Annotated[
        bool, typer.Option(help="Recognise words; adds the service with PocketSphinx, one process per core.")
    ] = False,
    places: Annotated[int | None, typer.Option(min=1, help="Add a service with this limit of requests.")] = None,
) -> None:
    """Print a table of throughput and latency."""
    recordings = read_clips(clips, count)
    lengths = [decode_audio(recording).duration_s for recording in recordings]
    requests = [form_request(r, **({} if recognise else {"words": given_words(r)})) for r in recordings]
    print(f"{len(recordings)} clips of {sum(lengths) / len(lengths):.1f} s; load before: {os.getloadavg()[0]:.1f}")
    headings = ("clients", "server", "requests/s", "÷ plain", "p50 ms", "p95 ms", "p99 ms")
    table = Table(*headings, "refused", "live p99 ms", "CPU ms", "generator", box=None)
    summary = ""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = start_servers(stack, Path(folder), places, recognise=recognise)
        for number in map(int, clients.split(",")):
            measured = measure(servers, requests, number, seconds, rounds)
            show(table, number, measured)
            if number == 1:
                ratio = measured[_SERVICE].load.percentile_ms(95) / measured[_UNBATCHED].load.percentile_ms(95)
                summary = f"p95 of a single client: {ratio:.2f} times that of the unbatched path"
    console.print(table)
    if summary:
        print(summary)
    print("CPU ms: processor time of the server per response. generator: utilisation of one core by the clients.")


if __name__ == "__main__":
    typer.run(main)
