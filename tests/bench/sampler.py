"""Where a worker spends its time: what all its threads are doing, looked at two hundred times a second.

`BENCH_PROFILE=FILE python -m tests.bench.sampler` is the real worker (with `ceiling` as argument: the empty story). The
file is written anew every second, since the worker's own end leaves no time for it.
"""

import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

PROFILE = "BENCH_PROFILE"
_GAP = 0.005  # seconds between two looks
_WAITING = frozenset(
    {"select", "wait", "get", "_worker", "acquire", "epoll_wait", "_wait_for_tstate_lock", "sleep"}
)
_ROOT = Path(__file__).resolve().parents[2]


def _place(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    try:
        name = str(path.relative_to(_ROOT))
    except ValueError:
        name = str(path)
    _, _, package = name.rpartition("site-packages/")
    return f"{package}:{frame.f_code.co_qualname if sys.version_info >= (3, 11) else frame.f_code.co_name}"


class Sampler(threading.Thread):
    """Counts, for each function, how often it was at work itself (`own`) and how often it was on the stack (`all`)."""

    def __init__(self, target: Path) -> None:
        super().__init__(name="sampler", daemon=True)
        self._target = target
        self.own: Counter[str] = Counter()
        self.all: Counter[str] = Counter()
        self.looks = 0

    def run(self) -> None:
        """Look until the process ends."""
        written = time.monotonic()
        while True:
            time.sleep(_GAP)
            self._look()
            if time.monotonic() - written > 1:
                written = time.monotonic()
                self._write()

    def _look(self) -> None:
        self.looks += 1
        for ident, frame in sys._current_frames().items():
            if ident == self.ident or frame.f_code.co_name in _WAITING:
                continue
            self.own[_place(frame)] += 1
            seen = set()
            current: FrameType | None = frame
            while current is not None:
                seen.add(_place(current))
                current = current.f_back
            self.all.update(seen)

    def _write(self) -> None:
        draft = self._target.with_suffix(".part")
        found = {"looks": self.looks, "own": self.own.most_common(400), "all": self.all.most_common(400)}
        draft.write_text(json.dumps(found), encoding="utf-8")
        draft.replace(self._target)


def main() -> None:
    """Entry of the process."""
    Sampler(Path(os.environ[PROFILE])).start()
    if sys.argv[1:] == ["ceiling"]:
        from tests.bench import ceiling

        ceiling.main()
    else:
        import worker

        worker.main(["--promote", "always"])


if __name__ == "__main__":
    main()
