"""Asks the advisory databases about every locked package: `python -m tests.supply_chain.advisories`.

A finding ends it with 1, unless it stands in `reviewed.yaml` and its date has not come. Where no database can be
reached, it says so and ends with 0: a machine without the internet can still build.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.supply_chain.lock import ALL, Locked, locked
from tests.supply_chain.reviewed import Reviewed, reviewed

_SECONDS = 120.0
"""For the whole list; a database that hangs holds up nobody for longer."""
_SERVICES = (("pypi",), ("osv",))
"""PyPI hands out the advisories of its packages, faster; OSV has them first."""


@dataclass(frozen=True)
class Advisory:
    package: str
    version: str
    id: str
    aliases: tuple[str, ...]
    mended: tuple[str, ...]
    """Versions without it."""


@dataclass(frozen=True)
class Answer:
    advisories: tuple[Advisory, ...]
    unknown: tuple[str, ...]
    """Packages about which the database says nothing."""


def ask(packages: Sequence[Locked], service: Sequence[str]) -> Answer | None:
    """`service` as pip-audit names it, with its options. None: it did not answer."""
    with TemporaryDirectory(prefix="wardgate-advisories-") as folder:
        listed = Path(folder, "requirements.txt")
        listed.write_text("".join(f"{one.name}=={one.version}\n" for one in packages), encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(listed), "--no-deps", "--disable-pip"]
        command += ["--format", "json", "--progress-spinner", "off", "--timeout", "5", "--vulnerability-service"]
        try:
            ran = subprocess.run([*command, *service], capture_output=True, text=True, timeout=_SECONDS)
            dependencies: list[dict[str, Any]] = json.loads(ran.stdout)["dependencies"]
        except (subprocess.TimeoutExpired, ValueError):
            return None
    unknown = tuple(one["name"] for one in dependencies if "skip_reason" in one)
    if len(unknown) == len(dependencies):
        return None
    return Answer(tuple(found for one in dependencies for found in _advisories(one)), unknown)


def _advisories(dependency: dict[str, Any]) -> list[Advisory]:
    return [
        Advisory(
            dependency["name"],
            dependency["version"],
            found["id"],
            tuple(found.get("aliases", ())),
            tuple(found.get("fix_versions", ())),
        )
        for found in dependency.get("vulns", ())
    ]


def told(answer: Answer, known: Reviewed, today: date) -> tuple[list[str], list[str]]:
    """What must be mended, and what is worth a word."""
    wrong, words = [], []
    met: set[str] = set()
    for found in answer.advisories:
        waivers = [
            one for one in known.advisories if one.id in (found.id, *found.aliases) and one.package == found.package
        ]
        met.update(one.id for one in waivers)
        mended = f"mended in {', '.join(found.mended)}" if found.mended else "not mended yet"
        line = f"{found.package} {found.version}: {found.id}, {mended}"
        if not waivers:
            wrong.append(line)
        elif all(one.until < today for one in waivers):
            wrong.append(f"{line}; it was waived until {waivers[0].until}: look again")
        else:
            words.append(f"{line}; waived until {waivers[0].until}: {waivers[0].why}")
    words += [f"{one.id} is waived, and found no longer: take it out" for one in known.advisories if one.id not in met]
    words += [f"{name}: the database knows nothing of this version" for name in answer.unknown]
    return wrong, words


def main(services: Sequence[Sequence[str]] = _SERVICES) -> int:
    packages = locked(ALL)
    for service in services:
        if ask(packages[:1], service) is None:  # most of the time there is either all of it or nothing
            continue
        answer = ask(packages, service)
        if answer is not None:
            wrong, words = told(answer, reviewed(), datetime.now(UTC).date())  # noqa: TID251 - read once
            print("\n".join([*words, *wrong]) or f"advisories: none about {len(packages)} packages ({service[0]})")
            if wrong:
                print(_REMEDY, file=sys.stderr)
            return 1 if wrong else 0
    names = [one[0] for one in services]
    print(f"advisories: NOT LOOKED UP: {' and '.join(names)} {'do' if names[1:] else 'does'} not answer from here")
    return 0


_REMEDY = """
Take a mended version (make lock); where there is none, or it does not concern us, add the id with a date and why
to `advisories` in tests/supply_chain/reviewed.yaml."""


if __name__ == "__main__":
    sys.exit(main())
