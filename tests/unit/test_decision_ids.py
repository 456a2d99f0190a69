"""The ids of decisions: random UUIDs, formed by hand because a call pays for each."""

from uuid import RFC_4122, UUID

from wardgate.bootstrap.machine import DecisionIds


def test_each_is_a_random_uuid_and_none_comes_twice() -> None:
    """Over several draws: version 4 of RFC 9562, lower case, all different."""
    new_id = DecisionIds()
    ids = [new_id() for _ in range(3 * 256 + 1)]
    assert len(set(ids)) == len(ids)
    for text in ids:
        found = UUID(text)
        assert (str(found), found.version, found.variant) == (text, 4, RFC_4122)
