"""Opening: modes, options, and files that are no stores."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import arraylog
from files import digest

WRITING = ["r+", "a", "w"]


@pytest.fixture
def written(path):
    """A closed store with one value, `k`, in the default partition."""
    with arraylog.open(path, "a") as store:
        store.partition().put("k", b"value")
    return path


def test_mode_r_is_the_default_and_reads(written):
    with arraylog.open(written) as store:
        assert store.mode == "r"
        assert bytes(store.partition().value("k")) == b"value"


def test_mode_r_refuses_writes(written):
    before = digest(written)
    with arraylog.open(written) as store:
        with pytest.raises(arraylog.ReadOnlyError, match="t.alog"):
            store.partition().put("k", b"other")
        with pytest.raises(arraylog.ReadOnlyError):
            store.partition().remove("k")
        with pytest.raises(arraylog.ReadOnlyError):
            store.partition()["k"] = b"other"
        with pytest.raises(arraylog.ReadOnlyError):
            with store.batch() as batch:
                batch.partition().put("k", b"other")
    assert digest(written) == before


@pytest.mark.parametrize("mode", ["r+", "a"])
def test_modes_that_keep_the_store_read_and_write(written, mode):
    with arraylog.open(written, mode) as store:
        assert store.mode == mode
        store.partition().put("l", b"more")
        assert bytes(store.partition().value("k")) == b"value"
    with arraylog.open(written) as store:
        assert list(store.partition()) == ["k", "l"]


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_modes_that_need_a_store_raise_file_not_found(path, mode):
    with pytest.raises(FileNotFoundError) as caught:
        arraylog.open(path, mode)
    assert caught.value.errno == errno.ENOENT
    assert os.fspath(caught.value.filename) == os.fspath(path)
    assert not path.exists()


@pytest.mark.parametrize("mode", ["a", "w", "x"])
def test_modes_that_create_make_a_store(path, mode):
    arraylog.open(path, mode).close()
    with arraylog.open(path) as store:
        assert list(store) == []


def test_mode_x_refuses_a_store(written):
    before = digest(written)
    with pytest.raises(FileExistsError) as caught:
        arraylog.open(written, "x")
    assert caught.value.errno == errno.EEXIST
    assert os.fspath(caught.value.filename) == os.fspath(written)
    assert digest(written) == before


def test_mode_w_starts_empty(written):
    with arraylog.open(written, "w") as store:
        assert list(store) == []
    with arraylog.open(written) as store:
        assert list(store) == []


def test_mode_w_leaves_readers_on_the_old_store(written):
    with arraylog.open(written) as reader:
        view = reader.partition().value("k")
        with arraylog.open(written, "w") as store:
            store.partition().put("k", b"other")
            assert bytes(reader.partition().value("k")) == b"value"
            assert bytes(view) == b"value"
            assert bytes(store.partition().value("k")) == b"other"


def test_mode_w_leaves_no_second_file(written):
    arraylog.open(written, "w").close()
    assert [each.name for each in written.parent.iterdir()] == [written.name]


@pytest.mark.parametrize("mode", ["rb", "w-", "wb", "", "R", "r+b", "ab"])
def test_unknown_mode_names_the_modes(written, mode):
    with pytest.raises(ValueError) as caught:
        arraylog.open(written, mode)
    for known in ("r", "r+", "a", "w", "x"):
        assert repr(known) in str(caught.value) or f'"{known}"' in str(caught.value)


@pytest.mark.parametrize(
    "option, known",
    [
        ("durability", ["buffered", "synced"]),
        ("verify", ["first", "always", "never"]),
        ("io", ["mmap", "read"]),
    ],
)
def test_unknown_option_value_names_the_known_ones(written, option, known):
    with pytest.raises(ValueError) as caught:
        arraylog.open(written, **{option: "no such"})
    for value in ["no such", *known]:
        assert value in str(caught.value)


@pytest.mark.parametrize(
    "option, value",
    [
        ("durability", "buffered"),
        ("durability", "synced"),
        ("verify", "first"),
        ("verify", "always"),
        ("verify", "never"),
        ("io", "mmap"),
        ("io", "read"),
        ("lock", True),
        ("lock", False),
    ],
)
def test_every_option_value_writes_and_reads(path, option, value):
    with arraylog.open(path, "a", **{option: value}) as store:
        store.partition().write("k", {"t": np.arange(500.0)})
        assert store.partition().array("k", "t").sum() == np.arange(500.0).sum()
    with arraylog.open(path, **{option: value}) as store:
        assert store.partition().array("k", "t").sum() == np.arange(500.0).sum()


def test_unknown_option_is_a_type_error(written):
    with pytest.raises(TypeError, match="durabilty"):
        arraylog.open(written, durabilty="synced")


def test_options_are_keywords_only(written):
    with pytest.raises(TypeError):
        arraylog.open(written, "r", "buffered")


@pytest.mark.parametrize("form", [str, Path, os.fspath])
def test_paths_may_be_str_or_pathlike(written, form):
    with arraylog.open(form(written)) as store:
        assert os.fspath(store.path) == os.fspath(written)


def test_a_path_that_is_a_number_is_a_type_error():
    with pytest.raises(TypeError):
        arraylog.open(3)


def test_a_path_with_spaces_and_non_ascii_works(tmp_path):
    path = tmp_path / "mer d'Iroise é 海.alog"
    with arraylog.open(path, "a") as store:
        store.partition().put("k", b"v")
    with arraylog.open(path) as store:
        assert bytes(store.partition().value("k")) == b"v"


def test_a_missing_folder_is_file_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        arraylog.open(tmp_path / "no" / "t.alog", "a")


@pytest.mark.parametrize("mode", ["a", "w"])
def test_an_empty_file_becomes_a_store(path, mode):
    path.touch()
    with arraylog.open(path, mode) as store:
        store.partition().put("k", b"v")
    with arraylog.open(path) as store:
        assert list(store.partition()) == ["k"]


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_an_empty_file_is_not_a_store_to_read(path, mode):
    path.touch()
    with pytest.raises(arraylog.NotAStoreError, match="empty"):
        arraylog.open(path, mode)
    assert path.stat().st_size == 0


def test_mode_x_refuses_an_empty_file(path):
    path.touch()
    with pytest.raises(FileExistsError):
        arraylog.open(path, "x")
    assert path.stat().st_size == 0


FOREIGN = {
    "text": b"name,depth\nfloat-42,12.5\n",
    "one byte": b"\x89",
    "zeros": bytes(20_000),
    "long text": b"lorem ipsum " * 5_000,
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(30_000),
}


@pytest.mark.parametrize("mode", ["r", *WRITING])
@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_file_is_refused_and_left_as_it_is(path, content, mode):
    path.write_bytes(content)
    before = digest(path)
    with pytest.raises(arraylog.NotAStoreError, match="t.alog"):
        arraylog.open(path, mode)
    assert digest(path) == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("mode", ["r", *WRITING])
def test_a_folder_is_refused_by_name(tmp_path, mode):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises((IsADirectoryError, arraylog.NotAStoreError), match="folder"):
        arraylog.open(folder, mode)
    assert list(folder.iterdir()) == []


def test_a_file_without_read_permission_is_refused(written, unprivileged):
    written.chmod(0)
    with unprivileged(), pytest.raises(PermissionError) as caught:
        arraylog.open(written)
    assert caught.value.errno == errno.EACCES
    assert os.fspath(caught.value.filename) == os.fspath(written)


def test_a_file_without_write_permission_can_be_read(written, unprivileged):
    written.chmod(0o444)
    before = digest(written)
    with unprivileged():
        with pytest.raises(PermissionError) as caught:
            arraylog.open(written, "r+")
        with arraylog.open(written) as store:
            assert bytes(store.partition().value("k")) == b"value"
    assert os.fspath(caught.value.filename) == os.fspath(written)
    assert digest(written) == before


def test_a_folder_without_write_permission_takes_no_new_store(tmp_path, unprivileged):
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    with unprivileged(), pytest.raises(PermissionError):
        arraylog.open(folder / "t.alog", "a")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("mode", WRITING)
def test_a_second_writer_in_this_process_is_told_to_close_the_first(written, mode):
    with arraylog.open(written, "a") as store:
        store.partition().put("mine", b"1")
        with pytest.raises(arraylog.LockedError) as caught:
            arraylog.open(written, mode)
        assert "this process" in str(caught.value)
        assert "close()" in str(caught.value)
        assert os.fspath(caught.value.filename) == os.fspath(written)
        store.partition().put("still mine", b"2")
    with arraylog.open(written) as store:
        assert list(store.partition()) == ["k", "mine", "still mine"]


@pytest.mark.parametrize("mode", WRITING)
def test_a_second_writer_in_another_process_is_refused(written, mode):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import arraylog, sys\n"
            "with arraylog.open(sys.argv[1], 'a') as store:\n"
            "    print('open', flush=True)\n"
            "    sys.stdin.read()\n",
            os.fspath(written),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(arraylog.LockedError) as caught:
            arraylog.open(written, mode)
        assert caught.value.errno in (errno.EAGAIN, errno.EWOULDBLOCK)
        assert "this process" not in str(caught.value)
        with arraylog.open(written) as reader:
            assert bytes(reader.partition().value("k")) == b"value"
    finally:
        holder.communicate("")
    assert holder.returncode == 0
    arraylog.open(written, mode).close()


def test_the_lock_goes_with_close(written):
    first = arraylog.open(written, "a")
    first.close()
    with arraylog.open(written, "a") as second:
        second.partition().put("k", b"second")


def test_readers_need_no_lock(written):
    with (
        arraylog.open(written, "a") as writer,
        arraylog.open(written) as one,
        arraylog.open(written) as two,
    ):
        writer.partition().put("k", b"other")
        assert bytes(one.partition().value("k")) == b"value"
        assert bytes(two.partition().value("k")) == b"value"


def test_repr_shows_path_mode_and_durability(written):
    with arraylog.open(written, "a", durability="synced") as store:
        text = repr(store)
        assert "t.alog" in text and "synced" in text and "\n" not in text
    with arraylog.open(written) as store:
        assert "'r'" in repr(store) or '"r"' in repr(store)
    with arraylog.open(written, "a") as store:
        assert "buffered" in repr(store)


def test_a_memory_store_takes_the_same_calls():
    with arraylog.open(":memory:", "a") as store:
        store.partition().put("k", b"v")
        store.partition().write("e", {"t": np.arange(100.0)})
        assert bytes(store.partition().value("k")) == b"v"
        assert np.array_equal(store.partition().array("e", "t"), np.arange(100.0))
    assert not Path(":memory:").exists()


def eventually(holds, seconds=60):
    """Whether it does within that time."""
    deadline = time.monotonic() + seconds
    while not (done := holds()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return done


def test_a_replay_bound_says_how_much_is_replayed_after_a_kill(tmp_path):
    for bound in (500, 1 << 40):
        path = tmp_path / f"{bound}.alog"
        with arraylog.open(path, "a", replay_bound=bound) as store:
            part = store.partition()
            for batch in range(10):
                part.update({f"{batch}-{number}": b"" for number in range(500)})
                if bound == 500:
                    assert eventually(lambda: store.counters()["checkpoints"] > batch // 4)
            # What a kill would leave.
            with arraylog.open(path) as reader:
                assert len(reader.partition()) == 5000
                assert (reader.recovery.records <= 2500) == (bound == 500)
            assert (store.counters()["checkpoints"] == 0) == (bound != 500)


@pytest.mark.parametrize("where", ["file", "memory"])
def test_a_store_that_was_told_when_compacts_itself(path, where):
    name = path if where == "file" else ":memory:"
    with arraylog.open(name, "a", compact_when=(0.5, 1 << 20)) as store:
        part = store.partition()

        def compacted():
            part.put("k", bytes(10_000))
            return store.generation > 0

        assert eventually(compacted)
        assert bytes(part.value("k")) == bytes(10_000)
    if where == "file":  # Others are not compacted.
        with arraylog.open(path, "r+") as store:
            before = store.generation
            for _ in range(500):
                store.partition().put("k", bytes(10_000))
            assert store.generation == before


def test_when_a_store_keeps_itself_up_is_checked(tmp_path, written):
    path = tmp_path / "new.alog"
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(arraylog.InvalidError, match="from 0 to 1"):
            arraylog.open(path, "a", compact_when=(wrong, 0))
        assert not path.exists()
    for wrong in (0.5, (0.5,), ("half", 0), (0.5, 0.5), (0.5, 1, 2)):
        with pytest.raises(TypeError, match="a pair"):
            arraylog.open(path, "a", compact_when=wrong)
    for option in ({"compact_when": (0.5, -1)}, {"replay_bound": -1}, {"replay_bound": 1 << 64}):
        with pytest.raises(arraylog.InvalidError, match="2\\^64"):
            arraylog.open(path, "a", **option)
    with pytest.raises(TypeError):
        arraylog.open(path, "a", replay_bound=0.5)
    for option in ({"compact_when": (0.5, 0)}, {"replay_bound": 1}):
        with pytest.raises(ValueError, match="modes that write"):
            arraylog.open(written, "r", **option)
        arraylog.open(written, "r+", **option).close()
