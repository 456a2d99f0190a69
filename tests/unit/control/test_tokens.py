"""Tokens looked up: in memory, of a copy that is soon read again."""

import threading
import time
from collections.abc import Sequence

import pytest

from tests.fakes.clock import FakeClock
from wardgate.control.audit import Happened
from wardgate.control.tokens import BookOptions, TokenBook, TokensUnavailable
from wardgate.domain.admin_tokens import LONGEST, Role, Token, checked, digest_of, secret_of

SECRETS = [secret_of(letter * 43) for letter in "abcd"]
DAY = 86400.0


def token(number: int, **changes: object) -> Token:
    fields: dict[str, object] = {
        "id": f"{number:012x}",
        "name": "mira",
        "digest": digest_of(SECRETS[number]),
        "roles": (Role.VIEWER,),
        "created": FakeClock().now(),
        "expires": FakeClock().now() + DAY,
    }
    return Token(**{**fields, **changes})  # type: ignore[arg-type]


class Store:
    """In memory, with a switch."""

    def __init__(self, *tokens: Token) -> None:
        self.tokens, self.down, self.asked = list(tokens), False, 0

    def add(self, token: Token, told: Happened) -> None:
        self.tokens.append(token)

    def all(self) -> Sequence[Token]:
        self.asked += 1
        if self.down:
            raise TokensUnavailable("it is away")
        return list(self.tokens)

    def revoke(self, token_id: str, now: float, told: Happened) -> bool:
        raise NotImplementedError


class HungStore(Store):
    """Answers once, and then no more until it is let go."""

    def __init__(self, *tokens: Token) -> None:
        super().__init__(*tokens)
        self.let_go = threading.Event()

    def all(self) -> Sequence[Token]:
        found = super().all()
        if self.asked > 1:
            self.let_go.wait(10)
        return found


def test_a_row_with_the_secret_of_another_takes_nobodys_place() -> None:
    book, _ = book_of(Store(token(0), token(0, id="00000000000f", roles=(Role.ADMIN,), ours=False)))
    found = book.find(SECRETS[0])
    assert found is not None and found.roles == (Role.VIEWER,)


def book_of(store: Store) -> tuple[TokenBook, FakeClock]:
    clock = FakeClock()
    return TokenBook(store, clock.now, clock.monotonic, BookOptions(failures=3)), clock


def test_a_secret_finds_its_token_and_nothing_else_does() -> None:
    book, _ = book_of(Store(token(0), token(1)))
    assert book.find(SECRETS[1]) == token(1)
    digest = digest_of(SECRETS[0])
    assert digest is not None
    for wrong in (
        "",
        SECRETS[2],
        SECRETS[0][:-1],
        f"{SECRETS[0]}\n",
        SECRETS[0].upper(),
        digest,
        "\ud800",
        "x" * 10**6,
    ):
        assert book.find(wrong) is None


def test_it_holds_until_it_expires() -> None:
    book, clock = book_of(Store(token(0)))
    clock.advance(DAY - 1)
    assert book.find(SECRETS[0]) is not None
    clock.advance(1)
    assert book.find(SECRETS[0]) is None


def test_a_new_one_and_a_revoked_one_are_known_within_seconds() -> None:
    store = Store(token(0))
    book, clock = book_of(store)
    assert book.find(SECRETS[0]) is not None
    store.tokens = [token(0, revoked=clock.now()), token(1)]
    clock.advance(2.1)
    assert book.find(SECRETS[0]) is None and book.find(SECRETS[1]) is not None


def test_a_guess_costs_the_store_nothing() -> None:
    """However many there are: it is read every two seconds."""
    store = Store(token(0))
    book, _ = book_of(store)
    for _ in range(100):
        book.find(SECRETS[3])
    assert store.asked == 1


def test_while_the_store_is_away_who_could_act_still_can() -> None:
    """Until the token expires; and each look-up does not wait for the store anew."""
    store = Store(token(0))
    book, clock = book_of(store)
    book.find(SECRETS[0])
    store.down = True
    clock.advance(5)
    for _ in range(10):
        assert book.find(SECRETS[0]) is not None
    assert store.asked == 2
    clock.advance(DAY)
    assert book.find(SECRETS[0]) is None


def test_an_address_that_fails_too_often_is_told_to_wait() -> None:
    """Another is not."""
    book, clock = book_of(Store())
    assert [book.wait_after_failure("a") for _ in range(3)] == [None] * 3
    clock.advance(20)
    assert book.wait_after_failure("a") == 40 and book.wait_after_failure("b") is None
    clock.advance(41)
    assert book.wait_after_failure("a") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Mira Miller"},
        {"name": ""},
        {"roles": ()},
        {"services": ()},
        {"services": ("a b",)},
        {"expires": FakeClock().now()},
        {"expires": FakeClock().now() + LONGEST + 1},
        {"expires": float("nan")},
        {"id": "1"},
    ],
)
def test_what_no_token_can_be_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        checked(token(0, **changes))


def test_nobody_who_is_known_waits_for_a_store_that_hangs() -> None:
    """Nor do those who come meanwhile. What it says in the end counts."""
    store = HungStore(token(0))
    book, clock = book_of(store)
    assert book.find(SECRETS[0]) is not None
    clock.advance(60)
    began = time.monotonic()
    assert book.find(SECRETS[0]) is not None and book.find(SECRETS[0]) is not None
    assert time.monotonic() - began < 1.0
    store.tokens.clear()
    store.let_go.set()
    until = time.monotonic() + 10
    while book.find(SECRETS[0]) is not None:
        assert time.monotonic() < until
        clock.advance(3)
        time.sleep(0.01)
