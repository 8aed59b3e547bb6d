"""Control groups: the processors and the memory that they leave to the process."""

from __future__ import annotations

import os

import pytest

from fastgram.support.limits import memory_limits, processor_limits, processor_quotas

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.fixture
def tree(tmp_path):
    """A function that lays out control groups: lines of /proc/self/cgroup, and files."""

    def lay(lines, files):
        for name, content in files.items():
            file = tmp_path / "root" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content + "\n")
        groups = tmp_path / "cgroup"
        groups.write_text("".join(f"{line}\n" for line in lines))
        return groups, tmp_path / "root"

    return lay


V2 = ["0::/user.slice/job"]
V1 = ["12:cpu,cpuacct:/user.slice/job", "7:memory:/user.slice/job", "0::/"]


@pytest.mark.parametrize(
    ("lines", "files", "values"),
    [
        (V2, {"user.slice/job/cpu.max": "150000 100000"}, [2]),
        (V2, {"user.slice/job/cpu.max": "max 100000"}, []),
        (V2, {"user.slice/job/cpu.max": "max 100000", "user.slice/cpu.max": "100000 100000"}, [1]),
        (V2, {"user.slice/job/cpu.max": "400000 100000", "cpu.max": "20000 100000"}, [1, 4]),
        (["0::/"], {"cpu.max": "300000 100000"}, [3]),
        (["0::/../other"], {"cpu.max": "300000 100000"}, [3]),
        (["0::/", "1:name=systemd:/x"], {"unified/cpu.max": "300000 100000"}, [3]),
        (
            V1,
            {
                "cpu,cpuacct/user.slice/job/cpu.cfs_quota_us": "-1",
                "cpu,cpuacct/user.slice/job/cpu.cfs_period_us": "100000",
                "cpu,cpuacct/user.slice/cpu.cfs_quota_us": "50000",
                "cpu,cpuacct/user.slice/cpu.cfs_period_us": "100000",
            },
            [1],
        ),
        (
            V1,
            {  # a container sees its own group at the top
                "cpu/cpu.cfs_quota_us": "250000",
                "cpu/cpu.cfs_period_us": "100000",
            },
            [3],
        ),
        ([], {}, []),
        (V2, {"user.slice/job/cpu.max": "nonsense"}, []),
    ],
)
def test_quotas_of_processors(lines, files, values, tree):
    assert sorted(limit.value for limit in processor_quotas(*tree(lines, files))) == values


@pytest.mark.parametrize(
    ("lines", "files", "least"),
    [
        (V2, {"user.slice/job/memory.max": "5000", "user.slice/job/memory.current": "2000"}, 3000),
        (
            V2,
            {
                "user.slice/job/memory.max": "max",
                "user.slice/job/memory.current": "2000",
                "user.slice/memory.max": "7000",
                "user.slice/memory.current": "3000",
            },
            4000,
        ),
        (V2, {"user.slice/memory.high": "700", "user.slice/memory.current": "900"}, 0),
        (
            V2,
            {
                "user.slice/memory.max": "7000",
                "user.slice/memory.current": "6000",
                "user.slice/memory.stat": "anon 1\ninactive_file 500\nactive_file 100",
            },
            1500,
        ),
        (
            V1,
            {
                "memory/user.slice/memory.limit_in_bytes": "9000",
                "memory/user.slice/memory.usage_in_bytes": "8000",
                "memory/user.slice/memory.stat": "inactive_file 1\ntotal_inactive_file 200",
                "memory/user.slice/job/memory.limit_in_bytes": "9223372036854771712",
                "memory/user.slice/job/memory.usage_in_bytes": "10",
            },
            1200,
        ),
    ],
)
def test_limits_of_memory(lines, files, least, tree):
    limit = min(memory_limits(*tree(lines, files)))
    assert limit.value == least
    assert "memory." in limit.source


def test_without_control_groups(tmp_path):
    nothing = tmp_path / "none", tmp_path / "none"
    assert processor_quotas(*nothing) == []
    assert len(memory_limits(*nothing)) >= 1
    assert processor_limits()[0].value == CORES
