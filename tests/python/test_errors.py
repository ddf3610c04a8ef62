"""Exceptions: their bases, what they carry, and that they cross processes."""

import concurrent.futures
import copy
import errno
import io
import multiprocessing
import os
import pickle
from importlib.metadata import distribution

import numpy as np
import pytest

import arraylog

BASES = {
    "NotFoundError": KeyError,
    "KindError": TypeError,
    "DTypeError": TypeError,
    "ShapeError": ValueError,
    "ReadOnlyError": io.UnsupportedOperation,
    "ClosedError": ValueError,
    "LockedError": BlockingIOError,
    "ConflictError": RuntimeError,
    "NotAStoreError": ValueError,
    "VersionError": ValueError,
    "CorruptionError": ValueError,
    "DamagedError": arraylog.CorruptionError,
    "ReplacedError": OSError,
    "CodecUnavailableError": NotImplementedError,
    "SnapshotGoneError": LookupError,
    "PoisonedError": OSError,
    "NotCommittedError": OSError,
    "CommitUnknownError": OSError,
    "ForkedError": RuntimeError,
}
KINDS = {
    "NotFoundError": "not-found",
    "KindError": "kind",
    "DTypeError": "dtype",
    "ShapeError": "shape",
    "ReadOnlyError": "read-only",
    "ClosedError": "closed",
    "LockedError": "locked",
    "ConflictError": "conflict",
    "NotAStoreError": "not-a-store",
    "VersionError": "version",
    "CorruptionError": "corrupt",
    "DamagedError": "damaged",
    "CodecUnavailableError": "codec-unavailable",
    "SnapshotGoneError": "snapshot-gone",
    "ReplacedError": "replaced",
    "PoisonedError": "poisoned",
    "NotCommittedError": "not-committed",
    "CommitUnknownError": "commit-unknown",
    "ForkedError": "forked",
}


@pytest.mark.parametrize("name", BASES)
def test_each_class_has_its_two_bases(name):
    cls = getattr(arraylog, name)
    assert issubclass(cls, arraylog.ArrayLogError) and issubclass(cls, BASES[name])
    assert issubclass(arraylog.ArrayLogError, Exception)
    assert cls.__module__.split(".")[0] == "arraylog" and cls.__doc__
    assert name in arraylog.__all__


def test_an_unknown_commit_is_a_poisoned_store_and_a_kind_error_is_no_key_error():
    assert issubclass(arraylog.CommitUnknownError, arraylog.PoisonedError)
    assert not issubclass(arraylog.KindError, KeyError)
    assert issubclass(arraylog.ReadOnlyError, OSError) and issubclass(
        arraylog.ReadOnlyError, ValueError
    )


@pytest.mark.parametrize("name", KINDS)
def test_each_class_has_a_kind_for_programs(name):
    assert getattr(arraylog, name).kind == KINDS[name]


def test_kinds_differ():
    kinds = [getattr(arraylog, name).kind for name in BASES]
    assert len(set(kinds)) == len(kinds)
    assert all(kind == kind.lower() and " " not in kind for kind in kinds)


@pytest.mark.parametrize("name", [*BASES, "ArrayLogError"])
def test_each_class_pickles_with_its_message(name):
    original = getattr(arraylog, name)("what was done: `t.alog`")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(original, protocol))
        assert type(again) is type(original) and str(again) == str(original)
        assert again.args == original.args
    assert str(copy.copy(original)) == str(original) == "what was done: `t.alog`"


def provoke(kind, folder):
    """Raises the error called `kind` by misusing a store in `folder`."""
    path = folder / "t.alog"
    with arraylog.open(path, "a") as store:
        part = store.partition()
        part.write("arrays", {"t": [1.0]})
        part.put("value", b"")
        match kind:
            case "NotFoundError":
                part["absent"]
            case "KindError":
                part.value("arrays")
            case "DTypeError":
                part.write("k", {"t": np.array(["a", 1], object)})
            case "ShapeError":
                part.write("k", {"t": (("x", "y"), [1.0])})
            case "LockedError":
                arraylog.open(path, "a")
            case "ConflictError":
                part.rename("arrays", "value")
            case "ReadOnlyError":
                with arraylog.open(path) as reader:
                    reader.partition().put("k", b"")
            case "SnapshotGoneError":
                store.compact()
                store.at(1)
            case "ReplacedError":
                with arraylog.open(path) as reader:
                    store.close()
                    arraylog.open(path, "w").close()
                    reader.refresh()
            case "DamagedError":
                part.put("large", bytes(range(256)) * 1024)
                with open(path, "r+b") as file:
                    at = file.read().index(bytes(range(256)))
                    file.seek(at + 100)
                    file.write(b"damage")
                store.compact()
            case "NotAStoreError":
                (folder / "text").write_bytes(b"text")
                arraylog.open(folder / "text")
    if kind == "ClosedError":
        part.put("k", b"")


PROVOKED = [
    "NotFoundError",
    "KindError",
    "DTypeError",
    "ShapeError",
    "LockedError",
    "ConflictError",
    "ReadOnlyError",
    "NotAStoreError",
    "ClosedError",
    "SnapshotGoneError",
    "ReplacedError",
    "DamagedError",
]


@pytest.mark.parametrize("kind", PROVOKED)
def test_raised_errors_pickle_with_everything_they_carry(kind, tmp_path):
    with pytest.raises(getattr(arraylog, kind)) as caught:
        provoke(kind, tmp_path)
    original = caught.value
    assert type(original).__name__ == kind and original.kind == KINDS[kind]
    again = pickle.loads(pickle.dumps(original))
    assert type(again) is type(original)
    assert str(again) == str(original) and vars(again) == vars(original)
    for name in ("errno", "filename", "key", "expected", "found"):
        assert getattr(again, name, None) == getattr(original, name, None)


def test_raised_errors_come_back_from_a_process_pool(tmp_path):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        for kind in PROVOKED:
            folder = tmp_path / kind
            folder.mkdir()
            with pytest.raises(getattr(arraylog, kind)):
                pool.submit(provoke, kind, folder).result(timeout=60)


def test_errors_of_compaction_carry_what_they_are_about(tmp_path):
    with pytest.raises(arraylog.SnapshotGoneError) as gone:
        provoke("SnapshotGoneError", tmp_path)
    assert (gone.value.seqno, gone.value.oldest) == (1, 2)
    assert os.fspath(gone.value.path) == os.fspath(tmp_path / "t.alog")
    (tmp_path / "t.alog").unlink()
    with pytest.raises(arraylog.DamagedError) as damaged:
        provoke("DamagedError", tmp_path)
    assert damaged.value.key == "large" and damaged.value.partition == '"default"/"default"'
    assert damaged.value.offset > 0 and "corrupt" in str(damaged.value)
    with pytest.raises(arraylog.ReplacedError) as replaced:
        provoke("ReplacedError", tmp_path)
    assert replaced.value.errno == errno.ESTALE


@pytest.mark.parametrize("kind", ["LockedError", "ReadOnlyError", "ReplacedError"])
def test_errors_of_the_system_carry_the_file_name(kind, tmp_path):
    with pytest.raises(OSError) as caught:
        provoke(kind, tmp_path)
    assert os.fspath(caught.value.filename) == os.fspath(tmp_path / "t.alog")


def test_a_lock_carries_the_errno_of_a_blocked_call(tmp_path):
    with pytest.raises(BlockingIOError) as caught:
        provoke("LockedError", tmp_path)
    assert caught.value.errno in (errno.EAGAIN, errno.EWOULDBLOCK)


def test_a_missing_file_is_the_plain_error_of_python(path):
    with pytest.raises(FileNotFoundError) as caught:
        arraylog.open(path)
    assert type(caught.value) is FileNotFoundError
    assert caught.value.errno == errno.ENOENT and os.fspath(caught.value.filename) == os.fspath(
        path
    )
    assert pickle.loads(pickle.dumps(caught.value)).filename == caught.value.filename


def test_a_key_error_is_printed_without_quotes_around_it(part):
    part.put("k", b"")
    with pytest.raises(KeyError) as caught:
        part["absent"]
    assert not str(caught.value).startswith(("'", '"'))
    assert "absent" in str(caught.value) and "\\" not in str(caught.value)


def test_a_conflict_carries_key_expected_and_found(part):
    part.put("a", b"")
    part.put("b", b"")
    with pytest.raises(arraylog.ConflictError) as caught:
        part.rename("a", "b")
    assert caught.value.key == "b"
    assert caught.value.expected is not None and caught.value.found is not None


def test_all_names_of_the_package_exist():
    for name in arraylog.__all__:
        assert hasattr(arraylog, name), name
    for name in (
        "open",
        "array",
        "equal",
        "Store",
        "Collection",
        "Partition",
        "Batch",
        "Entry",
        "Array",
    ):
        assert name in arraylog.__all__
    assert arraylog.__version__.split(".")[0].isdigit()
    assert arraylog.format_version == "0.7"


def test_the_installed_package_carries_its_licences():
    package = distribution("arraylog")
    names = ["LICENSE-APACHE", "LICENSE-MIT"]
    assert sorted(package.metadata.get_all("License-File")) == names
    files = {path.name: path for path in package.files if "licenses" in path.parts}
    assert sorted(files) == names
    for name in names:
        assert len(files[name].read_text()) > 1000


def test_importing_the_package_imports_no_numpy(child):
    done = child("import sys, arraylog; assert 'numpy' not in sys.modules, 'numpy was imported'")
    assert done.returncode == 0, done.stderr


def test_bytes_alone_need_no_numpy(child, path):
    done = child(
        "import sys, arraylog\n"
        "with arraylog.open(sys.argv[1], 'a') as store:\n"
        "    store.partition().put('k', b'v')\n"
        "    assert bytes(store.partition().value('k')) == b'v'\n"
        "assert 'numpy' not in sys.modules\n",
        path,
    )
    assert done.returncode == 0, done.stderr
