"""The page in a real browser, at a laptop's and a phone's size: drawn, quiet, offline, and within the screen."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

SIZES = {"laptop": (1280, 800), "phone": (390, 844)}


def _browser() -> tuple[str, str]:
    """Paths of Chromium and its driver; skips where one is missing, or fails where they are required."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    try:
        import selenium  # noqa: F401  (only whether it is there)
    except ImportError:
        driver = None
    if chromium and driver:
        return chromium, driver
    reason = "the report was not looked at: this needs Chromium, chromedriver and the selenium package"
    if os.environ.get("FORAGE_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium, driver = _browser()
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"),
        *("disable-component-update", "disable-sync"),
        f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module", params=SIZES)
def tab(request: pytest.FixtureRequest, page: Path, chrome: Any) -> Any:
    """The browser, showing the page at one size."""
    width, height = SIZES[request.param]
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    chrome.get(page.as_uri())
    return chrome


def test_nothing_is_requested_but_the_page_itself(tab: Any, page: Path) -> None:
    """The browser's own pages (a new tab's, say) are not the report's doing: a request names the document it is for."""
    events = [json.loads(entry["message"])["message"] for entry in tab.get_log("performance")]
    asked = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    ours = [request["request"]["url"] for request in asked if request["documentURL"] == page.as_uri()]
    assert page.as_uri() in ours
    assert [url for url in ours if url != page.as_uri() and not url.startswith("data:")] == []


def test_every_plot_is_drawn(tab: Any, page: Path) -> None:
    assert tab.execute_script("return document.documentElement.dataset.ready") == "true"
    plots = tab.execute_script(
        "return [...document.querySelectorAll('.plot')].map((plot) => ({id: plot.id,"
        " asked: plot.data.length, drawn: plot.querySelectorAll('.scatterlayer .trace').length,"
        " lines: [...plot.querySelectorAll('path.js-line')].filter((p) => p.getAttribute('d')?.length > 10).length,"
        " width: plot.clientWidth, svg: plot.querySelector('svg.main-svg').getBoundingClientRect().width}))"
    )
    assert len(plots) >= 10
    for plot in plots:
        assert plot["drawn"] == plot["asked"] > 0, plot
        assert plot["lines"] > 0, plot
        assert 0 < plot["svg"] <= plot["width"] + 1, plot
    curves = next(plot for plot in plots if plot["id"] == "pass-at-k")
    assert curves["asked"] == 2 + 2 * 4, "two colder bases, then a band and a line for the base and three methods"


def test_nothing_is_wider_than_the_screen(tab: Any) -> None:
    wide = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    content, screen = tab.execute_script(wide)
    assert content <= screen


def test_the_toggle_changes_what_the_shades_mean(tab: Any) -> None:
    def shades() -> list[str]:
        return tab.execute_script(
            "return [...document.querySelectorAll('.tokens span')].map((t) => getComputedStyle(t).backgroundColor)"
        )

    def press(mode: str) -> None:
        tab.execute_script(f"document.querySelector('.toggle [data-shade={mode}]').click()")

    before = shades()
    assert len(set(before)) > 10, "entropies differ, so shades do"
    press("advantage")
    after = shades()
    assert sum(a != b for a, b in zip(before, after, strict=True)) > len(before) / 2
    assert tab.find_element("css selector", ".for-advantage").is_displayed()
    assert not tab.find_element("css selector", ".for-entropy").is_displayed()
    press("entropy")
    assert shades() == before


def test_a_token_tells_its_numbers(tab: Any) -> None:
    tab.execute_script("document.querySelector('.tokens').scrollIntoView({block: 'center', behavior: 'instant'})")
    token = tab.find_element("css selector", ".tokens span")
    token.click()
    tip = tab.find_element("id", "tip")
    assert tip.is_displayed()
    assert f"entropy {float(token.get_attribute('data-e')):.3f} nats" in tip.text
    assert re.search(r"advantage [+-]?\d", tip.text)
    tab.find_element("css selector", ".tokens").send_keys("\ue014")  # arrow right
    assert "token 2:" in tip.text


def test_the_legend_hides_a_line_everywhere(tab: Any) -> None:
    def visible() -> list[bool]:
        return tab.execute_script(
            "return [...document.querySelectorAll('.plot')].flatMap((p) => p.data)"
            ".filter((t) => t.legendgroup === 's1').map((t) => t.visible)"
        )

    press = "document.querySelector('.legend [data-series=s1]').click()"
    assert len(visible()) > 10
    assert all(visible())
    tab.execute_script(press)
    assert not any(visible())
    pressed = [b.get_attribute("aria-pressed") for b in tab.find_elements("css selector", ".legend [data-series=s1]")]
    assert len(pressed) > 1
    assert set(pressed) == {"false"}
    tab.execute_script(press)
    assert all(visible())


def test_plots_follow_the_dark_theme(tab: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    color = "return document.getElementById('pass-at-k').layout.font.color"
    light = tab.execute_script(color)
    feature = {"name": "prefers-color-scheme", "value": "dark"}
    tab.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        WebDriverWait(tab, 10).until(lambda tab: tab.execute_script(color) != light)
    finally:
        tab.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_console_stayed_silent(tab: Any) -> None:
    """Last, so that it also hears what the other tests' clicks caused."""
    assert tab.get_log("browser") == []
