"""The kidney-failure service with two releases, each with a model of its own."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.fakes.charts import hook_body, lab, patient
from tests.fakes.config_tree import FILES, Edit, sound_config
from tests.fakes.gateway import FakeGateway
from tests.fakes.model import FakeModel
from wardgate.domain.errors import ModelUnavailable
from wardgate.domain.inference.endpoint import Endpoint, ModelReply, Oip
from wardgate.domain.inference.prediction import ModelInputs
from wardgate.domain.outcomes import Reason

BODY = hook_body(patient(), [lab("33914-3", 20.0), lab("9318-7", 900.0)], [])


class TwoModels(FakeModel):
    """By the version that is asked: a score, a reason not to answer, or a hang."""

    def __init__(self, scores: Mapping[str, float | Reason | None]) -> None:
        super().__init__()
        self.scores = scores
        self.versions: list[str] = []

    async def infer(
        self,
        endpoint: Endpoint,
        inputs: ModelInputs,
        timeout: float,
        oldest: int = 0,
        traceparent: str | None = None,
    ) -> ModelReply:
        assert isinstance(endpoint.protocol, Oip)
        version = endpoint.protocol.model_version
        self.versions.append(version)
        answer = self.scores[version]
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Reason):
            raise ModelUnavailable(answer)
        assert isinstance(answer, float)
        return ModelReply(answer, None, {})


def gateway(
    folder: Path, model: FakeModel, rollout: str = 'shadow: ["1.1.0"]', edits: tuple[Edit, ...] = (), **options: Any
) -> FakeGateway:
    """The service with a second release, 1.1.0, whose features look back no further than a week."""
    config = sound_config(folder, service=(('champion: "1.0.0",', f'champion: "1.0.0", {rollout},'), *edits))
    release = (folder / FILES["release"][0]).read_text()
    release = release.replace('version: "1.0.0"', 'version: "1.1.0"').replace(
        'model_version: "1"', 'model_version: "2"'
    )
    features = (folder / FILES["features"][0]).read_text()
    named = folder / "config/models/kidney-failure/features/2026.04.yaml"
    named.parent.mkdir()
    named.write_text(features.replace('"2026.03"', '"2026.04"').replace("within: 365d", "within: 7d"))
    (folder / "config/models/kidney-failure/releases/1.1.0.yaml").write_text(release.replace("2026.03", "2026.04"))
    return FakeGateway(config, model, site="hospital_a", **options)
