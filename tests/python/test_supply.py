"""What the wheel and its environment are made of: licences, and dependencies with their reasons."""

import importlib.metadata
import re

import pytest

# What the package needs, and what it can use.
DEPENDENCIES = {
    "ml-dtypes": "bfloat16 and float8, if it is there",
    "numpy": "arrays",
    "tqdm": "bars for `progress=True`, if it is there",
}

# What runs the tests and the build beside that; no part of the package.
TOOLS = {
    "hypothesis": "arrays, strings and attributes by property",
    "maturin": "builds the wheel",
    "pyarrow": "the other side of the Arrow interface",
    "mypy": "checks the types",
    "pytest": "runs the tests",
}

# Licences of which one has to be on offer.
LICENCES = {
    "0BSD": "asks for nothing; a part of NumPy",
    "Apache-2.0": "the project's own",
    "BSD-2-Clause": "asks for the notice alone",
    "BSD-3-Clause": "asks for the notice alone",
    "CC0-1.0": "asks for nothing; a part of NumPy",
    "MIT": "the project's own",
    "MPL-2.0": "asks for changed files of it; used as it is",
    "PSF-2.0": "asks for the notice alone",
    "Python-2.0": "asks for the notice alone",
    "Zlib": "asks that changes be marked; a part of NumPy",
}

# What a distribution calls its licence when it gives no expression.
CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}


def normal(name):
    """A name of a distribution as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(name):
    """What a distribution asks for: {name: whether for an extra alone}."""
    lines = importlib.metadata.requires(name) or []
    return {
        normal(re.match(r"[A-Za-z0-9._-]+", line)[0]): "extra ==" in line.replace("extra==", "extra ==")
        for line in lines
    }


def reached(names):
    """Installed distributions that these need, themselves among them."""
    found, waiting = set(), list(names)
    while waiting:
        name = normal(waiting.pop())
        if name in found:
            continue
        try:
            importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system or version of Python, or an extra that is not here
        found.add(name)
        waiting.extend(each for each, extra in required(name).items() if not extra)
    return found


def licence(name):
    """The licence of a distribution as an expression."""
    metadata = importlib.metadata.metadata(name)
    if metadata["License-Expression"]:
        return metadata["License-Expression"]
    told = [CLASSIFIERS[each] for each in metadata.get_all("Classifier", []) if each in CLASSIFIERS]
    return " OR ".join(told) or (metadata["License"] or "").strip()


def is_allowed(expression):
    """Whether an expression offers one that is allowed."""
    parts = re.sub(r"[()]", "", expression).split(" AND ")
    return all(any(one.strip() in LICENCES for one in part.split(" OR ")) for part in parts)


def test_licences_are_read_as_they_are_meant():
    assert is_allowed("MIT") and is_allowed("(MIT OR GPL-3.0-only) AND BSD-3-Clause")
    for bad in ("", "GPL-3.0-only", "MIT AND GPL-3.0-only"):
        assert not is_allowed(bad)


def test_the_package_needs_what_is_listed_and_nothing_else():
    assert required("arraylog").keys() == DEPENDENCIES.keys()
    assert [name for name, extra in required("arraylog").items() if not extra] == ["numpy"]


def test_the_wheel_names_its_licence_and_brings_its_text():
    metadata = importlib.metadata.metadata("arraylog")
    assert metadata["License-Expression"] == "MIT OR Apache-2.0"
    files = [str(each) for each in importlib.metadata.files("arraylog")]
    for name in metadata.get_all("License-File"):
        assert any(each.endswith(name) for each in files), name
    assert len(metadata.get_all("License-File")) == 2


@pytest.mark.parametrize("name", sorted(reached([*DEPENDENCIES, *TOOLS, "arraylog"])))
def test_every_installed_distribution_has_a_licence_that_is_allowed(name):
    assert is_allowed(licence(name)), licence(name)


def test_what_the_package_needs_is_installed_and_was_looked_at():
    assert {"numpy", "arraylog"} <= reached(["arraylog"])
