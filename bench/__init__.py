"""Measurements, as ratios against a named rival or limit in the same run. `python -m bench NAME` runs one, without a name all."""

import os

# Waiting threads of numpy spin, and it reads this only once, when it is imported; the worker is started with the same.
os.environ["OMP_NUM_THREADS"] = "1"
