"""Settings: flag > GIGACTL_* environment > project file > user file > default. Every value keeps where it came from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from gigactl.documents import complaints_of, convert, did_you_mean, in_order, read_document
from gigactl.errors import InvalidDocument, Problem

PROJECT_FILE = "gigactl.yaml"
USER_FILE = "gigactl/config.yaml"

Seconds = Annotated[float, Meta(gt=0)]
Tolerance = Annotated[int, Meta(ge=0)] | Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?%?$")]


class UserFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What can be set for one user, and as GIGACTL_*. Times are seconds: `timeout` is for one host in all."""

    inventory: str | None = None
    fanout: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    output: Literal["table", "json", "jsonl"] | None = None
    transport: Literal["ssh", "local"] | None = None
    timeout: Seconds | None = None
    connect_timeout: Seconds | None = None
    total_timeout: Seconds | None = None
    no_color: bool | None = None
    state: str | None = None
    unreachable_ok: Tolerance | None = None
    fail_on: Literal["info", "warning", "critical", "never"] | None = None


class ProjectFile(UserFile, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What can be set for a project. `max_at_once` protects hosts: it is the project's, and no environment's."""

    max_at_once: Annotated[int, Meta(ge=1)] | None = None


DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "inventory": None,
        "fanout": 64,
        "output": None,  # each command has its own
        "transport": None,  # each host's entry says
        "timeout": 60.0,
        "connect_timeout": 10.0,
        "total_timeout": None,
        "no_color": False,
        "state": None,  # the XDG state directory
        "unreachable_ok": "0",
        "fail_on": "critical",
        "max_at_once": None,  # each command has its own
    }
)
"""Every setting, and what holds where nothing is said."""

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {f"GIGACTL_{name.upper()}": name for name in UserFile.__struct_fields__}
)
"""Every environment variable that is read, and what it sets."""

OTHERS = re.compile(r"GIGACTL_LAB|GIGACTL_BENCH_.*")
"""Variables that are no settings: a mark on the processes of a rehearsal fleet, and what the benchmarks are told."""

FLAGS_ONLY = ("yes", "limit", "dry_run", "take_over")
"""Options that are typed each time: set in an environment, they would act on commands that did not ask."""

_NUMBERS: Mapping[str, type[int] | type[float]] = MappingProxyType({
    "fanout": int, "timeout": float, "connect_timeout": float, "total_timeout": float,
})  # fmt: skip
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")
_SWITCHED = ("no_color",)
_PATHS = ("inventory", "state")
_SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it came from: `--fanout`, `GIGACTL_FANOUT`, `FILE:LINE` or `default`."""

    value: Any
    origin: str


class Settings(Mapping[str, Setting]):
    """Every setting by name."""

    def __init__(self, settings: Mapping[str, Setting], project: Path | None) -> None:
        self._settings = dict(settings)
        self.project = project
        """The project file in use, None where there is none."""

    def __getitem__(self, name: str) -> Setting:
        return self._settings[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def value(self, name: str) -> Any:
        """What holds; KeyError for a name that is no setting."""
        return self._settings[name].value

    def origin(self, name: str) -> str:
        """Where it was said."""
        return self._settings[name].origin


def load_settings(flags: Mapping[str, Any], env: Mapping[str, str], cwd: Path) -> Settings:
    """Every setting. Raises InvalidDocument with every problem in the files and the environment.

    `flags`: what was typed, by option name; options that are no settings are passed over, and so is None. Relative
    paths in a file start at its directory; others at `cwd`, and stay as they are.
    """
    problems: list[Problem] = []
    project = project_file(cwd)
    found = {name: Setting(value, "default") for name, value in DEFAULTS.items()}
    found.update(_of_file(user_file(env), UserFile, problems))
    found.update(_of_file(project, ProjectFile, problems))
    found.update(_of_environment(env, problems))
    for name, value in flags.items():
        if name in DEFAULTS and value is not None:
            found[name] = Setting(value, f"--{name.replace('_', '-')}")
    if problems:
        raise InvalidDocument(in_order(problems))
    return Settings(found, project)


def project_file(cwd: Path) -> Path | None:
    """`gigactl.yaml` in a directory or the nearest above it."""
    here = cwd.absolute()
    return next((file for directory in (here, *here.parents) if os.path.isfile(file := directory / PROJECT_FILE)), None)


def user_file(env: Mapping[str, str]) -> Path | None:
    """The user's own file, None where there is none. A relative XDG_CONFIG_HOME does not count (XDG's own rule)."""
    base = Path(env.get("XDG_CONFIG_HOME", ""))
    if not base.is_absolute():
        base = Path(env.get("HOME") or os.path.expanduser("~")) / ".config"
    file = base / USER_FILE
    return file if os.path.isfile(file) else None


def _of_file(file: Path | None, kind: type[UserFile], problems: list[Problem]) -> dict[str, Setting]:
    if file is None:
        return {}
    try:
        document = read_document(file)
        said = convert(document, kind)
    except InvalidDocument as error:
        problems += map(_explained, error.problems)
        return {}
    found: dict[str, Setting] = {}
    for name, value in msgspec.structs.asdict(said).items():
        if value is not None:
            at_home = str(file.absolute().parent / Path(value).expanduser()) if _is_path(name, value) else value
            found[name] = Setting(at_home, f"{file}:{document.line(name)}")
    return found


def _is_path(name: str, value: Any) -> bool:
    return name in _PATHS and "://" not in str(value)


def _explained(problem: Problem) -> Problem:
    """Says of keys that are options, but no settings, that they cannot be set."""
    for name in FLAGS_ONLY:
        if problem.what in {f"unknown key `{name}`", f"unknown key `{name.replace('_', '-')}`"}:
            return Problem(problem.file, problem.line, f"`{name}` cannot be set", _typed(name))
    if problem.what == "unknown key `max_at_once`":
        hint = f"it stands in the project's {PROJECT_FILE}"
        return Problem(problem.file, problem.line, "`max_at_once` cannot be set for one user", hint)
    return problem


def _typed(name: str) -> str:
    return f"type --{name.replace('_', '-')} where it is meant"


def _of_environment(env: Mapping[str, str], problems: list[Problem]) -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    for variable, text in env.items():
        if not variable.startswith("GIGACTL_") or OTHERS.fullmatch(variable) or not text:
            continue
        name = ENVIRONMENT.get(variable)
        if name is None:
            problems.append(_unknown_variable(variable))
            continue
        try:
            found[name] = Setting(_from_text(name, variable, text), variable)
        except InvalidDocument as error:
            problems += error.problems
    return found


def _unknown_variable(variable: str) -> Problem:
    option = variable.removeprefix("GIGACTL_").lower()
    if option in FLAGS_ONLY:
        return Problem("environment", None, f"{variable} has no meaning", _typed(option))
    if option == "max_at_once":
        return Problem("environment", None, f"{variable} has no meaning", f"it stands in the project's {PROJECT_FILE}")
    return Problem("environment", None, f"unknown setting {variable}", did_you_mean(variable, ENVIRONMENT))


def _from_text(name: str, variable: str, text: str) -> Any:
    """A value of the environment, by the same rules as in a file."""
    given: Any = text
    if name in _NUMBERS and _NUMBER.fullmatch(text):
        number = float(text)
        given = int(number) if _NUMBERS[name] is int and number.is_integer() else number
    elif name in _SWITCHED:
        given = _SWITCHES.get(text.lower(), text)
    try:
        msgspec.convert({name: given}, UserFile)
    except msgspec.ValidationError as error:
        # only a wrong value pays for the library that explains it
        wrong = complaints_of({name: given}, UserFile) or [((), str(error), "")]
        raise InvalidDocument(
            tuple(Problem("environment", None, f"{variable}: {what}", hint) for _, what, hint in wrong)
        ) from None
    return given
