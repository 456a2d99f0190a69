"""The token of a CDS client, made as an EHR makes it: to try a gateway that asks for one."""

import json
import time
import uuid
from pathlib import Path
from typing import Protocol

import jwt

_GOOD_FOR = 120
"""Seconds."""


class NoKey(Exception):
    """Why nothing can be signed, and how to mend it. It quotes nothing of the file."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class Signs(Protocol):
    def header(self, gateway: str, path: str) -> dict[str, str]: ...


class OneToken:
    """That somebody else has made, for the call itself: it is taken once, so it is not spent on discovery."""

    def __init__(self, token: str) -> None:
        self._token = token

    def header(self, gateway: str, path: str) -> dict[str, str]:
        return {} if path == "/cds-services" else {"Authorization": f"Bearer {self._token}"}


class Signer:
    """`file`: a private JSON Web Key with `kid` and `alg`. `public`: the gateway's `public_url`, where it is called
    under another."""

    def __init__(self, file: Path, issuer: str, public: str | None = None) -> None:
        """Raises NoKey."""
        remedy = "Name a private JSON Web Key (RFC 7517) with kid and alg: docs/promotion.md makes one."
        try:
            told = json.loads(file.read_text("utf-8"))
            self._kid, self._algorithm = str(told["kid"]), str(told["alg"])
            self._key = jwt.PyJWK(told, self._algorithm).key
            jwt.encode({}, self._key, self._algorithm)
        except OSError:
            raise NoKey(f"{file} cannot be read.", remedy) from None
        except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError):
            raise NoKey(f"{file} is no key that signs.", remedy) from None
        self._issuer, self._public = issuer, public

    def header(self, gateway: str, path: str) -> dict[str, str]:
        """For one call: a gateway takes each token once."""
        now = int(time.time())  # noqa: TID251
        url = f"{(self._public or gateway).rstrip('/')}{path}"
        claims = {"iss": self._issuer, "aud": url, "iat": now, "exp": now + _GOOD_FOR, "jti": str(uuid.uuid4())}
        return {"Authorization": f"Bearer {jwt.encode(claims, self._key, self._algorithm, headers={'kid': self._kid})}"}
