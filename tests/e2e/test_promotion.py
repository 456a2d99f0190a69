"""docs/promotion.md, followed from where section 3 of the tutorial ends, as tests/e2e/test_tutorial.py follows that."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

from tests.e2e.test_tutorial import PAGE, Block, Newcomer, blocks
from tests.fakes.processes import ask, free_port

PROMOTION = PAGE.with_name("promotion.md")
_PORTS = ("8080", "8081", "8082", "8083")
_ASK_THE_ADMIN = re.compile(r"wardgate (?:rollout|kill|drill) \w[\w .-]*[\w]")

_LESSONS = re.compile(r"^wardgate (?:check|probes).*\n", re.MULTILINE)
"""What the tutorial's own test looks at."""


class Promoter(Newcomer):
    """Keeps what she exports, and is told of the ports."""

    def follow(self, block: Block) -> None:
        text = block.text
        if block.kind == "sh":
            exports = [line for line in text.splitlines() if line.startswith("export ")]
            for line in exports:
                self._export(line)
            text = text.removeprefix("".join(f"{line}\n" for line in exports))
            text = _ASK_THE_ADMIN.sub(lambda asked: f"{asked[0]} --admin http://127.0.0.1:8081", text)
        if text:
            super().follow(replace(block, text=text))

    def _proven(self) -> bool:
        """Who shows no token is told no more than that it is up; it proves its model before the page calls it."""
        return ask(f"http://127.0.0.1:{self.ports['8081']}/health/ready")[0] == 200

    def _export(self, line: str) -> None:
        name, _, value = line.removeprefix("export ").partition("=")
        done = subprocess.run(
            ["bash", "-c", f'printf %s "{value}"'], cwd=self.folder, capture_output=True, text=True, check=True
        )
        self.environment[name] = done.stdout


def test_the_page_leads_from_shadow_to_active_and_out_of_sight(tmp_path: Path) -> None:
    """By what the page says and nothing else; each line that it shows must have come."""
    someone = Promoter(tmp_path, {port: str(free_port()) for port in _PORTS})
    try:
        for block in blocks():
            if block.section[:1] in "123" and block.kind != "text":
                someone.follow(replace(block, text=_LESSONS.sub("", block.text)))
        for block in blocks(PROMOTION):
            someone.follow(block)
        assert "sound: every entry" in someone.said
    finally:
        someone.leave()
