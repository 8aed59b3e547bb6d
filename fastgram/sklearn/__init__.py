"""At home in scikit-learn: a kernel for whatever takes one there, and a ridge regression.

It imports the public functions and what they are made of, and alone imports scikit-learn, which
nobody else needs. Start with `network_kernel`.
"""

from __future__ import annotations

try:
    from fastgram.sklearn.network_kernel import NetworkKernel
    from fastgram.sklearn.network_ridge import NetworkRidge
except ImportError as error:
    if not (error.name or "").startswith("sklearn"):
        raise
    raise ImportError(
        "fastgram.sklearn needs scikit-learn, 1.6 or newer: pip install 'fastgram[sklearn]'"
    ) from error

__all__ = ["NetworkKernel", "NetworkRidge"]
