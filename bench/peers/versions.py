"""Which peers are there, in which versions, and how to install the others."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import subprocess

__all__ = ["KEOPS_FLAGS", "NEURAL_TANGENTS", "installed", "versions"]

# names the python of an environment with neural-tangents
NEURAL_TANGENTS = "FASTGRAM_NEURAL_TANGENTS"
# KeOps's own flags are for any processor; Numba compiles for the one at hand, and so may KeOps
KEOPS_FLAGS = "-march=native"
# of what runs in this environment: the distribution and the module
PACKAGES = {"KeOps": ("pykeops", "pykeops"), "scikit-learn": ("scikit-learn", "sklearn")}


@functools.cache
def installed(peer: str) -> bool:
    """Return whether the peer can be run; where not, print once how to install it."""
    if peer == "neural-tangents":
        there = bool(os.environ.get(NEURAL_TANGENTS))
        how = f"bench/README.md says how to install it; {NEURAL_TANGENTS} then names its python"
    else:
        package, module = PACKAGES[peer]
        there = importlib.util.find_spec(module) is not None
        how = f"python -m pip install {package}"
    if not there:
        print(f"{peer} is not there: {how}", flush=True)
    return there


def versions() -> dict[str, str]:
    """Return the version of each peer that is installed."""
    found = {
        peer: importlib.metadata.version(package)
        for peer, (package, _) in PACKAGES.items()
        if installed(peer)
    }
    if installed("neural-tangents"):
        code = (
            "from importlib.metadata import version as v; "
            "print(v('neural-tangents'), 'on jax', v('jax'))"
        )
        done = subprocess.run(
            [os.environ[NEURAL_TANGENTS], "-c", code],
            capture_output=True, text=True, check=True, timeout=60.0,
        )  # fmt: skip
        found["neural-tangents"] = done.stdout.strip()
    if "KeOps" in found:
        found["KeOps"] += f" compiled with {os.environ.get('CXXFLAGS', KEOPS_FLAGS)}"
    return found
