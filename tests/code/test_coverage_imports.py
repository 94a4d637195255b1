"""Coverage with and without the plugin that does not trace imports of other packages."""

import importlib.util
import os
import pkgutil
import subprocess
import sys

import coverage
import pytest

from tests.kit.coverage_imports import FOREIGN, FOREIGN_CALLS

PROGRAM = """
import sys
def first(n):
    import elsewhere
    if n > 3:
        import cluster.late as late
        return late.double(n)
    from elsewhere import TRACED
    return TRACED
def second():
    import elsewhere
print(first(1))
second()
first(5)
try:
    import broken
except ValueError:
    caught = True
second()
for _ in range(3):
    from json import tool
    caught = not caught
"""
ELSEWHERE = """
import sys
TRACED = sys.gettrace() is not None
import cluster.early
import cluster.once
"""
EARLY = """
import further
def half(x):
    return x / 2
halved = half(2)
if halved > 5:
    1 / 0
"""
LATE = """
def double(x):
    if x:
        x *= 2
    return x
"""
# What a listener sees is what the call sees.
CALLS = """
import sys
import sqlalchemy
engine = sqlalchemy.create_engine("sqlite://")
@sqlalchemy.event.listens_for(engine, "before_cursor_execute")
def listen(*_):
    print(sys.gettrace() is None)
for _ in range(2):
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("select 1"))
print(sys.gettrace() is None)
"""
FILES = {
    "program.py": PROGRAM,
    "elsewhere.py": ELSEWHERE,
    "further.py": "import json.tool",
    "broken.py": "import cluster.early\nraise ValueError",
    "cluster/__init__.py": "",
    "cluster/early.py": EARLY,
    "cluster/once.py": "import further\nonce = 1",
    "cluster/late.py": LATE,
}


@pytest.fixture
def measure(tmp_path):
    """Runs the program under coverage.py: what it prints, and the arcs by file."""
    (tmp_path / "cluster").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)

    def run(name, plugins, *arguments):
        settings, data_file = tmp_path / f"{name}.toml", tmp_path / f"{name}.coverage"
        settings.write_text(
            "[tool.coverage.run]\nbranch = true\n"
            f'core = "ctrace"\nplugins = {plugins}\ndata_file = "{data_file}"\n'
            f'include = ["{tmp_path}/program.py", "{tmp_path}/cluster/*"]\n'
        )
        command = ("-m", "coverage", "run", "--rcfile", settings, "program.py", *arguments)
        # Without the measurement of the suite itself.
        environ = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        data = coverage.CoverageData(str(data_file))
        data.read()
        return done.stdout, {file: sorted(data.arcs(file)) for file in data.measured_files()}

    return run


def test_coverage_with_untraced_imports_has_the_same_branches(measure):
    traced, expected = measure("without", [])
    untraced, arcs = measure("with", ["tests.kit.coverage_imports"])
    assert (traced.strip(), untraced.strip()) == ("True", "False")
    assert len(arcs) == 5
    assert arcs == expected


@pytest.mark.parametrize("module", sorted(FOREIGN))
def test_process_of_another_package_is_not_traced(measure, module):
    assert importlib.util.find_spec(module)
    printed, arcs = measure("foreign", ["tests.kit.coverage_imports"], module)
    assert printed.strip() == "False"
    assert [os.path.basename(file) for file in arcs] == ["program.py"]
    assert len(*arcs.values()) < 3


@pytest.mark.parametrize("path", [path for calls in FOREIGN_CALLS.values() for path in calls])
def test_untraced_calls_exist(path):
    assert callable(pkgutil.resolve_name(path))


def test_calls_of_other_packages_are_not_traced_and_what_follows_is(measure, tmp_path):
    (tmp_path / "program.py").write_text(CALLS)
    printed, arcs = measure("calls", ["tests.kit.coverage_imports"])
    assert printed.split() == ["True", "True", "False"]
    (arcs,) = arcs.values()
    traced, expected = measure("traced", [])
    assert traced.split() == ["False"] * 3
    # All but those of the listener.
    missed = set(*expected.values()) - set(arcs)
    assert {abs(line) for arc in missed for line in arc} <= {5, 6, 7}
