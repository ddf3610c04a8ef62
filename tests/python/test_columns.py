"""One attribute of many entries as an array."""

import numpy as np
import pytest

import arraylog


@pytest.fixture
def filled(part):
    for number in range(5):
        attrs = {"lat": number / 2, "n": number, "id": f"float-{number}", "qc": np.int8(number)}
        part.write(f"k{number}", {"t": np.arange(number)}, attrs=attrs)
    return part


def test_a_column_has_the_dtype_of_the_attribute_in_the_order_of_keys(filled, states):
    for part in states():
        for name, dtype, values in (
            ("lat", np.float64, [0.0, 0.5, 1.0, 1.5, 2.0]),
            ("n", np.int64, [0, 1, 2, 3, 4]),
            ("qc", np.int8, [0, 1, 2, 3, 4]),
            ("id", np.dtypes.StringDType(), [f"float-{number}" for number in range(5)]),
        ):
            column = part.attr_column(name)
            assert type(column) is np.ndarray and column.dtype == dtype, name
            assert column.tolist() == values and column.shape == (5,)
            assert column.flags.writeable and column.flags.owndata
        assert part.attr_column("lat").tolist() == [part[key].attrs["lat"] for key in part]


def test_what_lacks_it_is_masked(filled):
    filled.write("none", {"t": 1}, attrs={"lat": None, "id": None})
    filled.write("other", {"t": 1}, attrs={"x": 1})
    filled.put("value", b"plain")
    for name in ("lat", "id"):
        column = filled.attr_column(name)
        assert isinstance(column, np.ma.MaskedArray)
        assert column.mask.tolist() == [False] * 5 + [True] * 3
        assert column.compressed().tolist() == [filled[f"k{n}"].attrs[name] for n in range(5)]
    assert filled.attr_column("x").tolist() == [None] * 6 + [1, None]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (1, 1.0, "float64 in entry 'b' and int64 in 'a'"),
        (True, 1, "int64 in entry 'b' and bool in 'a'"),
        (np.float32(1), 1.0, "float64 in entry 'b' and float32 in 'a'"),
        ("x", 1, "int64 in entry 'b' and string in 'a'"),
        ("x", b"x", "bytes in entry 'b' and string in 'a'"),
        (1.0, [1.0], "a list in entry 'b'"),
        (1.0, {"x": 1}, "a mapping in entry 'b'"),
        (1.0, np.array([1.0]), "an array in entry 'b'"),
        (np.datetime64(1, "s"), np.datetime64(1, "ms"), r"datetime64\[ms\] in entry 'b'"),
    ],
)
def test_a_mix_is_a_type_error_and_objects_are_the_way_out(part, first, second, message):
    part.write("a", {}, attrs={"x": first})
    part.write("b", {}, attrs={"x": second})
    with pytest.raises(TypeError, match=message.replace("'", '"') + ".*objects=True"):
        part.attr_column("x")
    column = part.attr_column("x", objects=True)
    assert column.dtype == object and column.shape == (2,) and type(column) is np.ndarray
    assert [type(each) for each in column] == [type(first), type(second)]
    assert column[0] == first and np.array_equal(column[1], second)


def test_scalars_of_every_kind_keep_their_dtype(part):
    for value in (
        True,
        2**63 + 1,
        1 + 2j,
        np.complex64(1 + 2j),
        np.float16(0.1),
        np.uint16(7),
        np.float64(0.1),
        np.int64(-1),
        np.datetime64("2024-01-01T00:00:01", "s"),
        np.timedelta64(5, "ms"),
    ):
        part.write("a", {}, attrs={"x": value})
        part.write("b", {}, attrs={})
        column = part.attr_column("x")
        assert column.dtype == np.asarray(value).dtype
        assert column[0] == value and column.mask.tolist() == [False, True]
        part.clear()


def test_numpy_texts_take_the_widest(part):
    part.write("a", {}, attrs={"u": np.str_("ab"), "s": np.bytes_(b"abc"), "b": b"ab\0"})
    part.write("b", {}, attrs={"u": np.str_("åbcd"), "s": np.bytes_(b"x"), "b": b""})
    assert part.attr_column("u").dtype == "U4" and part.attr_column("u").tolist() == ["ab", "åbcd"]
    assert part.attr_column("s").dtype == "S3" and part.attr_column("s").tolist() == [b"abc", b"x"]
    assert part.attr_column("b").dtype == object and part.attr_column("b").tolist() == [b"ab\0", b""]


def test_objects_tell_none_from_what_lacks_it(part):
    part.write("a", {}, attrs={"x": None})
    part.write("b", {}, attrs={"x": [1, "a"]})
    assert part.attr_column("x", objects=True).tolist() == [None, [1, "a"]]
    part.write("c", {})
    column = part.attr_column("x", objects=True)
    assert column.mask.tolist() == [False, False, True] and column.data[1] == [1, "a"]


def test_keys_choose_entries_and_their_order(filled):
    column = filled.attr_column("n", keys=["k3", b"k1", "k3"])
    assert column.tolist() == [3, 1, 3] and column.dtype == np.int64
    assert filled.attr_column("n", keys=iter(["k0"]), objects=True).tolist() == [0]
    with pytest.raises(KeyError, match="absent.*2.*of 3"):
        filled.attr_column("n", keys=["k0", "absent", "gone"])
    with pytest.raises(TypeError, match="iterable of keys"):
        filled.attr_column("n", keys="k0")


def test_no_value_at_all_is_a_key_error(filled, store):
    with pytest.raises(KeyError, match="none of 5 entries has a value.*late") as caught:
        filled.attr_column("late")
    assert caught.value.kind == "not-found" and caught.value.name == "late"
    with pytest.raises(KeyError, match="none of 0 entries"):
        store.partition("argo", "empty").attr_column("lat")
    assert filled.attr_column("late", objects=True).mask.all()
    assert store.partition("argo", "empty").attr_column("lat", objects=True).shape == (0,)


def test_amendments_count_and_a_snapshot_stays(filled, store):
    snapshot = store.snapshot()
    filled.assign("k1", attrs={"lat": 9.0})
    filled.assign("k2", drop_attrs=["lat"])
    filled.remove("k0")
    assert filled.attr_column("lat").tolist() == [9.0, None, 1.5, 2.0]
    then = snapshot["argo"]["2024-01"]
    assert then.attr_column("lat").tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_more_entries_than_a_look_at_signals(part):
    count = 40_000
    for start in range(0, count, 10_000):
        with part.store.batch() as batch:
            target = batch.partition("argo", "2024-01")
            for number in range(start, start + 10_000):
                target.write(str(number), {}, attrs={"n": number})
    assert np.array_equal(part.attr_column("n"), np.arange(count))


def test_the_name_is_a_str(filled):
    with pytest.raises(TypeError):
        filled.attr_column(b"lat")
    with pytest.raises(TypeError):
        filled.attr_column("lat", ["k0"])
    assert arraylog.Partition.attr_column.__doc__
