"""The lists of faults are of this code: every text is found, once, and every test file is there."""

import shlex
from pathlib import Path

import pytest

from bench.faults.__main__ import PARTS, ROOT, faults_of, verdict
from bench.faults.fault import Fault


@pytest.mark.parametrize("part", PARTS)
def test_no_fault_is_stale(part):
    for fault in faults_of(part):
        text = (ROOT / fault.file).read_text(encoding="utf-8")
        assert text.count(fault.text) == 1, fault
        assert fault.fault != fault.text, fault
        assert (ROOT / shlex.split(fault.tests)[0].split("::")[0]).is_file(), fault


@pytest.mark.parametrize("part", PARTS)
def test_no_fault_is_listed_twice(part):
    faults = [(fault.file, fault.text, fault.fault) for fault in faults_of(part)]
    assert len(faults) == len(set(faults))


@pytest.mark.slow
def test_a_fault_is_caught_or_alive_or_stale(tmp_path):
    source = Path(tmp_path, "sums.py")
    source.write_text("def double(x):\n    return 2 * x\n", encoding="utf-8")
    test = "from sums import double\n\n\ndef test_double():\n    assert double(2) == 4\n"
    Path(tmp_path, "test_sums.py").write_text(test, encoding="utf-8")

    def found(text, fault, tests="test_sums.py"):
        return verdict(tmp_path, Fault("sums.py", text, fault, tests))

    assert found("2 * x", "3 * x") == "caught"
    assert found("2 * x", "x * x") == "alive"
    assert found("4 * x", "3 * x") == "stale"
    assert found("x", "y") == "stale"  # it stands there twice
    assert found("2 * x", "3 * x", "test_of_nothing.py") == "stale"
    assert source.read_text(encoding="utf-8") == "def double(x):\n    return 2 * x\n"
