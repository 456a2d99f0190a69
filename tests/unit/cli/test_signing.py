"""The token of `wardgate call --key`: one that the gateway takes, or a sentence about the key."""

import json
from pathlib import Path

import jwt
import pytest

from tests.fakes.tokens import ec_signer
from wardgate.cli.signing import NoKey, Signer

ISSUER = "https://ehr.example/fhir"


def test_each_token_is_its_own_and_verifies(tmp_path: Path) -> None:
    """For the URL that is called, or for the one under which the gateway is known."""
    file, one = tmp_path / "key.json", ec_signer()
    private = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(one.key))  # type: ignore[arg-type]
    file.write_text(json.dumps({**private, "kid": one.kid, "alg": one.algorithm}))
    seen = set()
    for public, audience in ((None, "http://127.0.0.1:1/x"), ("https://cds.example/", "https://cds.example/x")):
        header = Signer(file, ISSUER, public).header("http://127.0.0.1:1", "/x")
        token = header["Authorization"].removeprefix("Bearer ")
        said = jwt.decode(token, one.key.public_key(), ["ES384"], audience=audience, issuer=ISSUER)
        assert jwt.get_unverified_header(token)["kid"] == one.kid and said["exp"] - said["iat"] <= 300
        seen.add(said["jti"])
    assert len(seen) == 2


@pytest.mark.parametrize(
    "text", [None, "", "[]", '{"kid": "a"}', '{"kid": "a", "alg": "ES384", "kty": "EC"}', "-----BEGIN"]
)
def test_a_key_that_does_not_sign_is_told(tmp_path: Path, text: str | None) -> None:
    """Also a public one."""
    file = tmp_path / "key.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(NoKey) as told:
        Signer(file, ISSUER)
    assert "JSON Web Key" in told.value.remedy and "BEGIN" not in told.value.what


def test_a_public_key_does_not_sign(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(ec_signer().jwk()))
    with pytest.raises(NoKey, match="no key that signs"):
        Signer(file, ISSUER)
