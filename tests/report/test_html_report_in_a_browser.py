"""The report opened in a real Chromium: sorting, filtering, pictures, keyboard, phone, night and paper."""

import base64
import io

import numpy as np
import pytest
from browser import chromium, complaints, fetched
from PIL import Image
from stored_sweep import stored_sweep

from segsweep.cli import main
from segsweep.tracking.store import Store


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    """Address of a report with two widths that worked and one that failed."""
    folder = tmp_path_factory.mktemp("page")
    uri = f"sqlite:///{folder}/mlflow.db"
    stored_sweep(Store.open(uri, "segsweep"), widths=(8, 16, 24), failing=(24,))
    file = folder / "report.html"
    assert main(["report", "--tracking-uri", uri, "--format", "html", "--output", str(file)]) == 0
    return file.as_uri()


@pytest.fixture(scope="module")
def driver(tmp_path_factory, page):
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def opened(driver, page):
    driver.get(page)
    return driver


def column(driver, place: int) -> list[str]:
    """Texts of a column of the comparison, as shown."""
    shown = "Array.from(document.querySelectorAll('#variants tbody tr')).filter(row => !row.hidden)"
    return driver.execute_script(f"return {shown}.map(row => row.cells[{place}].innerText.trim())")


def plots_show(driver, source: int) -> bool:
    """Whether each plot shows that one of its sources."""
    same = f"plot => plot.querySelector('img').currentSrc === plot.querySelectorAll('source')[{source}].srcset"
    return driver.execute_script(f"return Array.from(document.querySelectorAll('.plot')).every({same})")


def heads(driver) -> list[str]:
    return driver.execute_script(
        "return Array.from(document.querySelectorAll('#variants thead th')).map(e => e.innerText.trim())"
    )


def press_head(driver, name: str):
    place = heads(driver).index(name)
    driver.find_elements("css selector", "#variants thead th button")[place].click()
    return place


def test_nothing_is_wrong_and_nothing_is_fetched(opened):
    assert complaints(opened) == []
    assert fetched(opened) == []
    broken = "return Array.from(document.images).filter(each => !(each.complete && each.naturalWidth)).length"
    assert opened.execute_script("return document.images.length") > 40
    assert opened.execute_script(broken) == 0
    # The style is in force though the policy allows no other.
    assert opened.execute_script("return getComputedStyle(document.querySelector('.skip')).position") == "absolute"


def test_sorting(opened):
    before = column(opened, 0)
    place = press_head(opened, "mean IoU")
    sort = f"return document.querySelectorAll('#variants thead th')[{place}].getAttribute('aria-sort')"
    assert opened.execute_script(sort) == "ascending"
    found = column(opened, place)
    numbers = [float(text) for text in found if text]
    assert numbers == sorted(numbers)
    assert found[-5:] == [""] * 5, "rows without a number stand last"
    press_head(opened, "mean IoU")
    assert opened.execute_script(sort) == "descending"
    found = column(opened, place)
    assert [float(text) for text in found if text] == numbers[::-1]
    assert found[-5:] == [""] * 5
    press_head(opened, "variant")
    assert opened.execute_script(sort) is None
    assert column(opened, 0) == sorted(before)


def test_numbers_sort_as_numbers(opened):
    place = press_head(opened, "width")
    assert column(opened, place) == ["8"] * 5 + ["16"] * 5 + ["24"] * 5


def test_filtering(opened):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    def count() -> str:
        return opened.find_element(By.ID, "count").text

    assert count() == "15 rows"
    find = opened.find_element(By.ID, "find")
    find.send_keys("QAT 16")
    assert (column(opened, 0), count()) == (["qat_int8"], "1 of 15 rows")
    opened.find_element(By.ID, "reset").click()
    assert count() == "15 rows"
    for element in opened.find_elements(By.CSS_SELECTOR, ".controls select"):
        label = element.find_element(By.XPATH, "..").text.split("\n")[0]
        if label in ("variant", "width"):
            Select(element).select_by_visible_text({"variant": "int8", "width": "8"}[label])
    assert (column(opened, 0), count()) == (["int8", "int8"], "2 of 15 rows")
    opened.find_element(By.ID, "marked").click()
    assert len(column(opened, 0)) == 1
    assert "Pareto" in column(opened, 1)[0]
    opened.find_element(By.ID, "reset").click()
    assert count() == "15 rows"
    assert opened.execute_script("return document.getElementById('count').getAttribute('aria-live')") == "polite"


def test_failures_say_why_without_running_what_they_say(opened):
    notes = column(opened, 1)
    assert sum("<img src=x onerror=alert(24)>" in text for text in notes) == 5
    assert opened.execute_script("return document.querySelectorAll('#variants img').length") == 0


def test_keyboard_reaches_all_and_shows_where_one_is(opened):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    reached = []
    for _ in range(26):
        ActionChains(opened).send_keys(Keys.TAB).perform()
        element = opened.switch_to.active_element
        reached.append(element.get_attribute("id") or element.get_attribute("class") or element.text.strip())
        if len(reached) > 1:
            style = "const style = getComputedStyle(document.activeElement); return style.outlineStyle"
            assert opened.execute_script(style) != "none", f"{reached[-1]} does not show that it has the focus"
    assert {"skip", "find", "marked", "reset", "scroll comparison", "mean IoU"} <= set(reached)
    # A head that has the focus sorts on Enter.
    head = next(each for each in opened.find_elements("css selector", "#variants button") if each.text == "KiB")
    opened.execute_script("arguments[0].focus()", head)
    head.send_keys(Keys.ENTER)
    assert head.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"


def test_flips_lie_over_the_faded_image(opened):
    under = "return getComputedStyle(document.querySelector('.under-1'), '::before').backgroundImage.slice(0, 16)"
    assert opened.execute_script(under) == 'url("data:image/'


def test_night(tmp_path, page):
    with chromium(tmp_path / "profile", dark=True) as driver:
        driver.get(page)
        assert driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 26)"
        shot = np.asarray(Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("L"))
        assert np.median(shot) < 60
        assert plots_show(driver, 2)


def test_phone(tmp_path, page):
    with chromium(tmp_path / "profile") as driver:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 375, "height": 800, "deviceScaleFactor": 2, "mobile": True},
        )
        driver.get(page)
        assert driver.execute_script("return document.documentElement.scrollWidth") == 375, "the page scrolls sideways"
        assert driver.execute_script(
            "const e = document.querySelector('.comparison'); return e.scrollWidth > e.clientWidth"
        )
        assert plots_show(driver, 1), "plots for narrow screens"


def test_paper(opened):
    content = base64.b64decode(opened.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert content.startswith(b"%PDF")
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not opened.find_element("css selector", ".controls").is_displayed()
        assert not opened.find_element("css selector", "nav").is_displayed()
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    # What was unfolded for the paper is folded again.
    open_now = "return Array.from(document.querySelectorAll('details')).filter(each => each.open).length"
    assert opened.execute_script(open_now) == 1


def test_without_scripts_the_table_is_whole(tmp_path, page):
    with chromium(tmp_path / "profile") as driver:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        driver.get(page)
        assert not driver.find_element("css selector", ".controls").is_displayed()
        assert len(driver.find_elements("css selector", "#variants tbody tr")) == 15
