"""Files that a crash or a damaged disk left behind."""

import logging
import random
import shutil
import signal
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest

import arraylog
from files import digest

BATCHES, EACH = 12, 5
PAGE = 4096
FRAMES = 4 * PAGE  # identity, two checkpoint slots and the live page stand before the first frame
DAMAGED = (arraylog.CorruptionError, arraylog.NotAStoreError, arraylog.VersionError)


def value(batch, number):
    """Content of entry `number` of a batch; sizes differ so that frames cross pages here and there."""
    return np.random.default_rng((batch, number)).bytes(20 + 700 * (batch % 3) + number)


def write_batches(store):
    part = store.partition()
    for batch in range(BATCHES):
        with store.batch() as together:
            inner = together.partition()
            for number in range(EACH - 1):
                inner.put(f"{batch}-{number}", value(batch, number))
            inner.write(
                f"{batch}-a", {"t": np.full(40, float(batch)), "s": "text"}, attrs={"n": batch}
            )
    return part


def read_batches(part):
    """How many whole batches `part` holds; fails when it holds anything else or anything wrong."""
    keys = list(part)
    assert len(keys) % EACH == 0, "half a batch is visible"
    count = len(keys) // EACH
    for batch in range(count):
        for number in range(EACH - 1):
            assert bytes(part.value(f"{batch}-{number}")) == value(batch, number)
        entry = part[f"{batch}-a"]
        assert (
            (entry["t"].numpy() == batch).all()
            and entry["s"].item() == "text"
            and entry.attrs["n"] == batch
        )
    return count


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A store as a crash leaves it (`live`), and as close leaves it (`closed`)."""
    folder = tmp_path_factory.mktemp("recovery")
    with arraylog.open(folder / "t.alog", "a") as store:
        empty = (folder / "t.alog").stat().st_size
        write_batches(store)
        shutil.copy(folder / "t.alog", folder / "live.alog")
    shutil.move(folder / "t.alog", folder / "closed.alog")
    return folder, empty


@pytest.fixture
def live(files, path):
    shutil.copy(files[0] / "live.alog", path)
    return path


@pytest.fixture
def closed(files, path):
    shutil.copy(files[0] / "closed.alog", path)
    return path


def content_end(path):
    """Offset behind the last byte that is not zero: the file may be longer than what was written.

    The last record may end with zeros.
    """
    return len(path.read_bytes().rstrip(b"\0"))


@pytest.mark.parametrize("mode", ["r", "r+", "a"])
def test_a_store_that_was_never_closed_opens_with_everything(live, mode, caplog):
    with arraylog.open(live, mode) as store:
        assert read_batches(store.partition()) == BATCHES
    assert [
        each
        for each in caplog.records
        if each.name.startswith("arraylog") and each.levelno >= logging.WARNING
    ] == []


def test_a_file_cut_anywhere_opens_with_a_prefix_of_whole_batches(live, caplog):
    whole = live.read_bytes()
    end = content_end(live)
    first = FRAMES + 1
    seen = set()
    for cut in sorted({*range(first, end, 97), *range(end - 300, end), *range(first, first + 50)}):
        live.write_bytes(whole[:cut])
        before = digest(live)
        with arraylog.open(live) as store:
            part = store.partition() if list(store) else None
            seen.add(read_batches(part) if part is not None else 0)
        assert digest(live) == before, f"reading changed the file cut at {cut}"
    assert seen == set(range(BATCHES)) or seen == set(range(BATCHES + 1))


def test_a_cut_file_takes_writes_and_keeps_them(live):
    whole = live.read_bytes()
    end = content_end(live)
    for cut in np.linspace(FRAMES + 200, end - 1, 25).astype(int):
        live.write_bytes(whole[:cut])
        with arraylog.open(live, "a") as store:
            count = read_batches(store.partition())
            store.partition().put("after", b"recovery")
        with arraylog.open(live, "r+") as store:
            assert bytes(store.partition().value("after")) == b"recovery"
            assert store.partition().remove("after")
            assert read_batches(store.partition()) == count


def warnings_of(caplog):
    return [
        each
        for each in caplog.records
        if each.name.split(".")[0] == "arraylog" and each.levelno == logging.WARNING
    ]


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_torn_tail_is_one_warning_in_the_log(live, mode, caplog):
    whole = live.read_bytes()
    cut = content_end(live) - 20
    live.write_bytes(whole[:cut])
    with caplog.at_level(logging.WARNING):
        with arraylog.open(live, mode) as store:
            assert read_batches(store.partition()) == BATCHES - 1
            assert store.recovery.torn_bytes > 0 and store.recovery.torn_at < cut
    warned = warnings_of(caplog)
    assert len(warned) == 1
    assert "t.alog" in warned[0].getMessage() and any(
        character.isdigit() for character in warned[0].getMessage()
    )


@pytest.mark.parametrize("source", ["live", "closed"])
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_garbage_behind_the_end_is_skipped_with_one_warning(request, source, mode, caplog):
    path = request.getfixturevalue(source)
    with arraylog.open(path) as store:
        end = store.usage().file_bytes
    with path.open("rb+") as file:
        file.seek(end)
        file.write(random.Random(5).randbytes(3000))
    before = digest(path)
    with caplog.at_level(logging.WARNING):
        with arraylog.open(path, mode) as store:
            assert read_batches(store.partition()) == BATCHES
            if mode == "r+":
                store.partition().put("after", b"v")
    assert len(warnings_of(caplog)) == 1
    if mode == "r":
        assert digest(path) == before
    else:
        caplog.clear()
        with arraylog.open(path) as store:
            assert bytes(store.partition().value("after")) == b"v"
        assert warnings_of(caplog) == []


def test_zeros_behind_the_end_are_skipped(closed):
    with closed.open("ab") as file:
        file.write(bytes(100_000))
    with arraylog.open(closed) as store:
        assert read_batches(store.partition()) == BATCHES


def test_a_closed_store_opens_without_a_warning(closed, caplog):
    with caplog.at_level(logging.WARNING):
        for mode in ("r", "r+", "r"):
            with arraylog.open(closed, mode) as store:
                assert read_batches(store.partition()) == BATCHES
    assert warnings_of(caplog) == []


def test_a_closed_store_that_was_cut_is_refused_untouched(closed):
    whole = closed.read_bytes()
    end = content_end(closed)
    for cut in np.linspace(FRAMES + 8, end - 200, 20).astype(int):
        closed.write_bytes(whole[:cut])
        before = digest(closed)
        for mode in ("r", "r+", "a"):
            with pytest.raises(arraylog.CorruptionError, match="t.alog"):
                arraylog.open(closed, mode)
        assert digest(closed) == before


@pytest.mark.parametrize("cut", [1, 7, 8, 100, 511, 4095, 4096, 8192, 12_288, 16_383])
def test_a_file_cut_inside_its_header_is_refused_untouched(closed, cut):
    closed.write_bytes(closed.read_bytes()[:cut])
    before = digest(closed)
    for mode in ("r", "r+", "a"):
        with pytest.raises(DAMAGED, match="t.alog"):
            arraylog.open(closed, mode)
    assert digest(closed) == before


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize("verify", ["first", "always"])
def test_a_flipped_byte_of_a_value_is_a_corruption_error_that_names_the_place(closed, verify):
    at = closed.read_bytes().index(value(4, 2)) + 5
    with arraylog.open(closed, verify=verify) as store:
        assert bytes(store.partition().value("4-2")) == value(4, 2)
    flip(closed, at)
    before = digest(closed)
    with pytest.raises(arraylog.CorruptionError) as caught:
        with arraylog.open(closed, verify=verify) as store:
            store.partition().value("4-2")
    assert "t.alog" in str(caught.value) and any(
        character.isdigit() for character in str(caught.value)
    )
    assert digest(closed) == before


def test_a_flipped_byte_of_an_array_is_a_corruption_error(closed):
    at = closed.read_bytes().index(np.full(40, 7.0).tobytes()) + 5
    flip(closed, at)
    with pytest.raises(arraylog.CorruptionError):
        with arraylog.open(closed) as store:
            store.partition().array("7-a", "t")


def test_damage_to_one_large_value_leaves_the_others(path):
    blocks = {key: np.random.default_rng(number).bytes(500_000) for number, key in enumerate("abc")}
    with arraylog.open(path, "a") as store:
        for key, block in blocks.items():
            store.partition().put(key, block)
    flip(path, path.read_bytes().index(blocks["b"][:100]) + 200_000)
    before = digest(path)
    with arraylog.open(path) as store:
        part = store.partition()
        assert bytes(part.value("a")) == blocks["a"] and bytes(part.value("c")) == blocks["c"]
        with pytest.raises(arraylog.CorruptionError):
            bytes(part.value("b"))
    assert digest(path) == before


def test_any_flipped_byte_is_found_or_changes_nothing(closed):
    whole = closed.read_bytes()
    end = content_end(closed)
    picks = random.Random(11)
    places = [
        *range(0, 96),
        *range(PAGE, PAGE + 64),
        *range(2 * PAGE, 2 * PAGE + 64),
        *range(3 * PAGE, 3 * PAGE + 56),
    ]
    places += [picks.randrange(FRAMES, end) for _ in range(400)]
    found = 0
    for at in places:
        data = bytearray(whole)
        data[at] ^= 1 << picks.randrange(8)
        closed.write_bytes(data)
        try:
            with arraylog.open(closed) as store:
                assert read_batches(store.partition()) == BATCHES, (
                    f"an entry is gone after a flip at {at}"
                )
        except DAMAGED:
            found += 1
        assert closed.read_bytes() == data, f"reading changed the file after a flip at {at}"
    assert found > 100


def test_a_torn_live_file_with_a_flipped_byte_never_shows_wrong_data(live):
    whole = live.read_bytes()[: content_end(live) - 40]
    picks = random.Random(12)
    for _ in range(150):
        data = bytearray(whole)
        data[picks.randrange(len(data))] ^= 1 << picks.randrange(8)
        live.write_bytes(data)
        try:
            with arraylog.open(live) as store:
                if list(store):
                    read_batches(store.partition())
        except DAMAGED:
            pass
        assert live.read_bytes() == data


def test_a_version_from_the_future_is_refused_by_number(closed):
    data = bytearray(closed.read_bytes())
    for at in (0, 3 * PAGE + 2048):
        if data[at : at + 8] == data[:8]:
            struct.pack_into("<H", data, at + 8, 77)
            struct.pack_into("<I", data, at + 508, zlib.crc32(data[at : at + 508]))
    closed.write_bytes(data)
    before = digest(closed)
    for mode in ("r", "r+", "a"):
        with pytest.raises(arraylog.VersionError) as caught:
            arraylog.open(closed, mode)
        assert "77" in str(caught.value) and "t.alog" in str(caught.value)
    assert digest(closed) == before


def test_reading_never_writes_to_the_file_or_its_folder(closed):
    before, stat = digest(closed), closed.stat()
    with arraylog.open(closed) as store:
        assert read_batches(store.partition()) == BATCHES
        store.refresh()
        assert [each.name for each in closed.parent.iterdir()] == [closed.name]
    after = closed.stat()
    assert digest(closed) == before
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (
        stat.st_mtime_ns,
        stat.st_size,
        stat.st_ino,
    )


def test_what_a_call_returned_from_survives_sigkill(path):
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            """
import sys, arraylog
store = arraylog.open(sys.argv[1], "a")
number = 0
while True:
    with store.batch() as batch:
        for each in range(3):
            batch.partition().put(f"{number}-{each}", str(number).encode() * 50)
    print(number, flush=True)
    number += 1
""",
            str(path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    acknowledged = -1
    while acknowledged < 300:
        acknowledged = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read().split("\n")
    writer.wait()
    writer.stdout.close()
    acknowledged = max([acknowledged, *(int(line) for line in rest[:-1])])
    with arraylog.open(path, "r+") as store:
        keys = list(store.partition())
        assert len(keys) % 3 == 0 and len(keys) // 3 in (acknowledged + 1, acknowledged + 2)
        for key in keys:
            assert bytes(store.partition().value(key)) == key.split("-")[0].encode() * 50
        store.partition().put("after", b"v")


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(closed, caplog):
    with arraylog.open(closed) as store:
        assert store.recovery.checkpoint == store.seqno and store.recovery.passed_over == []
    # The checkpoint is the last record.
    at = content_end(closed) - 1
    with closed.open("rb+") as file:
        file.seek(at)
        [byte] = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 0xFF]))
    with caplog.at_level(logging.WARNING), arraylog.open(closed) as store:
        assert read_batches(store.partition()) == BATCHES
        assert store.recovery.checkpoint == 0 and len(store.recovery.passed_over) == 1
    [warned] = warnings_of(caplog)
    assert "the checkpoint is passed over" in warned.getMessage()
