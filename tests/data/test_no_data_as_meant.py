"""What is no data in files that are stored otherwise than they are meant, and where pixels count once."""

import numpy as np
import pytest
from test_raster_no_data import load, numbers, oracle, write

from segsweep.config.data_schema import NpzConfig, PatchConfig
from segsweep.data import npz
from segsweep.data.dataset import IGNORE, sources_of, survey_of
from segsweep.data.fitting import Patches
from segsweep.data.image_files import kind_of, read_image
from segsweep.data.independent_groups import independent_groups
from segsweep.data.no_data import NoDataRule
from segsweep.data.orientation import stored, turned

rasterio = pytest.importorskip("rasterio")

NODATA = 7
ORIENTATIONS = (1, 2, 3, 4, 5, 6, 7, 8)


def as_stored(path, pixels, orientation, **settings):
    """Pixels (H, W, C) or (H, W) as a TIFF with an orientation tag, which GDAL does not write."""
    write(path, np.ascontiguousarray(stored(pixels, orientation)), **settings)
    content = bytearray(path.read_bytes())
    start = int.from_bytes(content[4:8], "little")
    entries = int.from_bytes(content[start : start + 2], "little")
    directory = bytes(content[start : start + 2 + 12 * entries])
    tag = (274).to_bytes(2, "little") + (3).to_bytes(2, "little") + (1).to_bytes(4, "little")
    tags = [directory[2 + 12 * each : 14 + 12 * each] for each in range(entries)]
    tags = sorted([*tags, tag + orientation.to_bytes(4, "little")], key=lambda each: int.from_bytes(each[:2], "little"))
    content[4:8] = len(content).to_bytes(4, "little")
    following = bytes(content[start + 2 + 12 * entries : start + 6 + 12 * entries])
    path.write_bytes(bytes(content) + len(tags).to_bytes(2, "little") + b"".join(tags) + following)


@pytest.mark.parametrize("how", ["value", "rule", "mask"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_holes_are_turned_with_the_image(tmp_path, orientation, how):
    pixels = numbers(0, 3, np.uint16, low=10)
    hole = np.zeros((20, 24), bool)
    hole[2:6, 3:14] = True
    if how != "mask":
        pixels[hole] = NODATA
    path = tmp_path / "a.tif"
    mask = np.ascontiguousarray(stored(~hole, orientation)) if how == "mask" else None
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
        as_stored(path, pixels, orientation, nodata=NODATA if how == "value" else None, mask=mask)
    read = read_image(path, kind_of(path), rule=NoDataRule(NODATA if how == "rule" else None))
    np.testing.assert_array_equal(np.isnan(read), np.broadcast_to(hole[..., None], read.shape))
    np.testing.assert_array_equal(read[~hole], pixels[~hole])
    if how != "rule":
        np.testing.assert_array_equal(np.isnan(read), turned(oracle(path), orientation))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_nodata_of_label_rasters_is_turned_too(tmp_path, orientation):
    labels = numbers(0, 1, np.uint8, 0, 2)[..., 0]
    labels[3:6, 4:15] = 200
    write(tmp_path / "images/0.tif", numbers(0, 3))
    as_stored(tmp_path / "masks/0.tif", labels, orientation, nodata=200)
    for index in (1, 2):
        write(tmp_path / f"images/{index}.tif", numbers(index, 3))
        write(tmp_path / f"masks/{index}.tif", numbers(index, 1, np.uint8, 0, 2)[..., 0])
    dataset = load(tmp_path, train="images/0*", validation="images/1*", test="images/2*")
    np.testing.assert_array_equal(dataset.train.read(np.array([0]))[1][0], np.where(labels == 200, IGNORE, labels))


@pytest.mark.parametrize("declares", [True, False])
def test_nodata_is_a_stored_number_where_a_scale_is_declared(tmp_path, declares):
    # 6 x 0.5 + 4 is 7: what is meant must not be taken for the nodata value.
    pixels = numbers(0, 2, np.uint16, low=8)
    pixels[4, 5:9], pixels[5, :, 0], pixels[6] = NODATA, NODATA, 6
    path = tmp_path / "a.tif"
    write(path, pixels, nodata=NODATA if declares else None)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.5, 0.25), (4, -1)
    kind = kind_of(path)
    read = read_image(path, kind, rule=NoDataRule(None if declares else NODATA))
    assert kind.dtype == read.dtype.name == "float32"
    np.testing.assert_array_equal(np.isnan(read), pixels == NODATA)
    meant = pixels * np.array([0.5, 0.25]) + np.array([4, -1])
    np.testing.assert_allclose(read[~np.isnan(read)], meant[pixels != NODATA], rtol=1e-6)


def test_a_scale_in_a_sidecar_that_changes_is_seen(tmp_path):
    for index in range(3):
        write(tmp_path / f"images/{index}.tif", numbers(index, 1))
        write(tmp_path / f"masks/{index}.tif", numbers(index, 1, np.uint8, 0, 2)[..., 0])
    found = []
    for seed, scale in enumerate((0.5, 0.125)):
        for index in range(3):
            band = f'<PAMRasterBand band="1"><Scale>{scale}</Scale><Offset>0</Offset></PAMRasterBand>'
            (tmp_path / f"images/{index}.tif.aux.xml").write_text(f"<PAMDataset>{band}</PAMDataset>")
        lists = {"train": "images/0*", "validation": "images/1*", "test": "images/2*"}
        found.append(load(tmp_path, **lists, split_seed=seed).normalization.mean)
    np.testing.assert_allclose(found, [0.5 * numbers(0, 1).mean(axis=(0, 1)), 0.125 * numbers(0, 1).mean(axis=(0, 1))])


def holed() -> tuple[np.ndarray, np.ndarray]:
    """Images (6, 40, 44, 2) with holes in which whole patches of 16 fall, and labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(10, 200, (6, 40, 44, 2)).astype(np.int16)
    images[:, 4:30, 2:35] = NODATA
    images[1] = NODATA
    images[2, 30:, :, 0] = NODATA
    return images, rng.integers(0, 2, (6, 40, 44)).astype(np.uint8)


def require_each_valid_pixel_once(split, patches: int) -> None:
    """Holds this of a split of the patches of `holed`, of which there are so many an image."""
    images, labels = (np.delete(each, 1, axis=0) for each in holed())
    assert len(images) < len(split) < len(images) * patches, "some patches are no data at all"
    valid = ~(images == NODATA).all(axis=-1)
    expected = np.bincount(labels[valid], minlength=2)
    np.testing.assert_array_equal(survey_of(split).counts[:, :2].sum(axis=0), expected)
    counted = split.read(np.arange(len(split)))[1]
    np.testing.assert_array_equal(np.bincount(counted[counted != IGNORE], minlength=2), expected)
    found = np.bincount(sources_of(split).of_item, (counted != IGNORE).sum(axis=(1, 2)))
    np.testing.assert_array_equal(found, valid.sum(axis=(1, 2)))


def test_each_valid_pixel_of_an_archive_counts_once_where_patches_are_left_out(tmp_path):
    images, labels = holed()
    places = np.array([0, 1, 2, 2, 0, 5])
    np.savez(tmp_path / "train.npz", X=images + np.int16(images != NODATA), Y=labels, place=places + 9)
    np.savez(tmp_path / "test.npz", X=images, Y=labels, place=places)
    test = str(tmp_path / "test.npz")
    config = NpzConfig(train=str(tmp_path / "train.npz"), validation=test, test=test, groups="place", nodata=NODATA)
    config.patch = PatchConfig(size=16, stride=4)
    dataset = npz.load(config)
    for split in (dataset.validation, dataset.test):
        require_each_valid_pixel_once(split, len(split.corners))
        np.testing.assert_array_equal(sources_of(split).groups, [0, 2, 2, 0, 3])
        np.testing.assert_array_equal(independent_groups(split), [0, 1, 1, 0, 2])
    whole = dataset.train.read(np.arange(len(dataset.train)))
    np.testing.assert_array_equal(whole[1] == IGNORE, np.isnan(whole[0]).all(axis=-1))


def test_each_valid_pixel_of_files_counts_once_where_patches_are_left_out(tmp_path):
    for index, (image, label) in enumerate(zip(*holed(), strict=True)):
        write(tmp_path / f"images/r{index}.tif", image + np.int16(image != NODATA), NODATA)
        write(tmp_path / f"images/t{index}.tif", image, NODATA)
        for name in "rt":
            write(tmp_path / f"masks/{name}{index}.tif", label)
    patch = PatchConfig(size=16, stride=4)
    split = load(tmp_path, train="images/r*", test="images/t*", validation_fraction=0.2, patch=patch).test
    require_each_valid_pixel_once(split, len(patch_corners(patch)))


def patch_corners(patch: PatchConfig) -> list[tuple[int, int]]:
    return Patches(patch.size, patch.stride).corners((40, 44))
