"""What a person may call a release."""

import pytest

from wardgate.domain.releases import meant

A, B, C = "sha256:" + "a" * 64, "sha256:" + "a" * 6 + "b" * 58, "sha256:" + "c" * 64
VERSIONS = {A: "1.0.0", B: "1.0.0", C: "cccccc"}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("1.0.0", (A, B)),
        (A, (A,)),
        ("sha256:aaaaaab", (B,)),
        ("AAAAAAB", (B,)),
        ("aaaaaa", (A, B)),
        ("aaaaa", ()),
        ("sha256:", ()),
        ("", ()),
        ("2.0.0", ()),
        ("cccccc", (C,)),
    ],
)
def test_a_release_is_meant_by_version_digest_or_its_beginning(name: str, found: tuple[str, ...]) -> None:
    """A beginning has six digits at least; a version goes first."""
    assert meant(name, VERSIONS) == found
