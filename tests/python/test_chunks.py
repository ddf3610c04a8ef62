"""Arrays in chunks and with a codec: options, what comes back, parts written, axes that grow."""

import os
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import arraylog
from samples import DTYPES, sample, same

EXAMPLES = int(os.environ.get("ARRAYLOG_TEST_EXAMPLES") or 200)
GRID = np.arange(70.0).reshape(10, 7)


@pytest.fixture
def cut(part):
    """The grid in chunks, beside the same in one piece and a masked one."""
    masked = np.ma.masked_greater(GRID, 60)
    part.write(
        "k",
        {
            "t": arraylog.array(GRID, ("x", "y"), chunks=(4, 3), attrs={"unit": "K"}),
            "m": arraylog.array(masked, chunks=(4, 3)),
            "p": GRID,
        },
        attrs={"lat": 1.5},
    )
    return part


def test_an_array_says_how_it_is_stored(cut, states):
    for now in states():
        t, p = now["k"]["t"], now["k"]["p"]
        assert t.chunks == (4, 3) and t.codec is None and p.chunks is None and p.codec is None
        assert t.dims == ("x", "y") and dict(t.attrs) == {"unit": "K"}
        assert t.nbytes == p.nbytes == p.nbytes_stored == 560
        assert t.nbytes_stored > 560
        assert np.array_equal(t.numpy(), GRID) and np.array_equal(now.array("k", "t"), GRID)
        assert len(now) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_comes_back_from_chunks(part, states, dtype):
    value = sample(dtype, (5, 4))
    part.write("k", {"t": arraylog.array(value, chunks=(2, 3)), "a": arraylog.array(value, chunks="auto")})
    for now in states():
        for name in ("t", "a"):
            assert same(now.array("k", name), value) and same(now["k"][name].numpy(), value)
            assert same(np.asarray(now["k"][name][1:4, ::2]), value[1:4, ::2])
        assert now["k"]["a"].chunks == (5, 4)


def test_text_comes_back_from_chunks(part, states):
    text = np.array(["", "é", "three", "a" * 100, "z"], dtype=np.dtypes.StringDType())
    raw = np.array([b"", b"\x00", None], dtype=object)
    part.write("k", {"t": arraylog.array(text, chunks=(2,)), "b": arraylog.array(raw, chunks=(2,))})
    for now in states():
        assert now.array("k", "t").tolist() == text.tolist()
        assert now["k"]["t"][3:0:-1].tolist() == text[3:0:-1].tolist()
        assert now["k"]["t"].nbytes == sum(len(each.encode()) for each in text)
        assert now["k"]["b"][:].tolist() == [b"", b"\x00", None]


def test_a_codec_is_kept_with_the_array(part, states):
    part.write("k", {"t": arraylog.array(GRID, codec="zstd:3"), "c": arraylog.array(GRID, chunks=(5, 7), codec="zstd:3")})
    for now in states():
        entry = now["k"]
        assert entry["t"].codec == entry["c"].codec == "zstd:3"
        assert entry["t"].chunks is None and entry["c"].chunks == (5, 7)
        for name in ("t", "c"):
            assert np.array_equal(entry[name].numpy(), GRID) and entry[name][9, 6] == 69
            assert entry[name].nbytes == 560 and entry[name].nbytes_stored > 0
    part_of_one = now["k"]["t"]
    assert np.shares_memory(part_of_one[2], part_of_one.numpy()), "decoded once, and kept"


def test_a_stored_array_keeps_chunks_and_codec_where_it_is_written(part):
    part.write("k", {"t": arraylog.array(GRID, ("x", "y"), chunks=(4, 3), codec="zstd:3")})
    part.write("l", {"t": part["k"]["t"], "n": part["k"]["t"].numpy()})
    part["m"] = part["k"]
    part.write("n", {"t": arraylog.array(part["k"]["t"], chunks=(5, 5))})
    for key, chunks in (("l", (4, 3)), ("m", (4, 3)), ("n", (5, 5))):
        array = part[key]["t"]
        assert array.chunks == chunks and array.codec == "zstd:3" and array.dims == ("x", "y")
        assert arraylog.equal(array, part["k"]["t"])
    assert part["l"]["n"].chunks is None and part["l"]["n"].codec is None


def test_contents_are_compared_whatever_holds_them(cut):
    cut.write("l", {"t": arraylog.array(GRID, ("x", "y"), attrs={"unit": "K"})})
    assert arraylog.equal(cut["k"]["t"], cut["l"]["t"])
    cut.edit("l", "t")[0, 0] = -1
    assert not arraylog.equal(cut["k"]["t"], cut["l"]["t"])


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"chunks": (0,)}, arraylog.ShapeError),
        ({"chunks": (-1,)}, arraylog.ShapeError),
        ({"chunks": (1, 1)}, arraylog.ShapeError),
        ({"chunks": ()}, arraylog.ShapeError),
        ({"chunks": 3}, TypeError),
        ({"chunks": "all"}, TypeError),
        ({"chunks": (1.5,)}, TypeError),
        ({"codec": 3}, TypeError),
    ],
)
def test_wrong_options_are_refused_where_they_are_given(options, error):
    with pytest.raises(error, match="chunks|codec|integer"):
        arraylog.array([1.0, 2.0], **options)


def test_an_array_without_axes_has_no_chunks(part):
    with pytest.raises(arraylog.ShapeError, match="0-d"):
        part.write("k", {"t": arraylog.array(1.0, chunks="auto")})
    assert len(part) == 0


def test_a_codec_that_is_not_there_is_said_by_name():
    error = arraylog._errors.from_engine("codec-unavailable", "no codec", {"codec": "zstd"})
    assert type(error) is arraylog.CodecUnavailableError and isinstance(error, NotImplementedError)
    assert error.kind == "codec-unavailable" and error.codec == "zstd"


def test_arrays_without_elements_can_grow(part):
    part.write("k", {"t": arraylog.array(np.zeros((0, 3), "i2"), chunks="auto"), "s": arraylog.array([], dtype="string", chunks=(4,))})
    assert part["k"]["t"].shape == (0, 3) and part["k"]["t"][:, ::-1].shape == (0, 3)
    for number in range(5):
        part.append("k", "t", np.full((2, 3), number, "i2"))
        part.append("k", "s", [str(number)])
    assert part["k"]["t"][::2, 0].tolist() == [0, 1, 2, 3, 4] and part["k"]["s"][-2:].tolist() == ["3", "4"]


def test_a_snapshot_stays_and_takes_no_changes(cut, store):
    with store.snapshot() as fixed:
        there = fixed["argo"]["2024-01"]
        cut.edit("k", "t")[:] = 0.0
        assert np.array_equal(there.edit("k", "t")[...], GRID)
        for change in (
            lambda: there.assign("k", {"a": 1}),
            lambda: there.write_region("k", "t", 0, 1.0),
            lambda: there.append("k", "p", GRID),
            lambda: there.resize("k", "p", (1, 1)),
        ):
            with pytest.raises(arraylog.ReadOnlyError):
                change()


def test_the_spec_says_its_options():
    spec = arraylog.array([1.0], chunks=[1], codec="lz4")
    assert spec.chunks == (1,) and spec.codec == "lz4"
    assert "chunks=(1,)" in repr(spec) and "'lz4'" in repr(spec)
    assert arraylog.array([1.0]).chunks is None and arraylog.array([1.0]).codec is None


def test_texts_for_people_say_how_an_array_is_stored(part):
    part.write("k", {"t": arraylog.array(GRID, chunks=(4, 3), codec="zstd:3"), "p": GRID})
    array = part["k"]["t"]
    for text in (repr(array), array._repr_html_()):
        assert "(4, 3)" in text and "zstd:3" in text
        assert f"{array.nbytes_stored:,} bytes for 560 (" in text
    assert "[4, 3] zstd:3" in repr(part["k"]) and "zstd:3" in part["k"]._repr_html_()
    assert "chunks" not in repr(part["k"]["p"]) and "560" in part["k"]["p"]._repr_html_()


def test_a_chunked_array_outlives_its_store_and_crosses_processes(cut, store):
    array = cut["k"]["t"]
    with store.snapshot() as fixed:
        pickled = pickle.dumps(fixed["argo"]["2024-01"]["k"]["t"])
    kept = array.numpy()
    assert np.array_equal(pickle.loads(pickled)[2:4], GRID[2:4])
    store.close()
    assert np.array_equal(kept, GRID) and np.array_equal(array[::3, 1], GRID[::3, 1])


def test_buffers_arrow_and_dlpack_read_all_of_it(part):
    data = np.arange(100, dtype="i4")
    part.write("k", {"t": arraylog.array(data, chunks=(7,)), "c": arraylog.array(data, codec="zstd:3")})
    for name in ("t", "c"):
        array = part["k"][name]
        assert memoryview(array).tolist() == data.tolist()
        assert np.from_dlpack(array).tolist() == data.tolist()
        schema, capsule = array.__arrow_c_array__()
        assert "arrow_schema" in repr(schema) and "arrow_array" in repr(capsule)
        assert np.asarray(array) is not None and np.shares_memory(np.asarray(array), array.numpy())


def test_many_keys_with_chunks(part):
    for number in range(20):
        part.write(str(number), {"t": arraylog.array(GRID + number, chunks=(3, 3)), "p": GRID})
    found = part.get_many([str(number) for number in range(20)], "t")
    assert all(np.array_equal(each, GRID + number) for number, each in enumerate(found))
    named = part.get_many(["3", "none"], ["t", "p"], default=None)
    assert np.array_equal(named[0]["t"], GRID + 3) and named[1] is None
    assert np.array_equal(part["4"].to_dict()["t"], GRID + 4)


@pytest.mark.parametrize("name", ["t", "p"])
@pytest.mark.parametrize(
    "index",
    [
        np.s_[3], np.s_[-1, 2], np.s_[2:5], np.s_[..., 1:3], np.s_[::-2, ::3], np.s_[::-1, ::-1], np.s_[()], np.s_[...],
        np.s_[4:4], np.s_[9:2:-3, 6], np.s_[0:10:4, -1:-7:-2], (np.int64(3), np.s_[:2]),
    ],
)  # fmt: skip
def test_a_part_is_written_as_numpy_would(cut, name, index):
    expected = GRID.copy()
    data = -1.0 - np.arange(expected[index].size, dtype="f8").reshape(expected[index].shape)
    expected[index] = data
    before = cut["k"].version
    cut.write_region("k", name, index, data)
    assert np.array_equal(cut.array("k", name), expected)
    assert cut["k"].version != before or data.size == 0
    expected[index] = 7
    cut.edit("k", name)[index] = 7
    assert np.array_equal(cut.array("k", name), expected)
    assert np.array_equal(cut.array("k", "p" if name == "t" else "t"), GRID)
    assert cut["k"].attrs["lat"] == 1.5 and cut["k"]["t"].chunks == (4, 3)


@st.composite
def changes(draw):
    """A part of an array of some shape, of one axis and more, and how it is to change."""
    shape = draw(st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple))
    return shape, tuple(draw(st.integers(1, 5)) for _ in shape), draw(st.integers(0, 2**32))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cut", [False, True])
def test_any_sequence_of_changes_agrees_with_numpy(tmp_path, cut, masked):
    with arraylog.open(tmp_path / "t.alog", "a") as store:
        part = store.partition()

        @settings(deadline=None, max_examples=EXAMPLES)
        @given(changes(), st.data())
        def run(start, data):
            shape, chunks, seed = start
            rng = np.random.default_rng(seed)

            def made(shape):
                values = rng.integers(0, 1000, shape)
                return np.ma.MaskedArray(values, rng.random(shape) < 0.3) if masked else values

            expected = made(shape)
            part.write("k", {"t": arraylog.array(expected, chunks=chunks if cut else None)})
            editor = part.edit("k", "t")
            for _ in range(4):
                step = data.draw(st.sampled_from(["write", "write", "append", "resize"]))
                if step == "write":
                    index = data.draw(hnp.basic_indices(expected.shape, allow_newaxis=False))
                    value = made(expected[index].shape)
                    editor[index] = value
                    expected[index] = value
                elif step == "append":
                    axis = data.draw(st.integers(0, len(shape) - 1))
                    more = list(expected.shape)
                    more[axis] = data.draw(st.integers(0, 4))
                    value = made(tuple(more))
                    part.append("k", "t", value, axis=axis)
                    join = np.ma.concatenate if masked else np.concatenate
                    expected = join([expected, value], axis=axis)
                else:
                    new = tuple(data.draw(st.integers(0, length + 3)) for length in expected.shape)
                    part.resize("k", "t", new)
                    resized = np.zeros(new, expected.dtype)
                    if masked:
                        resized = np.ma.MaskedArray(resized, np.ones(new, bool))
                    common = tuple(slice(0, min(each)) for each in zip(new, expected.shape, strict=True))
                    resized[common] = expected[common]
                    expected = resized
                found = editor[...]
                assert type(found) is type(expected) and found.shape == expected.shape
                assert found.tolist() == expected.tolist()
            assert part["k"]["t"].chunks == (chunks if cut else None)

        run()


def test_data_are_broadcast(cut):
    editor = cut.edit("k", "t")
    expected = GRID.copy()
    for index, data in [
        (np.s_[2:4], np.arange(7.0)),
        (np.s_[:, ::-2], np.arange(10.0)[:, None]),
        (np.s_[0], np.ones((1, 7))),
        (np.s_[1:3, 5], [8, 9]),
        (np.s_[...], np.float64(3)),
    ]:
        editor[index] = data
        expected[index] = data
        assert np.array_equal(editor[...], expected)
    with pytest.raises(arraylog.ShapeError, match="broadcast"):
        editor[0:2] = np.ones(3)
    assert np.array_equal(editor[...], expected)


@pytest.mark.parametrize(
    ("index", "error"),
    [
        (10, IndexError), (-11, IndexError), (np.s_[5:11], IndexError), (np.s_[-12:], IndexError),
        ((0, 0, 0), IndexError), ((..., ...), IndexError), (np.s_[::0], ValueError),
        ([1, 10], IndexError), (np.array([-11]), IndexError), (np.ones((7, 10), bool), IndexError),
        (True, IndexError), (np.True_, IndexError), ("t", IndexError), (1.0, IndexError), (np.s_["t":], TypeError),
    ],
)  # fmt: skip
def test_a_wrong_part_is_refused_and_nothing_is_clipped(cut, index, error):
    before = cut["k"].version
    with pytest.raises(error):
        cut.write_region("k", "t", index, 1.0)
    with pytest.raises(error):
        cut.edit("k", "t")[index] = 1.0
    assert cut["k"].version == before and np.array_equal(cut.array("k", "t"), GRID)


def test_the_dtype_has_to_be_that_of_the_array(cut):
    editor = cut.edit("k", "t")
    with pytest.raises(arraylog.DTypeError, match="float64.*float32"):
        editor[0] = np.ones(7, "f4")
    with pytest.raises(arraylog.DTypeError, match="int64"):
        cut.append("k", "p", np.ones((1, 7), "i8"))
    for wrong in (None, (1.0,) * 7, {"a": 1.0}):
        with pytest.raises(TypeError):
            editor[0] = wrong
    cut.write("i", {"n": np.arange(3, dtype="i2"), "w": np.array(["ab", "c"]), "d": np.array(["2024-01-01"], "M8[D]")})
    numbers, words, days = (cut.edit("i", name) for name in "nwd")
    numbers[0] = 9
    numbers[1:] = [10, 11.0]
    words[1] = "de"
    days[0] = "2024-02-29"
    assert numbers[:].tolist() == [9, 10, 11] and words[:].tolist() == ["ab", "de"]
    assert days[0] == np.datetime64("2024-02-29")
    for editor, value in ((numbers, 2.5), (numbers, 2**15), (words, "long")):
        with pytest.raises(arraylog.InvalidError, match="cannot hold"):
            editor[0] = value


def test_masks_of_parts(cut):
    editor = cut.edit("k", "m")
    expected = np.ma.masked_greater(GRID, 60)
    for index, data in [
        (np.s_[9], np.arange(7.0)),
        (np.s_[0, ::-1], np.ma.MaskedArray(np.arange(7.0), [0, 1] * 3 + [0])),
        (np.s_[1:3, 1], np.ma.masked),
        (np.s_[5, :3], [1.0, None, 3.0]),
    ]:
        editor[index] = data
        if isinstance(data, list):
            data = np.ma.MaskedArray([1.0, 0.0, 3.0], [0, 1, 0])
        expected[index] = data
        found = editor[...]
        assert np.array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(expected))
        assert found.tolist() == expected.tolist()
    with pytest.raises(arraylog.DTypeError, match="mask"):
        cut.edit("k", "t")[0] = np.ma.masked
    assert not cut["k"]["t"].masked


def test_texts_of_parts(part):
    part.write("k", {"t": arraylog.array(["a", "bb", "", "é"], chunks=(3,)), "b": arraylog.array([b"x", b"yy"], chunks=(1,))})
    editor = part.edit("k", "t")
    editor[::-1] = ["4", "three", "2", "1"]
    assert editor[:].tolist() == ["1", "2", "three", "4"]
    editor[1:3] = "same"
    part.append("k", "t", ["new"])
    part.resize("k", "t", 6)
    assert part.array("k", "t").tolist() == ["1", "same", "same", "4", "new", ""]
    part.edit("k", "b")[0] = b"\xff"
    assert part.array("k", "b").tolist() == [b"\xff", b"yy"]
    with pytest.raises(arraylog.DTypeError):
        editor[0] = b"bytes"


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("chunks", [None, (4, 3)])
def test_append_makes_an_axis_longer(part, reopened, axis, chunks):
    part.write("k", {"t": arraylog.array(GRID, ("x", "y"), chunks=chunks)})
    more = np.full((3, 7) if axis == 0 else (10, 3), -1.0)
    part.append("k", "t", more, axis=axis)
    part.append("k", "t", more, axis=axis)
    expected = np.concatenate([GRID, more, more], axis=axis)
    found = reopened()["k"]["t"]
    assert np.array_equal(found.numpy(), expected) and found.chunks == chunks and found.dims == ("x", "y")


def test_append_refuses_what_does_not_fit(cut):
    for data, axis in ((np.ones((1, 6)), 0), (np.ones(7), 0), (1.0, 0), (np.ones((1, 7)), 1), (np.ones((1, 7)), 2)):
        with pytest.raises(arraylog.ShapeError):
            cut.append("k", "t", data, axis=axis)
    cut.assign("k", {"u": ("x", np.arange(10.0))})
    with pytest.raises(arraylog.ShapeError, match="x"):
        cut.append("k", "t", np.ones((1, 7)))
    assert cut["k"]["t"].shape == (10, 7)


@pytest.mark.parametrize("chunks", [None, (4, 3)])
@pytest.mark.parametrize("fill", [None, -7.0])
def test_resize_cuts_off_and_fills(part, chunks, fill):
    part.write("k", {"t": arraylog.array(GRID, chunks=chunks, fill_value=fill)})
    part.resize("k", "t", (3, 9))
    part.resize("k", "t", (6, 8))
    expected = np.full((6, 8), fill or 0.0)
    expected[:3, :7] = GRID[:3]
    assert np.array_equal(part.array("k", "t"), expected)
    part.write("k", {"m": arraylog.array(np.ma.masked_less(np.arange(3), 1), chunks=(2,))})
    part.resize("k", "m", 5)
    assert part.array("k", "m").tolist() == [None, 1, 2, None, None]
    for shape in ((-1, 2), (1, 2), (), 1 << 64):
        with pytest.raises(arraylog.ShapeError):
            part.resize("k", "m", shape)


def test_an_array_without_axes_is_edited(part):
    part.write("k", {"z": np.float32(1.5)})
    editor = part.edit("k", "z")
    editor[()] = 2.5
    assert editor[()] == 2.5 and editor.shape == ()
    editor[...] = np.float32(3.5)
    assert part.array("k", "z") == 3.5


def test_an_editor_is_live(cut, reopened):
    editor = cut.edit("k", "t")
    assert editor.shape == (10, 7) and editor.ndim == 2 and editor.dtype == "f8" and editor.chunks == (4, 3)
    assert len(editor) == 10 and np.asarray(editor).shape == (10, 7) and len(list(editor)) == 10
    version = cut["k"]
    cut.resize("k", "t", (11, 7))
    editor[10] = [0, 1, 2, 3, 4, 5, 6]
    assert editor.shape == (11, 7) and editor[-1].tolist() == list(range(7))
    assert version["t"].shape == (10, 7) and np.array_equal(version["t"].numpy(), GRID)
    assert "'k' 't'" in repr(editor)
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(editor)
    with pytest.raises(KeyError):
        cut.edit("none", "t")
    with pytest.raises(KeyError):
        cut.edit("k", "none")
    bare = np.arange(3)
    cut["bare"] = bare
    cut.edit("bare")[1] = 9
    assert cut.array("bare").tolist() == [0, 9, 2]
    reader = reopened()
    with pytest.raises(arraylog.ReadOnlyError):
        reader.edit("k", "t")[0] = 1.0
    with pytest.raises(ValueError, match="closed"):
        editor[0]


def test_parts_of_one_array_from_many_threads(part):
    part.write("k", {"t": arraylog.array(np.zeros((8, 100)), chunks=(2, 50))})

    def write(row):
        for column in range(20):
            part.edit("k", "t")[row, column] = row * 100 + column

    threads = [threading.Thread(target=write, args=(row,)) for row in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = np.zeros((8, 100))
    expected[:, :20] = np.arange(8)[:, None] * 100 + np.arange(20)
    assert np.array_equal(part.array("k", "t"), expected)


def test_stats_say_what_the_elements_are_like(part):
    data = np.ma.MaskedArray([3.0, np.nan, -1.0, 9.0, -5.0], [0, 0, 0, 1, 0])
    part.write(
        "k",
        {
            "f": arraylog.array(data, chunks=(2,), fill_value=-5.0),
            "i": np.arange(3, dtype="u2"),
            "d": np.array(["2024-02-01", "NaT"], "M8[D]"),
            "s": arraylog.array(["b", "é", "a" * 100]),
            "u": np.array(["ab", "c"]),
            "c": np.ones(3, "c16"),
            "e": np.zeros(0, "i4"),
        },
    )
    entry = part["k"]
    stats = entry["f"].stats
    assert (stats.count, stats.nulls, stats.nans, stats.fills) == (5, 1, 1, 1)
    assert (stats.min, stats.max) == (-1.0, 3.0) and type(stats.min) is np.float64
    assert stats.min_exact and stats.max_exact
    assert entry["i"].stats.max == 2 and type(entry["i"].stats.max) is np.uint16
    assert entry["d"].stats.min == np.datetime64("2024-02-01") and entry["d"].stats.nans == 1
    text = entry["s"].stats
    assert text.max == "é" and text.min == "a" * 64 and not text.min_exact
    assert entry["u"].stats.max == "c" and type(entry["u"].stats.max) is np.str_
    assert entry["c"].stats is None
    assert entry["e"].stats.min is None and entry["e"].stats.count == 0
    with pytest.raises(AttributeError):
        stats.count = 3
    assert isinstance(stats, arraylog.ArrayStats)
