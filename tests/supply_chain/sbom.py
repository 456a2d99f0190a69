"""The software bill of materials of what runs, CycloneDX 1.6: `python -m tests.supply_chain.sbom FILE`.

From `requirements.lock`: every package with its version, the hashes of its files, its licence and who needs it. The
same lock gives the same file, byte for byte: its serial number is made of the lock, and it bears no time.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from email.message import Message
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import cast
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.exceptions import LicenseFactoryException
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from tests.supply_chain.lock import RUN, Locked, locked, needs
from tests.supply_chain.reviewed import Reviewed, reviewed
from wardgate import __version__

ALLOWED = frozenset(
    ["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "BSD License"]
)
"""What may be in a product that is Apache-2.0. The last is PyPI's word for BSD licences of two or three clauses."""

_CLASSIFIED = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD License",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
_WORDS = {"3-Clause BSD License": "BSD-3-Clause", "Apache 2.0": "Apache-2.0", "Apache-2.0": "Apache-2.0"}
"""Of packages that classify nothing, in the field that was there before SPDX."""


def licences(package: Locked, known: Reviewed) -> str | None:
    """An SPDX expression or PyPI's word, as its author gave it, else as somebody has read it; None: nobody knows."""
    read = {one.package: one.licence for one in known.licences}
    try:
        held = cast(Message, metadata(package.name))
    except PackageNotFoundError:  # for another Python or system
        return read.get(package.name)
    if expression := held.get("License-Expression"):
        return str(expression)
    classified = [line.rpartition(":: ")[2] for line in held.get_all("Classifier", []) if line.startswith("License ::")]
    names = [name for line in classified if (name := _CLASSIFIED.get(line))]
    return " AND ".join(sorted(names)) or _WORDS.get(held.get("License", "")) or read.get(package.name)


def refused(packages: Sequence[Locked], known: Reviewed) -> Iterator[str]:
    """What is on no list, and what is reviewed for nothing."""
    read = {one.package for one in known.licences}
    for package in packages:
        licence = licences(package, known)
        names = set((licence or "").replace("(", "").replace(")", "").replace(" OR ", " AND ").split(" AND "))
        if not names <= ALLOWED and package.name not in read:
            yield f"{package.name} {package.version}: {licence or 'no licence is named'}"
    yield from (f"{name}: reviewed, and not there any more" for name in read - {package.name for package in packages})


def bill(packages: Sequence[Locked], known: Reviewed, lock: bytes) -> Bom:
    make = LicenseFactory()
    own = Component(name="wardgate", version=__version__, type=ComponentType.APPLICATION, bom_ref="wardgate")
    own.licenses.add(make.make_from_string("Apache-2.0"))
    refs = {"wardgate": own, **{package.name: _component(package, known, make) for package in packages}}
    bom = Bom(components=[refs[package.name] for package in packages])
    bom.serial_number = uuid5(NAMESPACE_URL, f"wardgate/{__version__}/{lock.hex()}")
    bom.metadata.component = own
    for who, whom in needs(packages).items():
        bom.register_dependency(refs[who], [refs[name] for name in whom])
    return bom


def _component(package: Locked, known: Reviewed, make: LicenseFactory) -> Component:
    purl = PackageURL("pypi", name=package.name, version=package.version)
    component = Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{package.name}=={package.version}",
        purl=purl,
    )
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in package.sha256]
    files = ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(purl.to_string()), hashes=hashes)
    component.external_references.add(files)  # hashes of the component itself would be of one file
    if licence := licences(package, known):
        try:
            component.licenses.add(make.make_with_expression(licence))
        except LicenseFactoryException:
            component.licenses.add(make.make_from_string(licence))
    if package.marker:
        component.properties.add(Property(name="wardgate:installed-where", value=package.marker))
    return component


def text(path: Path = RUN) -> str:
    """As JSON."""
    written = json.loads(JsonV1Dot6(bill(locked(path), reviewed(), path.read_bytes())).output_as_string())
    del written["metadata"]["timestamp"]
    return json.dumps(written, indent=1, sort_keys=True) + "\n"


def main() -> int:
    target = Path(sys.argv[1])
    packages, known = locked(), reviewed()
    wrong = list(refused(packages, known))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text(), encoding="utf-8")
    print("\n".join([*wrong, f"{target}: {len(packages)} packages"]))
    if wrong:
        print(_REMEDY, file=sys.stderr)
    return 1 if wrong else 0


_REMEDY = """
Licences that are on no list: take another package, or add it to `licences` in tests/supply_chain/reviewed.yaml, with
what its licence asks of us and why we meet it."""


if __name__ == "__main__":
    sys.exit(main())
