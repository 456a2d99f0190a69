"""A configuration that offers one service at every hook of the library, and at one of its own."""

from pathlib import Path

from tests.fakes.config_tree import FILES, sound_config
from wardgate.domain.hooks import HOOKS

OWN_HOOK = "com.example.pump-alarm"
SERVICE = "kidney-failure"


def many_hooks(folder: Path) -> Path:
    """The path of its wardgate.yaml: the sound tree, with a service file for each hook under the one id."""
    config = sound_config(folder, service=("required_prefetch: [patient, labs]\n", "required_prefetch: [patient]\n"))
    (relative, _) = FILES["service"]
    text = (folder / relative).read_text()
    for hook in (*HOOKS, OWN_HOOK):
        if hook != "patient-view":
            other = text.replace("hook: patient-view\n", f"hook: {hook}\n")
            (folder / relative).with_name(f"{hook}.yaml").write_text(other)
    return config
