"""The CUDA source compiled for a GPU that is not there, by NVRTC: the package nvidia-cuda-nvrtc."""

from __future__ import annotations

import ctypes
import functools
import re
from dataclasses import dataclass
from importlib import metadata

from fastgram.kernels.cuda.launch import OPTIONS

__all__ = ["Compiled", "NoCompilerError", "compile_for"]

CUPY = ("-ftz=true", "--device-as-default-execution-space")  # what it adds to OPTIONS


class NoCompilerError(Exception):
    """NVRTC is not installed."""


@dataclass(frozen=True)
class Compiled:
    """What came of a source: a log, and where it could be compiled the PTX and the binary."""

    done: bool
    log: str
    ptx: str
    binary: bytes


@functools.cache
def _nvrtc() -> ctypes.CDLL:
    try:
        files = metadata.files("nvidia-cuda-nvrtc") or []
    except metadata.PackageNotFoundError:
        raise NoCompilerError("nvidia-cuda-nvrtc is not installed") from None
    (library,) = (file for file in files if re.search(r"libnvrtc\.so\.\d+$", str(file)))
    return ctypes.CDLL(str(library.locate()))


def compile_for(text: str, architecture: str, *more: str) -> Compiled:
    """Compile a source, warnings being errors.

    Parameters
    ----------
    text : str
    architecture : str
        Such as "sm_90".
    *more : str
        Further options.

    Raises
    ------
    NoCompilerError
        If NVRTC is not installed.
    """
    library, program = _nvrtc(), ctypes.c_void_p()
    made = library.nvrtcCreateProgram(
        ctypes.byref(program), text.encode(), b"fastgram.cu", 0, None, None
    )
    assert made == 0
    strict = "--warning-as-error=all-warnings"
    options = [*OPTIONS, *CUPY, strict, *more, f"--gpu-architecture={architecture}"]
    words = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    try:
        done = library.nvrtcCompileProgram(program, len(options), words) == 0
        log = _output(program, "ProgramLog").rstrip(b"\0").decode().strip()
        ptx = _output(program, "PTX").rstrip(b"\0").decode() if done else ""
        return Compiled(done, log, ptx, _output(program, "CUBIN") if done else b"")
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def _output(program: ctypes.c_void_p, what: str) -> bytes:
    library, size = _nvrtc(), ctypes.c_size_t()
    assert getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0
    buffer = ctypes.create_string_buffer(max(size.value, 1))
    assert getattr(library, f"nvrtcGet{what}")(program, buffer) == 0
    return buffer.raw
