"""Plain values: `put`, `value`, and the difference between a value and arrays."""

import array
import io

import numpy as np
import pytest

import arraylog

SIZES = [
    0,
    1,
    7,
    8,
    9,
    63,
    64,
    255,
    256,
    4095,
    4096,
    4097,
    65_535,
    65_536,
    65_537,
    131_073,
    1 << 20,
    (2 << 20) + 1,
]


def pattern(size):
    """`size` bytes that differ from place to place."""
    return np.random.default_rng(size).bytes(size)


@pytest.mark.parametrize("size", SIZES)
def test_values_of_every_size_round_trip(part, reopened, size):
    data = pattern(size)
    part.put("k", data)
    assert bytes(part.value("k")) == data
    again = reopened()
    assert bytes(again.value("k")) == data
    assert bytes(again["k"]) == data and bytes(memoryview(again["k"])) == data
    assert bytes(again["k"].value) == data


@pytest.mark.parametrize("size", SIZES)
def test_values_of_zeros_are_values(part, reopened, size):
    part.put("k", bytes(size))
    assert bytes(reopened().value("k")) == bytes(size)


def test_many_sizes_in_one_store_round_trip(part, reopened):
    expected = {str(size): pattern(size) for size in [*SIZES, *range(200)]}
    for key, data in expected.items():
        part.put(key, data)
    again = reopened()
    assert {key: bytes(again.value(key)) for key in again} == expected


@pytest.mark.parametrize(
    "data",
    [
        b"abc",
        bytearray(b"abc"),
        memoryview(b"abc"),
        np.frombuffer(b"abc", "u1"),
        array.array("B", b"abc"),
        memoryview(b"abc").cast("c"),
        memoryview(b"aXbXc")[::2],
        np.frombuffer(b"cba", "u1")[::-1],
    ],
    ids=["bytes", "bytearray", "memoryview", "u1", "array B", "chars", "strided", "reversed"],
)
def test_buffers_of_bytes_are_values(part, data):
    part.put("k", data)
    assert bytes(part.value("k")) == b"abc"
    assert part["k"].kind == "value"


@pytest.mark.parametrize(
    "data",
    [
        np.zeros(3),
        np.arange(3),
        array.array("d", [1.0]),
        memoryview(np.zeros(3, "f4")),
        np.zeros(3, "u2"),
    ],
    ids=["f8", "i8", "array d", "memoryview f4", "u2"],
)
def test_buffers_of_numbers_are_refused_with_both_ways_out(part, data):
    with pytest.raises(TypeError) as caught:
        part.put("k", data)
    assert (
        "write" in str(caught.value) and "view" in str(caught.value) and "u1" in str(caught.value)
    )
    assert "k" not in part
    part.put("k", np.asarray(data).view("u1"))
    assert bytes(part.value("k")) == bytes(memoryview(data))


@pytest.mark.parametrize(
    "data", ["text", 3, None, [1, 2], {"t": 1.0}, 1.5], ids=lambda data: type(data).__name__
)
def test_other_objects_are_no_values(part, data):
    with pytest.raises(TypeError):
        part.put("k", data)
    assert "k" not in part


def test_put_reads_a_binary_file_to_its_end(part, tmp_path):
    data = pattern(300_000)
    source = tmp_path / "source.bin"
    source.write_bytes(data)
    with source.open("rb") as file:
        part.put("file", file)
    part.put("memory", io.BytesIO(data))
    assert bytes(part.value("file")) == bytes(part.value("memory")) == data


def test_put_of_a_source_that_fails_stores_nothing(part):
    class Broken(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            raise OSError("the source broke")

    with pytest.raises(OSError, match="the source broke"):
        part.put("k", Broken())
    assert "k" not in part


def test_value_is_a_read_only_memoryview_of_bytes(part):
    part.put("k", b"abc")
    view = part.value("k")
    assert type(view) is memoryview
    assert view.readonly and view.format == "B" and view.ndim == 1 and view.nbytes == 3
    with pytest.raises(TypeError):
        view[0] = 1


def test_value_of_a_missing_key_is_a_key_error_or_the_default(part):
    with pytest.raises(KeyError, match="absent"):
        part.value("absent")
    assert part.value("absent", None) is None
    assert part.value("absent", b"x") == b"x"
    part.put("absent", b"there")
    assert bytes(part.value("absent", None)) == b"there"


def test_value_of_an_entry_of_arrays_is_a_kind_error_that_names_them(part):
    part.write("x", {"temperature": [1.0], "salinity": [2.0]})
    for misuse in (lambda: part.value("x"), lambda: part.value("x", None), lambda: part["x"].value):
        with pytest.raises(TypeError) as caught:
            misuse()
        assert isinstance(caught.value, arraylog.KindError) and not isinstance(
            caught.value, KeyError
        )
        assert "temperature, salinity" in str(caught.value)
        assert "x" in str(caught.value)


def test_array_of_a_value_is_a_kind_error(part):
    part.put("x", b"abc")
    for misuse in (lambda: part.array("x", "t"), lambda: part.array("x"), lambda: part["x"]["t"]):
        with pytest.raises(arraylog.KindError, match="value"):
            misuse()


def test_array_of_a_missing_key_is_a_key_error(part):
    part.write("x", {"t": 1.0})
    with pytest.raises(KeyError, match="absent"):
        part.array("absent", "t")
    assert part.array("x", "t") == 1.0


def test_bytes_of_an_entry_of_arrays_are_refused(part):
    part.write("x", {"t": [1.0], "u": [2.0]})
    with pytest.raises((TypeError, BufferError)):
        memoryview(part["x"])
    with pytest.raises((TypeError, BufferError)):
        bytes(part["x"])


def test_an_entry_of_a_value_has_no_arrays(part):
    part.put("x", b"abc")
    entry = part["x"]
    assert list(entry) == [] and len(entry) == 0
    assert dict(entry.attrs) == {}


def test_put_replaces_and_remove_removes(part, reopened):
    part.put("k", b"one")
    part.put("k", b"two")
    part.put("gone", b"three")
    assert part.remove("gone") is True
    assert part.remove("gone") is False
    assert len(part) == 1
    again = reopened()
    assert list(again) == ["k"] and bytes(again.value("k")) == b"two"


def test_put_reuses_the_caller_buffer_only_during_the_call(part, store):
    buffer = bytearray(b"first")
    part.put("1", buffer)
    buffer[:] = b"other"
    with store.batch() as batch:
        inner = batch.partition("argo", "2024-01")
        for key in "23":
            buffer[:] = b"val-" + key.encode()
            inner.put(key, buffer)
        buffer[:] = b"other"
    assert [bytes(part.value(key)) for key in "123"] == [b"first", b"val-2", b"val-3"]
