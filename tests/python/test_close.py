"""Closing: what goes on, what stops, and what happens to a store that was not closed."""

import gc
import warnings

import numpy as np
import pytest

import arraylog


@pytest.fixture
def closed(path):
    """A store that was closed, its collection, partition, an entry and an array of it."""
    with arraylog.open(path, "a") as store:
        part = store.partition("argo", "2024-01")
        part.write("k", {"t": ("x", np.arange(5.0))}, attrs={"lat": 1.5})
        part.put("v", b"value")
        held = store, store["argo"], part, part["k"], part["k"]["t"], part.value("v")
    return held


def test_close_is_idempotent(closed):
    store = closed[0]
    assert store.closed
    store.close()
    store.close()
    assert store.closed


def test_a_store_says_whether_it_is_closed(path):
    store = arraylog.open(path, "a")
    assert not store.closed
    store.close()
    assert store.closed


def test_the_block_closes_after_an_exception_too(path):
    with pytest.raises(RuntimeError, match="mine"):
        with arraylog.open(path, "a") as store:
            store.partition().put("k", b"v")
            raise RuntimeError("mine")
    assert store.closed
    with arraylog.open(path) as again:
        assert bytes(again.partition().value("k")) == b"v"


USES = {
    "store[]": lambda store, collection, part: store["argo"],
    "iter(store)": lambda store, collection, part: list(store),
    "len(store)": lambda store, collection, part: len(store),
    "store.partition": lambda store, collection, part: store.partition("argo", "2024-01"),
    "store.batch": lambda store, collection, part: store.batch(),
    "store.refresh": lambda store, collection, part: store.refresh(),
    "store.sync": lambda store, collection, part: store.sync(),
    "store.__enter__": lambda store, collection, part: store.__enter__(),
    "collection[]": lambda store, collection, part: collection["2024-01"],
    "iter(collection)": lambda store, collection, part: list(collection),
    "part[]": lambda store, collection, part: part["k"],
    "in part": lambda store, collection, part: "k" in part,
    "len(part)": lambda store, collection, part: len(part),
    "iter(part)": lambda store, collection, part: list(part),
    "part.get": lambda store, collection, part: part.get("k"),
    "part.value": lambda store, collection, part: part.value("v"),
    "part.value with default": lambda store, collection, part: part.value("v", None),
    "part.array": lambda store, collection, part: part.array("k", "t"),
    "part.put": lambda store, collection, part: part.put("k", b""),
    "part.write": lambda store, collection, part: part.write("k", {"t": 1.0}),
    "part.remove": lambda store, collection, part: part.remove("k"),
    "part.rename": lambda store, collection, part: part.rename("k", "l"),
    "part.clear": lambda store, collection, part: part.clear(),
    "part.update": lambda store, collection, part: part.update({"k": b""}),
    "part.extend": lambda store, collection, part: part.extend([("k", b"")]),
    "del part[]": lambda store, collection, part: part.__delitem__("k"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_a_closed_store_refuses_every_use_with_a_value_error(closed, use, path):
    with pytest.raises(ValueError) as caught:
        use(*closed[:3])
    assert isinstance(caught.value, arraylog.ClosedError)
    assert "closed" in str(caught.value)
    with arraylog.open(path, "a") as store:
        use(store, store["argo"], store["argo"]["2024-01"])


def test_entries_arrays_and_values_go_on_after_close(closed):
    _, _, _, entry, array, value = closed
    assert entry["t"].numpy().tolist() == [0.0, 1.0, 2.0, 3.0, 4.0] and entry.attrs["lat"] == 1.5
    assert array[1:3].tolist() == [1.0, 2.0] and array.shape == (5,) and array.dims == ("x",)
    assert bytes(value) == b"value"


def test_repr_of_closed_handles_says_so(closed):
    store, collection, part, entry, array, _ = closed
    assert "closed" in repr(store)
    for handle in (collection, part, entry, array):
        assert isinstance(repr(handle), str)


def test_an_iterator_that_was_begun_ends_with_the_store(path):
    with arraylog.open(path, "a") as store:
        store.partition().update({str(number): b"" for number in range(10)})
        keys = iter(store.partition())
        assert next(keys) == "0"
    try:
        assert list(keys) == [str(number) for number in range(1, 10)]
    except ValueError as error:
        assert "closed" in str(error)


def test_an_unclosed_writer_warns_and_names_its_path(path):
    store = arraylog.open(path, "a")
    store.partition().put("k", b"v")
    with pytest.warns(ResourceWarning, match="t.alog"):
        del store
        gc.collect()
    with arraylog.open(path) as again:
        assert bytes(again.partition().value("k")) == b"v"


def test_an_unclosed_reader_does_not_warn(path):
    arraylog.open(path, "a").close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = arraylog.open(path)
        assert list(store) == []
        del store
        gc.collect()


def test_a_closed_writer_does_not_warn(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with arraylog.open(path, "a") as store:
            store.partition().put("k", b"v")
        del store
        gc.collect()


def test_a_partition_keeps_its_store_open(path):
    part = arraylog.open(path, "a").partition()
    gc.collect()
    part.put("k", b"v")
    assert bytes(part.value("k")) == b"v"
    with pytest.warns(ResourceWarning):
        del part
        gc.collect()


def test_sync_may_be_called_at_any_time(path):
    with arraylog.open(path, "a") as store:
        store.sync()
        store.partition().put("k", b"v")
        store.sync()
        store.sync()
        assert bytes(store.partition().value("k")) == b"v"
