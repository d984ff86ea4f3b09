"""Fuzz test of the decoders with thousands of broken files, in child processes: python -m tests.fuzz_decoders.

Files that end a process, take over 5 s of processor time, or raise an error other than `AlignmentError` are saved in
FOLDER. The test suite sends 768 such files over HTTP; this script is for new versions of libsndfile or FFmpeg.
"""

import argparse
import faulthandler
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

from alignment.audio import decode_audio
from alignment.channels import decode_channels
from alignment.errors import AlignmentError
from tests.mutations import mutants

_SLOW_S = 5.0


def decode_all(seed: int, first: int, count: int, folder: Path) -> None:
    """Decode files and print the number of each before it is decoded, so that the last one identifies a crash."""
    faulthandler.enable()
    for number, (name, data) in enumerate(islice(mutants(seed, first + count), first, None), first):
        print(f"at {number}", flush=True)  # noqa: T201
        started = time.process_time()
        try:
            (decode_channels if number % 5 == 0 else decode_audio)(data, 60.0)
        except AlignmentError:
            pass
        except Exception as exc:  # noqa: BLE001 - it would be a response of status 500
            print(f"! {name}: {exc!r}", flush=True)  # noqa: T201
            (folder / f"{seed}-{number}-raised").write_bytes(data)
        if time.process_time() - started > _SLOW_S:
            print(f"! {name}: took {time.process_time() - started:.1f} s", flush=True)  # noqa: T201
            (folder / f"{seed}-{number}-slow").write_bytes(data)


def main() -> int:
    """Return 1 when there are findings."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1, help="seed of the mutations")
    parser.add_argument("--count", type=int, default=10_000, help="number of files")
    parser.add_argument("--first", type=int, default=0, help="index of the first file")
    parser.add_argument("--folder", type=Path, required=True, help="folder for files with findings")
    parser.add_argument("--child", action="store_true", help="decode in this process")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.child:
        decode_all(options.seed, options.first, options.count, options.folder)
        return 0
    return run_children(options.seed, options.first, options.count, options.folder)


def run_children(seed: int, first: int, count: int, folder: Path) -> int:
    """Run child processes, a new one after each crash, and return 1 when there are findings."""
    findings, end = 0, first + count
    while first < end:
        command = [sys.executable, "-m", "tests.fuzz_decoders", "--child", "--folder", str(folder)]
        command += ["--seed", str(seed), "--first", str(first), "--count", str(end - first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if line.startswith("!"):
                    findings += 1
                    print(line.strip(), flush=True)  # noqa: T201
                elif line.startswith("at "):  # libsndfile prints messages of its own
                    first = int(line[3:]) + 1
            assert child.stderr is not None
            errors = child.stderr.read()
        if child.returncode == 0:
            break
        findings += 1
        [(name, data)] = islice(mutants(seed, first), first - 1, None)
        (folder / f"{seed}-{first - 1}-died").write_bytes(data)
        print(f"! {name}: the process ended with {child.returncode}\n{errors[-1500:]}", flush=True)  # noqa: T201
    print(f"{count} files, {findings} findings")  # noqa: T201
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
