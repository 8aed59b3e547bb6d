"""The matrix that tests run over: devices, dtypes, kinds and every record of the table.

Where there is a GPU the cases of the CPU run on it too, in the same process; `-m gpu` runs these
alone. FASTGRAM_EMULATED_GPU=1 takes an emulated one in its place (emulated_gpu.py), which is slow.
"""

from __future__ import annotations

import os

import pytest

import fastgram as fg
from fastgram.devices import gpu, registry

if os.environ.get("FASTGRAM_EMULATED_GPU"):
    from helpers.emulated_gpu import EmulatedGpu

    _emulated = (EmulatedGpu(),)
    gpu.find = lambda: _emulated

DEVICES = ["cpu"]
if registry.gpus()[0]:
    DEVICES.append(pytest.param("gpu", marks=pytest.mark.gpu))
DTYPES = ("float64", "float32")
KINDS = ("gradient", "nngp")
# The table with its default parameters, and each parameter once more with another value.
RECORDS = (
    *fg.activation_names(),
    "leaky_relu(negative_slope=0.3)",
    "elu(alpha=0.5)",
    "celu(alpha=2.0)",
    "swish(beta=3.0)",
    "polynomial(coefficients=[0.5, -1.0, 0.0, 0.25])",
)
