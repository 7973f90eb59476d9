"""A router's fifty megabytes: a memory cgroup, whose kernel kills what needs more, page cache included."""

import contextlib
import pathlib
import time

LIMIT_BYTES = 50 << 20


def anonymous_bytes(pid):
    """What the process itself holds: no program text, no page cache."""
    for row in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if row.startswith("Anonymous:"):
            return int(row.split()[1]) << 10
    return 0


class MemoryGroup:
    """A memory cgroup, version 2 or 1, without swap."""

    def __init__(self, name):
        root = pathlib.Path("/sys/fs/cgroup")
        self.unified = "memory" in self._read(root / "cgroup.controllers")
        self.path = (root if self.unified else root / "memory") / name
        if self.unified:
            with contextlib.suppress(OSError):
                (root / "cgroup.subtree_control").write_text("+memory")
        elif not (root / "memory").is_dir():
            raise OSError("no memory cgroup controller")
        self.path.mkdir()
        try:
            for file in (("memory.max",) if self.unified else ("memory.limit_in_bytes",)):
                (self.path / file).write_text(str(LIMIT_BYTES))
            for file, value in (("memory.swap.max", "0"), ("memory.swappiness", "0")):
                with contextlib.suppress(OSError):
                    (self.path / file).write_text(value)
        except OSError:
            self.path.rmdir()
            raise

    @staticmethod
    def _read(path):
        return path.read_text() if path.exists() else ""

    def prefix(self):
        """Before a command that is to run in it."""
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh"]

    def peak(self):
        file = "memory.peak" if self.unified else "memory.max_usage_in_bytes"
        return int(self._read(self.path / file) or 0)

    def killed(self):
        text = self._read(self.path / ("memory.events" if self.unified else "memory.oom_control"))
        return any(row.split() == ["oom_kill", count] and count != "0" for row in text.splitlines()
                   for count in row.split()[1:])

    def remove(self):
        for _ in range(100):
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.05)
