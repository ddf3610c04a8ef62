"""10,000 random operations with 50 reopenings against a dict."""

import os
import random

import numpy as np

import arraylog

OPERATIONS, REOPENINGS = 10_000, 50
SEED = "ARRAYLOG_TEST_SEED"


class Model:
    """A store and the dict that it must equal: content and order."""

    def __init__(self, path, seed):
        self.path, self.rng = path, random.Random(seed)
        self.keys = ["", "é", "a/b", *(f"key-{number}" for number in range(200))]
        self.expected = {}
        self.store = arraylog.open(path, "a")
        self.part = self.store.partition("c", "p")

    def key(self):
        return self.rng.choice(self.keys)

    def keep(self, key, content):
        self.expected.pop(key, None)
        self.expected[key] = content

    def content(self):
        """A value, or arrays with attributes, as they are compared."""
        if self.rng.random() < 0.5:
            return self.rng.randbytes(
                self.rng.choice(
                    [0, 1, 7, 8, 100, 300, 5000, 70_000 if self.rng.random() < 0.05 else 9]
                )
            )
        number = self.rng.randrange(1000)
        arrays = {
            "t": np.full(self.rng.choice([0, 1, 2, 50, 700]), float(number)),
            "n": np.array(number),
        }
        if self.rng.random() < 0.3:
            arrays["m"] = np.ma.array([number, 0], mask=[False, True])
        return arrays, {"n": number, "s": str(number)}

    def store_in(self, target, key, content):
        if isinstance(content, bytes):
            target.put(key, content)
        else:
            target.write(key, content[0], attrs=content[1])

    def write(self):
        key, content = self.key(), self.content()
        self.store_in(self.part, key, content)
        self.keep(key, content)

    def remove(self):
        key = self.key()
        assert self.part.remove(key) is (key in self.expected)
        self.expected.pop(key, None)

    def rename(self):
        key, new = self.rng.sample(self.keys, 2)
        if key not in self.expected:
            return
        if new in self.expected and self.rng.random() < 0.5:
            try:
                self.part.rename(key, new)
            except arraylog.ConflictError:
                return
            raise AssertionError("rename replaced an entry without overwrite")
        self.part.rename(key, new, overwrite=True)
        self.keep(new, self.expected.pop(key))

    def batch(self):
        after = Model.__new__(Model)
        after.expected = dict(self.expected)
        fails = self.rng.random() < 0.2
        try:
            with self.store.batch() as batch:
                inner = batch.partition("c", "p")
                for _ in range(self.rng.randrange(8)):
                    key = self.key()
                    if self.rng.random() < 0.25:
                        assert inner.remove(key) is (key in after.expected)
                        after.expected.pop(key, None)
                    else:
                        content = self.content()
                        self.store_in(inner, key, content)
                        after.keep(key, content)
                if fails:
                    raise InterruptedError
        except InterruptedError:
            return
        self.expected = after.expected

    def look(self):
        key = self.key()
        assert (key in self.part) is (key in self.expected)
        assert len(self.part) == len(self.expected)
        if key in self.expected:
            self.compare(key)

    def compare(self, key):
        content, entry = self.expected[key], self.part[key]
        assert entry.key == key
        if isinstance(content, bytes):
            assert bytes(self.part.value(key)) == content and entry.kind == "value"
            return
        arrays, attrs = content
        assert list(entry) == list(arrays) and dict(entry.attrs) == attrs
        for name, array in entry.to_dict().items():
            assert array.dtype == arrays[name].dtype and array.shape == arrays[name].shape
            assert array.tolist() == arrays[name].tolist()

    def compare_all(self):
        assert list(self.part) == list(self.expected)
        for key in self.expected:
            self.compare(key)

    def reopen(self):
        self.compare_all()
        self.store.close()
        if self.rng.random() < 0.3:
            with arraylog.open(self.path) as reader:
                assert list(reader.partition("c", "p")) == list(self.expected)
        self.store = arraylog.open(self.path, self.rng.choice(["r+", "a"]))
        self.part = self.store.partition("c", "p")
        self.compare_all()


def test_10_000_random_operations_with_50_reopenings_agree_with_a_dict(path):
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(2**32))
    print(f"seed {seed}; {SEED}={seed} repeats this run")
    model = Model(path, seed)
    model.write()
    reopen_every = OPERATIONS // REOPENINGS
    reopened = 0
    for number in range(1, OPERATIONS + 1):
        step = model.rng.choices(
            [model.write, model.remove, model.rename, model.batch, model.look], [40, 12, 8, 10, 30]
        )[0]
        step()
        if number % reopen_every == 0:
            model.reopen()
            reopened += 1
    assert reopened == REOPENINGS
    model.compare_all()
    model.store.close()
