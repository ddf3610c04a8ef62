"""Keys: bytes in the file, text in Python."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arraylog

LONGEST = 65_535


def plain(message):
    """The message without thousands separators."""
    return str(message).replace(",", "").replace("_", "")


def test_a_str_and_its_utf8_are_one_key(part):
    part.put("grün", b"1")
    part.put("grün".encode(), b"2")
    assert list(part) == ["grün"]
    assert bytes(part.value("grün")) == bytes(part.value("grün".encode())) == b"2"
    assert b"gr\xc3\xbcn" in part and "grün" in part
    assert part.remove("grün".encode())
    assert "grün" not in part


def test_keys_come_back_as_str(part):
    part.put(b"raw", b"")
    assert [type(key) for key in part] == [str]
    assert part[b"raw"].key == "raw"


def test_a_key_that_is_not_utf8_round_trips_through_surrogates(part, reopened):
    part.put(b"a\xffb", b"1")
    key = "a\udcffb"
    assert key == os.fsdecode(b"a\xffb")
    assert list(part) == [key]
    assert bytes(part.value(key)) == b"1"
    part.put(key, b"2")
    again = reopened()
    assert list(again) == [key]
    assert bytes(again.value(b"a\xffb")) == bytes(again[key].value) == b"2"


@pytest.mark.parametrize("key", ["\ud800", "a\udbffb", "\udc00", "\udc7f", "\udd00"])
def test_a_surrogate_that_stands_for_no_byte_is_a_value_error(part, key):
    with pytest.raises(ValueError):
        part.put(key, b"")
    with pytest.raises(ValueError):
        part.write(key, {"t": 1.0})
    assert len(part) == 0


def test_keys_are_not_normalised(part):
    composed, decomposed = "é", "e\u0301"
    part.put(composed, b"nfc")
    part.put(decomposed, b"nfd")
    assert list(part) == [composed, decomposed]
    assert bytes(part.value(composed)) == b"nfc"


@pytest.mark.parametrize("kind", [int, np.int64])
def test_a_position_as_key_is_a_type_error_that_names_dataset(part, kind):
    part.put("3", b"three")
    position = kind(3)
    for misuse in (
        lambda: part[position],
        lambda: position in part,
        lambda: part.get(position),
        lambda: part.value(position),
        lambda: part.array(position),
        lambda: part.pop(position),
    ):
        with pytest.raises(TypeError, match="dataset"):
            misuse()
    assert bytes(part.value("3")) == b"three"


def test_a_slice_as_key_is_a_type_error_that_names_dataset(part):
    with pytest.raises(TypeError, match="dataset"):
        part[1:5]
    with pytest.raises(TypeError, match="dataset"):
        part[:]


@pytest.mark.parametrize(
    "key",
    [
        None,
        3,
        1.5,
        ("k", "t"),
        Path("k"),
        ["k"],
        True,
        frozenset("k"),
    ],
    ids=repr,
)
def test_other_objects_are_no_keys(part, key):
    part.write("k", {"t": 1.0})
    for misuse in (
        lambda: part[key],
        lambda: part.get(key),
        lambda: key in part,
        lambda: part.put(key, b""),
        lambda: part.write(key, {"t": 1.0}),
        lambda: part.remove(key),
        lambda: part.__setitem__(key, b""),
        lambda: part.__delitem__(key),
    ):
        with pytest.raises(TypeError):
            misuse()
    assert list(part) == ["k"]


@pytest.mark.parametrize(
    "key", [np.str_("k"), np.bytes_(b"k"), "k", b"k"], ids=lambda key: type(key).__name__
)
def test_subclasses_of_str_and_bytes_are_keys(part, key):
    part.put(key, b"v")
    assert list(part) == ["k"] and type(next(iter(part))) is str
    assert bytes(part.value(key)) == b"v"
    assert key in part


@pytest.mark.parametrize("length", [0, 1, 255, 256, LONGEST])
def test_keys_up_to_65535_bytes_are_accepted(part, reopened, length):
    key = "k" * length
    part.put(key, b"value")
    part.write(key, {"t": np.arange(3)})
    part.put(key, b"last")
    again = reopened()
    assert list(again) == [key]
    assert bytes(again.value(key)) == b"last"
    assert again[key].key == key


def test_a_key_of_65536_bytes_is_refused_with_both_numbers(part, store):
    key = b"k" * (LONGEST + 1)
    with store.batch() as batch:
        inner = batch.partition("argo", "2024-01")
        for write in (
            lambda: part.put(key, b""),
            lambda: part.write(key, {"t": 1.0}),
            lambda: part.__setitem__(key, b""),
            lambda: inner.put(key, b""),
            lambda: inner.write(key, {"t": 1.0}),
        ):
            with pytest.raises(ValueError) as caught:
                write()
            assert "65536" in plain(caught.value) and "65535" in plain(caught.value)
    assert len(part) == 0


def test_the_length_of_a_key_is_counted_in_bytes(part):
    part.put("é" * 32_767, b"65,534 bytes")
    with pytest.raises(ValueError):
        part.put("é" * 32_768, b"65,536 bytes")
    assert list(part) == ["é" * 32_767]


def test_rename_refuses_a_key_of_65536_bytes(part):
    part.put("k", b"v")
    with pytest.raises(ValueError):
        part.rename("k", "x" * (LONGEST + 1))
    part.rename("k", "x" * LONGEST)
    assert list(part) == ["x" * LONGEST]


@pytest.mark.parametrize(
    "key", ["a/b", "/", "..", "a\x00b", "a\nb", " ", "海", "\U0001f40b", "'\"", "{}%s"]
)
def test_no_character_of_a_key_has_a_meaning(part, reopened, key):
    part.put(key, key.encode())
    again = reopened()
    assert list(again) == [key]
    assert bytes(again.value(key)) == key.encode()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.binary(max_size=300), unique=True, max_size=30))
def test_any_bytes_are_keys(keys):
    with arraylog.open(":memory:", "a") as store:
        part = store.partition()
        for number, key in enumerate(keys):
            part.put(key, str(number).encode())
        assert [os.fsencode(key) for key in part] == keys
        for number, key in enumerate(keys):
            assert bytes(part.value(key)) == str(number).encode()


def test_a_missing_key_is_named(part):
    part.put("float-42", b"")
    with pytest.raises(KeyError) as caught:
        part["float-43"]
    assert isinstance(caught.value, arraylog.NotFoundError)
    assert "float-43" in str(caught.value)
