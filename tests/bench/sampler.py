"""Where a worker spends its CPU time: what it is doing, looked at after every five milliseconds of CPU time.

`BENCH_PROFILE=FILE python -m tests.bench.sampler` is the real worker (with `ceiling` as argument: the empty story). The
file is written anew every second, since the worker's own end leaves no time for it.
"""

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

PROFILE = "BENCH_PROFILE"
_GAP = 0.005  # CPU seconds between two looks
_WAITING = frozenset(
    {"select", "wait", "get", "_worker", "acquire", "_wait_for_tstate_lock", "sleep", "_keep_writing"}
)
_OUTSIDE = "(outside Python: the engine's core, TLS, the system)"
_ROOT = Path(__file__).resolve().parents[2]


def _place(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    try:
        name = str(path.relative_to(_ROOT))
    except ValueError:
        name = str(path)
    _, _, package = name.rpartition("site-packages/")
    return f"{package}:{frame.f_code.co_qualname if sys.version_info >= (3, 11) else frame.f_code.co_name}"


class Sampler:
    """Counts, for each function, how often it was at work itself (`own`) and how often it was on the stack (`all`).

    The clock of CPU time strikes, not a thread that looks: such a thread only gets its turn when the others wait.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self.own: Counter[str] = Counter()
        self.all: Counter[str] = Counter()
        self.looks = 0

    def start(self) -> None:
        """Look until the process ends."""
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _GAP, _GAP)
        threading.Thread(target=self._keep_writing, name="sampler", daemon=True).start()

    def _look(self, _: int, frame: FrameType | None) -> None:
        self.looks += 1
        if frame is None or frame.f_code.co_name in _WAITING:
            # The main thread waits, so another one is at work: one of ours that runs a saga, or none of Python's.
            others = sys._current_frames().values()
            frame = next((f for f in others if f.f_code.co_name not in _WAITING and not self._is_me(f)), None)
        if frame is None:
            self.own[_OUTSIDE] += 1
            return
        self.own[_place(frame)] += 1
        seen = set()
        current: FrameType | None = frame
        while current is not None:
            seen.add(_place(current))
            current = current.f_back
        self.all.update(seen)

    def _is_me(self, frame: FrameType) -> bool:
        return frame.f_code is Sampler._look.__code__ or frame.f_code is Sampler._write.__code__

    def _keep_writing(self) -> None:
        while True:
            time.sleep(1)
            self._write()

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
