"""The repository's files that contain prose, and the prose without the code."""

import ast
import io
import re
import subprocess
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def files(*patterns):
    """Every file that git tracks or would track and that matches a pattern, sorted."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return sorted(path for name in set(listed.split("\0")) - {""} if (path := ROOT / name).exists())


def markdown_files():
    return files("*.md")


def prose(text):
    """``text`` without code, HTML comments and generated sections; lines keep their numbers."""
    generated = r"<!-- ([\w ]+):begin -->.*?<!-- \1:end -->"
    for pattern in (generated, r"^( *)```.*?^\1```", r"<!--.*?-->", r"`[^`\n]+`"):
        text = re.sub(pattern, lambda match: "\n" * match[0].count("\n"), text, flags=re.M | re.S)
    return text


def python_prose(text):
    """(line number, text) of every comment and docstring of a module, code in backticks blanked."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], _without_code(token.string)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False):
            docstring = node.body[0]
            for number, line in enumerate(docstring.value.value.splitlines()):
                yield docstring.lineno + number, _without_code(line)


def _without_code(line):
    return re.sub(r"``.+?``|`.+?`", "", line)
