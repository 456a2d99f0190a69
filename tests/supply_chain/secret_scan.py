"""Looks for secrets in the files that git would commit: `python -m tests.supply_chain.secret_scan`.

detect-secrets finds keys and tokens by their form, and strings that look random; what a person has looked at, and is
none, stands in `reviewed.yaml` by its hash. Nothing that was found is printed, only where it stands.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings, get_filters, get_plugins, get_settings, transient_settings

from tests.supply_chain.reviewed import ROOT, Reviewed, reviewed

_FILE = f"file://{Path(__file__).with_name('own_detectors.py')}"
_OWN = [{"name": name, "path": _FILE} for name in ("GatewayTokenDetector", "PrivateKeyLineDetector")]
_PRAGMA = "detect_secrets.filters.allowlist.is_line_allowlisted"
_HASHES = (".lock", "package-lock.json")
"""Locks of packages hold hashes, which look random."""
_CONFIGURATION = (".yaml", ".yml", ".toml", ".cfg", ".ini", ".env", ".json", ".sh", ".conf", "Dockerfile")
"""Here a word such as `password` stands beside one; in code and prose it stands everywhere."""
_KEYWORD = "Secret Keyword"
_REMEDY = """
A secret? Take it out of the file; where it was in use, withdraw it: git keeps what it was given.
None? Add its hash and why to tests/supply_chain/reviewed.yaml; take out from there what is gone."""


class Found(NamedTuple):
    file: str
    line: int
    kind: str
    sha1: str


def scan(root: Path, files: Iterable[str]) -> list[Found]:
    """What looks like a secret in `files`, paths below `root`."""
    found: set[Found] = set()
    with _plugins():
        for file in files:
            if not file.endswith(_HASHES) and (file.endswith(_CONFIGURATION) or _suspicious(root, file)):
                found.update(_in_file(root, file))
    return sorted(found)


def _in_file(root: Path, file: str) -> Iterator[Found]:
    text = (root / file).read_text(encoding="utf-8", errors="replace")
    for secret in scan_file(str(root / file)):
        digest = re.search(
            f'sha256: ?"?{re.escape(str(secret.secret_value))}', text
        )  # of a release, an artifact, an image
        if not digest and (secret.type != _KEYWORD or file.endswith(_CONFIGURATION)):
            yield Found(file, secret.line_number, secret.type, secret.secret_hash)


def _suspicious(root: Path, file: str) -> bool:
    """Whether a plugin sees anything: the library's own scan asks its filters before every line and plugin, which
    takes four times as long."""
    lines = (root / file).read_text(encoding="utf-8", errors="replace").splitlines()
    asked = [plugin for plugin in get_plugins() if plugin.secret_type != _KEYWORD]
    return any(plugin.analyze_line(filename=file, line=line, line_number=0) for plugin in asked for line in lines)


@contextmanager
def _plugins() -> Iterator[None]:
    with default_settings():
        get_settings().disable_plugins("PrivateKeyDetector")
        plugins = [*get_settings().json()["plugins_used"], *_OWN]
    with transient_settings({"plugins_used": plugins}):
        get_mapping_from_secret_type_to_class.cache_clear()  # so that it looks for ours, too
        get_settings().disable_filters(_PRAGMA)  # exceptions stand in one place, with their reason
        get_filters.cache_clear()
        yield


def committed(root: Path) -> list[str]:
    """Files that git has, or would take."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return [file for file in listed if file and (root / file).is_file()]


def told(found: Sequence[Found], known: Reviewed) -> list[str]:
    """A line for each that nobody has reviewed, and for each review of what is not there any more."""
    harmless = {(entry.file, sha1) for entry in known.secrets for sha1 in entry.sha1}
    lines = [f"{file}:{line}: {kind}, {sha1}" for file, line, kind, sha1 in found if (file, sha1) not in harmless]
    gone = harmless - {(one.file, one.sha1) for one in found}
    return lines + [f"{file}: {sha1} is reviewed, and not there any more" for file, sha1 in sorted(gone)]


def main() -> int:
    try:
        files = committed(ROOT)
    except (OSError, subprocess.CalledProcessError):
        print(
            "secrets: NOT LOOKED FOR: git does not say which files there are: check out the repository, not an archive"
        )
        return 1
    lines = told(scan(ROOT, files), reviewed())
    print("\n".join(lines) if lines else f"secrets: none in {len(files)} files")
    if lines:
        print(_REMEDY, file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
