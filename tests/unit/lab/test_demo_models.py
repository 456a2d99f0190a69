"""The demo's releases are releases of what the lab serves."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.fakes.gateway import DEMO
from wardgate.adapters.files.catalog import load
from wardgate.domain.inference.endpoint import Oip
from wardgate.lab.models import MODELS

RELEASES = sorted(DEMO.parent.glob("models/*/releases/*.yaml"))


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_its_probes_are_what_the_model_answers(path: Path) -> None:
    """Score and contributions, by the name and version that the release pins."""
    release = yaml.safe_load(path.read_text())
    endpoint = release["endpoint"]
    model = MODELS[endpoint["model_name"]][endpoint["model_version"]]
    assert endpoint["outputs"]["score"] == model.output
    for probe in json.loads((path.parent / release["probes"]["file"]).read_text()):
        score, contributions = model.answer([probe["inputs"][name] for name in endpoint["inputs"]["order"]])
        assert probe["outputs"]["score"] == pytest.approx(score, abs=1e-9)
        assert probe["outputs"]["contributions"] == pytest.approx(contributions, abs=1e-9)


def test_both_releases_of_the_second_service_can_be_the_champion(tmp_path: Path) -> None:
    """Another model version, another digest; the rest is the same service."""
    found = {}
    for version in ("1.0.0", "1.1.0"):
        folder = tmp_path / version
        shutil.copytree(DEMO.parent, folder)
        service = folder / "services" / "deterioration.yaml"
        service.write_text(service.read_text().replace('champion: "1.0.0"', f'champion: "{version}"'))
        found[version] = load(folder / "wardgate.yaml").catalog.services["deterioration"]["patient-view"]
    first, second = (found[version].version(version) for version in ("1.0.0", "1.1.0"))
    protocols = first.endpoint.protocol, second.endpoint.protocol
    assert [each.model_version for each in protocols if isinstance(each, Oip)] == ["1", "2"]
    assert first.digest != second.digest and list(second.rule_cards) == ["news2"]
