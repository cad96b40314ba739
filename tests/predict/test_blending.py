"""Scenes predicted tile by tile, against what each pixel should be."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import handmade_models as handmade
import numpy as np
import pytest

from segsweep.predict import blending
from segsweep.predict.blending import SceneBlender
from segsweep.predict.ensemble import Ensemble, TilePredictor, largest
from segsweep.predict.member import load_member
from segsweep.predict.orientations import AS_IT_IS, Orientation, orientations
from segsweep.predict.picture_scene import ArrayReader
from segsweep.predict.request import Request
from segsweep.predict.scene import Scene
from segsweep.predict.scene_parts import Feed
from segsweep.quantization.post_training import calibrate, quantize
from segsweep.quantization.variants import VARIANTS
from segsweep.tflite.interpreter import TFLiteModel
from segsweep.tflite.metadata import embed, read

ANYTHING = Request((), (), "", "")


def ensemble_of(folder: Path, *files: bytes, weights: list[float] | None = None, **settings) -> Ensemble:
    members = []
    for number, file in enumerate(files):
        (folder / f"{number}.tflite").write_bytes(file)
        members.append(load_member(folder / f"{number}.tflite", ANYTHING))
    shares = np.array(weights or [1] * len(files), np.float32)
    return Ensemble(tuple(members), shares / shares.sum(), settings.pop("votes", False), **settings)


def quantized(plain: bytes, variant: str, image: np.ndarray) -> bytes:
    """A variant of a model made by hand, calibrated on a part of a scene (H, W, C)."""
    said = read(plain)
    side = handmade.TILE
    parts = np.stack([image[:side, :side], image[-side:, -side:], image[:side, -side:], image[-side:, :side]])
    normalized = (parts - np.array(said.mean, np.float32)) / np.array(said.std, np.float32)
    return embed(quantize(plain, VARIANTS[variant], calibrate(plain, normalized.astype(np.float32))), said)


def predicted(
    image: np.ndarray, ensemble: Ensemble, folder: Path, *, overlap: float = 0.25, threads: int = 2, nodata=None
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (K, H, W) and what is missing (H, W), put together from all blocks."""
    height, width, bands = image.shape
    reader = ArrayReader(image, nodata)
    scene = Scene(Path("scene"), "scene", height, width, bands, image.dtype.name, lambda: nullcontext(reader))
    channels = tuple(range(bands))
    feed = Feed(channels, (channels,) * len(ensemble.members), 1.0, (None,) * len(ensemble.members))
    blender = SceneBlender(scene, reader, ensemble, feed, overlap, TilePredictor(ensemble), folder)
    shares = np.full((ensemble.classes, height, width), np.nan, np.float32)
    missing = np.zeros((height, width), bool)
    covered = np.zeros((height, width), int)
    tiles: list[int] = []
    with ThreadPoolExecutor(threads) as pool:
        for block in blender.blocks(pool, threads, tiles.append):
            place = slice(block.window.top, block.window.bottom), slice(block.window.left, block.window.right)
            covered[place] += 1
            shares[:, *place] = block.probabilities
            np.testing.assert_array_equal(block.pixels, np.moveaxis(image[place], -1, 0))
            if block.missing is not None:
                missing[place] = block.missing
    assert (covered == 1).all()
    assert sum(tiles) == blender.tiles
    return shares, missing


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (32, 32), (33, 31), (70, 101), (130, 64)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.7])
def test_each_pixel_is_what_it_should_be(tmp_path: Path, size: tuple[int, int], overlap: float) -> None:
    image = handmade.noise(*size)
    shares, _ = predicted(image, ensemble_of(tmp_path, handmade.pixelwise()), tmp_path, overlap=overlap)
    np.testing.assert_allclose(shares, np.moveaxis(handmade.pixelwise_shares(image), -1, 0), atol=2e-5)


@pytest.mark.parametrize("strip", [1, 40, 100])
@pytest.mark.parametrize("overlap", [0.25, 0.7])
def test_strips_and_threads_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strip: int, overlap: float
) -> None:
    ensemble = ensemble_of(tmp_path, handmade.wide())
    image = handmade.noise(90, 170, 1)
    as_one, _ = predicted(image, ensemble, tmp_path, overlap=overlap, threads=1)
    monkeypatch.setattr(blending, "_STRIP", strip)
    monkeypatch.setattr(blending, "_TASK", 32 * 32 * (1 + strip % 3))
    in_strips, _ = predicted(image, ensemble, tmp_path, overlap=overlap, threads=3)
    np.testing.assert_allclose(in_strips, as_one, atol=1e-6)


@pytest.mark.parametrize("variant", ["float32", "int8", "int16x8"])
def test_one_tile_is_what_the_evaluator_sees(tmp_path: Path, variant: str) -> None:
    plain = handmade.pixelwise()
    said = read(plain)
    image = handmade.noise(32, 32)
    normalized = ((image - np.array(said.mean, np.float32)) * (1 / np.array(said.std, np.float32)))[None]
    file = plain
    if variant != "float32":
        file = quantize(plain, VARIANTS[variant], calibrate(plain, normalized.astype(np.float32)))
    shares, _ = predicted(image, ensemble_of(tmp_path, embed(file, said)), tmp_path)
    logits = TFLiteModel(file).logits(normalized.astype(np.float32))[0]
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(np.moveaxis(shares, 0, -1), expected, atol=1e-5)
    np.testing.assert_array_equal(largest(shares), TFLiteModel(file).predict(normalized.astype(np.float32))[0])


def test_models_that_give_probabilities_need_no_softmax(tmp_path: Path) -> None:
    image = handmade.noise(40, 50)
    file = embed(handmade.convolution(*handmade.weights(4, 3), softmax=True), handmade.metadata(4, 3))
    shares, _ = predicted(image, ensemble_of(tmp_path, file), tmp_path)
    np.testing.assert_allclose(shares, np.moveaxis(handmade.pixelwise_shares(image), -1, 0), atol=2e-5)


def test_a_mean_of_models_is_weighted(tmp_path: Path) -> None:
    image = handmade.noise(50, 60)
    files = [handmade.pixelwise(seed=seed) for seed in range(3)]
    shares, _ = predicted(image, ensemble_of(tmp_path, *files, weights=[2, 1, 1]), tmp_path)
    own = [handmade.pixelwise_shares(image, seed=seed) for seed in range(3)]
    np.testing.assert_allclose(shares, np.moveaxis((2 * own[0] + own[1] + own[2]) / 4, -1, 0), atol=2e-5)


@pytest.mark.parametrize("votes", [False, True])
@pytest.mark.parametrize("softmax", [False, True])
def test_two_classes_are_as_any_number_of_them(tmp_path: Path, votes: bool, softmax: bool) -> None:
    image = handmade.noise(50, 60)
    images = [handmade.convolution(*handmade.weights(4, 2, seed=seed), softmax=softmax) for seed in range(3)]
    files = [embed(content, handmade.metadata(4, 2)) for content in images]
    ensemble = ensemble_of(tmp_path, *files, weights=[2, 1, 1], votes=votes)
    shares, _ = predicted(image, ensemble, tmp_path)
    own = np.stack([handmade.pixelwise_shares(image, classes=2, seed=seed) for seed in range(3)])
    if votes:
        own = np.eye(2)[own.argmax(axis=-1)]
    expected = np.moveaxis((2 * own[0] + own[1] + own[2]) / 4, -1, 0)
    # Where both classes are all but equal, another last bit may decide a vote.
    assert np.isclose(shares, expected, atol=2e-5).mean() > (0.999 if votes else 1 - 1e-9)


def test_two_classes_of_which_one_is_certain(tmp_path: Path) -> None:
    kernel, bias = np.zeros((2, 1, 1, 4)), np.array([0.0, 0.0])
    kernel[1] = 1e4
    file = embed(handmade.convolution(kernel, bias), handmade.metadata(4, 2))
    image = np.full((32, 64, 4), 60_000, np.uint16)
    image[:, 32:] = 0
    shares, _ = predicted(image, ensemble_of(tmp_path, file), tmp_path, overlap=0)
    assert (shares[1, :, :32] == 1).all()
    assert (shares[0, :, 32:] == 1).all()


def test_quantized_models_are_members_too(tmp_path: Path) -> None:
    image = handmade.noise(50, 60)
    files = [handmade.pixelwise(seed=0), quantized(handmade.pixelwise(seed=1), "int8", image)]
    shares, _ = predicted(image, ensemble_of(tmp_path, *files), tmp_path)
    own = [handmade.pixelwise_shares(image, seed=seed) for seed in range(2)]
    expected = np.moveaxis((own[0] + own[1]) / 2, -1, 0)
    assert np.abs(shares - expected).max() < 0.05
    assert np.abs(shares - expected).mean() < 0.005


def test_models_vote(tmp_path: Path) -> None:
    image = handmade.noise(50, 60)
    files = [handmade.pixelwise(seed=seed) for seed in range(3)]
    ensemble = ensemble_of(tmp_path, *files, weights=[3, 1, 1], votes=True)
    shares, _ = predicted(image, ensemble, tmp_path)
    votes = np.stack([handmade.pixelwise_shares(image, seed=seed).argmax(axis=-1) for seed in range(3)])
    expected = [sum(w * (votes[i] == k) for i, w in enumerate([0.6, 0.2, 0.2])) for k in range(3)]
    # Where two classes are all but equal, another last bit may decide.
    assert np.isclose(shares, np.stack(expected), atol=1e-6).mean() > 0.999


def test_augmentation_is_the_mean_of_all_orientations(tmp_path: Path) -> None:
    image = handmade.noise(32, 32, 1)
    file = handmade.wide(side=5)
    shares, _ = predicted(image, ensemble_of(tmp_path, file, orientations=orientations(True)), tmp_path)
    parts = []
    for mirrored in (False, True):
        for turns in range(4):
            turned = np.rot90(image[:, ::-1] if mirrored else image, turns).copy()
            part, _ = predicted(turned, ensemble_of(tmp_path, file), tmp_path)
            back = np.rot90(part, -turns, axes=(1, 2))
            parts.append(back[:, :, ::-1] if mirrored else back)
    np.testing.assert_allclose(shares, np.mean(parts, axis=0), atol=1e-5)
    assert np.abs(parts[0] - parts[1]).max() > 0.1
    assert Orientation(False, 0) == AS_IT_IS


def test_what_is_missing_does_not_spread(tmp_path: Path) -> None:
    image = handmade.noise(100, 120)
    image[20:60, :70] = 0
    shares, missing = predicted(image, ensemble_of(tmp_path, handmade.pixelwise()), tmp_path, nodata=0)
    np.testing.assert_array_equal(missing, (image == 0).all(axis=-1))
    expected = np.moveaxis(handmade.pixelwise_shares(image), -1, 0)
    np.testing.assert_allclose(shares[:, ~missing], expected[:, ~missing], atol=2e-5)


def seam_error(image: np.ndarray, ensemble: Ensemble, folder: Path, overlap: float) -> float:
    """Share of the pixels beside the borders of plain tiles to which tiles moved by some pixels give another class."""
    moved_by = 8  # not the distance of two tiles, whatever the overlap
    here = largest(predicted(image, ensemble, folder, overlap=overlap)[0])
    moved = largest(predicted(image[moved_by:, moved_by:], ensemble, folder, overlap=overlap)[0])
    within = np.arange(len(image)) % handmade.TILE
    beside = (within < 4) | (within >= handmade.TILE - 4)
    near = beside[:, None] | beside[None, :]
    return float((here[moved_by:, moved_by:] != moved)[near[moved_by:, moved_by:]].mean())


def test_blending_makes_seams_smaller(tmp_path: Path) -> None:
    ensemble = ensemble_of(tmp_path, handmade.wide())
    image = handmade.noise(192, 192, 1, seed=3)
    plain, blended, much = (seam_error(image, ensemble, tmp_path, overlap) for overlap in (0.0, 0.25, 0.5))
    assert plain > 0.02
    assert blended < 0.7 * plain
    assert much < 0.5 * plain
    print(f"seam error: plain {plain:.4f}, a quarter {blended:.4f}, half {much:.4f}")
