"""Arrays that are taken as they are, beside the same ones after the conversion."""

import numpy as np
import pytest
from arraylog import _convert

MASK = [False, True, False]
ATTRS = {"units": "K", "valid_min": np.float32(-2.5), "_FillValue": np.int16(7), "n": 3, "q": [1, "a"], "flag": np.True_}
KINDS = ["?", "i1", "<i2", ">i2", "<i4", "<i8", "u1", ">u4", "<u8", "<f2", ">f4", "<f4", "<f8", ">f8", "<c8", ">c16"]
TIMES = ["<M8[s]", ">M8[D]", "<m8[ms]", ">m8[ns]"]
TEXTS = ["S3", "<U2", ">U2"]


def masked(dtype, **options):
    return np.ma.MaskedArray(np.ones(3, dtype), **options)


VALUES = [
    *(np.arange(2).astype(code).repeat(3).reshape(2, 3) for code in KINDS),
    *(np.array([1, 2, 3], "i8").astype(code) for code in TIMES),
    *(np.array(["ab", "c", ""], code) for code in TEXTS),
    *(np.ones((), code) for code in ("<f4", ">f8", "<i2")),
    *(np.ones(1, code)[0] for code in KINDS),
    np.ones((0, 3)), np.asfortranarray(np.ones((2, 3))), np.ones(6)[::2], np.datetime64(5, "s"), np.str_("ab"),
    "text", "ü", "", 1.5, float("inf"), 7, True, b"raw", [1.0, None],
    *(masked(code, mask=MASK) for code in ("<f4", ">f4", "<i8", "?", "<M8[s]", "S3")),
    masked("f4"), masked("f4", mask=MASK, fill_value=-9), masked("f4", mask=MASK, fill_value=1e20),
    masked("f8", mask=MASK, fill_value=np.nan), masked("i4", mask=MASK, fill_value=999999),
    masked("i4", mask=MASK, fill_value=0), masked("i2", mask=MASK, fill_value=5), masked("?", mask=MASK, fill_value=False),
    masked("f4", mask=MASK)[1:], np.ma.MaskedArray(np.float32(2), mask=True), np.ma.masked,
    np.ma.MaskedArray(np.ones((2, 3), "f4"), mask=np.ones((3, 2), bool).T),
]  # fmt: skip


def described(entry):
    array = entry["t"]
    data, mask = np.asarray(array.data), array.mask
    elements = data.tolist() if data.dtype.kind in "OT" else data.tobytes()
    attrs = {name: (type(value), repr(value)) for name, value in array.attrs.items()}
    return (array.dtype, array.shape, array.dims, repr(array.fill_value), type(array.fill_value), attrs, elements,
            None if mask is None else mask.tolist())  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=[f"{n}-{type(v).__name__}" for n, v in enumerate(VALUES)])
def test_a_plain_array_is_stored_as_the_converted_one(store, value):
    dims = tuple("xyz"[: np.ndim(value)])
    ways = (value, (dims, value), (list(dims), value, ATTRS), (None, value, {}), (dims, value, None))
    with store.batch() as batch:
        for number, given in enumerate(ways):
            batch.partition(partition="given").write(str(number), {"t": given})
            batch.partition(partition="converted").write(str(number), {"t": _convert.field("t", given)})
    for key, given in store["default"]["given"].items():
        assert described(given) == described(store["default"]["converted"][key])
    assert len(store["default"]["given"]) == len(ways)


REFUSED = [
    ("x", np.ones((2, 3))), (("x", "y", "z"), np.ones(2)), (("x", 1), np.ones((2, 2))), (("x",), np.ones(2), [1]),
    ("x",), ("x", np.ones(2), {}, {}), ("x", {"a": 1}), (3, np.ones(2)), ("x", np.ones(2), {1: 2}),
    ("x", np.ones(2, "g")), ("x", np.ones(2, "M8[25s]")), np.ones(2, "M8"), np.ones(2, [("a", "f4")]), np.ones(2, "V4"),
]  # fmt: skip


@pytest.mark.parametrize("given", REFUSED, ids=range(len(REFUSED)))
def test_an_array_is_refused_in_the_words_of_the_conversion(part, given):
    with pytest.raises(Exception) as refused:
        part.write("k", {"t": given})
    with pytest.raises(Exception) as converted:
        part.write("k", {"t": _convert.field("t", given)})
    assert (refused.type, str(refused.value)) == (converted.type, str(converted.value))


def test_an_array_swapped_into_order_is_not_changed_itself(part):
    array = np.array([1, 2, 3], ">f4")
    part.write("k", {"t": array})
    assert array.tolist() == [1, 2, 3] and array.dtype == np.dtype(">f4")
    assert part.array("k", "t").tolist() == [1, 2, 3]


@pytest.mark.parametrize("code", ["i1", "u2", "f2", "f4", "f8", "c8", "S3", "M8[s]"])
def test_looking_at_the_fill_value_of_a_masked_array_does_not_choose_it(part, code):
    value = masked(code, mask=MASK)
    part.write("before", {"t": value})
    assert value.fill_value is not None
    part.write("after", {"t": value})
    assert described(part["before"]) == described(part["after"])
    assert part["after"]["t"].fill_value is None
