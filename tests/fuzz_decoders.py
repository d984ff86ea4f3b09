"""Thousands of broken files through the decoders, each in a process that may die: python -m tests.fuzz_decoders.

What ends a process, takes over 5 s of processor, or raises what is no `AudioError` is kept in FOLDER. The suite tries
768 of them over HTTP; this is for a new version of libsndfile or FFmpeg.
"""

import argparse
import faulthandler
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

from alignment.audio import decode_audio, decode_channels
from alignment.errors import AlignmentError
from tests.mutations import mutants

_SLOW_S = 5.0


def try_all(seed: int, first: int, count: int, folder: Path) -> None:
    """Says each file's number before it is tried; the last one is the one that killed the process."""
    faulthandler.enable()
    for number, (name, data) in enumerate(islice(mutants(seed, first + count), first, None), first):
        print(f"at {number}", flush=True)  # noqa: T201
        started = time.process_time()
        try:
            (decode_channels if number % 5 == 0 else decode_audio)(data, 60.0)
        except AlignmentError:
            pass
        except Exception as exc:  # noqa: BLE001 - whatever it is would be a 500
            print(f"! {name}: {exc!r}", flush=True)  # noqa: T201
            (folder / f"{seed}-{number}-raised").write_bytes(data)
        if time.process_time() - started > _SLOW_S:
            print(f"! {name}: took {time.process_time() - started:.1f} s", flush=True)  # noqa: T201
            (folder / f"{seed}-{number}-slow").write_bytes(data)


def main() -> int:
    """1 when something was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--child", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.child:
        try_all(options.seed, options.first, options.count, options.folder)
        return 0
    return watch(options.seed, options.first, options.count, options.folder)


def watch(seed: int, first: int, count: int, folder: Path) -> int:
    """Starts a new child after each death."""
    found, end = 0, first + count
    while first < end:
        command = [sys.executable, "-m", "tests.fuzz_decoders", "--child", "--folder", str(folder)]
        command += ["--seed", str(seed), "--first", str(first), "--count", str(end - first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if line.startswith("!"):
                    found += 1
                    print(line.strip(), flush=True)  # noqa: T201
                elif line.startswith("at "):  # libsndfile prints things of its own
                    first = int(line[3:]) + 1
            assert child.stderr is not None
            said = child.stderr.read()
        if child.returncode == 0:
            break
        found += 1
        [(name, data)] = islice(mutants(seed, first), first - 1, None)
        (folder / f"{seed}-{first - 1}-died").write_bytes(data)
        print(f"! {name}: the process ended with {child.returncode}\n{said[-1500:]}", flush=True)  # noqa: T201
    print(f"{count} files, {found} findings")  # noqa: T201
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
