#!/usr/bin/python3
"""House rules that a compiler does not check. Prints each breach as file:line: text; exit 1 if there is any.

    /usr/bin/python3 tests/tidy.py

- a folder of src/ includes only itself and folders above its line in src/layers.txt
- public headers stay under 170 lines (the slow references of tests, *reference*.h, apart), sources under 800 (a longer file is two things in one room)
- no folder is called utils, common or helpers; no "event" for a record; no notes to oneself
- every header begins with what it is and has #pragma once
- mutexes, locks and condition variables are those of src/base/mutex.h, which clang's thread-safety analysis understands;
  failing_disk.cc, which is loaded into other programs, is built without our sources
- every plugin folder has its README
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER_LINES_MAX, SOURCE_LINES_MAX = 170, 800
ANNOTATED_MUTEXES = pathlib.Path("src/base/mutex.h")
BARE_MUTEXES_ALLOWED = {ANNOTATED_MUTEXES, pathlib.Path("tests/reliability/failing_disk.cc")}
BARE_MUTEX = re.compile(r"\b(std|boost)::((recursive_|shared_|timed_)*mutex|lock_guard|unique_lock|shared_lock|scoped_lock|"
                        r"condition_variable(_any)?)\b|\bpthread_(mutex|rwlock|cond|spin)_")

breaches = []


def breach(path, line, text):
    breaches.append(f"{path}:{line}: {text}")


def tracked():
    """What git knows; in an export without git, every file that is not built or fetched."""
    try:
        names = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files"], cwd=ROOT, capture_output=True, text=True,
                               check=True).stdout
        return [pathlib.Path(name) for name in names.splitlines()]
    except (OSError, subprocess.CalledProcessError):
        made = {"build", "node_modules", ".deps", ".git", "__pycache__"}
        return sorted(path.relative_to(ROOT) for path in ROOT.rglob("*")
                      if path.is_file() and not made & set(path.relative_to(ROOT).parts))


def layer_of(path, layers):
    if path.parts[0] == "localaws":
        return "localaws"
    return path.parts[1] if path.parts[0] == "src" and len(path.parts) > 2 and path.parts[1] in layers else None


def check_includes(path, lines, layers):
    own = layer_of(path, layers)
    if own is None:
        return
    for number, line in enumerate(lines, 1):
        match = re.match(r'#include "([^"]+)"', line)
        if not match:
            continue
        folder = match[1].split("/")[0]
        if folder not in layers:
            breach(path, number, f'includes "{match[1]}": no folder of src/layers.txt')
        elif layers.index(folder) > layers.index(own):
            breach(path, number, f"{own} is below {folder} in src/layers.txt and must not include it")


def main():
    layers = [line for line in (ROOT / "src/layers.txt").read_text().split("\n") if line and not line.startswith("#")]
    files = tracked()
    for path in files:
        if set(path.parts) & {"utils", "common", "helpers"}:
            breach(path, 1, "no folder is called utils, common or helpers")
        if path.suffix not in (".h", ".cc"):
            continue
        lines = (ROOT / path).read_text().split("\n")
        check_includes(path, lines, layers)
        if path.suffix == ".h":
            if len(lines) > HEADER_LINES_MAX and "reference" not in path.name:
                breach(path, len(lines), f"header of more than {HEADER_LINES_MAX} lines")
            if "#pragma once" not in lines:
                breach(path, 1, "#pragma once is missing")
            if not lines[0].startswith("//"):
                breach(path, 1, "a header begins with a comment that says what it is")
        elif len(lines) > SOURCE_LINES_MAX and not path.name.endswith("_test.cc"):
            breach(path, len(lines), f"source of more than {SOURCE_LINES_MAX} lines")
        for number, line in enumerate(lines, 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                breach(path, number, "a note to oneself: do it, or open an issue")
            if path not in BARE_MUTEXES_ALLOWED and (bare := BARE_MUTEX.search(line)):
                breach(path, number, f"{bare[0]}: the compiler cannot see what it guards; take the types of {ANNOTATED_MUTEXES}")
    for kind in ("input", "filter", "output"):
        for folder in sorted({path.parent for path in files if path.match(f"src/{kind}/*/*.cc")}):
            if folder / "README.md" not in files:
                breach(folder, 1, "a plugin has a README.md")
    print("\n".join(breaches) if breaches else f"tidy: {len(files)} files, no breach")
    sys.exit(1 if breaches else 0)


main()
