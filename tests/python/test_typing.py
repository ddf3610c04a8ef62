"""The stubs: mypy --strict on a sample, stubtest against the module."""

import subprocess
import sys

import pytest

from repository import SAMPLE, STUBTEST_ALLOW

pytest.importorskip("mypy", reason="mypy is not installed; tests/python/requirements.txt has it")

REJECTED = {
    "reading from a batch": "store.batch().partition()['f']",
    "iterating over a batch": "list(store.batch().partition())",
    "assigning into an entry": "part['k']['t'] = 1",
    "an unknown mode": "arraylog.open('t.alog', 'rb')",
    "an unknown durability": "arraylog.open('t.alog', 'a', durability='fsync')",
    "a number as key": "part[3]",
    "an unknown option": "arraylog.array([1.0], unit='K')",
    "a value as a text": "part.put('k', 'text')",
}


def mypy(arguments, cache, cwd):
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--no-error-summary",
            "--cache-dir",
            str(cache),
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        check=False,
    )


@pytest.fixture(scope="module")
def cache(request):
    return request.config.cache.mkdir("mypy")


def test_the_sample_passes_mypy_strict(cache, tmp_path):
    done = mypy([SAMPLE], cache, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_rejects_what_fails_at_run_time(cache, tmp_path):
    lines = [
        "import arraylog",
        "def main(store: arraylog.Store, part: arraylog.Partition) -> None:",
    ]
    first = len(lines) + 1
    source = tmp_path / "rejected.py"
    source.write_text("\n".join([*lines, *(f"    {line}" for line in REJECTED.values())]) + "\n")
    done = mypy([source], cache, tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    accepted = [
        what
        for number, what in enumerate(REJECTED)
        if f"rejected.py:{first + number}: error" not in done.stdout
    ]
    assert not accepted, f"mypy accepts: {accepted}\n{done.stdout}"


def test_the_stubs_agree_with_the_module(tmp_path):
    command = [sys.executable, "-m", "mypy.stubtest", "arraylog", "--ignore-disjoint-bases"]
    if STUBTEST_ALLOW.exists():
        command += ["--allowlist", str(STUBTEST_ALLOW)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_says_that_it_is_typed():
    from importlib.resources import files

    assert (files("arraylog") / "py.typed").is_file()
