"""A call with the token of a CDS client: sent to the gateway, and to nobody else."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from wardgate.cli import call

SERVICE = {"id": "kidney-failure", "hook": "patient-view", "description": "", "prefetch": {}}


class House(HTTPServer):
    """Gateway and FHIR server in one; `seen` holds path and Authorization of each request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: House

    def do_GET(self) -> None:
        self._answer({"services": [SERVICE]} if "cds" in self.path else {"resourceType": "Patient", "id": "p-1"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({"cards": []})

    def _answer(self, document: object) -> None:
        self.server.seen.append((self.path, self.headers["Authorization"]))
        body = msgspec.json.encode(document)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def house() -> Iterator[House]:
    with House() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(house: House, token_file: Path) -> int:
    return call.run("kidney-failure", "p-1", gateway=house.url, fhir=f"{house.url}/fhir", token_file=token_file)


def test_the_token_goes_with_the_call_alone(house: House, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("ey.J.wt\n")
    assert run(house, path) == 0
    assert [each for each in house.seen if each[1]] == [("/cds-services/kidney-failure", "Bearer ey.J.wt")]


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff\xfe", None], ids=["empty", "words", "bytes", "absent"])
def test_a_file_without_a_token_is_told_and_nothing_is_sent(
    house: House, tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    assert run(house, path) == 1 and house.seen == []
    assert "holds no token" in capsys.readouterr().err
