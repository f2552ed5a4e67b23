import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_asking_before_there_is_an_adapter_says_what_to_run(tmp_path):
    command = [sys.executable, "-m", "ragtuned_kedro.pipelines.answer_queries.ask"]
    run = subprocess.run(
        [*command, "--question", "Who?", "--data-root", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert "there is no adapter yet; run `kedro run` first" in run.stderr
    assert "Traceback" not in run.stderr
