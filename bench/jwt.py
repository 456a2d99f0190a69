"""What a token costs a call: `python -m bench.jwt`. µs of CPU of this process, all threads, on uvloop.

Beside each algorithm the raw check: one call of `cryptography` with a prepared key and a signature in the form that it
wants. Rounds of the two alternate, and the median of their ratios counts, so that a busy machine harms both alike.
"""

import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from statistics import median
from typing import Any

import uvloop
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.fakes.tokens import NOW, URL, Signer, ec_signer, key_set, registration, rsa_signer, token
from wardgate.adapters.jwt.keys import read_key_set
from wardgate.adapters.prometheus.authentication import AuthenticationCounters
from wardgate.adapters.prometheus.meter import PrometheusMeter
from wardgate.domain.errors import Unauthenticated
from wardgate.domain.pseudonyms import KeyRing, Pseudonyms, Purpose
from wardgate.gateway.authentication import Authenticator
from wardgate.gateway.key_sets import FixedKeys
from wardgate.gateway.token_replays import TokenReplays

Check = tuple[Callable[[bytes, bytes], None], bytes, bytes]
"""Of a signature over bytes."""

_CALLS = 200
_ROUNDS = 15
_URLS = frozenset({URL})


class _Client:
    """With an authenticator of its own; each token is used once."""

    def __init__(self, signer: Signer, threads: ThreadPoolExecutor) -> None:
        self._signer = signer
        self._numbers = count()
        names = Pseudonyms(KeyRing([b"a key of the benchmark, thirty-two bytes"]), Purpose.CACHE)
        keys = FixedKeys(read_key_set(key_set(signer), frozenset({signer.algorithm})))
        counters = AuthenticationCounters(PrometheusMeter())
        terms = registration(algorithms=frozenset({signer.algorithm}))
        replays = TokenReplays(names, None, lambda one: None)
        self._authenticator = Authenticator([terms], lambda name: keys, replays, lambda: NOW, counters, threads)

    def tokens(self) -> list[bytes]:
        return [token(self._signer, next(self._numbers)) for _ in range(_CALLS)]

    async def authenticate(self, tokens: list[bytes]) -> None:
        for text in tokens:
            await self._authenticator.caller([b"Bearer " + text], _URLS, 0.1)

    async def refuse(self, tokens: list[bytes]) -> None:
        """All that comes before the key."""
        for text in tokens:
            try:
                await self._authenticator.caller([b"Bearer " + text], frozenset(), 0.1)
            except Unauthenticated:
                continue
            raise AssertionError("it got in")

    def prepared(self, tokens: list[bytes]) -> list[Check]:
        key: Any = self._signer.key.public_key()
        digest = hashes.SHA384() if self._signer.algorithm.endswith("384") else hashes.SHA256()
        found: list[Check] = []
        for text in tokens:
            signed = text.rpartition(b".")[0]
            signature = self._signer.sign(signed)
            if isinstance(key, EllipticCurvePublicKey):
                half = len(signature) // 2
                r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
                found.append((partial(_ecdsa, key, digest), encode_dss_signature(r, s), signed))
            else:
                found.append((partial(_pkcs1, key, digest), signature, signed))
        return found


def _ecdsa(key: Any, digest: hashes.HashAlgorithm, signature: bytes, signed: bytes) -> None:
    key.verify(signature, signed, ec.ECDSA(digest))


def _pkcs1(key: Any, digest: hashes.HashAlgorithm, signature: bytes, signed: bytes) -> None:
    key.verify(signature, signed, padding.PKCS1v15(), digest)


async def _cpu(work: Callable[[list[bytes]], Awaitable[None]], tokens: list[bytes]) -> float:
    began = time.process_time()
    await work(tokens)
    return (time.process_time() - began) / len(tokens) * 1e6


async def _measure(signer: Signer, name: str, goal: str) -> None:
    with ThreadPoolExecutor(2) as threads:
        client = _Client(signer, threads)
        await client.authenticate(client.tokens())
        rounds = []
        for _ in range(_ROUNDS):
            tokens = client.tokens()
            prepared = client.prepared(tokens)
            began = time.process_time()
            for check, signature, signed in prepared:
                check(signature, signed)
            raw = (time.process_time() - began) / len(tokens) * 1e6
            rounds.append((raw, await _cpu(client.authenticate, tokens), await _cpu(client.refuse, tokens)))
        raw, whole, refused = (median(figures) for figures in zip(*rounds, strict=True))
        ratio = median(whole / raw for raw, whole, _ in rounds)
        more = median(whole - raw for raw, whole, _ in rounds)
        print(f"| {name} | {raw:.0f} | {whole:.0f} | {ratio:.2f} | +{more:.0f} | {goal} | {refused:.0f} |", flush=True)


async def _main() -> None:
    print(
        "| algorithm | raw | a call | ratio | more | goal | refused by its claims |\n|---|---:|---:|---:|---:|---|---:|"
    )
    await _measure(ec_signer(), "ES384", "≤ 1.2 raw")
    await _measure(rsa_signer(), "RS384, 2048 bits", "≤ raw + 45")
    await _measure(rsa_signer("rsa-3", 3072), "RS384, 3072 bits", "≤ raw + 45")
    await _measure(ec_signer("p", 256), "ES256", "")


if __name__ == "__main__":
    uvloop.run(_main())
