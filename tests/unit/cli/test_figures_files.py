"""Where `load` and `chaos` write their figures is asked before they run for minutes."""

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
