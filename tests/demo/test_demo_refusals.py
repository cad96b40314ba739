"""`segsweep demo-page`: whom and what it refuses, and that nothing outlives it."""

import json
import os
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
from served_page import OCTETS, Page, npy, photo, png, served

from segsweep.cli import main
from segsweep.demo.limits import MOST_BYTES, MOST_WAITING
from segsweep.tflite.metadata import embed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "one.tflite").write_bytes(handmade.pixelwise(3, dtype="uint8"))
    return folder


@pytest.fixture(scope="module")
def page(folder: Path):
    with served("one.tflite", cwd=folder) as page:
        yield page


def test_what_is_no_image_is_refused_in_one_line(page: Page) -> None:
    whole = png(photo())
    cases = {
        "notes.txt": (b"hello", "not an image by its name"),
        "empty.png": (b"", "is empty"),
        "noise.png": (b"hello", "is no image that can be read"),
        "half.png": (whole[: len(whole) // 2], "truncated"),
        "bomb.png": (_bomb(), "are too many for this page"),
        "grey.png": (png(photo()[..., 0]), "has 1 band, and one.tflite takes 3"),
        "deep.npy": (npy(photo().astype(np.uint16)), "its pixels are uint16"),
        "short.npy": (npy(photo())[:200], "truncated"),
        "objects.npy": (npy(np.array([[[None]]]), pickled=True), "of object"),
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


def _bomb() -> bytes:
    """A PNG of a few bytes that says to have 5000 x 5000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 5000, 5000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


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
    assert "3 models for one page" in complaint(capfd, "one.tflite", "one.tflite", "one.tflite")
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
