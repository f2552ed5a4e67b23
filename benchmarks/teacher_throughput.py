"""How close to ideal an endpoint is used: 10,000 calls of 50 ms each, 64 at once.

python -m benchmarks.teacher_throughput [N_CALLS]

Prints the time against the ideal, N * 50 ms / 64, the processor time, and the memory at a tenth and
at the end: of the run, and of the courier that carries its calls.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from benchmarks.stub_server import LATENCY_SECONDS
from tests.language_models.endpoints import Square, item_prompt, open_asker

CONCURRENCY = 64


def main(n_calls: int) -> None:
    """Run once with records through the store, as the pipelines do."""
    command = [sys.executable, "benchmarks/stub_server.py", "0"]
    stub = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert stub.stdout is not None
        url = f"http://127.0.0.1:{int(stub.stdout.readline())}/v1"
        with tempfile.TemporaryDirectory() as folder:
            asker = open_asker(
                url, Path(folder) / "store.sqlite", concurrency=CONCURRENCY, call_timeout_seconds=30
            )
            memory: list[str] = []
            run = psutil.Process()
            n_ended = 0

            def prompts() -> Iterator:
                yield from (item_prompt(number) for number in range(n_calls))

            def count(_: object) -> None:
                nonlocal n_ended
                n_ended += 1
                if n_ended in {n_calls // 10, n_calls}:
                    sizes = [one.memory_info().rss / 2**20 for one in (run, courier)]
                    memory.append(" + ".join(f"{size:.0f}" for size in sizes))

            # One record before the clock starts: an endpoint is probed once for how it takes a
            # schema, with two calls, however many follow.
            asker.ask_all([item_prompt(-1)], Square, stage="benchmark", max_new_tokens=64)
            (courier,) = [one for one in run.children() if one.pid != stub.pid]
            started, worked = time.perf_counter(), _worked(run, courier)
            asker.ask_each(prompts(), Square, count, stage="benchmark", max_new_tokens=64)
            seconds = time.perf_counter() - started
            cpu = (_worked(run, courier) - worked) / n_calls
    finally:
        stub.kill()
        stub.wait()
    ideal = n_calls * LATENCY_SECONDS / CONCURRENCY
    tenth, end = memory
    print(
        f"{n_calls} calls, {CONCURRENCY} at once: {seconds:.2f} s, ideal {ideal:.2f} s, "
        f"ratio {seconds / ideal:.2f}; {1000 * cpu:.2f} ms of processor per call; "
        f"memory {tenth} MB after a tenth, {end} MB at the end"
    )


def _worked(*processes: psutil.Process) -> float:
    """Sum the processor time of processes, in seconds."""
    times = [one.cpu_times() for one in processes]
    return sum(one.user + one.system for one in times)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
