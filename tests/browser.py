"""A real Chromium, without a window, for tests that look at pages; they are skipped where there is none."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_NO_NETWORK = ("data", "file", "chrome", "about", "blob")


@contextmanager
def chromium(profile: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> Iterator:
    """A driver of a browser of its own; `profile` is an empty folder for what it keeps."""
    browser = next((path for name in _PROGRAMS if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("Chromium and its driver are absent; on Debian: apt-get install chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
        "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
        "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
        f"--user-data-dir={profile}", f"--window-size={width},{height}",
    ):  # fmt: skip
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        started.set_page_load_timeout(60)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        started.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield started
    finally:
        started.quit()


def complaints(driver) -> list[str]:
    """What the page's console has said since the last look, warnings and errors."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


def fetched(driver) -> list[str]:
    """Addresses that the page asked the network for since the last look."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    addresses = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    return [address for address in addresses if address.partition(":")[0] not in _NO_NETWORK]
