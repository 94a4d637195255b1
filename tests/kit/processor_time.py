"""Hooks of pytest: the processor time of each test file, printed where --durations is given.

It is that of the process that runs the test and of its children that have ended. The other work of
the machine does not change it, as it does the times that --durations prints.
"""

import resource
from collections import Counter

import pytest

_SHOWN = 15


def used():
    """Seconds of this process and of the children that it has waited for."""
    both = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


_counted = used()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Charge each phase with what was used since the one before it."""
    global _counted
    report = yield
    before, _counted = _counted, used()
    report.processor_seconds = _counted - before
    return report


def by_file(reports):
    """The seconds of each file, most first."""
    seconds = Counter()
    for report in reports:
        seconds[report.nodeid.partition("::")[0]] += getattr(report, "processor_seconds", 0)
    return seconds.most_common()


def pytest_terminal_summary(terminalreporter):
    if not terminalreporter.config.getoption("durations"):
        return
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    files = by_file(report for report in reports if hasattr(report, "nodeid"))
    total = sum(seconds for _, seconds in files)
    terminalreporter.section(f"processor time: {total:,.0f} s in {len(files)} files")
    for name, seconds in files[:_SHOWN]:
        terminalreporter.write_line(f"{seconds:7.1f}s {name}")
