"""The Python blocks and the commands of the READMEs run, in order, in an empty folder."""

import re
import subprocess
import sys

import pytest

from repository import OPTIONAL, README, ROOT

COMMAND = re.compile(r"^\.venv/bin/arraylog (.*)$", re.M)
BLOCK = re.compile(r"^```python[^\n]*\n(.*?)^```", re.M | re.S)


@pytest.mark.parametrize("readme", README, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_python_blocks_run(readme, tmp_path, monkeypatch):
    text = readme.read_text()
    blocks = list(BLOCK.finditer(text))
    assert blocks, f"{readme} shows no Python"
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    skipped = []
    for block in blocks:
        before = text.count("\n", 0, block.start(1))
        code = compile("\n" * before + block[1], str(readme), "exec")
        try:
            exec(code, names)
        except ModuleNotFoundError as error:
            if error.name not in OPTIONAL:
                raise
            skipped.append(f"line {before + 1}: {error.name} is not installed")
        finally:
            close_stores(names)
    if skipped:
        pytest.skip(f"{readme.name}, all but {', '.join(skipped)}")


def test_the_commands_run(tmp_path):
    commands = COMMAND.findall((ROOT / "README.md").read_text())
    assert len(commands) >= 4
    for command in commands:
        words = [str(ROOT / word) if word.startswith("tools/") else word for word in command.split()]
        done = subprocess.run(
            [sys.executable, "-m", "arraylog", *words], cwd=tmp_path, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr.decode()}"


def close_stores(names):
    """Closes what a block left open, so that the next may open it again, as a reader's new session does."""
    import arraylog

    for value in [*names.values()]:
        if isinstance(value, arraylog.Store):
            value.close()
