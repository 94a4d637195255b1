"""Branch coverage of the tests and of the Python processes that they start, by SlipCover's probes.

    python -m tests.kit.coverage PYTEST ARGS

runs pytest and prints the coverage of what [tool.slipcover] in pyproject.toml names. Up to Python
3.13 coverage.py traces every line of every package, which took a third of the suite's processor
time. A probe is compiled into measured code alone, so other packages run at full speed.

SlipCover itself measures one process and those that it forks. A line in the environment's
site-packages lets each process run this file when it starts, as coverage.py does. A process that
ends, is terminated or is replaced by another program writes what it has run to COVERAGE_FOLDER; one
that is killed does not.
"""

import atexit
import hashlib
import marshal
import os
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from importlib.machinery import SourceFileLoader

FOLDER, SOURCES = "COVERAGE_FOLDER", "COVERAGE_SOURCES"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# A file of site-packages whose line runs this file, under this name.
_STARTS_THIS, _STARTED = "tasador_coverage.pth", "coverage_started"


def start(folder, sources):
    """Compile probes into the code of ``sources``, and write what was run when the process ends."""
    from slipcover import Slipcover, __version__

    # Below zero: a probe stays in the code. To remove it SlipCover looks through all modules, which
    # is not safe while other threads import some.
    probes = Slipcover(branch=True, d_miss_threshold=-1)
    key = f"{sys.implementation.cache_tag} {__version__} ".encode()
    prefixes = tuple(os.path.join(ROOT, source, "") for source in sources)
    get_code = SourceFileLoader.get_code

    def get_code_with_probes(loader, name):
        path = loader.get_filename(name)
        if not path.startswith(prefixes):
            return get_code(loader, name)
        source = loader.get_data(path)
        digest = hashlib.sha256(key + path.encode() + source).hexdigest()
        code = _kept(os.path.join(folder, "code", digest), lambda: _branches_marked(source, path))
        return probes.instrument(code)

    SourceFileLoader.get_code = get_code_with_probes
    _write_at_the_end(folder, probes)


def _branches_marked(source, path):
    import ast

    from slipcover.branch import preinstrument

    return compile(preinstrument(ast.parse(source)), path, "exec", dont_inherit=True)


def _kept(file, make):
    """Code that is in ``file``, or is made and kept there: compiling takes longer than probing."""
    try:
        with open(file, "rb") as kept:
            return marshal.load(kept)
    except FileNotFoundError:
        code = make()
        _write(file, code)
        return code


def _write(file, data):
    part = f"{file}.{os.getpid()}.{threading.get_ident()}"
    with open(part, "wb") as written:
        marshal.dump(data, written)
    os.replace(part, file)


def _write_at_the_end(folder, probes):
    def write(*_):
        seen = {file: list(lines) for file, lines in list(probes.newly_seen.items())}
        if seen:
            _write(os.path.join(folder, f"{os.getpid()}.{time.time_ns()}.seen"), seen)

    def terminate(*_):
        write()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    def after_write(execute):
        def written_first(*args):
            write()
            return execute(*args)

        return written_first

    atexit.register(write)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, terminate)
    os.execv, os.execve = after_write(os.execv), after_write(os.execve)


def lines_seen(folder):
    """Each file that a process ran, with its lines, and its branches as pairs of lines."""
    for name in os.listdir(folder):
        if name.endswith(".seen"):
            with open(os.path.join(folder, name), "rb") as written:
                yield from marshal.load(written).items()


def report(folder, settings):
    """Print the files that are not covered wholly; the percentage of lines and branches covered."""
    from slipcover import Slipcover
    from slipcover.slipcover import print_coverage

    probes = Slipcover(
        branch=True,
        source=[os.path.join(ROOT, source) for source in settings["source"]],
        exclude_also=settings["exclude-also"],
    )
    for file, lines in lines_seen(folder):
        probes.newly_seen[file].update(lines)
    result = probes.get_coverage()
    print_coverage(result, skip_covered=True, missing_width=40)
    covered = result["summary"]["percent_covered"]
    sys.stdout.write(f"branch coverage: {covered:.1f} %\n")
    return covered


def _settings():
    import tomllib

    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        return tomllib.load(file)["tool"]["slipcover"]


def main(arguments):
    """Run pytest with coverage: its exit status, or 1 if too little is covered."""
    import shutil

    settings = _settings()
    folder = os.path.join(ROOT, ".coverage")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "code"))
    started = f"""if os.environ.get({FOLDER!r}):
    with open({__file__!r}, encoding="utf-8") as file:
        code = compile(file.read(), file.name, "exec")
    exec(code, {{"__name__": {_STARTED!r}, "__file__": file.name}})
"""
    with open(os.path.join(sysconfig.get_path("purelib"), _STARTS_THIS), "w") as file:
        file.write(f"import os; exec({started!r})\n")
    environ = {**os.environ, FOLDER: folder, SOURCES: os.pathsep.join(settings["source"])}
    # SlipCover's plugin is for its own command line. Pytest warns that it was imported too early.
    options = "-p no:slipcover -W 'ignore:Module already imported so:UserWarning'"
    environ["PYTEST_ADDOPTS"] = f"{os.environ.get('PYTEST_ADDOPTS', '')} {options}"
    command = [sys.executable, "-m", "pytest", *arguments]
    status = subprocess.run(command, env=environ, check=False).returncode
    covered = report(folder, settings)
    return status or int(covered < settings["fail-under"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
elif __name__ == _STARTED:
    start(os.environ[FOLDER], os.environ[SOURCES].split(os.pathsep))
