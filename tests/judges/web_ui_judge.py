"""Opens the Web UI's page of one workflow in a real browser; prints its text as JSON and takes a picture.

python web_ui_judge.py UI_ADDRESS NAMESPACE WORKFLOW_ID RUN_ID PICTURE
"""

import json
import sys
from urllib.parse import quote

from playwright.sync_api import sync_playwright

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def main(address: str, namespace: str, workflow_id: str, run_id: str, picture: str) -> None:
    """Wait until the saga's own text stands on the page, then read and photograph it."""
    page_url = f"{address}/namespaces/{namespace}/workflows/{quote(workflow_id, safe='')}/{run_id}"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", headless=True, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1700})
        texts = {}
        for tab in ("user-metadata", "timeline"):
            page.goto(f"{page_url}/{tab}")
            page.wait_for_timeout(4000)  # the page keeps asking the server, so it never falls silent
            # What a saga says of itself is shown in a frame of its own.
            texts[tab] = "\n".join(frame.inner_text("body") for frame in page.frames)
            name = picture if tab == "user-metadata" else picture.replace(".png", "-timeline.png")
            page.screenshot(path=name)
        browser.close()
    print(json.dumps(texts))


if __name__ == "__main__":
    main(*sys.argv[1:])
