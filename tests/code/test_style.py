"""Prose follows docs/style.md: its first table lists the phrases that no document may contain."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.kit.prose import files, markdown_files, prose, python_prose

ROOT = Path(__file__).resolve().parents[2]
STYLE = ROOT / "docs" / "style.md"


# Folders whose comments and docstrings follow the table too.
PYTHON = (
    "benchmarks",
    "cluster",
    "docs",
    "examples",
    "flows",
    "functions",
    "tasador",
    "tests",
    "web",
)


@cache
def phrases():
    """(pattern, replacement) of every row of the table that the linter holds."""
    table = STYLE.read_text().split("## Held by the linter")[1].split("\n## ")[0]
    return [
        (re.compile(rf"\b(?:{pattern.replace(chr(92) + '|', '|')})\b", re.I), replacement)
        for patterns, replacement in re.findall(r"^\| (`.+?`) \| (.+) \|$", table, re.M)
        for pattern in re.findall(r"`(.+?)`", patterns)
    ]


def findings(text):
    """(line number, phrase, replacement) of every forbidden phrase in ``text``."""
    anything = re.compile("|".join(pattern.pattern for pattern, _ in phrases()), re.I)
    for number, line in enumerate(text.splitlines(), 1):
        if not anything.search(line):
            continue
        for pattern, replacement in phrases():
            for match in pattern.finditer(line):
                yield number, match[0], replacement


@pytest.mark.parametrize("path", markdown_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_markdown_contains_no_listed_phrase(path):
    if path == STYLE:
        pytest.skip("it lists the phrases")
    complaints = [
        f"{path.relative_to(ROOT)}:{number}: {phrase!r}: write {replacement}"
        for number, phrase, replacement in findings(prose(path.read_text()))
    ]
    assert complaints == [], "\n".join(complaints)


@pytest.mark.parametrize("folder", PYTHON)
def test_python_prose_contains_no_listed_phrase(folder):
    complaints = [
        f"{path.relative_to(ROOT)}:{number}: {phrase!r}: write {replacement}"
        for path in files(f"{folder}/**.py")
        for number, line in python_prose(path.read_text())
        for _, phrase, replacement in findings(line)
    ]
    assert complaints == [], "\n".join(complaints)


def test_linter_finds_phrases_in_prose_and_ignores_code():
    text = "It is told by `asked for`.\n\n```\nmend it\n```\nbeside\n"
    assert [(line, phrase) for line, phrase, _ in findings(prose(text))] == [
        (1, "is told"),
        (1, "told by"),
        (6, "beside"),
    ]
