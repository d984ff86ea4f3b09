import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from alignment.worker_pool import WorkerPool
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


def nothing() -> None:
    """No initialisation."""


def pid(_: int) -> int:
    return os.getpid()


def die(_: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def hang(_: int) -> int:
    threading.Event().wait()
    return 0


def hold_interpreter_lock(began: Path) -> int:
    """Sleep for a minute in C code that does not release the interpreter lock."""
    began.touch()
    return int(ctypes.PyDLL(None).sleep(60))


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    """Pool with a limit that leaves a busy machine time to start a process."""
    made = WorkerPool(1, nothing, 8.0, ChildProcessError)
    yield made
    made.close()


def test_results_are_in_order(pool: WorkerPool) -> None:
    assert pool.map(abs, [(-3,), (2,), (-1,)]) == [3, 2, 1]


def test_dead_workers_are_replaced(pool: WorkerPool) -> None:
    [first] = pool.map(pid, [(0,)])
    os.kill(first, signal.SIGKILL)
    [second] = pool.map(pid, [(0,)])
    assert first != second


def test_call_that_kills_its_worker_twice_fails(pool: WorkerPool) -> None:
    with pytest.raises(ChildProcessError, match="died, 2 of 2 times"):
        pool.map(die, [(0,)])
    assert pool.map(abs, [(-1,)]) == [1]


def test_call_over_the_limit_is_stopped_and_the_pool_remains_usable(pool: WorkerPool) -> None:
    [worker] = pool.map(pid, [(0,)])
    with pytest.raises(ChildProcessError, match="longer than 8 s"):
        pool.map(hang, [(0,)])
    assert pool.map(abs, [(-1,)]) == [1]
    psutil.wait_procs([psutil.Process(worker)] if psutil.pid_exists(worker) else [], timeout=10)
    assert not psutil.pid_exists(worker)


def test_closing_ends_running_calls(pool: WorkerPool) -> None:
    [worker] = pool.map(pid, [(0,)])
    process = psutil.Process(worker)
    failures: list[ChildProcessError] = []

    def call() -> None:
        try:
            pool.map(hang, [(0,)])
        except ChildProcessError as error:
            failures.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    pool.close()
    _, alive = psutil.wait_procs([process], timeout=10)
    assert not alive
    thread.join(10)
    assert failures


def test_closing_ends_calls_that_hold_the_interpreter_lock(pool: WorkerPool, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    [worker] = pool.map(pid, [(0,)])

    def call() -> None:
        with pytest.raises(ChildProcessError):
            pool.map(hold_interpreter_lock, [(tmp_path / "began",)])

    thread = threading.Thread(target=call)
    thread.start()
    wait_until((tmp_path / "began").exists)
    pool.close()
    assert not psutil.pid_exists(worker)
    thread.join(10)
    assert set(threading.enumerate()) <= before


def test_closing_waits_for_the_threads_of_the_executor(pool: WorkerPool) -> None:
    """A thread of the executor that still runs while the interpreter exits can print an error of its wake-up pipe."""
    before = set(threading.enumerate())
    assert pool.map(abs, [(-2,)]) == [2]
    assert set(threading.enumerate()) > before
    pool.close()
    assert set(threading.enumerate()) <= before


EXITING = """
import threading, time
from alignment.worker_pool import WorkerPool
pool = WorkerPool(2, int, 30, OSError)
assert pool.map(abs, [(-2,)]) == [2]
def call():
    try:
        pool.map(time.sleep, [(60,)])
    except OSError:
        pass
threading.Thread(target=call).start()
pool.close()
"""


def test_exit_after_closing_prints_nothing() -> None:
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", EXITING], capture_output=True, text=True, check=False, timeout=50)
        assert (done.returncode, done.stderr) == (0, "")


SCRIPT = """
import os
from alignment.worker_pool import WorkerPool
print("begun")
pool = WorkerPool(1, os.getpid, 30, OSError)
print(pool.map(abs, [(-2,)]), __file__)
pool.close()
"""


def test_script_without_main_guard_runs_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", f"begun\n[2] {script}\n")
