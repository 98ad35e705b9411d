"""The report in a real browser: at a phone's and a desktop's width nothing overflows and pictures load."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from sft_shared.evaluation.report.contents import Report
from sft_shared.evaluation.report.page import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no browser: apt-get install chromium chromium-driver (Debian)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_page_load_timeout(120)
    driver.set_script_timeout(120)
    yield driver
    driver.quit()


def opened(browser: Any, page: Path, *, width: int, media: str = "") -> None:
    """Open the page at exactly this width in CSS pixels."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})
    browser.get(page.as_uri())


def screenshot(browser: Any, path: Path) -> None:
    """The whole page as a picture."""
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    path.write_bytes(base64.b64decode(shot["data"]))


def overflowing(browser: Any, *, but: str) -> list[str]:
    """Elements that reach beyond the window on the right with their box or their text, except in ``but``."""
    found: list[str] = browser.execute_script(
        """
        const right = element => {
          const range = document.createRange();
          range.selectNodeContents(element);
          return Math.max(element.getBoundingClientRect().right, range.getBoundingClientRect().right);
        };
        return [...document.querySelectorAll('main *')].filter(element =>
          !element.querySelector(arguments[0]) && !element.closest(arguments[0])
          && right(element) > window.innerWidth + 0.5
        ).map(element => element.outerHTML.slice(0, 90));
        """,
        but,
    )
    return found


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("forgets", [0.0, 0.3])
def test_nothing_overflows_and_every_picture_loads(
    browser: Any, make_shop: Callable[..., Report], tmp_path: Path, width: int, forgets: float
) -> None:
    """Wide tables scroll in their own box; words of 400 letters, Chinese without spaces and code wrap."""
    page = write_report(make_shop(forgets=forgets), tmp_path)[-1]
    opened(browser, page, width=width)
    assert browser.execute_script("return window.innerWidth") == width
    screenshot(browser, tmp_path / f"screen-{width}.png")
    assert overflowing(browser, but=".scroll") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    pictures = browser.execute_script(
        "return [...document.images].map(each => [each.complete, each.naturalWidth, each.alt])"
    )
    assert len(pictures) == 3
    assert all(loaded and size > 0 and alt for loaded, size, alt in pictures)
    assert browser.execute_script(
        "return [document.title.startsWith('stolen'), document.scripts.length]"
    ) == [False, 0]


def test_tables_fit_on_paper(browser: Any, make_shop: Callable[..., Report], tmp_path: Path) -> None:
    """Paper does not scroll: between the margins of A4 (718 px) also what scrolls on a screen fits."""
    page = write_report(make_shop(forgets=0.3), tmp_path)[-1]
    opened(browser, page, width=718, media="print")
    screenshot(browser, tmp_path / "print.png")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 718
    assert overflowing(browser, but="nothing") == []


def test_a_page_that_overflows_is_found(browser: Any, tmp_path: Path) -> None:
    """The measure sees a word that does not wrap, and a picture that does not load."""
    page = tmp_path / "bad.html"
    page.write_text(
        "<meta name='viewport' content='width=device-width'>"
        f"<main><p>{'x' * 300}</p><img src='none.png'></main>",
        encoding="utf-8",
    )
    opened(browser, page, width=360)
    assert overflowing(browser, but=".scroll")
    assert browser.execute_script("return document.images[0].naturalWidth") == 0
