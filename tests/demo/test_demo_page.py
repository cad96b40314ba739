"""`segsweep demo-page`: what it answers, that it writes nothing, and how it ends."""

import io
import json
import os
import signal
from pathlib import Path

import handmade_models as handmade
import numpy as np
import psutil
import pytest
from PIL import Image
from served_page import Page, classifier, classifier_shares, npy, photo, pixels, png, served

from segsweep.demo.answers import Answers
from segsweep.predict.request import Request


def expected_ids(image: np.ndarray, seed: int = 0) -> np.ndarray:
    return handmade.pixelwise_shares(image, image.shape[2], seed=seed).argmax(axis=-1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "one.tflite").write_bytes(handmade.pixelwise(3, dtype="uint8"))
    (folder / "other.tflite").write_bytes(handmade.pixelwise(3, seed=1, dtype="uint8", quantization="int8"))
    (folder / "kinds.tflite").write_bytes(classifier())
    return folder


@pytest.fixture(scope="module")
def page(folder: Path):
    """Two models of the same classes."""
    with served("one.tflite", "other.tflite", cwd=folder) as page:
        yield page


def test_facts_of_the_models(page: Page, folder: Path) -> None:
    status, _, body = page.ask("GET", "/models.json")
    assert status == 200
    first, second = json.loads(body)["models"]
    assert (first["label"], second["label"]) == ("float32", "int8")
    assert first["bytes"] == (folder / "one.tflite").stat().st_size
    assert first["classes"] == ["field", "wood", "water"]
    assert first["colours"] == ["#ff0000", "#008000", "#0000ff"]
    assert first["input"] == [handmade.TILE, handmade.TILE, 3]
    assert 0 < first["milliseconds"] < 1000


def test_an_image_is_mapped_by_both(page: Page) -> None:
    image = photo()
    status, found = page.look_at("photo.png", png(image))
    assert status == 200, found
    assert (found["width"], found["height"], found["name"]) == (70, 50, "photo.png")
    maps = [expected_ids(image, seed) for seed in (0, 1)]
    colours = np.array(handmade.metadata(3, 3).palette)
    for ids, result in zip(maps, found["results"], strict=True):
        np.testing.assert_array_equal(pixels(result["mask"], "RGB"), colours[ids])
        np.testing.assert_allclose(result["shares"], [(ids == number).mean() for number in range(3)])
        assert result["tiles"] == 6
        assert result["milliseconds"] > 0
    assert found["agreement"] == pytest.approx((maps[0] == maps[1]).mean())
    # The models say that their third band is red.
    np.testing.assert_array_equal(pixels(found["image"], "RGB"), image[..., ::-1])


def test_an_image_may_be_fed_whole(page: Page) -> None:
    image = photo(48, 80)
    status, found = page.look_at("photo.png", png(image), how="whole")
    assert status == 200
    assert [result["tiles"] for result in found["results"]] == [1, 1]
    small = np.asarray(Image.fromarray(image).resize((handmade.TILE, handmade.TILE), Image.Resampling.BILINEAR))
    planes = np.moveaxis(handmade.pixelwise_shares(small, 3).astype(np.float32), -1, 0)
    large = [np.asarray(Image.fromarray(plane).resize((80, 48), Image.Resampling.BILINEAR)) for plane in planes]
    expected = np.array(handmade.metadata(3, 3).palette)[np.argmax(large, axis=0)]
    same = (pixels(found["results"][0]["mask"], "RGB") == expected).all(axis=-1)
    assert same.mean() > 0.999


def test_a_large_image_is_shown_smaller(page: Page) -> None:
    status, found = page.look_at("long.png", png(np.full((40, 4096, 3), 110, np.uint8)))
    assert status == 200
    assert (found["width"], found["height"]) == (4096, 40)
    assert pixels(found["results"][0]["mask"], "P").shape == (20, 2048)
    assert pixels(found["image"], "RGB").shape == (20, 2048, 3)


def test_where_data_are_missing_the_map_is_transparent(tmp_path: Path) -> None:
    (tmp_path / "float.tflite").write_bytes(handmade.pixelwise(3, dtype="float32"))
    image = photo().astype(np.float32)
    image[:20, :30] = np.nan
    request = Request(models=(str(tmp_path / "float.tflite"),), inputs=(), output="", staging="")
    found = Answers(request).of_image("photo.npy", npy(image), whole=False)
    opacity = pixels(found["results"][0]["mask"], "RGBA")[..., 3]
    np.testing.assert_array_equal(opacity, np.where(np.isnan(image[..., 0]), 0, 255))
    ids = expected_ids(photo())[opacity > 0]
    np.testing.assert_allclose(found["results"][0]["shares"], [(ids == number).mean() for number in range(3)])


def test_photographs_stand_upright(page: Page) -> None:
    image = photo(40, 64)
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(image).save(file, format="PNG", exif=exif)
    _, found = page.look_at("photo.png", file.getvalue())
    np.testing.assert_array_equal(pixels(found["image"], "RGB"), np.rot90(image[..., ::-1], -1))


def test_arrays_and_rasters_are_taken(page: Page) -> None:
    image = photo()
    expected = pixels(page.look_at("photo.png", png(image))[1]["results"][0]["mask"], "RGB")
    packed = io.BytesIO()
    np.savez_compressed(packed, X=np.stack([image, image[::-1]]), Y=np.zeros(2))
    files = {"a.npy": npy(image), "b.npy": npy(np.asfortranarray(image)), "c.npz": packed.getvalue()}
    rasterio = pytest.importorskip("rasterio")
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", height=50, width=70, count=3, dtype="uint8") as raster:
            raster.write(np.moveaxis(image, -1, 0))
        files["d.tif"] = memory.read()
    for name, content in files.items():
        status, found = page.look_at(name, content)
        assert status == 200, (name, found)
        np.testing.assert_array_equal(pixels(found["results"][0]["mask"], "RGB"), expected, name)


def test_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    kept, temporary = tmp_path / "kept", tmp_path / "temporary"
    kept.mkdir()
    temporary.mkdir()
    (kept / "one.tflite").write_bytes((folder / "one.tflite").read_bytes())
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(temporary)
    try:
        with served("one.tflite", cwd=kept) as page:
            assert page.look_at("photo.png", png(photo(100, 3000)))[0] == 200
            assert page.look_at("photo.npy", npy(photo()))[0] == 200
            assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["one.tflite"]
    finally:
        os.environ.pop("TMPDIR") if before is None else os.environ.update(TMPDIR=before)


def test_classifiers_say_the_five_likeliest(folder: Path) -> None:
    image = photo(handmade.TILE, handmade.TILE, seed=4)
    shares = classifier_shares(image)
    with served("kinds.tflite", "one.tflite", cwd=folder) as page:
        status, found = page.look_at("photo.png", png(image))
        assert status == 200, found
        kinds, mapped = found["results"]
        order = np.argsort(-shares)[:5]
        assert [number for number, _ in kinds["likeliest"]] == order.tolist()
        np.testing.assert_allclose([share for _, share in kinds["likeliest"]], shares[order], atol=1e-4)
        assert "mask" not in kinds
        assert "mask" in mapped
        assert found["agreement"] is None
        # Of any size.
        assert page.look_at("photo.png", png(photo(300, 200)))[0] == 200


def test_a_crash_is_one_line_and_the_next_image_is_mapped(folder: Path) -> None:
    with served("one.tflite", cwd=folder) as page:
        (worker,) = psutil.Process(page.process.pid).children()
        worker.kill()
        status, answer = page.look_at("photo.png", png(photo()))
        assert status == 400
        assert "predicting with it crashed: the process was killed" in answer["error"]
        assert page.look_at("photo.png", png(photo()))[0] == 200


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_quietly_and_leaves_nobody(folder: Path, number: int, status: int) -> None:
    with served("one.tflite", cwd=folder) as page:
        (worker,) = psutil.Process(page.process.pid).children()
        page.process.send_signal(number)
        out, err = page.process.communicate(timeout=60)
        assert page.process.returncode == status
        assert (out, len(err.splitlines())) == ("", 1)
        assert "Traceback" not in err
        psutil.wait_procs([worker], timeout=10)
        assert not worker.is_running()
