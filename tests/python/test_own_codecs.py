"""Codecs from Python, and as defaults of a partition, through a store."""

import pickle

import numpy as np
import pytest

import arraylog


class Doubled:
    """Stores every other byte of data whose bytes come in pairs."""

    def encode(self, data, parameters):
        assert parameters == "2"
        return bytes(data)[::2]

    def decode(self, data, parameters, nbytes):
        return np.repeat(np.frombuffer(data, "u1"), 2).tobytes()[:nbytes]


class Broken:
    def encode(self, data, parameters):
        if parameters == "encode":
            raise RuntimeError("no encoding today")
        return bytes(data)[::2]

    def decode(self, data, parameters, nbytes):
        if parameters == "decode":
            raise RuntimeError("no decoding today")
        return b"too short"


@pytest.fixture
def part(tmp_path):
    with arraylog.open(tmp_path / "a.alog", "a") as store:
        yield store.partition()


PAIRS = np.repeat(np.arange(100, dtype="u1"), 20)


@pytest.mark.parametrize("chunks", [None, (300,), "auto"])
def test_a_codec_of_ones_own_encodes_and_decodes(part, tmp_path, chunks):
    arraylog.register_codec("doubled", Doubled())
    part.write("k", {"t": arraylog.array(PAIRS, codec="doubled:2", chunks=chunks)})
    array = part["k"]["t"]
    assert array.codec == "doubled:2" and array.nbytes_stored < 1400
    np.testing.assert_array_equal(array[:], PAIRS)
    np.testing.assert_array_equal(array[100:900:7], PAIRS[100:900:7])
    if chunks:
        part.write_region("k", "t", np.s_[50:52], np.array([9, 9], "u1"))
        assert part.array("k", "t")[49:53].tolist() == [2, 9, 9, 2]


class Counted(Doubled):
    decoded = 0

    def decode(self, data, parameters, nbytes):
        type(self).decoded += 1
        return super().decode(data, parameters, nbytes)


def test_row_by_row_each_chunk_is_decoded_once_or_without_room_for_each_row(tmp_path):
    arraylog.register_codec("counted", Counted())
    path = tmp_path / "c.alog"
    rows = PAIRS.reshape(40, 50)
    with arraylog.open(path, "a") as store:
        store.partition().write("k", {"t": arraylog.array(rows, codec="counted:2", chunks=(10, 50))})
    for room, expected in (({}, 4), ({"chunk_cache": 0}, 40), ({"chunk_cache": 700}, 40), ({"chunk_cache": 800}, 4)):
        opened = arraylog.open(path, **room)["default"]["default"]["k"]["t"]
        # A handle that is pickled opens its file as it was opened.
        for array in (opened, pickle.loads(pickle.dumps(opened))):
            Counted.decoded = 0
            for number, row in enumerate(rows):
                np.testing.assert_array_equal(array[number], row)
            assert Counted.decoded == expected, room


def test_the_room_for_decoded_chunks_is_a_number_of_bytes(tmp_path):
    for wrong in (-1, 1 << 64):
        with pytest.raises(arraylog.InvalidError, match="chunk_cache=.*: a number of bytes, 0 to 2\\^64 - 1"):
            arraylog.open(tmp_path / "new.alog", "a", chunk_cache=wrong)
    with pytest.raises(TypeError):
        arraylog.open(tmp_path / "new.alog", "a", chunk_cache=0.5)
    assert not (tmp_path / "new.alog").exists()


def test_an_error_of_a_codec_is_the_cause(part):
    arraylog.register_codec("broken", Broken())
    with pytest.raises(arraylog.InvalidError, match="broken") as error:
        part.write("k", {"t": arraylog.array(PAIRS, codec="broken:encode")})
    assert isinstance(error.value.__cause__, RuntimeError)
    assert "k" not in part
    part.write("k", {"t": arraylog.array(PAIRS, codec="broken:decode")})
    with pytest.raises(arraylog.CorruptionError, match="broken") as error:
        part.array("k", "t")
    assert isinstance(error.value.__cause__, RuntimeError)
    part.write("k", {"t": arraylog.array(PAIRS, codec="broken:length")})
    with pytest.raises(arraylog.CorruptionError, match="broken"):
        part.array("k", "t")


def test_arrays_get_the_codec_and_chunks_of_their_partition(tmp_path):
    with arraylog.open(tmp_path / "a.alog", "a") as store:
        part = store.create_partition("c", "p", codec="zstd:3", chunks=(10, 10))
        data = np.arange(900.0).reshape(30, 30)
        part.write("k", {"grid": data, "line": data[0], "own": arraylog.array(data, codec="none")})
        entry = part["k"]
        assert (entry["grid"].codec, entry["grid"].chunks) == ("zstd:3", (10, 10))
        assert (entry["line"].codec, entry["line"].chunks) == ("zstd:3", None)
        assert (entry["own"].codec, entry["own"].chunks) == (None, (10, 10))
        np.testing.assert_array_equal(part.array("k", "grid"), data)
        with pytest.raises(arraylog.ConflictError):
            store.create_partition("c", "p", codec="lz4", exist_ok=True)
        with pytest.raises(arraylog.InvalidError, match="zstd"):
            store.create_partition("c", "q", codec="zsdt")
        with pytest.raises(ValueError, match="chunk"):
            store.create_partition("c", "q", chunks=(0,))
        assert "q" not in store["c"]
