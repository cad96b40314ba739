"""Profiles of devices, and the verdicts made from them."""

from dataclasses import replace

import pytest

from segsweep.devices.footprint import Footprint
from segsweep.devices.micro import MicroRun
from segsweep.devices.profile import Device, known_devices, load_device
from segsweep.devices.verdict import verdict
from segsweep.errors import SegsweepError

RAN = MicroRun(210 * 1024, 1.0, 1.0, "", "1")
ASKED = Footprint(100 * 1024, 180 * 1024, 200 * 1024, 10**6, ("CONV_2D", "TRANSPOSE_CONV"), (), RAN)
BOARD = Device("Board", "chip", 128, 256, "its data sheet")


def test_every_known_device_states_its_memory_and_where_it_stands() -> None:
    assert len(known_devices()) >= 5
    for name in known_devices():
        device = load_device(name)
        assert device.flash_kib >= device.ram_kib > 0, name
        assert device.source, name
        assert device.title, name


def test_figures_are_those_of_the_data_sheets() -> None:
    # nRF52840: 1 MB flash, 256 KB RAM. RP2040: 264 KB; the Pico has 2 MB of flash.
    nano, pico = load_device("arduino_nano_33_ble_sense"), load_device("raspberry_pi_pico")
    assert (nano.flash_bytes, nano.ram_bytes) == (1 << 20, 256 << 10)
    assert (pico.flash_bytes, pico.ram_bytes) == (2 << 20, 264 << 10)


@pytest.mark.parametrize(
    ("asked", "device", "expected"),
    [
        (ASKED, BOARD, "fits"),
        (ASKED, replace(BOARD, flash_kib=100, ram_kib=210), "fits"),
        (ASKED, replace(BOARD, flash_kib=80), "flash 20.0 KiB too small"),
        # What was measured counts, not what was planned; without a measurement, the plan.
        (ASKED, replace(BOARD, ram_kib=200), "RAM 10.0 KiB too small"),
        (replace(ASKED, micro=None), replace(BOARD, ram_kib=200), "fits"),
        (ASKED, replace(BOARD, flash_kib=1, ram_kib=10), "flash 99.0 KiB too small; RAM 200.0 KiB too small"),
        (ASKED, replace(BOARD, missing_operators=("TRANSPOSE_CONV",)), "operators it lacks: TRANSPOSE_CONV"),
        (replace(ASKED, micro=None, problems=("no X",)), BOARD, "no X"),
        (replace(ASKED, micro=None, problems=("no X",)), replace(BOARD, runtime="litert"), "fits"),
        # Found by trying: a later Micro may do what this one did not.
        (replace(ASKED, problems=("no X",)), BOARD, "fits"),
        (replace(ASKED, micro=replace(RAN, error="no Y")), BOARD, "TensorFlow Lite Micro: no Y"),
        (
            replace(ASKED, micro=replace(RAN, equal=0.1, same_class=0.9)),
            BOARD,
            "TensorFlow Lite Micro gives 10.0% of the pixels another class",
        ),
    ],
)
def test_a_verdict_says_by_how_much_not(asked: Footprint, device: Device, expected: str) -> None:
    assert verdict(asked, device) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: A\nflash_kib: 1024", "ram_kib is missing"),
        ("title: A\nflash_kib: 1 MB\nram_kib: 256", "flash_kib: 1 MB is not a number"),
        ("title: A\nflash_kib: -1\nram_kib: 256", "flash_kib: -1"),
        ("title: A\nflash_kib: .nan\nram_kib: 256", "flash_kib: nan"),
        ("title: 3\nflash_kib: 1\nram_kib: 256", "title: 3 is no text"),
        ("title: A\nflash_kib: 1\nram_kib: 256\nrom: 3", "rom is no key"),
        ("title: A\nflash_kib: 1\nram_kib: 256\nruntime: java", "there are micro, litert"),
        ("title: A\nflash_kib: 1\nram_kib: 256\nmissing_operators: SUM", "no list"),
        ("- 1", "is no profile"),
        ("", "is no profile"),
        ("a: [", "is no YAML in line"),
        ("!!python/object/apply:os.system [ls]", "is no YAML"),
    ],
)
def test_a_wrong_profile_is_refused_in_one_line(tmp_path, text: str, words: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SegsweepError) as caught:
        load_device(str(path))
    assert words in str(caught.value)
    assert "mine.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_profile_of_ones_own_is_read_by_its_path(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("title: My board\nflash_kib: 512\nram_kib: 96.5\nmissing_operators: [SUM]\n")
    device = load_device(str(path))
    assert (device.title, device.ram_bytes, device.missing_operators) == ("My board", 96.5 * 1024, ("SUM",))


@pytest.mark.parametrize("name", ["abacus", "../profiles/esp32_s3", ""])
def test_an_unknown_device_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(SegsweepError, match="esp32_s3, raspberry_pi_pico"):
        load_device(name)


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(SegsweepError, match=r"cannot be read \(No such file"):
        load_device("nowhere.yaml")
