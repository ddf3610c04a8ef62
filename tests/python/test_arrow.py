"""Arrays for Arrow's consumers, by the C interface in capsules."""

import gc
import re

import ml_dtypes
import numpy as np
import pyarrow as pa
import pytest

import arraylog
from samples import NUMBERS, sample

UNITS = ["s", "ms", "us", "ns"]


def buffers(array):
    """Addresses of the buffers of an Arrow array."""
    return [buffer and buffer.address for buffer in array.buffers()]


@pytest.mark.parametrize("dtype", [name for name in NUMBERS if name[0] in "iuf"])
@pytest.mark.parametrize("size", [0, 1, 3, 1000])
def test_numbers_are_lent_without_a_copy(part, states, dtype, size):
    data = sample(dtype, (size,))
    part.write("k", {"t": data})
    for state in states():
        array = state["k"]["t"]
        found = pa.array(array)
        found.validate(full=True)
        assert found.type == pa.from_numpy_dtype(data.dtype) and found.null_count == 0
        assert found.to_numpy().tobytes() == data.tobytes()
        if size > 8:
            assert buffers(found) == [None, array.data.ctypes.data]


def test_masks_become_validity_without_a_copy(part, states):
    data = np.ma.MaskedArray(np.arange(1000.0), np.arange(1000) % 3 == 0)
    part.write("k", {"t": data, "whole": np.ma.MaskedArray([1, 2], [False, False])})
    for state in states():
        array = state["k"]["t"]
        first, second = pa.array(array), pa.array(array)
        first.validate(full=True)
        assert first.null_count == 334
        assert first.to_pylist() == [None if i % 3 == 0 else float(i) for i in range(1000)]
        assert buffers(first) == buffers(second) and buffers(first)[0]
        assert pa.array(state["k"]["whole"]).to_pylist() == [1, 2]


@pytest.mark.parametrize("size", [0, 1, 64, 65, 1000])
def test_bools_are_packed(part, size):
    data = np.arange(size) % 3 == 0
    part.write("k", {"t": data, "m": np.ma.MaskedArray(data, ~data)})
    found = pa.array(part["k"]["t"])
    found.validate(full=True)
    assert found.type == pa.bool_() and found.to_pylist() == data.tolist()
    assert pa.array(part["k"]["m"]).to_pylist() == [True if each else None for each in data]


@pytest.mark.parametrize("texts", [[], [""], ["a", "", "é€\U0001f600"], [f"text {i}" for i in range(500)]], ids=len)
def test_text_and_bytes_are_lent_without_a_copy(part, states, texts):
    items = [text.encode() for text in texts]
    part.write("k", {"t": arraylog.array(texts, dtype="string"), "b": arraylog.array(items, dtype="bytes")})
    for state in states():
        text, data = pa.array(state["k"]["t"]), pa.array(state["k"]["b"])
        for found, type_, expected in ((text, pa.string(), texts), (data, pa.binary(), items)):
            found.validate(full=True)
            assert found.type == type_ and found.to_pylist() == expected
        if len(texts) > 8:
            assert buffers(pa.array(state["k"]["t"])) == buffers(text)


def test_missing_text_is_null(part):
    part.write("k", {"t": ["a", None, "c"]})
    found = pa.array(part["k"]["t"])
    found.validate(full=True)
    assert found.to_pylist() == ["a", None, "c"]


@pytest.mark.parametrize("unit", UNITS)
def test_times_keep_their_unit_and_nat_is_null(part, unit):
    times = np.array(["2024-01-01", "NaT", "1969-12-31"], f"M8[{unit}]")
    spans = np.array([1, -2, 3], f"m8[{unit}]")
    masked = np.ma.MaskedArray(times, [False, False, True])
    part.write("k", {"t": times, "s": spans, "m": masked})
    found = pa.array(part["k"]["t"])
    found.validate(full=True)
    assert found.type == pa.timestamp(unit) and found.equals(pa.array(times))
    assert pa.array(part["k"]["s"]).equals(pa.array(spans))
    assert pa.array(part["k"]["s"]).type == pa.duration(unit)
    assert pa.array(part["k"]["m"]).is_valid().to_pylist() == [True, False, False]


def test_an_arrow_array_outlives_the_store_and_every_handle(part, store):
    data = np.arange(10_000.0)
    part.write("k", {"t": data})
    found = pa.array(part["k"]["t"])
    store.close()
    del part
    gc.collect()
    assert found.to_numpy().tobytes() == data.tobytes()


def test_capsules_that_nobody_takes_are_released(part):
    part.write("k", {"t": np.arange(1000.0)})
    for _ in range(1000):
        part["k"]["t"].__arrow_c_array__()
        part["k"]["t"].__arrow_c_schema__()
    schema, array = part["k"]["t"].__arrow_c_array__(None)
    assert "arrow_schema" in repr(schema) and "arrow_array" in repr(array)


def test_the_schema_alone_says_the_type_and_whether_there_may_be_nulls(part):
    part.write("k", {"t": np.arange(3.0), "m": np.ma.MaskedArray([1], [True])})
    field = pa.field(part["k"]["t"])
    assert field.type == pa.float64() and not field.nullable
    assert pa.field(part["k"]["m"]).nullable


@pytest.mark.parametrize(
    "data",
    [
        np.zeros(2, "c8"),
        np.zeros(2, "M8[D]"),
        np.zeros(2, "m8[Y]"),
        np.zeros(2, "S3"),
        np.zeros(2, "U3"),
        np.zeros(2, ml_dtypes.bfloat16),
    ],
    ids=lambda data: data.dtype.name,
)
def test_what_arrow_has_no_type_for_is_refused_by_name(part, data):
    part.write("k", {"t": data})
    array = part["k"]["t"]
    for use in (array.__arrow_c_array__, array.__arrow_c_schema__):
        with pytest.raises(arraylog.DTypeError, match=re.escape(f'array "t": Arrow has no type for {array._dtype_name};')):
            use()


@pytest.mark.parametrize("shape", [(), (2, 3)], ids=str)
def test_other_than_one_axis_is_refused_with_advice(part, shape):
    part.write("k", {"t": np.zeros(shape)})
    with pytest.raises(arraylog.ShapeError, match="one axis.*reshape"):
        part["k"]["t"].__arrow_c_array__()
    assert pa.array(part["k"]["t"].numpy().reshape(-1)).to_pylist() == [0.0] * int(np.prod(shape))
