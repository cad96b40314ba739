"""TIFF files whose bands are pages, as tifffile and ImageJ write arrays: stacked by a GDAL virtual raster.

GDAL shows the first page alone; overviews and masks are no pages. https://gdal.org/en/stable/drivers/raster/vrt.html
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from segsweep.errors import DataError

_GDAL_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "uint64": "UInt64",
    "int64": "Int64",
    "float32": "Float32",
    "float64": "Float64",
}
_STACK = "/segsweep_pages.vrt"
"""What the names of stacks end in. They are in GDAL's memory, where no file of a user can be."""
_MOST = 1024
"""Pages; a file of more is a film or damaged."""


def pages_of(raster: Any) -> Sequence[str]:
    """GDAL's names of the pages of an opened TIFF; none where it has one page."""
    return raster.subdatasets if raster.driver == "GTiff" and len(raster.subdatasets) > 1 else ()


def is_stack(raster: Any) -> bool:
    """Whether this is what `stacked` gives."""
    return bool(raster.driver == "VRT" and raster.name.startswith("/vsimem/") and raster.name.endswith(_STACK))


@contextmanager
def stacked(path: Path, pages: Sequence[str]) -> Iterator[Any]:
    """A rasterio dataset with a band for each page.

    Raises:
        DataError: the pages are not of one size and type, or have several bands.
    """
    import rasterio
    from rasterio import MemoryFile

    if len(pages) > _MOST:
        raise DataError(f"{path}: {len(pages)} pages, more than {_MOST}, are not read as bands; save a page a file")
    with ExitStack() as stack:
        opened = [stack.enter_context(rasterio.open(page)) for page in pages]
        kinds = {f"{each.height}x{each.width}x{each.count} {each.dtypes[0]}": each for each in opened}
        first = opened[0]
        if len(kinds) > 1 or first.count != 1 or first.dtypes[0] not in _GDAL_TYPES:
            raise DataError(
                f"{path}: {len(pages)} pages ({', '.join(kinds)}); pages are read as bands where all are of one size "
                "and type, with one band each; save the page that is meant as a file of its own"
            )
        if any(each.transform != first.transform or each.crs != first.crs for each in opened):
            raise DataError(f"{path}: its {len(pages)} pages lie in different places; save each as a file of its own")
        content = _virtual_raster(pages, opened)
    with MemoryFile(content, filename=_STACK[1:]) as memory, memory.open(driver="VRT") as raster:
        yield raster


def _virtual_raster(names: Sequence[str], pages: Sequence[Any]) -> bytes:
    first = pages[0]
    root = ElementTree.Element("VRTDataset", rasterXSize=str(first.width), rasterYSize=str(first.height))
    if first.crs is not None:
        ElementTree.SubElement(root, "SRS").text = first.crs.to_wkt()
    if not first.transform.is_identity:
        ElementTree.SubElement(root, "GeoTransform").text = ", ".join(map(repr, first.transform.to_gdal()))
    for number, (name, page) in enumerate(zip(names, pages, strict=True), 1):
        band = ElementTree.SubElement(root, "VRTRasterBand", dataType=_GDAL_TYPES[page.dtypes[0]], band=str(number))
        if page.nodata is not None:
            ElementTree.SubElement(band, "NoDataValue").text = repr(page.nodata)
        if page.scales[0] != 1 or page.offsets[0] != 0:
            ElementTree.SubElement(band, "Offset").text = repr(page.offsets[0])
            ElementTree.SubElement(band, "Scale").text = repr(page.scales[0])
        if page.descriptions[0]:
            ElementTree.SubElement(band, "Description").text = page.descriptions[0]
        source = ElementTree.SubElement(band, "SimpleSource")
        ElementTree.SubElement(source, "SourceFilename", relativeToVRT="0").text = name
        ElementTree.SubElement(source, "SourceBand").text = "1"
    return ElementTree.tostring(root)
