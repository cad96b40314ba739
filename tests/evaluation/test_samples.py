"""Which test images are kept to look at, what is kept of them, and where a variant flips pixels."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from segsweep.data.dataset import IGNORE, ArraySplit, Dataset, Normalization
from segsweep.data.pictures import coloured, true_colour
from segsweep.evaluation.confusion import count_confusions
from segsweep.evaluation.evaluator import Evaluation
from segsweep.evaluation.flips import CHANGED, FLIP_COLOURS, GAINED, LOST, SAME, flips
from segsweep.evaluation.image_counts import ImageCounts
from segsweep.evaluation.samples import read_samples, sample_indices, stored_samples, take_samples
from segsweep.runs.gallery import gallery, over_image, sample_files

PALETTE = ((200, 0, 0), (0, 0, 200), (0, 200, 0))


def dataset_of(size: tuple[int, int], images: int = 9) -> Dataset:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (images, *size)).astype(np.uint8)
    labels[random.random(labels.shape) < 0.1] = IGNORE
    split = ArraySplit(random.random((images, *size, 4), np.float32), labels)
    normalization = Normalization(np.zeros(4, np.float32), np.ones(4, np.float32))
    return Dataset(
        "some", ("a", "<b>", "水"), PALETTE, ("r", "g", "b", "n"), (2, 1, 0), split, split, split, normalization
    )


def evaluated(dataset: Dataset, seed: int) -> Evaluation:
    predictions = np.random.default_rng(seed).integers(0, 3, dataset.test.labels.shape).astype(np.uint8)
    counts = ImageCounts.of(count_confusions(dataset.test.labels, predictions, 3))
    return Evaluation(counts, predictions, None, None, 1.0, 0.0)  # type: ignore[arg-type]


class TestChoice:
    def test_each_class_has_its_image_and_the_rest_come_from_all_over(self):
        pixels = np.zeros((20, 3), int)
        pixels[:, 0] = 100
        pixels[13, 1], pixels[7, 1] = 50, 40
        pixels[5, 2], pixels[13, 2] = 3, 2
        # 5 for the rarest, 13 for the next, 0 for the commonest, then 0, 4, 8, 11, 15, 19 as far as there is room.
        assert sample_indices(pixels).tolist() == [0, 4, 5, 8, 11, 13]

    def test_few_images_and_many_classes(self):
        assert sample_indices(np.ones((2, 3), int)).tolist() == [0, 1]
        assert sample_indices(np.zeros((3, 2), int)).tolist() == [0, 1, 2]
        assert len(sample_indices(np.eye(50, dtype=int))) == 6


class TestSamples:
    @pytest.mark.parametrize(("size", "kept"), [((10, 12), (10, 12)), ((512, 300), (256, 150))])
    def test_what_was_taken_is_read_again(self, size, kept):
        dataset = dataset_of(size)
        evaluation = evaluated(dataset, 1)
        found = read_samples(stored_samples(take_samples(dataset, evaluation.predictions)))
        assert found.classes == dataset.classes
        assert found.palette == PALETTE
        assert found.images.shape == (6, *kept, 3)
        assert found.images.dtype == found.truth.dtype == found.predictions.dtype == np.uint8
        if size == kept:
            for place, index in enumerate(found.indices):
                np.testing.assert_array_equal(found.truth[place], dataset.test.labels[index])
                np.testing.assert_array_equal(found.predictions[place], evaluation.predictions[index])
                np.testing.assert_array_equal(found.images[place], true_colour(dataset.test.images[index], (2, 1, 0)))
        else:
            # Pillow's nearest is the oracle; there is no third class between two.
            truth = Image.fromarray(dataset.test.labels[found.indices[0]])
            expected = np.asarray(truth.resize(kept[::-1], Image.Resampling.NEAREST))
            np.testing.assert_array_equal(found.truth[0], expected)

    def test_whole_images_have_one_class(self):
        dataset = dataset_of((10, 12))
        labels = dataset.test.labels[:, :1, :1]
        split = ArraySplit(dataset.test.images, labels)
        whole = replace(dataset, test=split)
        found = take_samples(whole, labels * 0)
        assert found.images.shape == (6, 10, 12, 3)
        assert found.truth.shape == found.predictions.shape == (6, 10, 12)
        assert (found.truth == labels[found.indices]).all()
        assert gallery(found, found).width > gallery(found, None).width

    def test_all_variants_have_the_same_images(self):
        dataset = dataset_of((10, 12))
        taken = [take_samples(dataset, each.predictions) for each in (evaluated(dataset, s) for s in (1, 2))]
        np.testing.assert_array_equal(taken[0].indices, taken[1].indices)
        np.testing.assert_array_equal(taken[0].images, taken[1].images)

    @pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
    def test_what_is_no_samples_is_none(self, content):
        assert read_samples(content) is None

    def test_an_archive_with_other_arrays_is_none(self):
        content = io.BytesIO()
        np.savez(content, images=np.zeros(3))
        assert read_samples(content.getvalue()) is None


def test_flips_by_hand():
    truth = np.array([0, 0, 0, 0, 1, IGNORE], np.uint8)
    before = np.array([0, 0, 1, 1, 1, 0], np.uint8)
    after = np.array([0, 1, 0, 2, 1, 1], np.uint8)
    assert flips(truth, before, after).tolist() == [SAME, LOST, GAINED, CHANGED, SAME, SAME]


class TestGallery:
    def test_files_of_a_variant_and_of_its_baseline(self):
        dataset = dataset_of((64, 48))
        files = sample_files(dataset, evaluated(dataset, 1), None)
        assert set(files) == {"evaluation/samples.npz", "evaluation/gallery.png"}
        alone = Image.open(io.BytesIO(files["evaluation/gallery.png"]))
        compared = sample_files(dataset, evaluated(dataset, 2), files["evaluation/samples.npz"])
        beside = Image.open(io.BytesIO(compared["evaluation/gallery.png"]))
        assert beside.width > alone.width, "one column more"

    def test_masks_stand_in_the_columns(self):
        dataset = dataset_of((96, 96))
        evaluation = evaluated(dataset, 1)
        samples = take_samples(dataset, evaluation.predictions)
        picture = np.asarray(gallery(samples, None))
        # A tile is 192 wide, twice its image, and 4 apart from the next; 12 and a line of 22 are left and above.
        truth = picture[34 : 34 + 192 : 2, 12 + 196 : 12 + 196 + 192 : 2]
        np.testing.assert_array_equal(truth, coloured(samples.truth[0], PALETTE))

    def test_flips_have_their_colours_on_a_faded_image(self):
        image = np.zeros((1, 3, 3), np.uint8)
        found = over_image(image, np.array([[SAME, GAINED, LOST]], np.uint8))
        assert found[0].tolist() == [[165] * 3, list(FLIP_COLOURS[GAINED]), list(FLIP_COLOURS[LOST])]
