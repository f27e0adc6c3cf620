"""Settings: who wins, where a value came from, and what cannot be set."""

from __future__ import annotations

from pathlib import Path

import pytest

from gigactl.errors import InvalidDocument
from gigactl.settings import DEFAULTS, ENVIRONMENT, FLAGS_ONLY, ProjectFile, load_settings


def user_file(tmp_path: Path, text: str) -> dict[str, str]:
    file = tmp_path / "xdg" / "gigactl" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}


def problems(flags: dict[str, object], env: dict[str, str], cwd: Path) -> list[str]:
    with pytest.raises(InvalidDocument) as caught:
        load_settings(flags, env, cwd)
    return [f"{problem.what} ({problem.suggestion})" for problem in caught.value.problems]


def test_each_place_wins_over_the_next(tmp_path: Path) -> None:
    env = user_file(tmp_path, "fanout: 10\ntimeout: 11\noutput: json\nfail_on: warning\n")
    project = tmp_path / "gigactl.yaml"
    project.write_text("# ours\nfanout: 20\ntimeout: 21\noutput: jsonl\n")
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    settings = load_settings(
        {"fanout": 40, "output": None}, {**env, "GIGACTL_FANOUT": "30", "GIGACTL_TIMEOUT": "31"}, inside
    )
    user = tmp_path / "xdg/gigactl/config.yaml"
    assert {
        name: (settings.value(name), settings.origin(name))
        for name in ("fanout", "timeout", "output", "fail_on", "no_color")
    } == {
        "fanout": (40, "--fanout"),
        "timeout": (31.0, "GIGACTL_TIMEOUT"),
        "output": ("jsonl", f"{project}:4"),
        "fail_on": ("warning", f"{user}:4"),
        "no_color": (False, "default"),
    }
    assert settings.project == project


def test_every_setting_has_a_value_and_an_origin(tmp_path: Path) -> None:
    settings = load_settings({}, {"HOME": str(tmp_path)}, tmp_path)
    assert {name: setting.value for name, setting in settings.items()} == dict(DEFAULTS)
    assert {setting.origin for setting in settings.values()} == {"default"}
    assert set(DEFAULTS) == set(ProjectFile.__struct_fields__)
    assert settings.project is None


def test_the_nearest_project_file_counts(tmp_path: Path) -> None:
    (tmp_path / "gigactl.yaml").write_text("fanout: 1\n")
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "gigactl.yaml").write_text("timeout: 5\n")
    settings = load_settings({}, {"HOME": "/nonexistent"}, tmp_path / "near")
    assert (settings.value("fanout"), settings.value("timeout")) == (64, 5.0)


def test_paths_start_at_the_file_that_names_them(tmp_path: Path) -> None:
    env = user_file(tmp_path, "inventory: mine.yaml\nstate: postgresql://db/gigactl\n")
    cwd = tmp_path / "project" / "deep"
    cwd.mkdir(parents=True)
    assert load_settings({}, env, cwd).value("inventory") == str(tmp_path / "xdg/gigactl/mine.yaml")
    (tmp_path / "project/gigactl.yaml").write_text("inventory: fleet/all.yaml\n")
    settings = load_settings({}, env, cwd)
    assert settings.value("inventory") == str(tmp_path / "project/fleet/all.yaml")
    assert settings.value("state") == "postgresql://db/gigactl"
    assert load_settings({"inventory": "x.yaml"}, env, cwd).value("inventory") == "x.yaml"


def test_every_problem_of_every_place_at_once(tmp_path: Path) -> None:
    env = user_file(tmp_path, "fanuot: 3\nmax_at_once: 4\n")
    (tmp_path / "gigactl.yaml").write_text("max_at_once: 0\nlimit: gpu001\ntimeout: soon\n")
    said = problems(
        {}, {**env, "GIGACTL_FANUOT": "1", "GIGACTL_YES": "1", "GIGACTL_TIMEOUT": "-1", "PATH": "/bin"}, tmp_path
    )
    assert sorted(said) == sorted(
        [
            "unknown key `fanuot` (did you mean `fanout`?)",
            "`max_at_once` cannot be set for one user (it stands in the project's gigactl.yaml)",
            "`max_at_once` is 0: it must be at least 1 ()",
            "`limit` cannot be set (type --limit where it is meant)",
            '`timeout` should be a number, not the text "soon" ()',
            "unknown setting GIGACTL_FANUOT (did you mean `GIGACTL_FANOUT`?)",
            "GIGACTL_YES has no meaning (type --yes where it is meant)",
            "GIGACTL_TIMEOUT: `timeout` is -1.0: it must be more than 0 ()",
        ]
    )


@pytest.mark.parametrize("name", [*FLAGS_ONLY, "max_at_once"])
def test_what_protects_hosts_has_no_environment(tmp_path: Path, name: str) -> None:
    assert f"GIGACTL_{name.upper()}" not in ENVIRONMENT
    assert "has no meaning" in problems({}, {"HOME": str(tmp_path), f"GIGACTL_{name.upper()}": "1"}, tmp_path)[0]


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("GIGACTL_NO_COLOR", "1", True),
        ("GIGACTL_NO_COLOR", "False", False),
        ("GIGACTL_UNREACHABLE_OK", "2%", "2%"),
        ("GIGACTL_UNREACHABLE_OK", "3", "3"),
        ("GIGACTL_TRANSPORT", "local", "local"),
        ("GIGACTL_CONNECT_TIMEOUT", "2.5", 2.5),
    ],
)
def test_the_environment_is_text(tmp_path: Path, variable: str, text: str, value: object) -> None:
    settings = load_settings({}, {"HOME": str(tmp_path), variable: text}, tmp_path)
    name = ENVIRONMENT[variable]
    assert str(settings.value(name)) == str(value)
    assert settings.origin(name) == variable


def test_variables_that_are_no_settings_are_left_alone(tmp_path: Path) -> None:
    env = {"GIGACTL_LAB": "/tmp/lab", "GIGACTL_BENCH_HOSTS": "10", "GIGACTL_BENCH_FANOUT": "500,2500"}
    assert load_settings({}, {"HOME": str(tmp_path), **env}, tmp_path).origin("fanout") == "default"


@pytest.mark.parametrize("variable", ["GIGACTL_LABS", "GIGACTL_BENCH", "GIGACTL_LAB_DIR"])
def test_those_that_only_look_like_them_are_unknown(tmp_path: Path, variable: str) -> None:
    (said,) = problems({}, {"HOME": str(tmp_path), variable: "1"}, tmp_path)
    assert said.startswith(f"unknown setting {variable}")


@pytest.mark.parametrize("text", ["7.5", "0", "many"])
def test_a_whole_number_is_whole(tmp_path: Path, text: str) -> None:
    (said,) = problems({}, {"HOME": str(tmp_path), "GIGACTL_FANOUT": text}, tmp_path)
    assert said.startswith("GIGACTL_FANOUT: `fanout` ")


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    assert load_settings({}, {"HOME": str(tmp_path), "GIGACTL_FANOUT": ""}, tmp_path).origin("fanout") == "default"


def test_a_relative_xdg_directory_does_not_count(tmp_path: Path) -> None:
    (tmp_path / ".config/gigactl").mkdir(parents=True)
    (tmp_path / ".config/gigactl/config.yaml").write_text("fanout: 7\n")
    assert load_settings({}, {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "xdg"}, tmp_path).value("fanout") == 7
