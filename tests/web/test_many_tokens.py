"""Ten thousand forged, replayed, expired and mutated tokens: none gets in. (A tenth of them in `make check`.)"""

import json
import random

import pytest

from tests.fakes.forgeries import FORGERIES
from tests.fakes.tokens import NOW, Signer, b64, claims, ec_signer, rsa_signer, token
from tests.web.doors import Doors
from wardgate.domain.token_faults import TokenFault

SIGNERS = (ec_signer(), rsa_signer())
CORPUS = [make for make, _ in FORGERIES.values()]


def _mutated(chance: random.Random, sound: bytes) -> bytes:
    """A few characters exchanged, taken out, put in, or doubled."""
    text = bytearray(sound)
    while text == sound:
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text))
            match chance.randrange(4):
                case 0:
                    text[at] = chance.choice(b"ABCXYZabcxyz0123456789-_.=+/ \x00\xff")
                case 1:
                    del text[at]
                case 2:
                    text.insert(at, chance.choice(b"Aa0-_."))
                case _:
                    text[at:at] = text[at : at + chance.randint(1, 8)]
    return bytes(text)


def _spliced(chance: random.Random, one: bytes, other: bytes) -> bytes:
    """What one says under the signature of the other."""
    head = chance.choice([one, other]).split(b".")[0]
    return b".".join([head, one.split(b".")[1], other.split(b".")[2]])


def _edited(chance: random.Random, signer: Signer, number: int) -> bytes:
    """The signature is of what it said before."""
    head, _, signature = token(signer, number).split(b".")
    said = claims(number, exp=NOW + chance.randint(301, 10**6))
    return b".".join([head, b64(json.dumps(said).encode()), signature])


def _expired(chance: random.Random, signer: Signer, number: int) -> bytes:
    ended = NOW - 60 - chance.choice([0, 0.001, 1, 3600, 1e6])
    return token(signer, number, iat=ended - 300, exp=ended)


def _forged(chance: random.Random, number: int, spent: list[bytes]) -> list[bytes]:
    signer = SIGNERS[number % 7 == 0]  # RSA signatures take longer to make than to check
    match number % 6:
        case 0:
            return [b"Bearer " + chance.choice(spent)]
        case 1:
            return [b"Bearer " + _expired(chance, signer, number)]
        case 2:
            return [b"Bearer " + _mutated(chance, token(signer, number))]
        case 3:
            return [b"Bearer " + _spliced(chance, token(signer, number), token(chance.choice(SIGNERS), -number - 1))]
        case 4:
            return [b"Bearer " + _edited(chance, signer, number)]
        case _:
            return chance.choice(CORPUS)()


@pytest.mark.requirement("SEC-7", "SEC-12")
async def test_none_of_ten_thousand_gets_in(pytestconfig: pytest.Config) -> None:
    """Sound ones come in between, and are let in: once."""
    proof = pytestconfig.getoption("--hypothesis-profile") == "proof"
    count = 10_000 if proof else 1_000
    chance, doors = random.Random(count), Doors()
    faults, spent = set[TokenFault | None](), list[bytes]()
    for number in range(count):
        if number % 20 == 0:
            spent.append(token(SIGNERS[number % 40 == 0], f"sound {number}"))
            assert (await doors.ask([b"Bearer " + spent[-1]])).status == 200
        forged = _forged(chance, number, spent)
        assert (await doors.ask(forged)).status == 401, (number, forged)
        faults.add(doors.results[-1][1])
    assert len(doors.house.calls) == len(spent) == count // 20
    assert {TokenFault.REPLAYED, TokenFault.EXPIRED, TokenFault.SIGNATURE, TokenFault.MALFORMED} <= faults
