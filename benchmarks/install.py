"""What the first ``./taskw`` costs: seconds, megabytes downloaded, megabytes on disk.

A clone of this commit, in a temporary folder, is installed with an empty uv cache, so it downloads
everything again. ``--write`` replaces the section of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import unquote

# Allows the script to run from any folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    write = parser.parse_args().write
    with tempfile.TemporaryDirectory(prefix="tasador-install-") as folder:
        checkout = Path(folder) / "checkout"
        subprocess.run(["git", "clone", "-q", report.ROOT, checkout], check=True)
        environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        # The uv of the machine or of pip, as for anybody else, not that of this .venv.
        environment["PATH"] = environment["PATH"].replace(f"{report.ROOT / '.venv' / 'bin'}:", "")
        environment["UV_CACHE_DIR"] = str(Path(folder) / "cache")
        began = time.monotonic()
        subprocess.run(["./taskw", "--version"], cwd=checkout, env=environment, check=True)
        seconds = time.monotonic() - began
        began = time.monotonic()
        subprocess.run(["./taskw", "--version"], cwd=checkout, env=environment, check=True)
        again = time.monotonic() - began
        venv = checkout / ".venv"
        sizes = list(download_sizes(venv))
        disk = sum(f.stat().st_size for f in venv.rglob("*") if f.is_file() and not f.is_symlink())
    rows = [
        ["first `./taskw`, s", f"{seconds:.0f}"],
        ["packages", str(len(sizes))],
        ["downloaded, MB", f"{sum(sizes) / 1e6:.0f}"],
        ["`.venv` on disk, MB", f"{disk / 1e6:.0f}"],
        ["every later `./taskw`, s", f"{again:.2f}"],
    ]
    text = (
        f"`./taskw bench:install` on {report.machine()}.\n\n"
        f"{report.table(['what', 'figure'], rows)}"
    )
    print(text)
    if write:
        report.write_section("install", text)


def download_sizes(venv: Path) -> Iterator[int]:
    """Sizes in bytes of the wheels from which the packages of ``venv`` were installed."""
    locked = tomllib.loads((report.ROOT / "uv.lock").read_text())["package"]
    wheels = {
        unquote(wheel["url"].rsplit("/", 1)[1]): wheel["size"]
        for package in locked
        for wheel in package.get("wheels", [])
    }
    for site in venv.glob("lib/python3*/site-packages"):
        for installed in distributions(path=[str(site)]):
            name = re.sub(r"[-_.]+", "_", installed.metadata["Name"]).lower()
            tags = set(re.findall(r"^Tag: (\S+)$", installed.read_text("WHEEL") or "", re.M))
            files = [
                file
                for file in wheels
                if re.sub(r"[-_.]+", "_", file.split("-")[0]).lower() == name
                and file.split("-")[1] == installed.version
            ]
            # Some wheels give other tags inside than in their file name.
            exact = [file for file in files if tags & set(_expanded(file))]
            near = [file for file in files if sys.platform in file and os.uname().machine in file]
            if exact or near:
                yield wheels[(exact or near)[0]]
            elif name != "tasador":
                raise SystemExit(f"no wheel in uv.lock for {name} {installed.version}")


def _expanded(file: str) -> Iterator[str]:
    """A wheel's tags one by one: py2.py3-none-any is py2-none-any and py3-none-any."""
    pythons, abis, platforms = file.removesuffix(".whl").split("-")[-3:]
    for python in pythons.split("."):
        for abi in abis.split("."):
            for platform in platforms.split("."):
                yield f"{python}-{abi}-{platform}"


if __name__ == "__main__":
    main()
