"""The request that most tests make of a method."""

from fastgram.eigenvalues.request import Request


def plain_request(**changes):
    asked = {
        "rtol": 1e-2,
        "chance": 5e-4,
        "block": 4,
        "k": 1,
        "vectors": False,
        "max_passes": None,
        "seed": 0,
        "checkpoint": None,
        "progress": False,
        "dense_limit": 2048,
    }
    return Request(**{**asked, **changes})
