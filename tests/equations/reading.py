"""Reads notebooks, docstrings and markers; the functions of a notebook by their names."""

import ast
import builtins
import re
import symtable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


def equations(notebook: str) -> list[list[str]]:
    """The tags of each displayed equation of a notebook's text, in order: one each, it is hoped."""
    displayed = re.findall(r"\$\$(.+?)\$\$", notebook, re.DOTALL)
    return [re.findall(r"\\tag\{(.+?)\}", each) for each in displayed]


def named_in_docstrings(source: str) -> set[str]:
    """The equations that functions and classes of a source say they implement ("Eq. 3.5")."""
    return {
        number
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        for number in re.findall(r"Eq\.\s+(\d+\.\d+)", ast.get_docstring(node) or "")
    }


def marked(source: str) -> set[str]:
    """The equations in the markers of a source's tests: @pytest.mark.equation("3.5", "3.8")."""
    return {
        ast.literal_eval(argument)
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        for mark in node.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.equation"
        for argument in mark.args
    }


def from_notebook(number: str, *names: str, **given) -> list:
    """Functions of the notebook with that number, as it defines them; `given`: see functions_of."""
    (path,) = [path for path in NOTEBOOKS if path.name.startswith(number)]
    return functions_of(path.read_text(encoding="utf-8"), *names, **given)


def functions_of(notebook: str, *names: str, **given) -> list:
    """Functions and classes of a notebook's text by their names, with what they need of it.

    Its imports are executed, and the definitions that they call; no other line is. `given` are
    values of the notebook that they use; what is given goes before what the notebook defines.
    Raises LookupError where a name is not defined there, or a value that is used is not given.
    """
    tree = ast.parse(notebook)
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    known = {alias.asname or alias.name.split(".")[0] for node in imports for alias in node.names}
    known |= {*given, *dir(builtins)}
    defined = {
        node.name: node
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name not in given
    }
    needed = list(names)
    for name in needed:  # grows while it is read
        if name not in defined:
            raise LookupError(f"the notebook defines no {name}")
        used = globals_used(defined[name]) - known
        if missing := used - set(defined):
            raise LookupError(f"{name} uses {', '.join(sorted(missing))} of the notebook: give it")
        needed += sorted(used - set(needed))
    definitions = [node for node in defined.values() if node.name in needed]
    namespace = dict(given)
    exec(compile(ast.Module([*imports, *definitions], []), "notebook", "exec"), namespace)
    return [namespace[name] for name in names]


def functions_source(notebook: str, name: str) -> tuple[str, str]:
    """The source and the docstring of a function of a notebook's text."""
    (node,) = [node for node in ast.parse(notebook).body if getattr(node, "name", "") == name]
    return ast.unparse(node), ast.get_docstring(node) or ""


def globals_used(definition: ast.stmt) -> set[str]:
    """The names that a definition reads from the module it stands in."""

    def read(table):
        names = {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
        return names.union(*map(read, table.get_children()))

    table = symtable.symtable(ast.unparse(definition), "notebook", "exec")
    outside = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    return (outside | read(table)) - {definition.name}
