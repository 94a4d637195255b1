"""What code gives to ``text``: the English texts that a catalogue must translate."""

import ast
import re
from string import Formatter

# The arguments that are texts, and the placeholders that the function itself fills.
TAKES_TEXTS = {"text": slice(1), "counted": slice(1, 3)}
FILLED: dict[str, set[str]] = {"text": set(), "counted": {"count", "one"}}


def called(node):
    """The name of what a call calls."""
    function = getattr(node, "func", None)
    return getattr(function, "id", getattr(function, "attr", ""))


def literals(node, named):
    """The texts that an expression may be, and not those that it only compares or looks up."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name) and node.id in named:
        yield named[node.id]
    elif isinstance(node, ast.IfExp):
        yield from literals(node.body, named)
        yield from literals(node.orelse, named)


def named_texts(module):
    """The texts of a module that have a name."""
    return {
        node.targets[0].id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }


def calls_of_text(paths):
    """(file and line, the call, its texts) of every call of ``text`` and ``counted`` in files."""
    for path in sorted(paths):
        module = ast.parse(path.read_text())
        named = named_texts(module)
        for node in ast.walk(module):
            function = getattr(getattr(node, "func", None), "id", "")
            if function not in TAKES_TEXTS or not node.args:
                continue
            given = node.args[TAKES_TEXTS[function]]
            texts = [each for argument in given for each in literals(argument, named)]
            yield f"{path.name}:{node.lineno}", node, texts


def constants(paths):
    """Every text in the code of files."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def placeholders(message):
    """The names of a text's {placeholders}."""
    return {name for _, name, _, _ in Formatter().parse(message) if name is not None}


def wrongly_filled(paths):
    """The calls whose values are not the placeholders of their text."""
    return [
        (where, each)
        for where, call, texts in calls_of_text(paths)
        for each in texts
        if placeholders(each) - FILLED[call.func.id] != {keyword.arg for keyword in call.keywords}
    ]


def of_many_only(paths):
    """The texts that say of one thing what English says of several: "1 rows"."""
    return [
        (where, each)
        for where, call, texts in calls_of_text(paths)
        for each in texts
        if call.func.id == "text" and re.search(r"\{count\} ([a-z]+ )?[a-z]+s\b", each)
    ]
