"""`segsweep demo-page` in a process of its own, images for it, and models that give one answer for a whole image."""

import base64
import http.client
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from checkout import ROOT
from PIL import Image
from predict.handmade_models import TILE, empty, metadata, noise, operator, signed, tensor

from segsweep.tflite.metadata import embed

OCTETS = "application/octet-stream"


@dataclass(frozen=True)
class Page:
    """A page that is served."""

    url: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body of the answer; `_` in names of headers is `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def look_at(self, name: str, content: bytes, how: str = "tiles") -> tuple[int, dict[str, Any]]:
        """Status and answer for an image."""
        status, _, body = self.ask("POST", f"/predict?how={how}", content, Content_Type=OCTETS, X_Name=name)
        return status, json.loads(body)


@contextmanager
def served(*words: str | Path, cwd: Path) -> Iterator[Page]:
    """The page of these models and options."""
    command = [sys.executable, "-m", "segsweep.cli", "demo-page", *map(str, words), "--port", "0"]
    process = subprocess.Popen(
        command,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", said)
        assert found, said + (process.stderr.read() if process.stderr else "")
        yield Page(found.group(), process)
    finally:
        process.kill()
        process.communicate()


def classifier(kinds: int = 7, bands: int = 3, seed: int = 0, **changes: Any) -> bytes:
    """A model that weighs all pixels of an image: a convolution as large as it."""
    kernel, bias = classifier_weights(kinds, bands, seed)
    content = empty()
    image = tensor(content, "image", (1, TILE, TILE, bands))
    weights = tensor(content, "kernel", kernel.shape, kernel.astype(np.float32))
    shift = tensor(content, "bias", bias.shape, bias.astype(np.float32))
    logits = tensor(content, "logits", (1, 1, 1, kinds))
    options = schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = schema.Padding.VALID, 1, 1
    options.dilationHFactor = options.dilationWFactor = 1
    operator(content, schema.BuiltinOperator.CONV_2D, [image, weights, shift], [logits],
             schema.BuiltinOptions.Conv2DOptions, options)  # fmt: skip
    content.subgraphs[0].inputs, content.subgraphs[0].outputs = [image], [logits]
    named = {
        "classes": tuple(f"kind {number}" for number in range(kinds)),
        "palette": tuple((number, number, number) for number in range(kinds)),
        "dtype": "uint8",
    }
    return embed(signed(content), replace(metadata(bands, 1), **{**named, **changes}))


def classifier_weights(classes: int, bands: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A kernel (K, TILE, TILE, C) and a bias (K,)."""
    rng = np.random.default_rng(seed)
    return 0.02 * rng.normal(size=(classes, TILE, TILE, bands)), rng.normal(size=classes)


def classifier_shares(image: np.ndarray, classes: int = 7, seed: int = 0) -> np.ndarray:
    """What `classifier` should say of an image (TILE, TILE, C): probabilities (K,), in float64."""
    kernel, bias = classifier_weights(classes, image.shape[2], seed)
    said = metadata(image.shape[2], 1)
    logits = (kernel * ((image - np.array(said.mean)) / np.array(said.std))).sum(axis=(1, 2, 3)) + bias
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


def photo(height: int = 50, width: int = 70, seed: int = 0) -> np.ndarray:
    return noise(height, width, 3, seed).astype(np.uint8)


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


def pixels(address: str, mode: str) -> np.ndarray:
    """Of a picture as the page gets it."""
    kind, _, text = address.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert(mode))


def npy(array: np.ndarray, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()
