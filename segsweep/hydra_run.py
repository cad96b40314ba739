"""The verb `run`: hands the command line to Hydra, and turns its complaints into segsweep's."""

import contextlib
import errno
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from segsweep.config.yaml_words import remedy_of
from segsweep.errors import ConfigError, JobsFailed, SegsweepError, StoreError
from segsweep.quiet import VERBOSE_VARIABLE

if TYPE_CHECKING:
    from omegaconf import DictConfig

_PLUS = re.compile(r"^\+{1,2}(?=[^=\s]+=)")
_DOTTED = re.compile(r"^(?!hydra\.)[a-z_]+(\.\w+)+=")
_FOLDER_FLAGS = ("--config-dir", "-cd", "--config-path", "-cp")
"""Before the folders of a user's own YAML files."""
_RESERVED = (
    "sweep.id=",
    "sweep.number=",
    "sweep.attempt=",
    "sweep.varying=",
    "sweep.prune=",
    "sweep.plan=",
    "training.teacher_key=",
    "hydra.job.chdir=",
)


def plan(arguments: Sequence[str]) -> int:
    """Say what `run` would do with the same words; nothing is made. Returns and raises as `run` does."""
    return run(arguments, ["++sweep.plan=true"])


def run(arguments: Sequence[str], own: Sequence[str] = ()) -> int:
    """Run one job, or a sweep with `-m`; all flags of Hydra work, `--tracking-uri` and `--verbose` beside them.

    Returns:
        0, or 1 where some job failed.

    Raises:
        SegsweepError: what was asked cannot work; nothing was started.
    """
    # Without it Hydra prints its complaints itself and exits with status 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    # For the workers to come: glibc keeps a heap for each of TensorFlow's many threads, and gives little of it back.
    os.environ.setdefault("MALLOC_ARENA_MAX", "1")
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**20))
    words = _flags_first([*own, *hydra_arguments(arguments)])

    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from hydra_plugins.segsweep_sweeper.segsweep_sweeper import register

    register()
    _check_flags(words)
    words = [readable(word) for word in words]
    failures: list[BaseException] = []

    def hydra_task(composed: "DictConfig") -> object:
        # An exception that left here would be announced by Hydra in its own words.
        try:
            return _task(composed)
        except BaseException as error:
            if composed.sweep.id is not None:
                raise
            failures.append(error)
            return None

    main = hydra.main(version_base="1.3", config_path="pkg://segsweep.conf", config_name="config")(hydra_task)
    saved = sys.argv
    sys.argv = ["segsweep run", *words]
    try:
        if {"-h", "--help"} & set(words):
            print(_help(main), end="")
        else:
            main()
        if failures:
            raise failures[0]
    except JobsFailed as error:
        print(f"segsweep: {error}", file=sys.stderr)
        return 1
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise as_config_error(error) from error
    except UnicodeDecodeError as error:
        raise _encoding_error(error, words) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreError(
                "no space is left on the disk of the store; free some (segsweep gc), and run the same command again: "
                "it goes on where it was"
            ) from error
        raise ConfigError(f"{error.filename or 'a file'}: {error.strerror or error}") from error
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 2
    finally:
        sys.argv = saved
    return 0


def hydra_arguments(arguments: Sequence[str]) -> list[str]:
    """The words for Hydra: segsweep's own flags taken out, `+` before known settings made harmless.

    Raises:
        ConfigError: more than one experiment is asked for.
    """
    words: list[str] = []
    experiments: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if word == "--verbose":
            os.environ[VERBOSE_VARIABLE] = "1"
            continue
        if word == "--tracking-uri" or word.startswith("--tracking-uri="):
            uri = word.partition("=")[2] or next(rest, "")
            if not uri:
                raise ConfigError("--tracking-uri: no URI after it; give sqlite:///PATH.db or a server's address")
            words.append(f"tracking.uri={quoted(uri)}")
            continue
        if not word.startswith(("+hydra", "++hydra")):
            word = _PLUS.sub("", word)
        if word.startswith("experiment="):
            chosen = word.partition("=")[2].strip("[]").split(",")
            if chosen in (["null"], [""]):
                continue
            experiments += chosen
        if word.startswith(_RESERVED):
            raise ConfigError(f"{word}: segsweep sets this itself; leave it out")
        # Added if it is not there: what a person's own YAML leaves out, and what is no setting at all, which
        # `to_job_config` refuses with a better message than Hydra's.
        if _DOTTED.match(word):
            word = f"++{word}"
        words.append(word)
    if len(experiments) > 1:
        raise ConfigError(
            f"experiment={','.join(experiments)}: an experiment is a whole sweep with its own axes; run one at a time"
        )
    return words


def _flags_first(words: Sequence[str]) -> list[str]:
    """Overrides behind all flags: Hydra's parser takes them in one place only."""
    overrides = [word for word in words if "=" in word and not word.startswith("-")]
    return [*(word for word in words if word not in overrides), *overrides]


def _check_flags(words: Sequence[str]) -> None:
    """Refuse flags that Hydra does not know, in segsweep's words."""
    from hydra._internal.utils import get_args_parser

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            get_args_parser().parse_args(list(words))
    except SystemExit as error:
        if error.code:
            what = said.getvalue().strip().splitlines()[-1].partition("error: ")[2]
            raise ConfigError(f"{what}, on the command line; see segsweep run --help") from error


def readable(word: str) -> str:
    """An override whose value Hydra's grammar cannot read, as paths often are, with the value quoted."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    key, equals, value = word.partition("=")
    if word.startswith("-") or not equals or value[:1] in ("[", "{", "'", '"'):
        return word
    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return f"{key}={','.join(quoted(part) for part in value.split(','))}"
    return word


def quoted(value: str) -> str:
    """A value that Hydra's grammar takes literally."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _help(main: Callable[[], object]) -> str:
    """Hydra's help without the schemas, which are no choices."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main()
    return "".join(line for line in text.getvalue().splitlines(keepends=True) if not line.startswith("schema/"))


def _task(composed: "DictConfig") -> object:
    """What Hydra calls: a job of a sweep, or, without `-m`, a sweep of one."""
    from hydra.core.hydra_config import HydraConfig

    if composed.sweep.id is not None:
        from segsweep.job import task

        return task(composed)
    from segsweep.config.job_config import to_job_config
    from segsweep.sweep.engine import run_sweep
    from segsweep.sweep.launching import launch_alone
    from segsweep.sweep.points import Point
    from segsweep.sweep.search import Grid
    from segsweep.sweep.teachers import with_teachers

    folder = Path("mlruns", "hydra", datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f"))
    config = to_job_config(composed)
    points = with_teachers([Point(tuple(HydraConfig.get().overrides.task), config)])
    config = points[0].config
    search = Grid(points)
    with launch_alone(config, folder) as launch:
        run_sweep(search, launch, folder, here=True)
    return None


def _encoding_error(error: UnicodeDecodeError, words: Sequence[str]) -> Exception:
    """The complaint that a YAML file in the folders that the words name is not UTF-8; `error` where all of them are."""
    folders = [following for word, following in zip(words, [*words[1:], ""]) if word in _FOLDER_FLAGS]
    folders += [word.partition("=")[2] for word in words if word.partition("=")[0] in _FOLDER_FLAGS]
    for path in (path for folder in folders for path in sorted(Path(folder).rglob("*.y*ml"))):
        try:
            path.read_text(encoding="utf-8")
        except UnicodeDecodeError as found:
            line = path.read_bytes()[: found.start].count(b"\n") + 1
            return ConfigError(f"{path}: is not UTF-8 (line {line}); save it as UTF-8")
        except OSError:
            continue
    return error


def as_config_error(error: Exception) -> SegsweepError:
    """Hydra's complaint in one line."""
    from omegaconf.errors import ConfigKeyError

    cause = error.__cause__
    override = getattr(error, "override", None)
    lines = [f"{override}:"] if override else []
    lines += [line.strip() for line in str(error).splitlines() if line.strip()]
    if cause is not None and str(cause).strip() and str(cause) not in str(error):
        lines += [line.strip() for line in str(cause).splitlines()[:1]]
    schema = getattr(cause, "object_type", None)
    if isinstance(cause, ConfigKeyError) and is_dataclass(schema):
        lines.append(f"(known there: {', '.join(sorted(each.name for each in fields(schema)))})")
    kept = [
        line for line in lines if not line.startswith(("full_key:", "reference_type", "object_type", "Set the env"))
    ]
    complaint = " ".join(kept)
    return ConfigError(f"{complaint}; {remedy_of(complaint) or 'see segsweep run --help'}")
