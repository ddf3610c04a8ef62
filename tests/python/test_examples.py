"""The examples run, and are short."""

import os
import re
import subprocess
import sys

import pytest

from repository import EXAMPLES, OPTIONAL

FILES = sorted(EXAMPLES.glob("*.py"))


def test_there_are_examples():
    assert FILES, f"no example in {EXAMPLES}"


@pytest.mark.parametrize("example", FILES, ids=lambda path: path.name)
def test_each_example_has_at_most_40_lines(example):
    assert len(example.read_text().splitlines()) <= 40


@pytest.mark.parametrize("example", FILES, ids=lambda path: path.name)
def test_each_example_runs_in_an_empty_folder(example, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    missing = re.search(r"ModuleNotFoundError: No module named '(\w+)", done.stderr)
    if missing and missing[1] in OPTIONAL:
        pytest.skip(f"{missing[1]} is not installed")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
