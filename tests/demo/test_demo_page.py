"""`segsweep demo-page`: what it answers, whom it refuses, and how it ends."""

import base64
import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import handmade_models as handmade
import hostile_models as hostile
import numpy as np
import psutil
import pytest
from checkout import ROOT
from PIL import Image
from served_page import OCTETS, Page, classifier, classifier_shares, served

from segsweep.cli import main
from segsweep.demo.limits import MOST_BYTES, MOST_WAITING
from segsweep.tflite.metadata import embed


def photo(height: int = 50, width: int = 70, seed: int = 0) -> np.ndarray:
    return handmade.noise(height, width, 3, seed).astype(np.uint8)


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


def pixels(address: str, mode: str) -> np.ndarray:
    """Of a picture as the page gets it."""
    kind, _, text = address.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert(mode))


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


def test_photographs_stand_upright(page: Page) -> None:
    image = photo(40, 64)
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(image).save(file, format="PNG", exif=exif)
    _, found = page.look_at("photo.png", file.getvalue())
    np.testing.assert_array_equal(pixels(found["image"], "RGB"), np.rot90(image[..., ::-1], -1))


def test_what_is_no_image_is_refused_in_one_line(page: Page) -> None:
    whole = png(photo())
    cases = {
        "notes.txt": (b"hello", "not an image by its name"),
        "empty.png": (b"", "is empty"),
        "noise.png": (b"hello", "is no image that can be read"),
        "half.png": (whole[: len(whole) // 2], "truncated"),
        "bomb.png": (_bomb(), "are too many for this page"),
        "grey.png": (png(photo()[..., 0]), "has 1 band, and one.tflite takes 3"),
        "deep.npy": (_npy(photo().astype(np.uint16)), "its pixels are uint16"),
        "short.npy": (_npy(photo())[:200], "truncated"),
        "objects.npy": (_npy(np.array([[[None]]]), pickled=True), "of object"),
        "bad.npz": (b"PK\x03\x04nothing", "cannot be read as NumPy arrays"),
        "bad.tif": (b"II*\x00nothing", "bad.tif: cannot be read"),
    }
    for name, (content, complaint) in cases.items():
        status, answer = page.look_at(name, content)
        assert status == 400, (name, answer)
        assert complaint in answer["error"], name
        assert answer["error"].count("\n") == 0, name
        assert name.partition(".")[0] in answer["error"], name
    assert page.look_at("photo.png", whole)[0] == 200


def _npy(array: np.ndarray, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def _bomb() -> bytes:
    """A PNG of a few bytes that says to have 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 5000, 5000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def test_arrays_and_rasters_are_taken(page: Page) -> None:
    image = photo()
    expected = pixels(page.look_at("photo.png", png(image))[1]["results"][0]["mask"], "RGB")
    packed = io.BytesIO()
    np.savez_compressed(packed, X=np.stack([image, image[::-1]]), Y=np.zeros(2))
    files = {"a.npy": _npy(image), "b.npy": _npy(np.asfortranarray(image)), "c.npz": packed.getvalue()}
    rasterio = pytest.importorskip("rasterio")
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", height=50, width=70, count=3, dtype="uint8") as raster:
            raster.write(np.moveaxis(image, -1, 0))
        files["d.tif"] = memory.read()
    for name, content in files.items():
        status, found = page.look_at(name, content)
        assert status == 200, (name, found)
        np.testing.assert_array_equal(pixels(found["results"][0]["mask"], "RGB"), expected, name)


def test_uploads_are_bounded(page: Page) -> None:
    status, _, body = page.ask("POST", "/predict", bytes(MOST_BYTES + 1), Content_Type=OCTETS, X_Name="large.png")
    assert status == 413
    assert "this page takes 32 MiB" in json.loads(body)["error"]
    # One that says to have exabytes is answered as well, and one that says nothing.
    with socket.create_connection(("127.0.0.1", page.port), timeout=60) as connection:
        head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nContent-Type: {OCTETS}\r\n"
        connection.sendall(f"{head}Content-Length: {10**18}\r\n\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        assert b" 413 " in connection.recv(100)
    for length in ({}, {"Transfer_Encoding": "chunked"}):
        status, _, _ = page.ask("POST", "/predict", None, Content_Type=OCTETS, Content_Length="-1", **length)
        assert status == 411
    connections = [socket.create_connection(("127.0.0.1", page.port), timeout=60) for _ in range(MOST_WAITING)]
    try:
        for connection in connections:
            connection.sendall(f"{head}Content-Length: 9\r\n\r\n".encode())
        end = time.monotonic() + 30
        while (status := page.look_at("photo.png", png(photo()))[0]) != 503:
            assert time.monotonic() < end
    finally:
        for connection in connections:
            connection.close()
    end = time.monotonic() + 30
    while (status := page.look_at("photo.png", png(photo()))[0]) != 200:
        assert status == 503
        assert time.monotonic() < end


def test_only_its_own_page_may_ask(page: Page) -> None:
    for host in ("evil.example", f"evil.example:{page.port}", "127.0.0.1", f"127.0.0.1.evil.example:{page.port}", ""):
        status, _, body = page.ask("GET", "/models.json", Host=host)
        assert status == 403, host
        assert b"one.tflite" not in body
    assert page.ask("GET", "/", Host=f"localhost:{page.port}")[0] == 200
    image = png(photo())
    assert page.ask("POST", "/predict", image, Content_Type=OCTETS, Origin="http://evil.example")[0] == 403
    assert page.ask("POST", "/predict", image, Content_Type=OCTETS, Origin="null")[0] == 403
    # What a form of another page can send without asking.
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        assert page.ask("POST", "/predict", image, Content_Type=kind)[0] == 415
    assert page.ask("OPTIONS", "/predict")[0] == 501
    assert page.ask("GET", "/../server.py")[0] == 404
    assert page.ask("POST", "/elsewhere", image, Content_Type=OCTETS)[0] == 404


def test_it_listens_on_this_machine_only(page: Page) -> None:
    listening = [each for each in psutil.Process(page.process.pid).net_connections() if each.status == "LISTEN"]
    assert [each.laddr.ip for each in listening] == ["127.0.0.1"]


def test_every_answer_forbids_what_is_not_needed(page: Page) -> None:
    for path in ("/", "/page.js", "/page.css", "/models.json", "/nothing"):
        _, headers, _ = page.ask("GET", path)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


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
            assert page.look_at("photo.npy", _npy(photo()))[0] == 200
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


def complaint(capfd: pytest.CaptureFixture[str], *words: str | Path) -> str:
    assert main(["demo-page", *map(str, words)]) == 2
    out, err = capfd.readouterr()
    assert not out
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("segsweep: error: ")
    return lines[0]


def test_wrong_words(folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "text.tflite").write_bytes(b"no model")
    (folder / "foreign.tflite").write_bytes(handmade.convolution(*handmade.weights(3, 3)))
    assert "3 models for one page" in complaint(capfd, "one.tflite", "one.tflite", "other.tflite")
    assert "no such file" in complaint(capfd, "absent.tflite", "--port", "0")
    assert "text.tflite" in complaint(capfd, "text.tflite", "--port", "0")
    assert "give --mean and --std" in complaint(capfd, "foreign.tflite", "--port", "0")
    assert "--port 70000" in complaint(capfd, "one.tflite", "--port", "70000")
    assert "--timeout 0" in complaint(capfd, "one.tflite", "--timeout", "0")
    assert "MODEL" in complaint(capfd)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"--port {port}: cannot be listened to" in complaint(capfd, "one.tflite", "--port", str(port))


@pytest.fixture
def endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("endless.tflite").write_bytes(embed(hostile.endless(), handmade.metadata(1, 2)))
    return "endless.tflite"


def test_a_model_that_never_ends_is_given_up(endless: str, capfd: pytest.CaptureFixture[str]) -> None:
    before = psutil.Process().children()
    assert "gave no answer within 5 s" in complaint(capfd, endless, "--port", "0", "--timeout", "5")
    assert psutil.Process().children() == before


def test_a_model_that_never_ends_does_not_outlive_the_page(endless: str) -> None:
    command = [sys.executable, "-m", "segsweep.cli", "demo-page", endless, "--port", "0"]
    server = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    end = time.monotonic() + 60
    worker: list[psutil.Process] = []
    # It computes, and no longer loads.
    while not worker or sum(worker[0].cpu_times()[:2]) < 2:
        worker = psutil.Process(server.pid).children()
        assert time.monotonic() < end
        time.sleep(0.2)
    server.kill()
    server.wait()
    psutil.wait_procs(worker, timeout=20)
    assert not worker[0].is_running()
