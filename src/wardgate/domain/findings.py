"""What a check of the configuration finds: where, what, and how to mend it."""

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One error or warning. `file` is as the user would type it; `line` and `column` count from 1 (0: whole file)."""

    file: str
    line: int
    key: str  # dotted path within the file, e.g. "threshold.sites.hospital_b"; "" for the file itself
    what: str
    remedy: str
    warning: bool = False
