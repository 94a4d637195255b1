"""The memory that malloc keeps for the next block."""

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc is not glibc's")

# Prints the page faults of a thread that needs 40 MB again and again, in blocks.
FAULTS = """
import resource, threading
from tasador.machine.memory import keep_freed

def work():
    for _ in range(20):
        blocks = [bytearray(4 << 20) for _ in range(10)]
        del blocks

{before}
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""

# Prints the resident megabytes before and after free memory is returned.
RESIDENT = """
import resource
from pathlib import Path
from tasador.machine.memory import keep_freed, return_freed

def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20

keep_freed()
blocks = [bytearray(4 << 20) for _ in range(10)]
del blocks
print(resident())
return_freed()
print(resident())
"""


def printed(code):
    command = [sys.executable, "-c", code]
    return [int(line) for line in subprocess.check_output(command, text=True).split()]


def test_freed_memory_is_used_again():
    (faults,) = printed(FAULTS.format(before=""))
    (kept_faults,) = printed(FAULTS.format(before="keep_freed()"))
    assert kept_faults < faults / 4


def test_kept_memory_is_returned_when_asked():
    kept, returned = printed(RESIDENT)
    assert returned < kept - 30
