"""Line coverage of the engine by its own tests: `make coverage`.

Builds the tests with the compiler's instrumentation, runs them, and counts, by the tools
of the toolchain (`rustup component add llvm-tools`), which lines were run. Lines of tests
do not count. Prints a row for each file of the folders and files that were asked for, and
which lines nothing ran; exits with 1 if one of these is below the least share.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "engine" / "src"
TARGET = ROOT / "target" / "coverage"
# What may be less covered is what no test can have happen.
LEAST = 95.0
# From here to the end of a file there are tests.
TESTS = re.compile(r"^#\[cfg\(test\)\]\nmod \w+ \{", re.MULTILINE)


def tool(name):
    """A tool of LLVM as the compiler has it, whose profiles it can read."""
    libraries = subprocess.check_output(["rustc", "--print", "target-libdir"], text=True)
    own = Path(libraries.strip()).parent / "bin" / name
    if not own.exists():
        sys.exit(f"{own} is not there: `rustup component add llvm-tools`")
    return str(own)


def run_tests(environment, packages):
    """Builds and runs the tests; the programs that were built."""
    flags = [word for package in packages for word in ("-p", package)]
    build = ["cargo", "test", *flags, "--no-run", "--all-targets", "--message-format=json"]
    messages = subprocess.run(
        build, cwd=ROOT, env=environment, check=True, text=True, stdout=subprocess.PIPE
    ).stdout
    programs = re.findall(r'"executable":"([^"]+)"', messages)
    # Under instrumentation tests of time fail; what they ran counts all the same.
    done = subprocess.run(
        ["cargo", "test", *flags, "--all-targets", "--no-fail-fast"], cwd=ROOT, env=environment
    )
    if done.returncode != 0:
        print("Some tests failed under instrumentation: see above.", file=sys.stderr)
    return sorted(set(programs))


def counts(programs, profile):
    """How often each line of each file ran: {path: {line: count}}."""
    objects = [word for program in programs[1:] for word in ("--object", program)]
    listing = subprocess.check_output(
        [
            tool("llvm-cov"),
            "export",
            "--format=lcov",
            f"--instr-profile={profile}",
            programs[0],
            *objects,
            str(SOURCE),
        ],
        text=True,
    )
    files, lines = {}, {}
    for row in listing.splitlines():
        kind, _, rest = row.partition(":")
        if kind == "SF":
            lines = files.setdefault(Path(rest), {})
        elif kind == "DA":
            number, count = rest.split(",")[:2]
            lines[int(number)] = lines.get(int(number), 0) + int(count)
    return files


def own_lines(path, lines):
    """Those of `lines` that are no tests."""
    if "tests" in path.relative_to(SOURCE).parts:
        return {}
    text = path.read_text()
    tests = TESTS.search(text)
    end = text[: tests.start()].count("\n") if tests else len(lines) + 1_000_000
    return {number: count for number, count in lines.items() if number <= end}


def stretches(numbers):
    """Line numbers as text, those that follow each other as one."""
    out = []
    for number in sorted(numbers):
        if out and number == out[-1][1] + 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def report(files, place):
    """Prints the files of a place under `engine/src`; the share of its lines that ran."""
    ran = total = 0
    for path in sorted(files):
        if SOURCE / place not in (path, *path.parents):
            continue
        lines = own_lines(path, files[path])
        missed = [number for number, count in lines.items() if count == 0]
        if lines:
            share = 100 * (1 - len(missed) / len(lines))
            name = path.relative_to(SOURCE)
            print(f"{share:6.1f} %  {len(lines):5} lines  {name}  {stretches(missed)}")
        ran, total = ran + len(lines) - len(missed), total + len(lines)
    if total == 0:
        sys.exit(f"engine/src/{place} has no lines that could run")
    share = 100 * ran / total
    print(f"coverage: engine/src/{place}: {ran} of {total} lines, {share:.1f} %")
    return share


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="add to the counts of the last run")
    parser.add_argument("places", nargs="*", default=["format", "log", "open.rs"])
    options = parser.parse_args()
    profiles = TARGET / "profiles"
    if not options.keep:
        shutil.rmtree(profiles, ignore_errors=True)
    environment = {
        **os.environ,
        "RUSTFLAGS": "-Cinstrument-coverage",
        "CARGO_TARGET_DIR": str(TARGET),
        # Processes of one program share a few files.
        "LLVM_PROFILE_FILE": str(profiles / "%4m.profraw"),
    }
    programs = run_tests(environment, ["arraylog", "arraylog-tests"])
    merged = TARGET / "merged.profdata"
    raw = [str(each) for each in profiles.glob("*.profraw")]
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", *raw, "-o", merged], check=True)
    files = counts(programs, merged)
    shares = {place: report(files, place) for place in options.places}
    low = [place for place, share in shares.items() if share < LEAST]
    if low:
        sys.exit(f"below {LEAST} %: {', '.join(low)}")


if __name__ == "__main__":
    main()
