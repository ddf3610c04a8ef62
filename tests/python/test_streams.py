"""Values from file objects, and as files."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import shutil
import threading
import zipfile

import numpy as np
import pytest

import arraylog


def pattern(size):
    """`size` bytes that differ from place to place."""
    return np.random.default_rng(size).bytes(size)


SIZES = [0, 1, 65_535, 65_536, 65_537, 131_072, 1_048_577, 3_000_000]


@pytest.fixture(params=["mmap", "read"])
def part(request, tmp_path):
    with arraylog.open(tmp_path / "streams.alog", "a", io=request.param) as store:
        yield store.partition("c", "p")


class Source:
    """Gives pieces in turn, or raises them."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)

    def read(self, size):
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, BaseException):
            raise piece
        return piece


@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_stored_as_its_bytes_alone_and_in_a_batch(part, tmp_path, size):
    data = pattern(size)
    path = tmp_path / "source"
    path.write_bytes(data)
    with path.open("rb") as file:
        part.put("file", file)
    with path.open("rb", buffering=0) as file:
        part["raw"] = file
    with part.store.batch() as batch, path.open("rb") as file:
        batch.partition("c", "p").put("batch", file)
        assert "batch" not in part
    for key in ("file", "raw", "batch"):
        assert bytes(part.value(key)) == data
    assert sorted(os.listdir(tmp_path)) == ["source", "streams.alog"]


def test_a_source_gives_any_bytes_like_pieces(part):
    part.put("k", Source(b"a", bytearray(b"bc"), memoryview(b"d"), pattern(2_000_000)))
    assert bytes(part.value("k")) == b"abcd" + pattern(2_000_000)
    with gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(pattern(100_000)))) as file:
        part.put("unpacked", file)
    assert bytes(part.value("unpacked")) == pattern(100_000)


class Stop(BaseException):
    pass


@pytest.mark.parametrize("raised", [OSError("it broke"), KeyboardInterrupt(), Stop()], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("given", [0, 70_000, 3_000_000])
def test_what_a_source_raises_goes_on_unchanged_and_leaves_nothing(part, tmp_path, raised, given):
    part.put("k", b"before")
    size = (tmp_path / "streams.alog").stat().st_size
    with pytest.raises(type(raised)) as info:
        part.put("k", Source(pattern(given), raised) if given else Source(raised))
    assert info.value is raised
    with part.store.batch() as batch:
        staged = batch.partition("c", "p")
        with pytest.raises(type(raised)) as info:
            staged.put("k", Source(pattern(given), raised) if given else Source(raised))
        assert info.value is raised
    assert bytes(part.value("k")) == b"before"
    assert (tmp_path / "streams.alog").stat().st_size == size
    assert os.listdir(tmp_path) == ["streams.alog"]


@pytest.mark.parametrize(
    "pieces",
    [["text"], [b"a", "text"], [3], [b"a", [1]]],
    ids=["str", "bytes then str", "int", "list"],
)
def test_a_source_of_other_than_bytes_is_refused_with_what_to_do(part, pieces):
    with pytest.raises(TypeError, match="binary"):
        part.put("k", Source(*pieces))
    with part.store.batch() as batch, pytest.raises(TypeError, match="binary"):
        batch.partition("c", "p").put("k", Source(*pieces))
    assert "k" not in part


def test_a_text_file_is_not_read_at_all(part, tmp_path):
    path = tmp_path / "text"
    path.write_text("text")
    with path.open() as file:
        with pytest.raises(TypeError, match='"rb"'):
            part.put("k", file)
        assert file.read() == "text"


def test_a_file_that_does_not_wait_is_refused(part):
    with pytest.raises(BlockingIOError, match="blocking"):
        part.put("k", Source(b"a", None))
    assert "k" not in part


def test_a_source_may_write_to_the_store_and_the_batch_that_it_is_for(part):
    batch = part.store.batch()

    class Writing(Source):
        def read(self, size):
            part.put("from the source", b"1")
            staged.put("from the source to the batch", b"2")
            return super().read(size)

    with batch:
        staged = batch.partition("c", "p")
        staged.put("k", Writing(b"abc"))
        part.put("alone", Writing(b"def"))
    assert {key: bytes(part.value(key)) for key in part} == {
        "from the source": b"1",
        "from the source to the batch": b"2",
        "k": b"abc",
        "alone": b"def",
    }


def test_nobody_waits_for_a_source(part):
    gate, started = threading.Event(), threading.Event()

    class Gated(Source):
        def read(self, size):
            started.set()
            gate.wait(30)
            return super().read(size)

    thread = threading.Thread(target=part.put, args=("slow", Gated(b"at last")))
    thread.start()
    assert started.wait(30)
    for number in range(20):
        part.put("fast", b"%d" % number)
    assert "slow" not in part
    gate.set()
    thread.join()
    assert bytes(part.value("slow")) == b"at last"


def test_a_stream_into_a_store_for_reading_is_refused_before_it_is_read(tmp_path):
    arraylog.open(tmp_path / "a.alog", "w").close()
    with arraylog.open(tmp_path / "a.alog", "a") as store:
        store.partition("c", "p").put("k", b"1")
    with arraylog.open(tmp_path / "a.alog") as store:
        source = Source(b"untouched")
        with pytest.raises(arraylog.ReadOnlyError):
            store.partition("c", "p").put("k", source)
        assert source.pieces


@pytest.mark.parametrize("size", SIZES)
def test_a_value_reads_as_a_file(part, size):
    data = pattern(size)
    part.put("k", data)
    with part.open("k") as file:
        assert isinstance(file, io.RawIOBase)
        assert file.readable() and file.seekable() and not file.writable()
        assert (file.size, file.name, file.mode) == (size, "k", "rb")
        assert file.read() == data and file.read() == b"" and file.read(10) == b""
        assert file.tell() == size
        for at in (0, 1, 65_536, size // 2, max(size - 1, 0), size, size + 5):
            assert file.seek(at) == at
            assert file.read(100_000) == data[at : at + 100_000]
        file.seek(0)
        into = bytearray(size + 10)
        assert file.readinto(into) == size
        assert into == data + bytes(10)
        assert file.readinto(into) == 0
        file.seek(0)
        assert file.readall() == data
        if size:
            file.seek(-1, io.SEEK_END)
            assert file.read(1) == data[-1:]


def test_positions_and_buffers_that_make_no_sense_are_refused(part):
    part.put("k", b"0123456789")
    file = part.open("k")
    for offset, whence in [(-1, 0), (-11, 2), (-1, 1), (0, 3)]:
        with pytest.raises(ValueError):
            file.seek(offset, whence)
    assert file.seek(-10, 2) == 0
    with pytest.raises(BufferError):
        file.readinto(b"read-only")
    with pytest.raises(TypeError):
        file.readinto(3)
    assert file.read() == b"0123456789"
    with pytest.raises(io.UnsupportedOperation):
        file.fileno()
    with pytest.raises(io.UnsupportedOperation):
        file.write(b"x")
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(file)


def test_readinto_fills_memory_of_any_items(part):
    array = np.arange(1000, dtype="f8")
    part.put("k", array.view("u1"))
    out = np.zeros(1000)
    assert part.open("k").readinto(out) == 8000
    assert (out == array).all()


def test_readers_of_the_library_take_it(part, tmp_path):
    data = pattern(300_000)
    part.put("k", data)
    with open(tmp_path / "out", "wb") as out:
        shutil.copyfileobj(part.open("k"), out)
    assert (tmp_path / "out").read_bytes() == data
    assert io.BufferedReader(part.open("k"), 1000).read() == data
    part.put("text", b"one\r\ntwo\n")
    assert list(io.TextIOWrapper(part.open("text"), encoding="utf-8")) == ["one\n", "two\n"]
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("inside", data)
    part.put("zip", memory.getbuffer())
    with zipfile.ZipFile(part.open("zip")) as found:
        assert found.read("inside") == data
        assert found.testzip() is None


def test_a_value_goes_from_store_to_store_as_a_stream(part):
    data = pattern(2_500_000)
    part.put("k", data)
    with arraylog.open(":memory:", "a") as other:
        with part.open("k") as file:
            other.partition("c", "p").put("copy", file)
        assert bytes(other.partition("c", "p").value("copy")) == data


def test_a_file_goes_on_after_overwrites_and_after_the_store_was_closed(part):
    part.put("k", pattern(200_000))
    file = part.open("k")
    assert file.read(10) == pattern(200_000)[:10]
    part.put("k", b"other")
    part.store.close()
    assert file.read() == pattern(200_000)[10:]


def test_a_closed_file_raises_value_error_as_files_do(part):
    part.put("k", b"abc")
    file = part.open("k")
    file.close()
    file.close()
    assert file.closed
    for use in (file.read, file.readall, file.tell, file.readable, file.seekable, lambda: file.seek(0), lambda: file.readinto(bytearray(1)), lambda: file.size, lambda: list(file)):
        with pytest.raises(ValueError):
            use()


def test_what_is_absent_or_holds_arrays_is_no_file(part):
    part.write("arrays", {"t": [1.0, 2.0]})
    with pytest.raises(KeyError, match="none"):
        part.open("none")
    with pytest.raises(arraylog.KindError, match="holds arrays t"):
        part.open("arrays")
    part.put(b"\xff", b"1")
    assert part.open(b"\xff").name == "\udcff"


def test_threads_share_a_file_as_they_share_others(part):
    data = pattern(4_000_000)
    part.put("k", data)
    file, pieces, lock = part.open("k"), [], threading.Lock()

    def read():
        while piece := file.read(10_000):
            with lock:
                pieces.append(piece)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, pieces)) == len(data)
    assert sorted(pieces) == sorted(data[at : at + 10_000] for at in range(0, len(data), 10_000))


def test_a_damaged_block_is_an_error_where_it_is_read(tmp_path):
    path, data = tmp_path / "a.alog", pattern(400_000)
    with arraylog.open(path, "a") as store:
        store.partition("c", "p").put("k", data)
    raw = bytearray(path.read_bytes())
    raw[raw.index(data[:64]) + 2 * 65_536 + 5] ^= 1
    path.write_bytes(raw)
    for way in ("mmap", "read"):
        with arraylog.open(path, io=way) as store:
            file = store.partition("c", "p").open("k")
            assert file.read(131_072) == data[:131_072]
            with pytest.raises(arraylog.CorruptionError):
                file.read(1)
            file.seek(3 * 65_536)
            assert file.read() == data[3 * 65_536 :]


def test_a_batch_may_exceed_what_it_keeps_in_memory(tmp_path):
    value = bytearray(pattern(1 << 20))
    with arraylog.open(tmp_path / "a.alog", "a") as store:
        with store.batch() as batch:
            target = batch.partition("c", "p")
            for number in range(100):
                value[:4] = number.to_bytes(4, "little")
                target.put(f"{number}", value)
            target.rename("99", "last")
        part = store.partition("c", "p")
        assert len(part) == 100
        for number in range(100):
            found = part.value("last" if number == 99 else f"{number}")
            assert found[:4] == number.to_bytes(4, "little") and found[4:] == value[4:]
