"""Takes the pictures of docs/itembank.md anew, from the demo's own bank in a real Chromium: `.venv/bin/python tools/pictures.py`."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import select

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from testing_platform.accounts.rules import Role  # noqa: E402
from testing_platform.itembank.models import Bank, Item  # noqa: E402
from tests.journeys.conftest import CHROMIUM  # noqa: E402
from tests.stack import Stack, running  # noqa: E402

TARGET = ROOT / "docs" / "itembank"
# A page of the repository is read on slow lines too.
MOST_BYTES = 200_000


def bank_page(page: Page, base: str, items: dict[str, int]) -> None:
    page.goto(base)


def editor(page: Page, base: str, items: dict[str, int]) -> None:
    page.goto(f"/analyst/bank/items/{items['OFC-24']}/edit")
    stem = page.locator("#stem")
    stem.fill(stem.input_value().replace("?", ", and what is not?"))
    page.get_by_text("a negative word that does not stand out").wait_for()
    page.frame_locator("[data-page]").get_by_role("radio").first.wait_for(state="attached")


def review(page: Page, base: str, items: dict[str, int]) -> None:
    page.goto(f"/analyst/bank/items/{items['CST-24']}")


def key_check(page: Page, base: str, items: dict[str, int]) -> None:
    page.goto(f"/analyst/bank/items/{items['ENG-24']}/key-check")


PICTURES: dict[str, tuple[Role, Callable[[Page, str, dict[str, int]], None]]] = {
    "bank": (Role.ANALYST, bank_page),
    "editor": (Role.ITEM_WRITER, editor),
    "review": (Role.ITEM_REVIEWER, review),
    "key_check": (Role.ITEM_REVIEWER, key_check),
}


def take(stack: Stack, browser: Browser, name: str) -> int:
    role, go = PICTURES[name]
    with stack.db.read() as session:
        bank = session.scalars(select(Bank.id)).one()
        items = {row.code: row.id for row in session.execute(select(Item.code, Item.id))}
    context = browser.new_context(base_url=stack.url, viewport={"width": 1280, "height": 860}, locale="en-US")
    page = context.new_page()
    page.goto(stack.link(role))
    page.locator("main form button").first.click()
    page.wait_for_url("**/analyst/**")
    go(page, f"/analyst/bank/{bank}", items)
    page.wait_for_load_state("networkidle")
    path = TARGET / f"{name}.png"
    page.screenshot(path=path)
    context.close()
    size = path.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{path.name} has {size} bytes, more than {MOST_BYTES}")
    return size


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), log_level="warning", demo=True) as stack, sync_playwright() as pw:
        browser = pw.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name in PICTURES:
            print(f"{name}.png: {take(stack, browser, name)} bytes")
        browser.close()


if __name__ == "__main__":
    main()
