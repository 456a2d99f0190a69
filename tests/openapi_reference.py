"""`python -m tests.openapi_reference` writes docs/openapi.json: the admin API, as its routes say it."""

import json
from pathlib import Path
from typing import Any

from wardgate.web.admin import AdminPorts, admin_app
from wardgate.web.admin.openapi import document_of

PLACE = Path(__file__).parent.parent / "docs" / "openapi.json"


def document() -> dict[str, Any]:
    nothing: Any = None
    return document_of(admin_app(AdminPorts(nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing)))


def text() -> str:
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    PLACE.write_text(text(), encoding="utf-8")
