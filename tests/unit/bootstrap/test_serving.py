"""What is told of where a gateway listens."""

from wardgate.bootstrap.serving import url_of
from wardgate.settings import Listen, Tls


def test_what_is_told_can_be_opened() -> None:
    """An address of IPv6 once stood there without its brackets: the commands could not use it as --admin."""
    tls = Tls("gateway.crt", "gateway.key")
    assert url_of(Listen("127.0.0.1", 8081)) == "http://127.0.0.1:8081"
    assert url_of(Listen("::1", 8081, tls)) == "https://[::1]:8081"
