"""Content hashes that say whether two pieces of work are the same."""

import hashlib
import json
import platform
from functools import lru_cache
from importlib.metadata import version
from typing import Any

_LENGTH = 32
_LIBRARIES = (
    "tensorflow", "tf-keras", "tensorflow-model-optimization", "ai-edge-litert", "litert-quantizer", "numpy", "mlflow"
)  # fmt: skip


def content_key(content: dict[str, Any]) -> str:
    """Hex key of 128 bits of the sha256 of `content` as canonical JSON; equal content gives an equal key."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_LENGTH]


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of the packages that determine a piece of work."""
    return {package: _version(package) for package in packages}


def environment() -> dict[str, str]:
    """Versions of Python, the system and the libraries that matter to what comes out: said of a run, in no key."""
    return {"python": platform.python_version(), "system": platform.platform(), **versions(*_LIBRARIES)}


_version = lru_cache(version)
