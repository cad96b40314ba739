"""Several models as one: tiles in, planes of probabilities out, which are combined when they are blended."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segsweep.predict.member import Member
from segsweep.predict.orientations import AS_IT_IS, Orientation
from segsweep.tflite.interpreter import TFLiteModel


@dataclass(frozen=True)
class Ensemble:
    """Models of the same classes, with their weights; one alone is an ensemble too."""

    members: tuple[Member, ...]
    weights: np.ndarray
    """(members,) float32, 1 in the sum."""
    votes: bool
    """Whether each pixel has the classes that most models say, and not those of the mean of their probabilities."""
    orientations: tuple[Orientation, ...] = (AS_IT_IS,)
    """In which each tile is predicted; the mean counts."""

    @property
    def classes(self) -> int:
        return len(self.members[0].classes)

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width."""
        height, width, _ = self.members[0].shape
        return height, width

    @property
    def planes(self) -> int:
        """How many numbers of a pixel are blended: a model that votes does so once its tiles are blended."""
        return 1 if self.second_tells_all else self.classes * (len(self.members) if self.votes else 1)

    @property
    def second_tells_all(self) -> bool:
        """Whether only the probability of the second class is blended: that of the first is what is left to 1."""
        given = any(member.gives_probabilities for member in self.members)
        return self.classes == 2 and not self.votes and not given

    def combined(self, planes: np.ndarray) -> np.ndarray:
        """Blended planes (P, h, w) as probabilities, or shares of votes, (K, h, w)."""
        if self.second_tells_all:
            return np.concatenate([1 - planes, planes])
        if not self.votes:
            return planes
        shares = np.zeros((self.classes, *planes.shape[1:]), np.float32)
        for weight, own in zip(self.weights, np.split(planes, len(self.members)), strict=True):
            chosen = largest(own)
            for number in range(self.classes):
                shares[number] += weight * (chosen == number)
        return shares


class TilePredictor:
    """Predicts tiles, in any thread: each has interpreters of its own."""

    def __init__(self, ensemble: Ensemble):
        self._ensemble = ensemble
        self._local = threading.local()
        self._models: list[TFLiteModel] = []

    def warm_up(self) -> None:
        """Makes the interpreters of the thread that calls it."""
        self._own_models()

    def planes(self, tiles: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
        """Probabilities (P, n, h, w) float32 of n tiles, for each model prepared as it takes them."""
        ensemble = self._ensemble
        given = []
        for member, model, own in zip(ensemble.members, self._own_models(), tiles, strict=True):
            given_by = _second if ensemble.second_tells_all else probabilities
            turned = [given_by(model, own, each, member.gives_probabilities) for each in ensemble.orientations]
            given.append(turned[0] if len(turned) == 1 else sum(turned[1:], turned[0]) / np.float32(len(turned)))
        if len(given) == 1:
            return given[0]
        if ensemble.votes:
            return np.concatenate(given)
        return sum(weight * each for weight, each in zip(ensemble.weights, given, strict=True))

    @property
    def invoke_seconds(self) -> float:
        """Wall seconds that the interpreters of all threads took so far."""
        return sum(model.invoke_seconds for model in self._models)

    def _own_models(self) -> list[TFLiteModel]:
        if not hasattr(self._local, "models"):
            self._local.models = [TFLiteModel(member.content) for member in self._ensemble.members]
            self._models += self._local.models
        return self._local.models


def probabilities(
    model: TFLiteModel, tiles: Sequence[np.ndarray], orientation: Orientation, are_given: bool
) -> np.ndarray:
    """Of n tiles as the file takes them, but for their orientation, (K, n, h, w) float32; of classifiers (K, n, 1, 1).

    `are_given`: whether the output needs no softmax. All tiles are changed at a time: with few pixels, calls take
    longer than what they do.
    """
    height, width = model.output_size
    planes = np.empty((model.classes, len(tiles), height, width), np.float32)
    for number, tile in enumerate(tiles):
        raw = orientation.undo(model.run_raw(orientation.apply(tile)))
        planes[:, number] = raw.transpose(2, 0, 1)
        del raw
    port = model.output_port
    if port.quantized:
        if are_given:
            planes -= np.float32(port.zero_point)
        planes *= np.float32(port.scale)
    return planes if are_given else _softmax(planes)


def _second(model: TFLiteModel, tiles: Sequence[np.ndarray], orientation: Orientation, are_given: bool) -> np.ndarray:
    """As `probabilities`, of a model of two classes that gives logits, and only of the second one: (1, n, h, w)."""
    plane = np.empty((1, len(tiles), *model.output_size), np.float32)
    for number, tile in enumerate(tiles):
        raw = orientation.undo(model.run_raw(orientation.apply(tile)))
        np.subtract(raw[..., 0], raw[..., 1], out=plane[0, number], dtype=np.float32)
        del raw
    if model.output_port.quantized:
        plane *= np.float32(model.output_port.scale)
    return _logistic(plane)


def _logistic(difference: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(x)), in place; where exp(x) is beyond what can be told, 1 / infinity is what is meant."""
    with np.errstate(over="ignore"):
        np.exp(difference, out=difference)
    difference += 1
    return np.reciprocal(difference, out=difference)


def _softmax(planes: np.ndarray) -> np.ndarray:
    """Of logits (K, ...), in place."""
    if len(planes) == 2:
        first, second = planes
        _logistic(np.subtract(first, second, out=second))
        np.subtract(1, second, out=first)
        return planes
    planes -= planes.max(axis=0)
    np.exp(planes, out=planes)
    planes /= planes.sum(axis=0)
    return planes


def largest(planes: np.ndarray) -> np.ndarray:
    """Which of the planes (K, h, w) is largest, (h, w) uint8; of equal ones the first."""
    if len(planes) == 2:
        return (planes[1] > planes[0]).view(np.uint8)
    chosen = np.zeros(planes.shape[1:], np.uint8)
    best = planes[0].copy()
    for number in range(1, len(planes)):
        larger = planes[number] > best
        chosen[larger] = number
        np.maximum(best, planes[number], out=best)
    return chosen
