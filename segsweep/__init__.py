"""Sweep segmentation models over width, learning rate and quantization, and measure each exported file."""

__version__ = "0.1.0"
