"""Origins: exact ones and the two local patterns, nothing that merely looks like them."""

import pytest

from wardgate.web.cors import VARY, Origins

ORIGINS = Origins(["https://ehr.example", "http://localhost:*"])


@pytest.mark.requirement("SEC-16")
@pytest.mark.parametrize("origin", [b"https://ehr.example", b"http://localhost:3000", b"http://localhost:1"])
def test_a_listed_origin_is_named(origin: bytes) -> None:
    """The answer names exactly the origin that asked."""
    assert ORIGINS.headers(origin) == [VARY, (b"access-control-allow-origin", origin)]


@pytest.mark.parametrize(
    "origin",
    [
        None,
        b"null",
        b"https://ehr.example.evil.example",
        b"http://ehr.example",
        b"https://ehr.example:8443",
        b"http://localhost:3000.evil.example",
        b"http://localhost:",
        b"http://localhost:3000\n",
        b"http://localhost:*",
        b"https://localhost:3000",
        b"http://127.0.0.1:3000",
    ],
)
def test_any_other_origin_is_not(origin: bytes | None) -> None:
    """Caches are still told that the answer depends on the origin."""
    assert ORIGINS.headers(origin) == [VARY]
