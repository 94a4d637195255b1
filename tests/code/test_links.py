"""Every relative link of a Markdown file, and every path or module that a text names, exists."""

import ast
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.kit.prose import markdown_files, prose

ROOT = Path(__file__).resolve().parents[2]


def headings(path):
    """The anchors that GitHub gives to a file's headings."""
    for title in re.findall(r"^#+ (.+)$", prose(path.read_text()), re.M):
        yield re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


def links(text):
    """Targets of inline links and images, and of reference definitions."""
    yield from re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", text)
    yield from re.findall(r"^\[[^\]]+\]: +(\S+)", text, re.M)
    yield from re.findall(r"<(?:img|source)[^>]+src(?:set)?=\"([^\"]+)\"", text)


@pytest.mark.parametrize("path", markdown_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path):
    broken = []
    for link in links(prose(path.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = unquote(link).partition("#")
        file = (path.parent / target).resolve() if target else path
        if not file.is_relative_to(ROOT) or not file.exists():
            broken.append(f"{link}: no such file")
        elif anchor and file.suffix == ".md" and anchor not in headings(file):
            broken.append(f"{link}: no such heading")
    assert broken == [], path


@pytest.mark.parametrize("path", markdown_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_paths_in_backticks_exist(path):
    folders = (
        "argo-workflows|benchmarks|cluster|docs|examples|flows|functions|knative|tasador|tests|web"
    )
    named = re.findall(rf"`((?:\.\./)?(?:{folders})/[\w./-]+)`", path.read_text())
    concrete = {name for name in named if not re.search(r"[A-Z]{4}", name) or name.endswith(".md")}
    missing = [
        name for name in concrete if not any((f / name).exists() for f in (ROOT, path.parent))
    ]
    assert missing == [], path


def packages():
    """Each folder of Python modules, with the text at the start of its ``__init__.py``."""
    for path in sorted((ROOT / "tasador").rglob("__init__.py")):
        yield path, ast.get_docstring(ast.parse(path.read_text())) or ""


def test_modules_named_by_their_folder_exist():
    modules = {path.stem for path in (ROOT / "tasador").rglob("*.py")}
    modules |= {path.parent.name for path, _ in packages()}
    unknown = [
        (str(path.relative_to(ROOT)), name)
        for path, text in packages()
        for name in re.findall(r"``([a-z][a-z_]*)``", text)
        if name not in modules
    ]
    assert unknown == []


@pytest.mark.parametrize("index", ["README.md", "index.md"])
def test_every_page_of_docs_is_in_its_index(index):
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md", "index.md"}
    listed = set(links((ROOT / "docs" / index).read_text()))
    assert pages - listed == set()


def test_every_module_of_functions_is_in_their_readme():
    text = (ROOT / "functions" / "README.md").read_text()
    table = text.partition("## Modules")[2].partition("##")[0]
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", table))))
    modules = {path.stem for path in (ROOT / "functions").glob("*.py")} - {"__init__"}
    assert modules - named == set()
