"""Wrong input of `segsweep predict`: one line, and nothing is left behind."""

import zipfile
from dataclasses import replace
from pathlib import Path

import handmade_models as handmade
import hostile_models as hostile
import numpy as np
import pytest
from PIL import Image
from predicting import complaint, picture, predict

from segsweep.tflite.metadata import embed


def bomb() -> None:
    """A PNG of a few hundred kilobytes that would take 10 GB."""
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 10_000_000)) + chunk(b"IEND", b"")
    Path("bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def archive_bomb() -> None:
    """An archive that says to hold 100 TB."""
    with zipfile.ZipFile("bomb.npz", "w") as archive, archive.open("X.npy", "w") as member:
        np.lib.format.write_array_header_1_0(
            member, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 5000, 5000, 1)}
        )


def truncated_picture() -> None:
    Image.fromarray(picture(300, 300)).save("whole.png")
    Path("cut.png").write_bytes(Path("whole.png").read_bytes()[:-40_000])


def truncated_archive() -> None:
    np.savez_compressed("whole.npz", X=handmade.noise(99, 99)[None])
    content = bytearray(Path("whole.npz").read_bytes())
    content[2000:3000] = bytes(1000)
    Path("cut.npz").write_bytes(content)


def other_classes() -> None:
    said = replace(handmade.metadata(3, 3, dtype="uint8"), classes=("a", "b", "c"))
    Path("other.tflite").write_bytes(embed(handmade.convolution(*handmade.weights(3, 3)), said))


def same_name() -> None:
    Path("a").mkdir()
    Image.fromarray(picture()).save("a/photo.jpg")


def damaged_metadata() -> None:
    said = handmade.metadata(3, 3, mean=(1.0, 2.0))
    Path("odd.tflite").write_bytes(embed(handmade.convolution(*handmade.weights(3, 3)), said))


WRONG = {
    "no model": (["photo.png"], None, "no model among the words"),
    "no image": (["rgb.tflite"], None, "no image among the words"),
    "missing model": (["no.tflite", "photo.png"], None, "no.tflite: no such file"),
    "missing image": (["rgb.tflite", "no.png"], None, "no.png: no such file"),
    "pattern without a match": (["rgb.tflite", "no*.png"], None, "no*.png: no image has such a name"),
    "empty folder": (["rgb.tflite", "empty"], lambda: Path("empty").mkdir(), "empty: no image in this folder"),
    "kind of file": (["rgb.tflite", "x.doc"], lambda: Path("x.doc").touch(), "x.doc: not an image by its name"),
    "number of bands": (
        ["four.tflite", "photo.png"],
        None,
        "has 3 bands, and four.tflite takes 4 (B02, B03, B04, B05)",
    ),
    "channels": (
        ["four.tflite", "photo.png", "--channels", "0,1,2,3"],
        None,
        "has 3 bands, counted from 0, and --channels names number 3",
    ),
    "number of channels": (["four.tflite", "photo.png", "--channels", "0,1"], None, "--channels names 2 bands"),
    "bit depth": (
        ["rgb.tflite", "deep.npy"],
        lambda: np.save("deep.npy", picture().astype(np.uint16)),
        "pixels are uint16, and rgb.tflite was trained on uint8",
    ),
    "truncated picture": (["rgb.tflite", "cut.png"], truncated_picture, "cut.png: cannot be read"),
    "second is truncated": (["rgb.tflite", "photo.png", "cut.png"], truncated_picture, "cut.png: cannot be read"),
    "truncated archive": (["four.tflite", "cut.npz"], truncated_archive, "cut.npz: cannot be read"),
    "truncated array": (
        ["rgb.tflite", "cut.npy"],
        lambda: (np.save("x.npy", picture()), Path("cut.npy").write_bytes(Path("x.npy").read_bytes()[:900])),
        "cut.npy: 900 bytes where an array (50, 70, 3) of uint8 has 10500",
    ),
    "picture bomb": (["rgb.tflite", "bomb.png"], bomb, "may be an attack on memory"),
    "archive bomb": (["rgb.tflite", "bomb.npz"], archive_bomb, "bomb.npz: 128 bytes where an array"),
    "objects": (
        ["rgb.tflite", "objects.npy"],
        lambda: np.save("objects.npy", np.array([{}]), allow_pickle=True),
        "objects.npy: an array (1,) of object",
    ),
    "text for a picture": (
        ["rgb.tflite", "text.png"],
        lambda: Path("text.png").write_text("x"),
        "text.png: is no image",
    ),
    "no tflite": (["text.tflite", "photo.png"], lambda: Path("text.tflite").write_text("x" * 99), "not a .tflite file"),
    "broken tflite": (
        ["cut.tflite", "photo.png"],
        lambda: Path("cut.tflite").write_bytes(handmade.pixelwise(3)[:600]),
        "cut.tflite: ",
    ),
    "enormous tflite": (
        ["huge.tflite", "photo.png"],
        lambda: Path("huge.tflite").write_bytes(hostile.enormous()),
        "huge.tflite",
    ),
    "endless tflite": (
        ["endless.tflite", "photo.png", "--timeout", "2", "--mean", "0", "--std", "1"],
        lambda: Path("endless.tflite").write_bytes(hostile.endless()),
        "endless.tflite: gave no answer within 2 s",
    ),
    "metadata of another file": (["odd.tflite", "photo.png"], damaged_metadata, "its metadata give 2 means"),
    "models of other classes": (
        ["rgb.tflite", "other.tflite", "photo.png"],
        other_classes,
        "rgb.tflite and other.tflite are of different classes",
    ),
    "models of other sizes": (
        ["rgb.tflite", "small.tflite", "photo.png"],
        lambda: Path("small.tflite").write_bytes(
            embed(handmade.convolution(*handmade.weights(3, 3), (16, 16)), handmade.metadata(3, 3, dtype="uint8"))
        ),
        "an ensemble needs one size",
    ),
    "one name twice": (["rgb.tflite", "photo.png", "a/photo.jpg"], same_name, "both would be written as photo_"),
    "weights": (["rgb.tflite", "photo.png", "--weights", "1,2"], None, "--weights has 2 numbers"),
    "overlap": (["rgb.tflite", "photo.png", "--overlap", "1"], None, "--overlap 1"),
    "kind of map": (["rgb.tflite", "photo.png", "--write", "ids,maps"], None, "--write ids,maps"),
    "word for a number": (["rgb.tflite", "photo.png", "--mean", "a"], None, "--mean"),
    "deviation of nothing": (["rgb.tflite", "photo.png", "--std", "0"], None, "--std: 0.0 cannot normalize"),
    "names of classes": (["rgb.tflite", "photo.png", "--classes", "a,b"], None, "--classes names 2"),
    "unknown option": (["rgb.tflite", "photo.png", "--what"], None, "--what"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_refused_in_one_line(folder, capfd, case):
    words, prepare, message = WRONG[case]
    if prepare is not None:
        prepare()
    assert message in complaint(capfd, *words, "--output", "out/deep")


@pytest.mark.parametrize("seed", range(0, 16, 2))
def test_no_damage_to_a_model_is_more_than_a_line(folder, capfd, seed):
    content = bytearray(handmade.pixelwise(3, dtype="uint8"))
    rng = np.random.default_rng(seed)
    for place in rng.integers(8, len(content), 1 + seed % 5):
        content[place] = rng.integers(256)
    Path("damaged.tflite").write_bytes(content)
    status = predict("damaged.tflite", "photo.png", "--output", "out", "--timeout", "20")
    lines = capfd.readouterr().err.splitlines()
    assert (status, len(lines)) in [(0, 0), (2, 1)]
    assert Path("out").exists() == (status == 0)


@pytest.mark.parametrize("output", ["/proc/nowhere/out", "photo.png", "photo.png/out"])
def test_an_output_that_cannot_be_written_to(folder, capfd, output):
    assert f"--output {output}: cannot be written to" in complaint(capfd, "rgb.tflite", "photo.png", "--output", output)
