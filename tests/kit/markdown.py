"""The repository's Markdown files, and their prose without code."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def markdown_files():
    """Every Markdown file that git tracks or would track, sorted."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return sorted(path for name in set(listed.split("\0")) - {""} if (path := ROOT / name).exists())


def prose(text):
    """``text`` without code, HTML comments and generated sections; lines keep their numbers."""
    generated = r"<!-- ([\w ]+):begin -->.*?<!-- \1:end -->"
    for pattern in (generated, r"^( *)```.*?^\1```", r"<!--.*?-->", r"`[^`\n]+`"):
        text = re.sub(pattern, lambda match: "\n" * match[0].count("\n"), text, flags=re.M | re.S)
    return text
