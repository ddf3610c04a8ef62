"""Arrays by family, which are a kind of dtype, a codec and a layout, and what is done to them.

What is done is drawn without a dtype: elements are numbers, for which each dtype has
elements of its own. So one plan, and one index, is tried with all families at once.
"""

import zlib
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

import arraylog

TEXT = np.dtypes.StringDType()
KINDS = {
    "bool": ["?"],
    "ints": ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"],
    "floats": ["f2", "f4", "f8"],
    "small floats": [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2],
    "complex": ["c8", "c16"],
    "times": ["M8[Y]", "M8[s]", "M8[ns]", "m8[D]", "m8[us]"],
    "fixed text": ["S1", "S5", "U1", "U4"],
    "text": [TEXT],
    "bytes": ["O"],
}
CODECS = {
    "none": [None],
    "lz4": ["lz4", "shuffle+lz4", "shuffle"],
    "zstd": ["zstd:1", "shuffle+zstd:3"],
    "pco": ["pco:8", "pco:1"],
    "own": ["test-families", "shuffle+test-families"],
}
# Kinds that pco takes.
NUMBERS = ["ints", "floats", "times"]
# The number of the fill value.
FILL = 0


class Own:
    """A codec of one's own."""

    def encode(self, data, parameters):
        return zlib.compress(data, 1)

    def decode(self, data, parameters, nbytes):
        return zlib.decompress(data, bufsize=nbytes)


@dataclass(frozen=True)
class Family:
    """A kind of dtype and a codec.

    Which dtype of the kind, whether with a mask and so on follows from `way` and the plan.
    """

    kind: str
    codec: str
    way: int

    def __str__(self):
        return f"{self.kind}, codec {self.codec}"


def families():
    """Every kind with every codec that takes it."""
    arraylog.register_codec("test-families", Own())
    pairs = [(kind, codec) for kind in KINDS for codec in CODECS if codec != "pco" or kind in NUMBERS]
    return [Family(kind, codec, way) for way, (kind, codec) in enumerate(pairs)]


def objects(items):
    out = np.empty(len(items), object)
    out[:] = items
    return out


def palette(dtype):
    """Elements by number: small ones, the extremes, NaN and NaT, any bits."""
    dtype = np.dtype(dtype)
    if dtype.kind == "O":
        return objects([b"", b"a", b"\x00", b"b\x00", b"\xff\xfe", b"long " * 20, b"eight888"])
    if dtype.kind in "STU":
        words = ["", "a", "bc", "b\x00c", "long " * 20, "eight888"] + ["é", "海洋", "\U0001f40b"] * (dtype.kind != "S")
        return np.array(words).astype(dtype)
    if dtype.kind == "b":
        return np.array([False, True])
    rng = np.random.default_rng(5)
    raw = np.zeros((24, dtype.itemsize), "u1")
    raw[:12, 0] = range(12)
    raw[12] = 255
    raw[13, -1] = 128
    raw[14:] = np.frombuffer(rng.bytes(10 * dtype.itemsize), "u1").reshape(10, -1)
    return raw.reshape(-1).view(dtype)


@dataclass
class State:
    """What an array has: numbers of elements, and which are missing if it has a mask."""

    numbers: Any
    missing: Any

    @property
    def shape(self):
        return self.numbers.shape

    def put(self, index, other):
        self.numbers[index] = other.numbers
        self.missing[index] = other.missing

    def resized(self, shape):
        new = State(np.zeros(shape, "u1"), np.ones(shape, bool))
        common = tuple(slice(0, min(each)) for each in zip(shape, self.shape, strict=True))
        new.put(common, State(self.numbers[common], self.missing[common]))
        return new

    def appended(self, axis, other):
        pairs = zip((self.numbers, self.missing), (other.numbers, other.missing), strict=True)
        return State(*(np.concatenate(pair, axis=axis) for pair in pairs))


def random_state(rng, shape, sparse):
    """Elements that repeat, or do not, or are nearly all the fill value."""
    count = int(np.prod(shape, dtype=int))
    if sparse:
        numbers = rng.integers(0, 256, count) * (rng.random(count) < 0.06)
    elif rng.random() < 0.5:
        numbers = rng.integers(0, 256) + np.arange(count) // 20
    else:
        numbers = rng.integers(0, 256, count)
    missing = rng.random(count) < rng.choice([0, 0.2, 1], p=[0.3, 0.6, 0.1])
    return State(numbers.astype("u1").reshape(shape), missing.reshape(shape))


class Elements:
    """The elements of one family in one plan: a dtype, a codec, a fill value, masked or not."""

    def __init__(self, family, plan):
        way = family.way + plan.seed
        dtypes, codecs = KINDS[family.kind], CODECS[family.codec]
        self.dtype = np.dtype(dtypes[way % len(dtypes)])
        self.codec = codecs[way % len(codecs)]
        self.masked = bool(way // 2 % 2)
        self.fill = None
        self.palette = palette(self.dtype)
        self.first = np.zeros(1, self.dtype) if self.dtype.kind != "O" else objects([b""])
        if way // 4 % 2:
            self.fill = self.palette[plan.seed % len(self.palette)]
            self.first = self.palette[plan.seed % len(self.palette) :][:1]
        self.chunks = plan.chunks

    def array(self, state):
        """The state as NumPy has it."""
        numbers = state.numbers.reshape(-1)
        data = self.palette[numbers % len(self.palette)]
        data[numbers == FILL] = self.first[0]
        data = data.reshape(state.shape)
        return np.ma.MaskedArray(data, state.missing) if self.masked else data

    def spec(self, state):
        """The state to be stored."""
        dtype = "bytes" if self.dtype.kind == "O" else None
        options = {"chunks": self.chunks, "codec": self.codec, "fill_value": self.fill}
        return arraylog.array(self.array(state), dtype=dtype, **options)

    def __str__(self):
        return f"{self.dtype} codec={self.codec} chunks={self.chunks} masked={self.masked} fill_value={self.fill!r}"


@dataclass
class Plan:
    """An array, changes of it with what it has after each, and indices of it at last."""

    seed: int
    chunks: tuple[int, ...] | None
    first: State
    changes: list[tuple[str, Any, State | None, State]] = field(default_factory=list)
    indices: list[Any] = field(default_factory=list)

    @property
    def last(self):
        return self.changes[-1][-1] if self.changes else self.first


# Most elements of an array; longest axis of one of so many axes.
MOST = 500
LONGEST = [1, 30, 12, 8, 5, 4, 3, 3, 3]


def bounded(lengths):
    """The lengths, of the last axes no more than there is room for."""
    room, fitted = MOST, []
    for length in lengths:
        fitted.append(min(length, room))
        room //= max(1, fitted[-1])
    return tuple(fitted)


@st.composite
def shapes(draw, least=0):
    """Up to eight axes; seldom one without length."""
    ranks = [rank for rank in (1, 0, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3) if rank >= least]
    rank = draw(st.sampled_from(ranks))
    lengths = [draw(st.integers(1, LONGEST[rank])) for _ in range(rank)]
    if rank and draw(st.integers(0, 11)) == 11:
        lengths[draw(st.integers(0, rank - 1))] = 0
    return bounded(lengths)


@st.composite
def chunk_shapes(draw, shape):
    """Lengths of chunks that leave a rest at the edges, or reach beyond them; at most 27."""
    pieces, lengths = 1, []
    for length in shape:
        cuts = min(draw(st.integers(1, 4)), 27 // pieces)
        pieces *= cuts
        lengths.append(max(1, -(-length // cuts) + draw(st.integers(0, 1))))
    return tuple(lengths)


def slices(length):
    bound = st.none() | st.integers(-length - 2, length + 2)
    return st.builds(slice, bound, bound, st.sampled_from([None, None, 1, 2, 3, -1, -2]))


@st.composite
def regions(draw, shape):
    """What a part that is written is said by: ints, slices within the array, Ellipsis."""
    items, axis, dots = [], 0, False
    while axis < len(shape):
        length = shape[axis]
        kind = draw(st.sampled_from(["slice", "slice", "all", "int", "skip", "end"]))
        # After Ellipsis each axis has its item, so that ints are inside.
        if kind == "end" and not dots:
            break
        if kind == "skip" and not dots:
            dots = True
            items.append(...)
            axis += draw(st.integers(0, len(shape) - axis))
            continue
        if kind == "int" and length:
            items.append(draw(st.integers(-length, length - 1)))
        elif kind == "slice":
            bound = st.none() | st.integers(-length, length)
            items.append(slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, -1, -3]))))
        else:
            items.append(slice(None))
        axis += 1
    return items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)


@st.composite
def indices(draw, shape):
    """What an axis after the other is read by; now and then no index of the shape."""
    items, axis, dots = [], 0, False
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    kinds = ["slice", "slice", "int", "skip", "new", "end"]
    if draw(st.booleans()):
        kinds += ["ints", "ints", "list", "mask", "flag"]
    # Arrays of ints are broadcast to one shape.
    wide = draw(st.sampled_from([(3,), (), (1,), (2, 2), (4, 1), (0,)]))
    while axis < len(shape):
        length = shape[axis]
        kind = draw(st.sampled_from(kinds))
        if kind == "end":
            break
        if kind == "new":
            items.append(None)
            # Not more axes than NumPy has.
            kinds = [each for each in kinds if each != "new"]
            continue
        if kind == "flag":
            items.append(draw(st.sampled_from([True, np.False_])))
            kinds = [each for each in kinds if each != "flag"]
            continue
        if kind == "skip":
            if not dots:
                dots = True
                items.append(...)
                axis += draw(st.integers(0, len(shape) - axis))
            continue
        if kind == "mask":
            axes = draw(st.integers(1, min(3, len(shape) - axis)))
            part = shape[axis : axis + axes]
            # Masks beside ints have to select as many, or one.
            if draw(st.booleans()):
                items.append(rng.random(part) < draw(st.sampled_from([0.5, 0.1, 1])))
            else:
                one = np.zeros(part, bool)
                one.reshape(-1)[: 1 if len(wide) == 0 else wide[-1]] = True
                items.append(one)
            axis += axes
            continue
        outside = draw(st.integers(0, 24)) == 24
        low, high = -length - outside, max(1, length + outside)
        if kind == "slice":
            items.append(draw(slices(length)))
        elif kind == "int":
            items.append(draw(st.sampled_from([int, np.int16, np.intp]))(draw(st.integers(low if length else 0, high - 1))))
        elif kind == "ints":
            cut = draw(st.sampled_from([wide, wide[1:], (1,) * len(wide)]))
            items.append(rng.integers(low if length else 0, high, cut))
        else:
            items.append(rng.integers(low if length else 0, high, wide[-1] if wide else 1).tolist())
        axis += 1
    if draw(st.integers(0, 29)) == 29:
        items.append(draw(st.sampled_from([0, ..., "name", 1.5, [0.5], slice("a"), slice(0, 1, 0)])))
    return items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)


LAYOUTS = ["whole", "chunked", "sparse", "amended"]
SLICES = 4


@st.composite
def plans(draw, layout):
    """A plan of a layout; arrays of no axis are in one piece, and nothing but written to."""
    shape = draw(shapes(least=layout in ("chunked", "sparse")))
    seed = draw(st.integers(0, 9999))
    rng = np.random.default_rng(seed)
    sparse = layout == "sparse"
    cut = bool(shape) and (layout in ("chunked", "sparse") or (layout == "amended" and draw(st.booleans())))
    chunks = draw(chunk_shapes(shape)) if cut else None
    plan = Plan(seed, chunks, random_state(rng, shape, sparse))
    steps = {"sparse": ["grow", "write"], "amended": draw(st.permutations(["write", "edit", "append", "resize", "assign"]))[:3]}
    for step in steps.get(layout, []):
        now = plan.last
        new, data, what = State(now.numbers.copy(), now.missing.copy()), None, None
        if step == "assign":
            new = data = random_state(rng, now.shape, sparse)
        elif step in ("write", "edit") or not now.shape:
            step = "edit" if step == "edit" else "write"
            what = draw(regions(now.shape))
            part = now.numbers[what].shape
            # Some of them are broadcast.
            data = random_state(rng, () if step == "edit" else part[draw(st.integers(0, 1)) :], sparse)
            new.put(what, data)
        elif step == "append":
            what = draw(st.integers(0, len(now.shape) - 1))
            more = list(now.shape)
            more[what] = draw(st.integers(0, 3))
            data = random_state(rng, tuple(more), sparse)
            new = now.appended(what, data)
        else:
            least = now.shape if step == "grow" else (0,) * len(now.shape)
            what = bounded(draw(st.integers(low, length + 2)) for low, length in zip(least, now.shape, strict=True))
            new = now.resized(what)
            step = "resize"
        plan.changes.append((step, what, data, new))
    plan.indices = [draw(indices(plan.last.shape)) for _ in range(SLICES)]
    return plan
