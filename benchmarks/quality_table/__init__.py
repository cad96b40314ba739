"""The parts of `benchmarks/quantization_quality.py`."""
