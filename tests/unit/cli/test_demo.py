"""The demo's own decisions; as a whole it runs in tests/e2e/test_demo.py."""

import io
import sys

import pytest

from wardgate.cli import demo


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "out", "opens"),
    [
        ({"DISPLAY": ":0"}, _Terminal(), True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, _Terminal(), True),
        ({}, _Terminal(), False),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "10.0.0.1 22"}, _Terminal(), False),
        ({"DISPLAY": ":0"}, io.StringIO(), False),
    ],
)
def test_a_browser_is_opened_only_where_somebody_sees_it(
    variables: dict[str, str], out: io.StringIO, opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A screen of this machine, and a person at the terminal: not over SSH, not from a script."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "stdout", out)
    assert demo._at_a_desktop() is opens
