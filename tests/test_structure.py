"""The structure of the code: folders and their imports, state that only its own class changes, one name for one class."""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "anaphora"
MODULES = {".".join(path.relative_to(SOURCE.parent).with_suffix("").parts): path for path in SOURCE.rglob("*.py")}
FOLDERS = (
    "chat cli context documents guards memory personas providers schema search server stores sync tools transfer turn values"
)
MAX_LEVELS = 14
MAX_MUTABLE = 8


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def folder(module: str) -> str:
    """Gives the room of the picture that a module is in: its folder, or itself in the root."""
    path = MODULES[module]
    return module if path.parent == SOURCE else ".".join(path.parent.relative_to(SOURCE.parent).parts)


@cache
def imports() -> dict[str, set[str]]:
    """Gives the modules that each module imports, at its top or later."""
    found: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        targets: set[str] = set()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("anaphora"):
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                targets |= (inside & MODULES.keys()) or ({node.module} & MODULES.keys())
        found[module] = targets - {module}
    return found


def levels(graph: dict[str, set[str]]) -> dict[str, int]:
    """Gives the floor of every node: one above the highest of those that it imports. Raises ValueError for a circle."""
    known: dict[str, int] = {}

    def level(node: str, above: tuple[str, ...]) -> int:
        if node in above:
            raise ValueError(f"a circle: {' > '.join((*above, node))}")
        if node not in known:
            known[node] = 1 + max((level(other, (*above, node)) for other in graph[node]), default=0)
        return known[node]

    for node in graph:
        level(node, ())
    return known


def test_the_root_has_few_files_and_its_folders_are_nouns_of_the_glossary():
    files = {path.name for path in SOURCE.glob("*.py")}
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert files == {"__init__.py", "__main__.py", "billing.py", "concurrency.py", "errors.py", "files.py", "settings.py"}
    assert sorted(folders) == FOLDERS.split()


def test_no_module_imports_itself_through_others():
    levels({module: {one for one in targets if one.count(".")} for module, targets in imports().items() if module.count(".")})


def test_the_picture_of_the_folders_has_at_most_fourteen_floors_and_no_circle():
    graph: dict[str, set[str]] = {}
    for module, targets in imports().items():
        if module in {"anaphora", "anaphora.__main__"}:
            continue
        here = folder(module)
        graph.setdefault(here, set()).update(folder(one) for one in targets if one != "anaphora" and folder(one) != here)
    # A folder's own root files and its subfolders are one room with rooms inside.
    whole: dict[str, set[str]] = {}
    for room, targets in graph.items():
        top = ".".join(room.split(".")[:2])
        whole.setdefault(top, set()).update(".".join(one.split(".")[:2]) for one in targets)
    floors = levels({room: targets - {room} for room, targets in whole.items()})
    assert max(floors.values()) <= MAX_LEVELS, floors


def classes(only: str | None = None) -> Iterator[tuple[str, ast.ClassDef]]:
    for module, path in MODULES.items() if only is None else [(only, MODULES[only])]:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                yield module, node


def is_frozen(node: ast.ClassDef) -> bool:
    return any("frozen=True" in ast.unparse(one) for one in node.decorator_list)


def mutable_fields(node: ast.ClassDef) -> set[str]:
    """Gives the fields that change: those of a dataclass that is not frozen, and those that a method assigns after the start."""
    found: set[str] = set()
    if any("dataclass" in ast.unparse(one) for one in node.decorator_list) and not is_frozen(node):
        found |= {one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)}
    for method in node.body:
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.name not in {"__init__", "__post_init__"}:
            found |= {
                one.attr
                for one in ast.walk(method)
                if isinstance(one, ast.Attribute)
                and isinstance(one.ctx, ast.Store | ast.Del)
                and isinstance(one.value, ast.Name)
                and one.value.id == "self"
            }
    return found


def test_no_class_has_more_than_eight_fields_that_change():
    many = {
        f"{module}.{node.name}": sorted(fields) for module, node in classes() if len(fields := mutable_fields(node)) > MAX_MUTABLE
    }
    assert many == {}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_class_assigns_the_fields_of_another(module: str):
    # Fields of other libraries' objects, and of functions.
    foreign = {"__signature__", "__doc__", "__name__", "content", "children", "line", "map", "pos", "type"}
    own = {
        one.attr if isinstance(one, ast.Attribute) else ast.unparse(one.target)
        for _, node in classes(module)
        for one in ast.walk(node)
        if (isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == "self")
        or (isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name))
    }
    assigned = [
        f"line {one.lineno}: {ast.unparse(one)}"
        for one in ast.walk(tree(MODULES[module]))
        if isinstance(one, ast.Attribute)
        and isinstance(one.ctx, ast.Store)
        and not (isinstance(one.value, ast.Name) and one.value.id in {"self", "cls", "sys"})
        and not ast.unparse(one).startswith("params.")
        and one.attr not in foreign | own
    ]
    assert assigned == []


def test_no_two_public_classes_share_a_name():
    names = Counter(node.name for _, node in classes() if not node.name.startswith("_"))
    assert {name for name, count in names.items() if count > 1} == set()


def test_no_docstring_is_a_riddle():
    begins = ("What ", "The same", "Who ", "Whether ")
    riddles = [
        f"{module}: {doc.splitlines()[0]}"
        for module, path in MODULES.items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and (doc := ast.get_docstring(node) or "").startswith(begins)
    ]
    assert riddles == []
