"""Fixtures: a path, a writable store and partition in it, the same reopened, and a child process."""

import contextlib
import os
import subprocess
import sys

import pytest

import arraylog


@pytest.fixture
def path(tmp_path):
    """Where a test's store goes; nothing is there yet."""
    return tmp_path / "t.alog"


@pytest.fixture
def store(path):
    """A new store, open for writing, closed afterwards."""
    with arraylog.open(path, "a") as store:
        yield store


@pytest.fixture
def part(store):
    """A partition of `store`; its first write makes it."""
    return store.partition("argo", "2024-01")


@pytest.fixture
def reopened(store, path):
    """Closes `store` and gives the same partition, read from the file again."""
    opened = []

    def reopen(collection="argo", partition="2024-01"):
        store.close()
        opened.append(arraylog.open(path))
        return opened[-1].partition(collection, partition)

    yield reopen
    for reader in opened:
        reader.close()


@pytest.fixture
def states(part, reopened):
    """Gives `part` as just written, then as read from the file again."""

    def each():
        yield part
        yield reopened()

    return each


@pytest.fixture
def child():
    """Runs Python source in a new process; gives its finished process with text output."""

    def run(source, *args, timeout=60):
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", source, *map(str, args)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def unprivileged(tmp_path):
    """A block in which the process has the rights of a user who owns none of the test's files."""
    own = [tmp_path, *(each for each in tmp_path.parents if each.name.startswith("pytest-"))]

    @contextlib.contextmanager
    def rights():
        if os.geteuid() != 0:
            yield
            return
        modes = [folder.stat().st_mode for folder in own]
        for folder in own:
            folder.chmod(0o755)
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
            for folder, mode in zip(own, modes, strict=True):
                folder.chmod(mode)

    return rights
