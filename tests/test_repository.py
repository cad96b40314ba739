"""What holds for the repository as a whole: which way imports point, what is packaged, what may be in it."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from checkout import ROOT, tracked_files

import segsweep

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

LAYERS = [
    {"cli", "hydra_run", "composed_settings", "__main__", "hydra_plugins"},
    {
        "job",
        "runs",
        "references",
        "lineage",
        "resolving",
        "engines",
        "sweep",
        "report",
        "choosing",
        "predict",
        "profiling",
        "demo",
        "candidates",
        "devices",
        "scoring",
    },
    {"training", "quantization", "evaluation", "tracking"},
    {"tflite", "models", "data"},
    {"config"},
    {"command_line", "errors", "durations", "outcome", "progress", "quiet", "processes", "whole_files"},
]
"""The parts of the package from top to bottom. A part imports from lower layers, or from its own without a cycle."""

MAY_IMPORT_TENSORFLOW = [
    "segsweep/models/*",
    "segsweep/training/*",
    "segsweep/tflite/conversion.py",
    "segsweep/quantization/activation_ranges.py",
    "segsweep/quantization/batch_norm_folding.py",
    "segsweep/quantization/float_twin.py",
    "segsweep/quantization/rounding_layout.py",
    "segsweep/quantization/fake_quantization.py",
    "segsweep/quantization/quantization_aware.py",
    "segsweep/quantization/recipe_training.py",
]
TENSORFLOW = {"tensorflow", "tf_keras", "tensorflow_model_optimization"}

LIGHT = [
    "candidates",
    "choosing",
    "cli",
    "config",
    "data",
    "demo",
    "devices",
    "errors",
    "evaluation",
    "lineage",
    "predict",
    "profiling",
    "references",
    "report",
    "scoring",
    "tflite",
    "tracking",
]
"""Parts that must load without loading TensorFlow, their libraries included."""
LIGHT_MODULES = {"segsweep.quantization.variants", "segsweep.quantization.post_training"}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, *, for_types: bool = True, when_called: bool = True) -> Iterator[str]:
    """Every name that a file imports, at any depth, absolute: `a.b` for `import a.b` and for `from a import b`.

    Without `for_types`, what stands under `if TYPE_CHECKING:` is left out: it never runs. Without `when_called`, so is
    what stands in functions.
    """
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package.pop()
    waiting: list[ast.AST] = [ast.parse(path.read_text(), str(path))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not for_types:
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.FunctionDef) and not when_called:
            continue
        waiting.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def part(module: str) -> str | None:
    """The part of the package that a module belongs to; None for other packages and for segsweep's own top."""
    top, _, rest = module.partition(".")
    if top == "hydra_plugins":
        return top if rest.startswith("segsweep") else None
    name = rest.partition(".")[0]
    if top != "segsweep" or not name:
        return None
    is_module = (ROOT / "segsweep" / name).is_dir() or (ROOT / "segsweep" / f"{name}.py").exists()
    return name if is_module else None


def layer(name: str) -> int:
    found = [number for number, parts in enumerate(LAYERS) if name in parts]
    assert found, f"segsweep/{name} has no place in LAYERS yet"
    return found[0]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def checkout() -> list[Path]:
    """The files that git tracks or would track."""
    return tracked_files()


def test_imports_point_one_way() -> None:
    edges = set()
    for path in sources("segsweep", "hydra_plugins"):
        importer = part(module_name(path))
        if importer is None:
            at_once = [name for name in imported(path, when_called=False) if part(name)]
            assert not at_once, f"{relative(path)} is imported by everything"
            continue
        for name in imported(path):
            target = part(name)
            if target is not None and target != importer:
                assert layer(importer) <= layer(target), f"{relative(path)} imports {name}, which is above it"
                edges.add((importer, target))
    # Whoever only points into parts already settled is settled too; what is left at the end is a cycle.
    unsettled = {name for edge in edges for name in edge}
    while settled := {name for name in unsettled if not any(a == name and b in unsettled for a, b in edges)}:
        unsettled -= settled
    assert not unsettled, f"a cycle among these parts: {sorted(unsettled)}"


def test_tensorflow_is_imported_where_models_are_made_and_nowhere_else() -> None:
    strays = {
        f"{relative(path)}: {name}"
        for path in sources("segsweep", "hydra_plugins")
        if not any(fnmatch(relative(path), pattern) for pattern in MAY_IMPORT_TENSORFLOW)
        for name in imported(path, for_types=False)
        if name.partition(".")[0] in TENSORFLOW
    }
    assert not strays


def test_light_parts_load_no_tensorflow() -> None:
    modules = [
        module_name(path)
        for path in sources("segsweep")
        if (part(module_name(path)) in LIGHT or module_name(path) in LIGHT_MODULES)
        and not any(fnmatch(relative(path), pattern) for pattern in MAY_IMPORT_TENSORFLOW)
    ]
    script = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        f"    found = {TENSORFLOW!r}.intersection(sys.modules)\n"
        "    assert not found, f'{name} loads {found}'\n"
    )
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert loaded.returncode == 0, loaded.stderr


def test_nobody_uses_keras_3() -> None:
    strays = set()
    for path in sources("segsweep", "hydra_plugins", "tests", "benchmarks"):
        for name in imported(path):
            if name.partition(".")[0] == "keras" or f"{name}.".startswith("tensorflow.keras."):
                strays.add(f"{relative(path)}: {name}")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("tf.keras", "tensorflow.keras"):
                strays.add(f"{relative(path)}:{node.lineno}: {ast.unparse(node)}")
    assert not strays


def test_every_package_is_listed_for_the_wheel() -> None:
    folders = {path.parent for path in sources("segsweep", "hydra_plugins")}
    present = {folder.relative_to(ROOT).as_posix().replace("/", ".") for folder in folders}
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == present | {"segsweep.conf", "hydra_plugins"}
    assert all((folder / "__init__.py").exists() for folder in folders)
    assert not (ROOT / "hydra_plugins" / "__init__.py").exists(), "a namespace that other distributions share"
    assert (ROOT / "conf" / "__init__.py").exists(), "Hydra finds pkg://segsweep.conf only as a regular package"


def test_version_is_stated_once() -> None:
    assert PYPROJECT["project"]["version"] == segsweep.__version__


def test_constraints_are_pins_and_nothing_else() -> None:
    pin = re.compile(r"[a-z0-9._-]+==[^\s;]+( ; [^;]+)?")
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert not [line for line in lines if not pin.fullmatch(line)]
    # "aiohttp==3" is a package; an address has more to it.
    assert not [line for line in lines if re.search(r"https?:|file:|--index|find-links", line)]


def test_files_are_named_for_what_they_do(checkout: list[Path]) -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert not [relative(path) for path in checkout if vague & {path.stem, *path.relative_to(ROOT).parts[:-1]}]


def test_files_are_small(checkout: list[Path]) -> None:
    assert not [relative(path) for path in checkout if path.stat().st_size > 1_000_000]


DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    *(f"docs/{name}.md" for name in ("integer_files", "quantization", "quantization_quality", "report", "scores")),
]
_NAMED_PATH = re.compile(
    r"`((?:segsweep|conf|tests|benchmarks|docs|examples|hydra_plugins)/[\w./-]*)`|\]\(([\w./-]+)\)"
)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_exists(document):
    named = {
        (path.rstrip("/"), bool(link))
        for path, link in _NAMED_PATH.findall((ROOT / document).read_text())
        for path in [path or link]
        if "NAME" not in path
    }
    assert named
    missing = [
        path for path, is_link in named if not ((ROOT / document).parent / path if is_link else ROOT / path).exists()
    ]
    assert not missing


def test_the_readme_starts_with_the_two_commands_that_do_all_the_set_up():
    head = (ROOT / "README.md").read_text().splitlines()[:6]
    assert [line.partition("#")[0].strip() for line in head if line.startswith("make ")] == ["make demo", "make test"]
