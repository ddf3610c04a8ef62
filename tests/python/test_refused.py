"""What this version does not do: refused by name, with nothing stored."""

import numpy as np
import pytest

import arraylog
from files import digest


@pytest.fixture
def part(store):
    part = store.partition("argo", "2024-01")
    part.write("k", {"t": ("x", np.arange(10.0))}, attrs={"lat": 1.5})
    part.put("v", b"value")
    return part


def refused(call, name):
    """Checks that `call` is refused and that the message says `name`."""
    with pytest.raises(NotImplementedError, match=name):
        call()


METHODS = {"dataset": lambda part: part.dataset()}
STORE = {
    "by_field": lambda store: store.compact(by_field=True),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_later_versions_are_refused_by_name(part, store, name):
    store.sync()
    before = digest(store.path)
    refused(lambda: METHODS[name](part), name)
    assert digest(store.path) == before
    assert part.array("k", "t").tolist() == list(range(10)) and list(part) == ["k", "v"]


@pytest.mark.parametrize("name", STORE)
def test_store_methods_of_later_versions_are_refused_by_name(
    part, store, name, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    refused(lambda: STORE[name](store), name)
    assert list(part) == ["k", "v"] and list(store) == ["argo"]
    assert [each.name for each in tmp_path.iterdir()] == ["t.alog"]


def test_options_that_ask_for_nothing_are_accepted(part):
    part.write(
        "l",
        {
            "t": arraylog.array(
                [1.0], codec=None, chunks=None, fill_value=None, attrs=None, mask=None
            )
        },
    )
    assert part["l"]["t"].codec is None and part["l"]["t"].chunks is None


def test_storage_options_are_refused_by_name(part, store):
    store.close()
    refused(lambda: arraylog.open(store.path, storage_options={"region": "eu"}), "storage_options")
    arraylog.open(store.path, storage_options=None).close()


def test_compaction_by_field_is_refused_by_name(part, store):
    refused(lambda: store.compact(by_field=True), "by_field")
    assert store.generation == 0
    store.compact(by_field=False)
    assert store.generation == 1
