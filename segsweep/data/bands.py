"""Which bands of the images are used, what they are called, and which are shown."""

from collections.abc import Sequence

from segsweep.config.data_schema import StoredDataConfig
from segsweep.errors import DataError


def used_channels(config: StoredDataConfig, available: int, where: str) -> tuple[int, ...] | None:
    """The bands to use of those `available`; None for all.

    Raises:
        DataError: there is no such band.
    """
    if config.channels is None:
        return None
    if not config.channels or not all(0 <= channel < available for channel in config.channels):
        raise DataError(
            f"data.channels: {config.channels} must be bands from 0 to {available - 1}: {where} has {available}"
        )
    return tuple(config.channels)


def band_names(
    config: StoredDataConfig, channels: int, where: str, default: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The names of the `channels` bands used; `default` are those of all bands."""
    if config.bands is None:
        used = range(channels) if config.channels is None else config.channels
        return tuple(default[band] if default is not None else f"band_{band}" for band in used)
    if len(config.bands) != channels:
        raise DataError(
            f"data.bands: {len(config.bands)} names for {channels} bands in {where}; one name a band is needed"
        )
    return tuple(config.bands)


def shown_channels(config: StoredDataConfig, channels: int) -> tuple[int, int, int]:
    """The bands to show as red, green and blue."""
    chosen = tuple(config.rgb) if config.rgb is not None else tuple(min(i, channels - 1) for i in range(3))
    if len(chosen) != 3 or not all(0 <= channel < channels for channel in chosen):
        raise DataError(f"data.rgb: {list(chosen)} must be three channels from 0 to {channels - 1}")
    red, green, blue = chosen
    return red, green, blue
