"""Starts the second process, or several that share its work, and reports what they compared."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import report
from progress import step

PROGRAM = Path(__file__).parent / "check.py"


def compare(what: str, shares: Sequence[tuple[object, ...]]) -> int:
    """Run `check.py` once for each tuple of arguments, all at a time; 1 if anything differs."""
    step(f"second process: read the {what} back and compare")
    start = time.perf_counter()
    commands = [[sys.executable, str(PROGRAM), *map(str, arguments)] for arguments in shares]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    results = [_result(process) for process in running]
    counts: dict[str, Counter[str]] = {}
    for result in results:
        for name, part in result["counts"].items():
            counts.setdefault(name, Counter()).update(part)
    print()
    report.compared(counts, len(shares), time.perf_counter() - start, results[0]["addresses"])
    differences = sum(part["mismatches"] for part in counts.values())
    if differences == 0 and all(process.returncode == 0 for process in running):
        print("  No difference.")
        return 0
    report.mismatches([line for result in results for line in result["mismatches"]], differences)
    return 1


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = process.communicate()
    if not said:
        raise SystemExit(f"the second process ended with exit code {process.returncode} and said nothing")
    result: dict[str, Any] = json.loads(said)
    return result
