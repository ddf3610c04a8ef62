"""Many keys at once, copies and histories."""

import pickle

import numpy as np
import pytest

import arraylog


@pytest.fixture
def filled(part):
    for number in range(100):
        masked = np.ma.array([number, 1], mask=[False, number % 2 == 0])
        part.write(f"k{number}", {"t": np.arange(number), "m": masked}, attrs={"n": number})
    part.put("value", b"plain")
    part.write("small", {"t": 1.0})
    return part


KEYS = ["k3", b"k1", "k3", "k99", "k0"]


def test_entries_come_in_the_order_of_the_keys_with_duplicates(filled, states):
    for part in states():
        entries = part.get_many(KEYS)
        assert entries == [part[key] for key in KEYS]
        assert all(type(entry) is arraylog.Entry for entry in entries)
        assert [entry.key for entry in entries] == ["k3", "k1", "k3", "k99", "k0"]
        assert entries[0].attrs["n"] == 3 and bytes(part.get_many(["value"])[0]) == b"plain"
        assert part.get_many(iter(KEYS)) == entries and part.get_many([]) == []


def test_a_name_gives_arrays_and_names_give_dicts(filled, states):
    for part in states():
        arrays = part.get_many(KEYS, "t")
        assert [array.tolist() for array in arrays] == [list(range(n)) for n in (3, 1, 3, 99, 0)]
        assert all(not array.flags.writeable for array in arrays)
        for names in (["t", "m"], ("t", "m")):
            dicts = part.get_many(KEYS, names)
            assert [list(each) for each in dicts] == [["t", "m"]] * len(KEYS)
            assert all(isinstance(each["m"], np.ma.MaskedArray) for each in dicts)
            assert dicts[4]["m"].tolist() == [0, None]
        assert part.get_many(["k1"], []) == [{}]


def test_more_keys_than_a_window(part):
    part.extend((str(number), {"": np.array([number])}) for number in range(3000))
    keys = [str(number) for number in range(2999, -1, -1)]
    assert [int(array[0]) for array in part.get_many(keys, "")] == list(range(2999, -1, -1))
    assert [entry.key for entry in part.get_many(keys)] == keys


def test_a_missing_key_is_a_key_error_with_the_first_and_their_number(filled):
    with pytest.raises(KeyError, match="absent.*2.*of 4") as caught:
        filled.get_many(["k1", "absent", "k2", "gone"])
    assert caught.value.name == "absent" and caught.value.kind == "not-found"
    for arrays in ("t", ["t"]):
        with pytest.raises(KeyError, match="absent"):
            filled.get_many(["absent"], arrays)


def test_a_default_stands_for_missing_keys(filled):
    default = object()
    found = filled.get_many(["absent", "k1"], default=default)
    assert found[0] is default and found[1] == filled["k1"]
    assert filled.get_many(["absent"], "t", default=None) == [None]
    assert filled.get_many(["absent"], ["t"], default=0) == [0]


def test_a_missing_array_is_a_key_error_that_names_the_entry_in_spite_of_a_default(filled):
    for arrays in ("m", ["t", "m"]):
        with pytest.raises(KeyError, match="m") as caught:
            filled.get_many(["k1", "small"], arrays, default=None)
        assert "small" in caught.value.__notes__[0]
    with pytest.raises(arraylog.KindError, match="value"):
        filled.get_many(["value"], "t")


def test_wrong_arguments_are_type_errors(filled):
    for keys in ("k1", b"k1"):
        with pytest.raises(TypeError, match="iterable of keys"):
            filled.get_many(keys)
    for keys in ([1], 5):
        with pytest.raises(TypeError):
            filled.get_many(keys)
    for arrays in ({"t"}, 1, [1]):
        with pytest.raises(TypeError, match="name"):
            filled.get_many(["k1"], arrays)


def test_entries_of_many_outlive_the_store_and_pickle(filled, reopened):
    part = reopened()
    entry = part.get_many(["k3"])[0]
    data = pickle.dumps(entry)
    part.store.close()
    assert entry["t"][:].tolist() == [0, 1, 2]
    assert pickle.loads(data)["t"][:].tolist() == [0, 1, 2]


def test_a_copy_goes_to_a_key_a_partition_and_a_store(filled, store, tmp_path):
    with arraylog.open(tmp_path / "other.alog", "a") as other:
        targets = [None, store.partition("argo", "new"), other.partition("argo", "2024-01")]
        for to in targets:
            for key in ("k3", "value"):
                filled.copy(key, "new " + key, to=to)
                copied = (filled if to is None else to)["new " + key]
                assert arraylog.equal(copied, filled[key])
        with pytest.raises(arraylog.ConflictError):
            filled.copy("k4", "new k3", to=targets[2])
        filled.copy("k4", "new k3", to=targets[2], overwrite=True)
        assert arraylog.equal(targets[2]["new k3"], filled["k4"])
    with pytest.raises(KeyError, match="absent"):
        filled.copy("absent", "x")


def test_a_copy_onto_itself_is_refused(filled, store):
    before = filled["k3"].version
    for to in (None, store["argo"]["2024-01"]):
        with pytest.raises(ValueError, match="source and target"):
            filled.copy("k3", "k3", to=to, overwrite=True)
    assert filled["k3"].version == before


def test_a_rename_goes_to_another_partition_and_store(filled, store, tmp_path):
    before = filled["k3"]
    seqno = store.seqno
    filled.rename("k3", "k3", to=store.partition("argo", "new"))
    assert store.seqno == seqno + 1
    assert "k3" not in filled and arraylog.equal(store["argo"]["new"]["k3"], before)
    with arraylog.open(tmp_path / "other.alog", "a") as other:
        store["argo"]["new"].rename("k3", "moved", to=other.partition())
        assert arraylog.equal(other.partition()["moved"], before)
    assert "k3" not in store["argo"]["new"]


def test_a_history_has_every_version_and_removal(part, reopened):
    part.put("k", b"1")
    part.write("k", {"t": 1.0})
    part.remove("k")
    part.put("k", b"2")
    part.put("gone", b"")
    part.remove("gone")

    def check(part):
        versions = part.history("k")
        assert all(type(each) is arraylog.KeyVersion for each in versions)
        kinds = [each.entry and each.entry.kind for each in versions]
        assert kinds == ["value", None, "arrays", "value"]
        assert [each.removed for each in versions] == [False, True, False, False]
        assert versions[0].entry == part["k"]
        assert versions[0].version == part["k"].version > versions[1].version
        assert bytes(versions[3].entry) == b"1"
        assert [each.removed for each in part.history("gone")] == [True, False]
        assert part.history("absent") == []
        assert part.history("k", limit=2) == versions[:2] and part.history("k", limit=0) == []
        assert part.history("k", limit=1 << 100) == versions
        with pytest.raises(arraylog.InvalidError, match="limit=-1"):
            part.history("k", limit=-1)
        return [(each.version, each.seqno) for each in versions]

    assert check(part) == check(reopened())


def test_a_history_goes_on_beyond_removals_and_tells_commits(store, part):
    seqnos = []
    for number in range(3):
        part.put("k", bytes([number]))
        seqnos.append(store.seqno)
        part.remove("k")
        seqnos.append(store.seqno)
        store.checkpoint()  # The index forgets what was removed.
    part.put("k", b"last")
    versions = part.history("k")
    assert [each.removed for each in versions] == [False, True, False, True, False, True, False]
    assert [each.seqno for each in versions] == [store.seqno, *reversed(seqnos)]
    for each in versions:
        assert store.at(each.seqno).partition("argo", "2024-01").get("k") == each.entry
