import numpy as np
import pytest
from saved_folders import picture, save

from segsweep.config.data_schema import ClassFoldersConfig, NpzConfig, PatchConfig
from segsweep.config.model_schema import ConvNetConfig
from segsweep.config.schema import StridedUnetConfig
from segsweep.data.class_folders import load
from segsweep.data.dataset import IGNORE, survey_of
from segsweep.data.npz import load as load_npz
from segsweep.data.task import CLASSIFICATION
from segsweep.errors import ConfigError, DataError
from segsweep.models.table import check_task

CLASSES = ("cat", "dog", "owl")


def write(root, sides=("",), each=6):
    number = 0
    for side in sides:
        for name in CLASSES:
            for index in range(each):
                save(root / side / name / f"{index}.png", picture(number))
                number += 1


def labels(split):
    return split.read(np.arange(len(split)))[1].ravel().tolist()


def test_folders_are_classes(tmp_path):
    write(tmp_path)
    dataset = load(ClassFoldersConfig(root=str(tmp_path)))
    assert dataset.classes == CLASSES
    assert dataset.task == CLASSIFICATION
    assert (
        sorted(labels(dataset.train) + labels(dataset.validation) + labels(dataset.test)) == [0] * 6 + [1] * 6 + [2] * 6
    )
    image, label = dataset.test.read(np.array([0]))
    assert any(np.array_equal(image[0], picture(number)) and number // 6 == label[0, 0, 0] for number in range(18))


def test_hidden_folders_and_files_are_no_classes(tmp_path):
    write(tmp_path)
    save(tmp_path / ".ipynb_checkpoints" / "0-checkpoint.png", picture(0))
    (tmp_path / "cat" / "._0.png").write_bytes(b"what another system left there")
    dataset = load(ClassFoldersConfig(root=str(tmp_path)))
    assert dataset.classes == CLASSES
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 18


def test_train_and_test_divide_them(tmp_path):
    write(tmp_path, ("train", "test"))
    dataset = load(ClassFoldersConfig(root=str(tmp_path)))
    assert len(dataset.test) == 18
    assert len(dataset.train) + len(dataset.validation) == 18


def test_validation_images_may_have_a_folder(tmp_path):
    write(tmp_path, ("train", "val", "test"))
    dataset = load(ClassFoldersConfig(root=str(tmp_path)))
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [18, 18, 18]
    write(tmp_path, ("more",))
    with pytest.raises(DataError, match="the folder more beside train is no side of the data; call it one of train, "):
        load(ClassFoldersConfig(root=str(tmp_path)))


def test_classes_are_merged_and_ignored(tmp_path):
    write(tmp_path, ("train", "test"))
    config = ClassFoldersConfig(root=str(tmp_path), classes=["owl", "dog", "cat"], merge={"pet": ["cat", "dog"]})
    dataset = load(config)
    assert dataset.classes == ("owl", "pet")
    assert sorted(labels(dataset.test)) == [0] * 6 + [1] * 12
    without = load(ClassFoldersConfig(root=str(tmp_path), ignore=["owl"]))
    assert sorted(labels(without.test)) == [0] * 6 + [1] * 6 + [IGNORE] * 6
    assert survey_of(without.test).counts[:, IGNORE].astype(bool).sum() == 6


def test_what_is_wrong_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image in a folder of it; give a folder with a folder of images"):
        load(ClassFoldersConfig(root=str(tmp_path / "empty")))
    write(tmp_path)
    with pytest.raises(DataError, match=r"the folder owl is no class of data\.classes; there are cat, dog"):
        load(ClassFoldersConfig(root=str(tmp_path), classes=["cat", "dog"]))


def archive(path, labels):
    rng = np.random.default_rng(0)
    np.savez(path, X=rng.random((len(labels), 8, 8, 3)), Y=labels)
    return str(path)


@pytest.mark.parametrize("shape", [(20,), (20, 1)])
def test_npz_with_a_number_an_image(tmp_path, shape):
    path = archive(tmp_path / "all.npz", (np.arange(20) % 3).reshape(shape))
    dataset = load_npz(NpzConfig(train=path, ignore_label=2))
    assert dataset.task == CLASSIFICATION
    assert set(labels(dataset.train)) == {0, 1, IGNORE}
    assert dataset.train.read(np.array([0]))[1].shape == (1, 1, 1)


def test_npz_that_do_not_go_together(tmp_path):
    path = archive(tmp_path / "all.npz", np.arange(20) % 3)
    with pytest.raises(DataError, match=r"data\.patch\.size=8: Y of .* has one class an image"):
        load_npz(NpzConfig(train=path, patch=PatchConfig(size=8)))
    masks = str(tmp_path / "masks.npz")
    np.savez(masks, X=np.ones((4, 8, 8, 3)), Y=np.zeros((4, 8, 8), int))
    with pytest.raises(DataError, match=r"Y of the test images is for segmentation where that of .* classification"):
        load_npz(NpzConfig(train=path, test=masks))
    np.savez(masks, X=np.ones((4, 8, 8, 3)), Y=np.zeros((4, 8), int))
    with pytest.raises(DataError, match="or \\(images,\\) for a class an image"):
        load_npz(NpzConfig(train=masks))


def test_a_model_for_masks_is_refused():
    with pytest.raises(ConfigError, match=r"model=strided_unet is for segmentation, .* choose one of classifier, conv"):
        check_task(StridedUnetConfig(), CLASSIFICATION, "cifar100")
    check_task(ConvNetConfig(), CLASSIFICATION, "cifar100")
