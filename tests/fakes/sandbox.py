"""What a container runtime does to a process, without one: a read-only root, another user, no capabilities, no PATH.

The command sees the machine's own files in a mount namespace of its own in which all but one folder is read-only. Where
this user may make no namespace, `sandbox` raises AssertionError: such a test needs Linux and unshare (util-linux).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

UID = 10001
CONFIG, DATA = "/mnt/config", "/mnt/data"
"""Where the command finds the two folders."""

_SCRIPT = f"""
"$MOUNT" -t tmpfs -o mode=755 tmpfs /mnt
"$MKDIR" {CONFIG} {DATA}
"$MOUNT" --bind "$FROM_CONFIG" {CONFIG}
"$MOUNT" --bind "$FROM_DATA" {DATA}
for folder in / /mnt {CONFIG}; do "$MOUNT" -o remount,bind,ro "$folder"; done
unset MOUNT MKDIR FROM_CONFIG FROM_DATA
exec "$@"
"""
_DROPPED = ("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")


def sandboxed(command: list[str], config: Path, data: Path, environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    """`data` alone can be written to, and is given to the user; `environment` is all that there is."""
    tools = {name: shutil.which(name) for name in ("sh", "setpriv", "unshare", "mount", "mkdir")}
    assert all(tools.values()), "these tests need sh, setpriv, unshare and mount: install util-linux"
    setpriv, unshare, shell = str(tools["setpriv"]), str(tools["unshare"]), str(tools["sh"])
    user = _user(setpriv)
    if user:
        os.chown(data, UID, UID)
    namespaces = [unshare, "--mount"] if os.geteuid() == 0 else [unshare, "--user", "--map-root-user", "--mount"]
    mounting = {"MOUNT": str(tools["mount"]), "MKDIR": str(tools["mkdir"])}
    return subprocess.Popen(
        [*namespaces, shell, "-ec", _SCRIPT, "sh", setpriv, *user, *_DROPPED, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, **mounting, "FROM_CONFIG": str(config), "FROM_DATA": str(data)},
        cwd="/",
    )


def _user(setpriv: str) -> list[str]:
    """The image's, where this one may become it and it may read this interpreter; else this one."""
    user = [f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
    tried = subprocess.run([setpriv, *user, sys.executable, "-c", "import wardgate.bootstrap"], capture_output=True)
    return user if tried.returncode == 0 else []
