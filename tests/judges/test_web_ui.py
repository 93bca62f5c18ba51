"""A person who opens a stuck activation in the Web UI sees what is wrong, whose it is and what to type."""

import asyncio
import json
import os
import socket
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.store.store import Store
from commands.demo.book import Item, Order, build, world
from tests.builders.house import a_house
from tests.workflows.conftest import program
from workflows.kernel import attributes
from workflows.kernel.parking import SagaState
from workflows.kernel.runner import DATA_CONVERTER

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-judges" / "bin" / "python"
SCRIPT = Path(__file__).with_name("web_ui_judge.py")
PICTURE = ROOT / "docs" / "images" / "parked-activation.png"


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


@pytest.mark.judges
async def test_a_parked_activation_tells_its_story_in_the_web_ui(store: Store, tmp_path: Path) -> None:
    ui = _free_port()
    env = await WorkflowEnvironment.start_local(
        data_converter=DATA_CONVERTER,
        dev_server_existing_path=program("temporal"),
        search_attributes=attributes.ALL,
        dev_server_extra_args=["--dynamic-config-value", "history.transferProcessorMaxPollRPS=1000"],
        ui=True,
        ui_port=ui,
    )
    deal = build(Order(39, "Detached Card GmbH", "DE", "EUR", (Item("PLATFORM"),), autopay=True))
    async with env, a_house(env.client, store, world([deal]), versioned=True) as house:
        handle = await house.start(deal)
        view = await house.state(handle)
        for _ in range(400):
            view = await house.state(handle)
            if view.state is SagaState.PARKED and view.parks[0].case_id:
                break
            await asyncio.sleep(0.05)
        described = await handle.describe()
        picture = tmp_path / "parked.png"
        process = await asyncio.create_subprocess_exec(
            PYTHON, SCRIPT, f"http://127.0.0.1:{ui}", env.client.namespace, handle.id, str(described.run_id), picture,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, errors = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode == 0, errors.decode()[-2000:]
        text = json.loads(out)
        park = view.parks[0]
        told = text["user-metadata"]
        for words in (
            "Check the payment method",
            park.failure.message[:40],
            "quote.payment.payment_method",
            "revops",
            f"{park.since:%Y-%m-%d}",
            f"revsaga saga retry {handle.id}",
        ):
            assert words.lower() in told.lower(), f"{words!r} is not on the page:\n{told[:3000]}"
        assert "Lock the quote in the CRM" in text["timeline"]
        if os.environ.get("REVSAGA_RENEW_PICTURES"):
            PICTURE.write_bytes(picture.read_bytes())
            timeline = (tmp_path / "parked-timeline.png").read_bytes()
            (PICTURE.parent / "parked-activation-timeline.png").write_bytes(timeline)
