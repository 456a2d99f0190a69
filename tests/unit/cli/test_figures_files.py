"""What `load` and `chaos` cannot do, and where they cannot write, is said before they run for minutes."""

from pathlib import Path

import pytest

from wardgate.cli.app import run

SCENARIO = str(Path(__file__).parents[3] / "config" / "demo" / "chaos.yaml")


@pytest.mark.parametrize("arguments", [("load", "--out"), ("chaos", SCENARIO, "--json")])
def test_a_folder_that_is_not_there_is_a_sentence(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, at once, and nothing is started."""
    file = tmp_path / "not-there" / "figures.json"
    assert run([*arguments, str(file)]) == 2
    assert f"{file} cannot be written" in capsys.readouterr().err


def test_a_rate_that_nobody_can_send_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2, and how to come nearer to it."""
    assert run(["load", "--rate", "1e9"]) == 2
    assert "--rate 1e+09" in (said := capsys.readouterr().err) and "--cpu" in said


@pytest.mark.parametrize(
    ("option", "text"), [("--rate", "0"), ("--rate", "nan"), ("--rate", "fast"), ("--in-flight", "0.5")]
)
def test_what_is_no_number_is_said_with_what_to_write(
    option: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not the name of a function."""
    with pytest.raises(SystemExit, match="2"):
        run(["load", option, text])
    said = capsys.readouterr().err
    assert "number" in said and f", not {text}" in said and "invalid" not in said
