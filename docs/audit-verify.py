"""Verify an export of wardgate's audit chain: python audit-verify.py EXPORT [--key PUBLIC.pem] [ANCHOR ...]

Needs Python alone; with --key, the package `cryptography`, to check who signed the anchors. Exit 0: sound; 1: not.
"""

import base64
import hashlib
import json
import sys

START = "0" * 64


def canonical(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def main(export, *rest):
    key, files = (rest[1], rest[2:]) if rest[:1] == ("--key",) else (None, rest)
    anchors = [json.load(open(file, "rb")) for file in files]
    if key:
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        public = load_pem_public_key(open(key, "rb").read())
        for signed in anchors:  # raises InvalidSignature
            public.verify(base64.b64decode(signed["signature"]), canonical(signed["anchor"]))
    number, last, faults, seals = 0, START, [], {signed["anchor"]["number"]: "" for signed in anchors}
    for at, line in enumerate(open(export, "rb"), 1):
        try:
            read = json.loads(line)
            entry, seal = read["entry"], read["seal"]
            right = canonical(read) == line.rstrip(b"\n") and hashlib.sha256(canonical(entry)).hexdigest() == seal
            if not right:
                faults.append(f"line {at}: not what was sealed")
            elif (entry["number"], entry["previous"]) != (number + 1, last):
                faults.append(f"line {at}: entry {entry['number']} does not follow upon entry {number}")
            number, last = (entry["number"], seal) if right else (number + 1, seal)
            seals |= {number: last} if number in seals else {}
        except (ValueError, KeyError, TypeError, RecursionError):
            faults.append(f"line {at}: no entry")
    for anchor in (signed["anchor"] for signed in anchors):
        if seals.get(anchor["number"]) != anchor["seal"]:
            faults.append(f"the anchor of {anchor['at']} saw another entry {anchor['number']}, or more entries")
    proven = 0 if faults else max([signed["anchor"]["number"] for signed in anchors], default=0)
    told = "anchors" if key or not anchors else "anchors, whose signatures were not checked,"
    print(*faults, f"{number} entries, {len(faults)} faults; {told} prove up to entry {proven}", sep="\n")
    return 1 if faults else 0


sys.exit(main(*sys.argv[1:]))
