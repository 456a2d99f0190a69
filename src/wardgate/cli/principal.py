"""Who is at the terminal, for the access log: by the system, not by an environment variable that anybody can set."""

import os
import pwd


def principal() -> str:
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return f"os:{name}"
