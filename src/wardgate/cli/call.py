"""`wardgate call`: one hook call as an EHR makes it, and its cards. Exit 0: answered; 1: not."""

import json
import shutil
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

from wardgate.cli import running
from wardgate.cli.captures import NoCapture, keep, prepare
from wardgate.cli.ehr import CannotCall, Ehr, HookAnswer
from wardgate.cli.signing import NoKey, OneToken, Signer, Signs

_GATEWAY = "http://127.0.0.1:8080"
_ADMIN = "http://127.0.0.1:8081"
_FHIR = "http://127.0.0.1:8083/fhir"


def run(
    service: str,
    patient: str,
    gateway: str | None = None,
    fhir: str | None = None,
    user: str = "Practitioner/demo",
    json_output: bool = False,
    prefetch: bool = True,
    admin: str | None = None,
    capture: Path | None = None,
    config: Path | None = None,
    key: Path | None = None,
    issuer: str | None = None,
    public: str | None = None,
    token_file: Path | None = None,
) -> int:
    """Addresses that are not given are those of the running demo, else the default ports. An admin listener that
    does not answer only leaves open how the call was counted. `capture`: a file that `wardgate replay` takes. `key` and
    `issuer`: of the client whose token is sent; `public`: the gateway's URL as it knows it."""
    demo = running.find(gateway) or running.find()
    own = demo is not None and (gateway is None or gateway.rstrip("/") == demo.gateway)
    if admin is None and (own or gateway is None):
        admin = demo.admin if demo is not None else _ADMIN
    gateway = gateway or (demo.gateway if demo else _GATEWAY)
    fhir = fhir or (demo.fhir if demo else _FHIR)
    if capture is not None and config is None and demo is not None and demo.config:
        config = Path(demo.config)
    try:
        if capture is not None:
            prepare(capture, config)
        if (key is None) != (issuer is None):
            raise NoKey("A token has a key and an issuer.", "Name both: --key FILE --issuer URL.")
        signer: Signs | None = None if token_file is None else OneToken(_token(token_file))
        if key is not None and issuer is not None:
            signer = Signer(key, issuer, public)
        with Ehr(gateway, fhir, user, admin, signer) as ehr:
            answer = ehr.call(service, patient, prefetch)
        if json_output:
            print(json.dumps(_as_json(answer), indent=2, ensure_ascii=False))
        else:
            _show(answer)
        if capture is not None and config is not None:
            told = keep(capture, config, service, answer.sent, answer.received, admin)
            print(_wrapped(told), file=sys.stderr if json_output else sys.stdout)
    except (CannotCall, NoCapture, NoKey) as error:
        print(f"{_wrapped(error.what)}\n{_wrapped(error.remedy)}", file=sys.stderr)
        return 1
    return 0 if answer.status == 200 else 1


def _token(path: Path) -> str:
    """Raises CannotCall; says nothing of what stands there."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        text = ""
    if not text or len(text.split()) != 1:
        raise CannotCall(
            "The token file holds no token that could be sent.", "Write the JWT of the CDS client into it."
        )
    return text


def _wrapped(text: str) -> str:
    width = shutil.get_terminal_size().columns
    return textwrap.fill(text, width, break_on_hyphens=False, break_long_words=False)


def _as_json(answer: HookAnswer) -> dict[str, object]:
    return {
        "request": answer.request,
        "status": answer.status,
        "milliseconds": round(answer.milliseconds, 1),
        "response": answer.body,
    }


def _show(answer: HookAnswer) -> None:
    from rich.console import Console

    from wardgate.cli.card_view import show

    show(answer, Console(highlight=False), datetime.now(UTC).date())  # noqa: TID251 - a person's age, on a terminal
