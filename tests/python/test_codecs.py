"""Codecs: what there is, and those that users register."""

import zlib

import pytest

import arraylog

BUILT_IN = ["none", "shuffle", "lz4", "zstd", "pco"]


class Deflate:
    def encode(self, data, parameters):
        return zlib.compress(data, int(parameters or 6))

    def decode(self, data, parameters, nbytes):
        return zlib.decompress(data, bufsize=nbytes)


def test_the_codecs_of_the_wheel_come_first_in_the_list():
    assert arraylog.codecs()[: len(BUILT_IN)] == BUILT_IN
    arraylog.codecs().clear()
    assert arraylog.codecs()[: len(BUILT_IN)] == BUILT_IN


def test_a_registered_codec_is_listed_once():
    for codec in (Deflate(), Deflate()):
        arraylog.register_codec("test-deflate", codec)
    assert arraylog.codecs().count("test-deflate") == 1
    assert arraylog.codecs().index("test-deflate") >= len(BUILT_IN)


NO_NAMES = ["", "Deflate", "1a", "a b", "a+b", "a:1", "é", "a" * 65, *BUILT_IN, "snappy", "brotli"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_cannot_be_are_refused(name):
    before = arraylog.codecs()
    with pytest.raises(arraylog.InvalidError, match="name of codec") as caught:
        arraylog.register_codec(name, Deflate())
    assert isinstance(caught.value, ValueError) and caught.value.kind == "invalid"
    assert arraylog.codecs() == before


def test_a_name_of_64_bytes_can_be():
    arraylog.register_codec("a" * 64, Deflate())
    assert "a" * 64 in arraylog.codecs()


def test_what_is_no_codec_is_refused_by_the_method_that_it_lacks():
    class Half:
        def encode(self, data, parameters):
            return data

    class Number(Half):
        decode = 3

    cases = [(object(), "encode"), (Half(), "decode"), (Number(), "decode"), (None, "encode")]
    for codec, method in cases:
        with pytest.raises(TypeError, match=f"has no method {method}"):
            arraylog.register_codec("test-lacks", codec)
    assert "test-lacks" not in arraylog.codecs()
    with pytest.raises(TypeError, match="is a str, not bytes"):
        arraylog.register_codec(b"test-lacks", Deflate())


def test_modules_and_classes_with_the_two_functions_are_codecs():
    class Static:
        encode = staticmethod(lambda data, parameters: bytes(data))
        decode = staticmethod(lambda data, parameters, nbytes: bytes(data))

    arraylog.register_codec("test-static", Static)
    assert "test-static" in arraylog.codecs()


def test_a_missing_codec_carries_its_name_and_the_array():
    error = arraylog._errors.from_engine(
        "codec-unavailable", "array 't' has codec 'x'", {"codec": "x", "array": "t"}
    )
    assert type(error) is arraylog.CodecUnavailableError
    assert isinstance(error, NotImplementedError) and isinstance(error, arraylog.UnsupportedError)
    assert (error.codec, error.array) == ("x", "t")
