"""How close to ideal an endpoint is used: 10,000 calls of 50 ms each, 64 at once.

python -m benchmarks.teacher_throughput [N_CALLS]

Prints the time against the ideal, N * 50 ms / 64, and the memory at a tenth and at the end.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

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
            memory: dict[int, float] = {}
            n_ended = 0

            def prompts() -> Iterator:
                yield from (item_prompt(number) for number in range(n_calls))

            def count(_: object) -> None:
                nonlocal n_ended
                n_ended += 1
                if n_ended in {n_calls // 10, n_calls}:
                    memory[n_ended] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

            # One record before the clock starts: an endpoint is probed once for how it takes a
            # schema, with two calls, however many follow.
            asker.ask_all([item_prompt(-1)], Square, stage="benchmark", max_new_tokens=64)
            started, worked = time.perf_counter(), time.process_time()
            asker.ask_each(prompts(), Square, count, stage="benchmark", max_new_tokens=64)
            seconds = time.perf_counter() - started
            cpu = (time.process_time() - worked) / n_calls
    finally:
        stub.kill()
        stub.wait()
    ideal = n_calls * LATENCY_SECONDS / CONCURRENCY
    tenth, end = memory.values()
    print(
        f"{n_calls} calls, {CONCURRENCY} at once: {seconds:.2f} s, ideal {ideal:.2f} s, "
        f"ratio {seconds / ideal:.2f}; {1000 * cpu:.2f} ms of processor per call; "
        f"peak memory {tenth:.0f} MB after a tenth, {end:.0f} MB at the end"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
