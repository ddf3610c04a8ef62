"""The `arraylog` command that the wheel installs."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np
import pytest

import arraylog
from arraylog import _cli
from files import digest

COMMAND = Path(sysconfig.get_path("scripts")) / ("arraylog.exe" if os.name == "nt" else "arraylog")
DONE, ABSENT, USAGE, FAILED, LOCKED, INTERRUPTED = 0, 1, 2, 3, 4, 130


@pytest.fixture
def run(tmp_path):
    """Runs the command in a folder of its own; gives the finished process, output as bytes."""

    def run(*arguments, stdin=b""):
        return subprocess.run(
            [COMMAND, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def written(path):
    """A closed store with arrays under float-42 and a value under raw."""
    with arraylog.open(path, "a") as store:
        part = store.partition("argo", "2024-01")
        part.write(
            "float-42",
            {"temperature": ("depth", np.arange(3.0)), "platform": "6902746"},
            attrs={"lat": 1.5},
        )
        part.put("raw", b"\x00value\xff")
    return path


def test_the_wheel_installs_the_command():
    assert COMMAND.is_file()


def test_help_names_every_command(run):
    done = run("--help")
    assert done.returncode == DONE and done.stderr == b""
    for name in (b"info", b"ls", b"get", b"put", b"rm", b"ingest"):
        assert name in done.stdout


@pytest.mark.parametrize("command", ["info", "ls", "get", "put", "rm", "ingest"])
def test_each_command_has_help(run, command):
    done = run(command, "--help")
    assert done.returncode == DONE and b"STORE" in done.stdout.upper()


def test_version_is_that_of_the_package(run):
    done = run("--version")
    assert done.returncode == DONE and arraylog.__version__.encode() in done.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["no-such-command"], ["get"], ["ls", "--no-such-flag", "x"]], ids=str
)
def test_wrong_usage_ends_with_2_on_stderr(run, arguments):
    done = run(*arguments)
    assert done.returncode == USAGE and done.stdout == b"" and done.stderr


def test_what_is_put_is_what_get_gives(run, path):
    data = bytes(range(256)) * 10
    assert run("put", path, "c", "p", "k", "-", stdin=data).returncode == DONE
    done = run("get", path, "c", "p", "k")
    assert done.returncode == DONE and done.stdout == data
    with arraylog.open(path) as store:
        assert bytes(store["c"]["p"].value("k")) == data


def test_put_reads_a_file(run, path, tmp_path):
    (tmp_path / "data.bin").write_bytes(b"from a file")
    assert run("put", path, "c", "p", "k", "data.bin").returncode == DONE
    with arraylog.open(path) as store:
        assert bytes(store["c"]["p"].value("k")) == b"from a file"


def test_ls_names_collections_partitions_and_keys(run, written):
    assert b"argo" in run("ls", written).stdout
    assert b"2024-01" in run("ls", written, "argo").stdout
    keys = run("ls", written, "argo", "2024-01")
    assert keys.returncode == DONE and b"float-42" in keys.stdout and b"raw" in keys.stdout
    assert b"temperature" in run("ls", written, "argo", "2024-01", "float-42").stdout


def test_info_describes_the_store(run, written):
    done = run("info", written)
    assert done.returncode == DONE and b"argo" in done.stdout and b"0.7" in done.stdout


def test_rm_removes_an_entry(run, written):
    assert run("rm", written, "argo", "2024-01", "raw").returncode == DONE
    with arraylog.open(written) as store:
        assert list(store["argo"]["2024-01"]) == ["float-42"]
    assert run("rm", written, "argo", "2024-01", "raw").returncode == ABSENT


@pytest.mark.parametrize(
    "address",
    [
        ["no", "2024-01", "raw"],
        ["argo", "no", "raw"],
        ["argo", "2024-01", "no"],
        ["argo", "2024-01", "float-42", "no"],
    ],
    ids=["collection", "partition", "key", "array"],
)
def test_what_is_absent_ends_with_1_and_is_named(run, written, address):
    done = run("get", written, *address)
    assert done.returncode == ABSENT and b"no" in done.stderr and done.stdout == b""


def test_a_foreign_file_ends_with_3_and_is_left_as_it_is(run, path):
    path.write_bytes(b"lorem ipsum " * 5000)
    before = digest(path)
    for arguments in (["info", path], ["ls", path], ["put", path, "c", "p", "k", "-"]):
        done = run(*arguments, stdin=b"v")
        assert done.returncode == FAILED and b"t.alog" in done.stderr
    assert digest(path) == before


def test_a_missing_file_ends_with_3_and_is_not_made(run, path):
    done = run("ls", path)
    assert done.returncode == FAILED and b"t.alog" in done.stderr
    assert not path.exists()


def test_a_locked_store_ends_with_4(run, written):
    with arraylog.open(written, "a"):
        done = run("put", written, "argo", "2024-01", "new", "-", stdin=b"v")
        assert done.returncode == LOCKED and b"t.alog" in done.stderr
        assert run("get", written, "argo", "2024-01", "raw").stdout == b"\x00value\xff"


LINES = """\
{"defaults": {"collection": "argo", "partition": "2024-01", "arrays": {"temperature": {"dtype": "float32", "dims": ["depth"]}}}}
{"entry": "float-42", "arrays": {"temperature": [12, null, 11.5], "time": {"data": "2024-01-05T06:00:00", "dtype": "datetime64[s]"}, "n": 3}, "attrs": {"lat": 1.5, "qc": {"$dtype": "int8", "$data": 1}}}
{"entry": "grid", "arrays": {"t": {"data_b64": "AACAPwAAAEA=", "shape": [1, 2], "dtype": "float32"}}}
{"entry": "float-43", "arrays": {"temperature": {"data": [], "dtype": "float32"}}}

{"entry": "readme", "value": "plain text"}
{"entry": "float-41", "delete": true}
"""


def check_lines(path):
    with arraylog.open(path) as store:
        part = store["argo"]["2024-01"]
        assert list(part) == ["float-42", "grid", "float-43", "readme"]
        entry = part["float-42"]
        assert entry["temperature"].dtype == np.dtype("f4") and entry["temperature"].dims == (
            "depth",
        )
        assert entry["temperature"].numpy().tolist() == [12.0, None, 11.5]
        assert entry["time"][()] == np.datetime64("2024-01-05T06:00:00", "s")
        assert entry["n"][()] == 3 and entry["n"].dtype == np.dtype("i8")
        assert entry.attrs["lat"] == 1.5
        assert entry.attrs["qc"] == 1 and type(entry.attrs["qc"]) is np.int8
        assert part.array("grid", "t").tolist() == [[1.0, 2.0]]
        assert part.array("float-43", "temperature").shape == (0,)
        assert bytes(part.value("readme")) == b"plain text"


def test_ingest_reads_a_file_of_lines(run, path, tmp_path):
    (tmp_path / "lines.ndjson").write_text(LINES)
    done = run("ingest", path, "lines.ndjson")
    assert done.returncode == DONE, done.stderr
    check_lines(path)


def test_ingest_reads_standard_input(run, path):
    done = run("ingest", path, "-", stdin=b"\xef\xbb\xbf" + LINES.replace("\n", "\r\n").encode())
    assert done.returncode == DONE, done.stderr
    check_lines(path)


def test_ingest_takes_collection_and_partition_from_flags(run, path):
    done = run(
        "ingest",
        path,
        "-",
        "--collection",
        "c",
        "--partition",
        "p",
        stdin=b'{"entry": "k", "value": "v"}\n',
    )
    assert done.returncode == DONE, done.stderr
    with arraylog.open(path) as store:
        assert bytes(store["c"]["p"].value("k")) == b"v"


FLAGS = ["--collection", "c", "--partition", "p"]
GOOD = b'{"entry": "k%d", "arrays": {"t": [1, 2]}}\n'
BAD = {
    "no JSON": (b'{"entry": "bad", "arrays"\n', b""),
    "ragged": (b'{"entry": "bad", "arrays": {"t": [[1, 2], [3]]}}\n', b"ragged"),
    "unknown member": (b'{"entry": "bad", "arays": {"t": 1}}\n', b"arrays"),
    "duplicate member": (b'{"entry": "bad", "entry": "worse", "value": ""}\n', b"entry"),
    "two kinds": (b'{"entry": "bad", "value": "", "delete": true}\n', b"delete"),
    "mixed": (b'{"entry": "bad", "arrays": {"t": [1, "a"]}}\n', b"t"),
    "no dtype": (b'{"entry": "bad", "arrays": {"t": []}}\n', b"dtype"),
    "codec": (b'{"entry": "bad", "arrays": {"t": {"data": [1], "codec": 3}}}\n', b"codec"),
    "chunks": (b'{"entry": "bad", "arrays": {"t": {"data": [1], "chunks": [1, 1]}}}\n', b"chunk"),
    "overflow": (
        b'{"entry": "bad", "arrays": {"t": {"data": [1e5], "dtype": "float8_e5m2"}}}\n',
        b"float8_e5m2",
    ),
    "NaN": (b'{"entry": "bad", "arrays": {"t": [NaN]}}\n', b"NaN"),
    "bad UTF-8": (b'{"entry": "bad\xff", "value": ""}\n', b""),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_names_number_and_fault_and_nothing_after_it_is_stored(run, path, name):
    line, fault = BAD[name]
    done = run("ingest", path, "-", *FLAGS, stdin=GOOD % 1 + GOOD % 2 + line + GOOD % 4)
    assert done.returncode not in (DONE, USAGE, LOCKED)
    assert b"3" in done.stderr and fault in done.stderr
    stored = []
    if path.exists():
        with arraylog.open(path) as store:
            stored = list(store["c"]["p"]) if "c" in store else []
    assert stored in ([], ["k1", "k2"])


@pytest.mark.parametrize("name", BAD)
def test_skip_bad_goes_on_and_reports(run, path, name):
    line, _ = BAD[name]
    done = run("ingest", path, "-", *FLAGS, "--skip-bad", stdin=GOOD % 1 + line + GOOD % 3)
    assert b"2" in done.stderr + done.stdout
    with arraylog.open(path) as store:
        assert list(store["c"]["p"]) == ["k1", "k3"]


def test_atomic_stores_all_or_nothing(run, path):
    good = b"".join(GOOD % number for number in range(5000))
    done = run("ingest", path, "-", *FLAGS, "--atomic", stdin=good + BAD["ragged"][0])
    assert done.returncode not in (DONE, USAGE)
    if path.exists():
        with arraylog.open(path) as store:
            assert list(store) == []
    assert run("ingest", path, "-", *FLAGS, "--atomic", stdin=good).returncode == DONE
    with arraylog.open(path) as store:
        assert len(store["c"]["p"]) == 5000


def test_the_message_says_up_to_which_line_everything_is_stored(run, path):
    good = b"".join(GOOD % number for number in range(30_000))
    done = run("ingest", path, "-", *FLAGS, stdin=good + BAD["ragged"][0])
    with arraylog.open(path) as store:
        stored = len(store["c"]["p"]) if "c" in store else 0
    plain = done.stderr.replace(b",", b"").replace(b"_", b"")
    assert str(stored).encode() in plain and b"30001" in plain


def test_progress_and_summary_leave_standard_output_to_data(run, path):
    done = run("ingest", path, "-", *FLAGS, stdin=GOOD % 1)
    for line in done.stdout.splitlines():
        json.loads(line)


def test_attributes_keep_their_python_and_numpy_types_through_get_and_ingest(run, path, tmp_path):
    attrs = {
        "int": 1, "big": 2**64 - 1, "float": 0.5, "inf": float("-inf"), "bool": True, "complex": 1.5 - 2j,
        "np.int64": np.int64(1), "np.uint64": np.uint64(1), "np.float64": np.float64(0.5), "np.inf": np.float64("inf"),
        "np.bool": np.bool_(True), "np.complex128": np.complex128(1j), "np.int8": np.int8(-1), "np.S3": np.bytes_(b"ab"),
        "np.str": np.str_("é"), "day": np.datetime64("2024-02-29", "D"), "bytes": b"\x00", "list": [1, np.int64(1), None],
        "map": {"$": np.float64(1), "plain": 1.0},
    }  # fmt: skip
    with arraylog.open(path, "a") as store:
        store.partition("c", "p").write("k", {}, attrs=attrs)
        before = dict(store["c"]["p"]["k"].attrs)
    line = run("get", path, "c", "p", "k").stdout
    other = tmp_path / "other.alog"
    assert run("ingest", other, "-", stdin=line).returncode == DONE
    with arraylog.open(other) as store:
        after = dict(store["c"]["p"]["k"].attrs)

    def typed(value):
        if isinstance(value, dict):
            return [(name, typed(inner)) for name, inner in value.items()]
        return [typed(inner) for inner in value] if isinstance(value, list) else (type(value), value)

    assert typed(after) == typed(before)


@pytest.mark.skipif(os.name != "posix", reason="SIGINT is sent on POSIX systems only")
@pytest.mark.parametrize("command", [[COMMAND], [sys.executable, "-m", "arraylog"]], ids=["script", "module"])
def test_ctrl_c_ends_with_130_without_a_traceback_and_leaves_whole_batches(path, tmp_path, command):
    with subprocess.Popen(
        [*command, "ingest", path, "-", *FLAGS],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as running:
        running.stdin.write(b"".join(GOOD % number for number in range(1000)))
        running.stdin.flush()
        # The command has begun when the store is there.
        for _ in range(600):
            if path.exists():
                break
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == INTERRUPTED
        errors = running.stderr.read()
        assert b"interrupted" in errors and b"Traceback" not in errors, errors
    if path.exists():
        with arraylog.open(path) as store:
            stored = list(store["c"]["p"]) if "c" in store else []
        assert stored == [f"k{number}" for number in range(len(stored))]


def test_ctrl_c_while_python_starts_ends_with_130_too(monkeypatch):
    def pending(*_):
        raise KeyboardInterrupt

    # signal.signal() is where Python raises for a signal that came before.
    monkeypatch.setattr(signal, "signal", pending)
    assert _cli.main() == INTERRUPTED
