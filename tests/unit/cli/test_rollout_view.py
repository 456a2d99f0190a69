"""What a person sees of rollouts on a terminal."""

import io
from typing import Any

from rich.console import Console

from wardgate.cli.rollout_view import rollouts

RELEASE = {"version": "1.0.0", "digest": "sha256:" + "9" * 64}
SERVICE: dict[str, Any] = {
    "service": "kidney-failure",
    "mode": "active",
    "champion": RELEASE,
    "cohort": None,
    "challenger": None,
    "shadow": [],
    "preview_users": 0,
    "expires": None,
    "etag": "0" * 16,
}
TOLD = {"epoch": 7, "stored": True, "services": [SERVICE], "in_force": {"kidney-failure": "active"}, "kills": []}


def seen(**changes: object) -> str:
    out = io.StringIO()
    rollouts({**TOLD, **changes}, Console(file=out, width=120))
    return out.getvalue()


def test_what_is_shown_without_an_approval_is_told() -> None:
    """Also of a gateway of an earlier version, which does not say."""
    line = "approver-clinical: needs at least 1, found 0"
    told = "✗ kidney-failure  is shown without an approval that it takes: " + line
    assert told in seen(unapproved={"kidney-failure": [line], "other": [line]})
    assert "✗" not in seen(unapproved={}) and "✗" not in seen()
