"""The page in a real Chromium: choosing, dropping, the divider by mouse and keyboard, complaints, phone and night."""

import io
from pathlib import Path

import handmade_models as handmade
import numpy as np
import pytest
from browser import chromium, complaints, fetched
from PIL import Image
from served_page import Page, classifier, served

from segsweep.demo.limits import MOST_BYTES
from segsweep.tflite.metadata import embed

_SHOWN = "latest !== null && document.getElementById('status').textContent.startsWith(latest.name)"
RED, GREEN, BLUE = (255, 0, 0), (0, 128, 0), (0, 0, 255)


def always(number: int, **changes) -> bytes:
    """A model that says this class of every pixel."""
    kernel, bias = np.zeros((3, 1, 1, 3)), np.zeros(3)
    bias[number] = 9
    said = handmade.metadata(3, 3, dtype="uint8", **changes)
    return embed(handmade.convolution(kernel, bias), said)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "red.tflite").write_bytes(always(0))
    (folder / "blue.tflite").write_bytes(always(2, quantization="int8"))
    named = ("<img src=x onerror=alert(1)>", *(f"kind {number}" for number in range(1, 7)))
    (folder / "kinds.tflite").write_bytes(classifier(classes=named, quantization="int8"))
    Image.fromarray(np.full((60, 100, 3), 200, np.uint8)).save(folder / "grey.png")
    (folder / "notes.txt").write_text("hello")
    (folder / "large.png").write_bytes(bytes(MOST_BYTES + 1))
    return folder


@pytest.fixture(scope="module")
def page(folder: Path):
    with served("red.tflite", "blue.tflite", cwd=folder) as page:
        yield page


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory):
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def opened(driver, page: Page):
    open_page(driver, page)
    return driver


def open_page(driver, page: Page) -> None:
    driver.get(page.url)
    wait(driver, "return facts !== null && document.querySelectorAll('.card').length > 0")


def wait(driver, condition: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 60).until(lambda each: each.execute_script(condition))


def choose(driver, path: Path) -> None:
    driver.find_element("id", "file").send_keys(str(path))
    wait(driver, f"return !document.getElementById('error').hidden || {_SHOWN}")


def colour(driver, x: float, y: float) -> tuple[int, int, int]:
    """What is seen of the image at these shares of its width and height."""
    stage = driver.find_element("id", "stage")
    picture = Image.open(io.BytesIO(stage.screenshot_as_png)).convert("RGB")
    return picture.getpixel((int(x * picture.width), int(y * picture.height)))


def strongest(driver, x: float, y: float = 0.7) -> str:
    """Which of red, green and blue there is most of."""
    return "rgb"[int(np.argmax(colour(driver, x, y)))]


def test_nothing_comes_from_elsewhere_and_nothing_is_wrong(opened, page: Page, folder: Path) -> None:
    choose(opened, folder / "grey.png")
    assert complaints(opened) == []
    assert all(address.startswith(page.url) for address in fetched(opened))
    # The policy is in force: the page may not speak to anybody else.
    script = "const done = arguments[0]; fetch('http://127.0.0.1:9/').then(() => done('yes'), () => done('no'))"
    assert opened.execute_async_script(script) == "no"
    assert any("Content Security Policy" in line for line in complaints(opened))


def test_both_maps_and_their_facts(opened, folder: Path) -> None:
    choose(opened, folder / "grey.png")
    assert opened.find_element("id", "status").text == "grey.png: 100 × 60 pixels"
    first, second = opened.find_elements("css selector", ".card")
    for card, name, file, shares in (
        (first, "float32", "red.tflite", "100.0 %|0.0 %|0.0 %"),
        (second, "int8", "blue.tflite", "0.0 %|0.0 %|100.0 %"),
    ):
        text = card.text
        size = (folder / file).stat().st_size
        assert text.startswith(f"{name}\n{file}\n")
        assert " ms" in text
        assert f"{size / 1024:.1f} KiB" in text
        rows = card.find_elements("css selector", "tbody tr")
        assert [row.find_element("tag name", "th").text for row in rows] == ["field", "wood", "water"]
        assert "|".join(row.find_elements("tag name", "td")[-1].text for row in rows) == shares
        swatches = [
            each.value_of_css_property("background-color") for each in card.find_elements("class name", "swatch")
        ]
        assert swatches == [f"rgba({', '.join(map(str, each))}, 1)" for each in (RED, GREEN, BLUE)]
    assert opened.find_element("id", "agreement").text == "the same class on 0.0 % of the pixels"
    assert [strongest(opened, x) for x in (0.1, 0.4, 0.6, 0.9)] == ["r", "r", "b", "b"]


def test_the_divider_by_keyboard_and_mouse(opened, folder: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    choose(opened, folder / "grey.png")
    divider = opened.find_element("id", "divider")
    assert divider.accessible_name == "Divider: left float32, right int8"
    for _ in range(20):
        ActionChains(opened).send_keys(Keys.TAB).perform()
        if opened.switch_to.active_element == divider:
            break
    assert opened.switch_to.active_element == divider
    assert opened.execute_script("return getComputedStyle(arguments[0]).outlineStyle", divider) != "none"
    ActionChains(opened).send_keys(Keys.HOME).perform()
    assert [strongest(opened, x) for x in (0.2, 0.9)] == ["b", "b"]
    ActionChains(opened).send_keys(Keys.END).perform()
    assert [strongest(opened, x) for x in (0.1, 0.8)] == ["r", "r"]
    ActionChains(opened).send_keys(Keys.ARROW_LEFT).perform()
    assert divider.get_attribute("aria-valuetext") == "99 % float32, 1 % int8"
    width = divider.size["width"]
    ActionChains(opened).move_to_element_with_offset(divider, round(-0.3 * width), 30).click().perform()
    assert [strongest(opened, x) for x in (0.1, 0.3, 0.8)] == ["r", "b", "b"]


def test_the_strength_of_the_map(opened, folder: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    choose(opened, folder / "grey.png")
    strength = opened.find_element("id", "strength")
    strength.send_keys(Keys.END)
    assert colour(opened, 0.2, 0.7) == RED
    strength.send_keys(Keys.HOME)
    assert len(set(colour(opened, 0.2, 0.7))) == 1


def test_an_image_is_dropped(opened, folder: Path) -> None:
    script = """
    const [name, done] = arguments;
    const canvas = document.createElement("canvas");
    canvas.width = 40; canvas.height = 30;
    canvas.toBlob((blob) => {
      const moved = new DataTransfer();
      moved.items.add(new File([blob], name, { type: "image/png" }));
      for (const kind of ["dragover", "drop"])
        document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: moved, bubbles: true, cancelable: true }));
      done(document.body.classList.contains("over"));
    });
    """
    # A canvas has transparency, a fourth band, which is dropped where models take three.
    assert opened.execute_async_script(script, "näh <b>.png") is False
    wait(opened, "return latest !== null")
    assert opened.find_element("id", "status").text == "näh <b>.png: 40 × 30 pixels"


def test_complaints_are_shown_and_go_away(opened, folder: Path) -> None:
    choose(opened, folder / "notes.txt")
    error = opened.find_element("id", "error")
    assert error.is_displayed()
    assert error.aria_role == "alert"
    assert error.text.startswith("notes.txt: not an image by its name")
    choose(opened, folder / "large.png")
    assert error.text == "large.png: 32 MiB are more than this page takes, which is 32 MiB"
    choose(opened, folder / "grey.png")
    wait(opened, "return latest !== null")
    assert not error.is_displayed()


def test_whole_images(opened, folder: Path) -> None:
    choose(opened, folder / "grey.png")
    assert "this image, 12 tiles" in opened.find_element("css selector", ".card").text
    opened.find_element("css selector", "input[value=whole]").click()
    wait(opened, "return latest.results[0].tiles === 1")
    wait(opened, "return !document.querySelector('.card').textContent.includes('tiles')")


def test_classifiers_show_five_classes_as_text(driver, folder: Path) -> None:
    with served("red.tflite", "kinds.tflite", cwd=folder) as page:
        complaints(driver)
        open_page(driver, page)
        choose(driver, folder / "grey.png")
        rows = driver.find_elements("css selector", ".card")[1].find_elements("css selector", "tbody tr")
        assert len(rows) == 5
        shares = [float(row.find_elements("tag name", "td")[-1].text.strip("< %")) for row in rows]
        assert shares == sorted(shares, reverse=True)
        assert driver.execute_script("return document.querySelectorAll('.card img').length") == 0
        assert not driver.find_element("id", "divider").is_displayed()
        assert driver.find_element("id", "first-label").text == "float32"
        assert not driver.find_element("id", "second-label").is_displayed()
        assert strongest(driver, 0.9) == "r"
        assert complaints(driver) == []


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_sticks_out(page: Page, folder: Path, tmp_path: Path, dark: bool) -> None:
    with chromium(tmp_path, dark=dark) as driver:
        size = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        open_page(driver, page)
        choose(driver, folder / "grey.png")
        assert driver.execute_script("return document.documentElement.scrollWidth") == 360
        paper = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        light = sum(int(part) for part in paper.strip("rgb()").split(","))
        assert (light < 150) is dark
