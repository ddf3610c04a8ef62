"""Where this repository keeps what the tests run."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = [ROOT / "README.md", ROOT / "py" / "README.md"]
EXAMPLES = ROOT / "py" / "examples"
SAMPLE = Path(__file__).resolve().parent / "typed_sample.py"
STUBTEST_ALLOW = ROOT / "py" / "stubtest-allow.txt"
OPTIONAL = {
    "torch",
    "xarray",
    "pandas",
}  # libraries that examples may show and the tests do not require
