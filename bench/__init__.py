"""Measurements, as ratios against a named rival or limit in the same run. `python -m bench NAME` runs one, without a name all."""
