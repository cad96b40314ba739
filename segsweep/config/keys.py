"""Content hashes that say whether two pieces of work are the same."""

import hashlib
import json
from functools import lru_cache
from importlib.metadata import version
from typing import Any

_LENGTH = 32


def content_key(content: dict[str, Any]) -> str:
    """Hex key of 128 bits of the sha256 of `content` as canonical JSON; equal content gives an equal key."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_LENGTH]


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of the packages that determine a piece of work."""
    return {package: _version(package) for package in packages}


_version = lru_cache(version)
