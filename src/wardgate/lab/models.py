"""What the model server serves: by name and version, a function of one row of numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from wardgate.lab import ckd_epi, kfre, support2


@dataclass(frozen=True)
class Model:
    """`answer` takes the values of `features` and gives the score and a contribution for each; raises ValueError."""

    features: tuple[str, ...]
    output: str
    answer: Callable[[Sequence[float]], tuple[float, tuple[float, ...]]]


MODELS: Mapping[str, Mapping[str, Model]] = {
    **{
        name: {"1": Model(kfre.FEATURES, variant.output, partial(kfre.answer, variant))}
        for name, variant in kfre.VARIANTS.items()
    },
    "support2": {
        "1": Model(support2.FEATURES, "death_in_hospital", support2.answer),
        "2": Model(support2.FEATURES, "death_in_hospital", support2.recalibrated),
    },
    "ckd_epi_2021": {"1": Model(ckd_epi.FEATURES, "egfr", ckd_epi.answer)},
}
"""Versions ascend; the last one is the newest."""
