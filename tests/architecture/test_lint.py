"""The linter refuses clocks and dice where there are none, and lets them pass where the world is touched."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CLOCKS_AND_DICE = {
    "datetime.datetime.now": "import datetime as d\nnow = d.datetime.now(d.UTC)\n",
    "datetime.date.today": "from datetime import date\ntoday = date.today()\n",
    "time.time": "import time\nnow = time.time()\n",
    "asyncio.sleep": "import asyncio\nwait = asyncio.sleep(1)\n",
    "uuid.uuid4": "from uuid import uuid4\nname = uuid4()\n",
    "random": "import random\nn = random.randrange(6)\n",
}


def _banned(root: Path, room: str, source: str) -> list[str]:
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / room).mkdir(parents=True)
    (root / room / "story.py").write_text(source)
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--select",
        "TID251",
        "--output-format",
        "json",
        ".",
    ]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return [finding["message"].partition("`")[2].partition("`")[0] for finding in json.loads(result.stdout)]


@pytest.mark.parametrize("room", ["canonical", "workflows", "workflows/kernel"])
@pytest.mark.parametrize("call", CLOCKS_AND_DICE)
def test_a_clock_or_dice_is_refused(room: str, call: str, tmp_path: Path) -> None:
    assert call in _banned(tmp_path, room, CLOCKS_AND_DICE[call])


@pytest.mark.parametrize("room", ["activities", "activities/store", "connectors/kit", "commands"])
@pytest.mark.parametrize("call", CLOCKS_AND_DICE)
def test_the_rooms_that_touch_the_world_may(room: str, call: str, tmp_path: Path) -> None:
    assert _banned(tmp_path, room, CLOCKS_AND_DICE[call]) == []
