"""The house: floors, rooms, owners of foreign libraries, and sizes, read from the source itself."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "regproxy"
FLOORS = {
    "model": 0,
    "freshness": 1, "policy": 1,
    "store": 2, "upstream": 2, "tls": 2, "telemetry": 2, "wire": 2, "rehearsal": 2, "setup": 2,
    "cache": 3,
    "proxy": 4, "admin": 4,
    "reload": 5, "settings": 5,
    "app": 6,
    "cli": 7,
    "__main__": 8,
}  # fmt: skip
OWNERS = {
    "tornado": {"proxy", "admin", "upstream", "app"},
    "pycurl": {"upstream"},
    "lark": {"policy", "rehearsal"},
    "re2": {"policy", "rehearsal"},
    "cryptography": {"tls"},
    "prometheus_client": {"telemetry", "admin"},
    "opentelemetry": {"telemetry"},
    "msgspec": {"wire", "admin"},
    "bcrypt": {"cache"},
    "click": {"cli"},
    "rich": {"cli"},
}
INDEX_ONLY = {"sqlite3": "store/index.py"}
# A pure floor decides: what time it is, what a socket says and what a file holds is told to it.
IMPURE = {"asyncio", "os", "socket", "time", "random", "logging", "pathlib", "threading", "subprocess", "tempfile"}
UNKNOWN_TO_PROXY = {"cache", "store", "upstream", "policy", "freshness"}
SHAPELESS_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "base", "misc", "lib", "core_utils"}
MAX_FILE = 300
MAX_FUNCTION = 60
P90_FUNCTION = 40
MUTATORS = {
    "append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "clear", "remove", "discard",
    "appendleft", "popleft",
}  # fmt: skip

FILES = sorted(PACKAGE.rglob("*.py"))
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _room(path: Path) -> str:
    """The room a file lies in; empty for `regproxy/__init__.py`."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


@cache
def _imports(path: Path) -> list[str]:
    """The full names of what a file imports, wherever in it."""
    names = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides which room it enters"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def _rooms_entered(path: Path) -> set[str]:
    parts = [name.split(".") for name in _imports(path) if name.startswith("regproxy.")]
    # `from regproxy import __version__` enters no room.
    return {part[1] for part in parts if part[1] != "__version__"} - {_room(path)}


def test_there_is_something_to_judge() -> None:
    assert len(FILES) > 50
    assert {_room(path) for path in FILES} - {""} <= set(FLOORS), "a room that has no floor in DESIGN"


@every_file
def test_imports_point_to_lower_floors_and_rooms_on_one_floor_are_blind_to_each_other(path: Path) -> None:
    floor = FLOORS.get(_room(path), 0)
    assert {room for room in _rooms_entered(path) if FLOORS[room] >= floor} == set()


@every_file
def test_each_foreign_library_has_its_owners(path: Path) -> None:
    imported = {name.partition(".")[0] for name in _imports(path)}
    assert {library for library, rooms in OWNERS.items() if library in imported and _room(path) not in rooms} == set()
    place = str(path.relative_to(PACKAGE))
    assert {library for library, owner in INDEX_ONLY.items() if library in imported and place != owner} == set()


@every_file
def test_the_pure_floors_read_no_clock_and_touch_nothing(path: Path) -> None:
    if FLOORS.get(_room(path), 0) <= 1:
        assert {name.partition(".")[0] for name in _imports(path)} & IMPURE == set()


@every_file
def test_the_edge_knows_the_core_only_through_the_model(path: Path) -> None:
    if _room(path) == "proxy":
        assert _rooms_entered(path) & UNKNOWN_TO_PROXY == set()


@every_file
def test_a_file_is_short_named_for_what_it_does_and_says_what_that_is(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE
    assert path.stem not in SHAPELESS_NAMES
    sentence = ast.get_docstring(_tree(path))
    assert sentence, "the module has no docstring"


def _lengths(path: Path) -> dict[str, int]:
    return {
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_functions_fit_a_screen() -> None:
    lengths = {name: length for path in FILES for name, length in _lengths(path).items()}
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION} == {}
    ordered = sorted(lengths.values())
    assert ordered[len(ordered) * 9 // 10] <= P90_FUNCTION


@every_file
def test_a_match_over_a_union_of_ours_is_closed(path: Path) -> None:
    """Three classes and more are a union: its last case catches all, so that a new member cannot slip through."""
    for node in (node for node in ast.walk(_tree(path)) if isinstance(node, ast.Match)):
        last = node.cases[-1]
        closed = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
        assert closed or len(_own_classes(path, node)) < 3, f"line {node.lineno}: match without a last `case _`"


def _own_classes(path: Path, match: ast.Match) -> set[str]:
    """The classes of this project that the cases of a match name."""
    own = {name.rpartition(".")[2] for name in _imports(path) if name.startswith("regproxy.")}
    own |= {node.name for node in ast.walk(_tree(path)) if isinstance(node, ast.ClassDef)}
    named = {
        ast.unparse(node.cls) for case in match.cases for node in ast.walk(case) if isinstance(node, ast.MatchClass)
    }
    return named & own


@every_file
def test_nothing_mutable_is_module_global(path: Path) -> None:
    """No `global`, and no table of a module is changed after its import."""
    tree = _tree(path)
    tables = set()
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        tables |= {target.id for target in targets if isinstance(target, ast.Name)}
    changed = []
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        local = {arg.arg for arg in ast.walk(function.args) if isinstance(arg, ast.arg)} | {
            name.id for name in ast.walk(function) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        }
        changed += [f"{name} at line {line}" for name, line in _changes(function) if name in tables - local]
    assert changed == []


def _changes(function: ast.AST) -> Iterator[tuple[str, int]]:
    """Names that a function rebinds by `global`, assigns into, deletes from, or calls a mutator of."""
    for node in ast.walk(function):
        match node:
            case ast.Global(names=names):
                yield from ((name, node.lineno) for name in names)
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                yield name, node.lineno
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attribute)) if attribute in MUTATORS:
                yield name, node.lineno
            case _:
                pass


def test_no_todo_is_left_and_no_task_is_without_an_owner() -> None:
    for path in FILES:
        assert not re.search(r"\b(TODO|FIXME|XXX)\b", path.read_text(encoding="utf-8")), path
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                called = ast.unparse(node.value.func)
                # A TaskGroup, called so, keeps its tasks itself.
                assert called == "group.create_task" or not called.endswith(("create_task", "ensure_future")), (
                    f"{path}:{node.lineno}: nobody keeps the task"
                )
