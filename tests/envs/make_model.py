# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return, unused-ignore"
"""Runs inside the environment of a model server: writes a logistic model of exact coefficients as that server loads it.

make_model.py mlserver FILE INTERCEPT COEFFICIENT...      one joblib file
make_model.py mlflow FOLDER INTERCEPT COEFFICIENT...      three saved models: `probabilities` and `labels` (sklearn,
                                                          predict_proba and predict) and `frame` (one's own code)
"""

import sys
from pathlib import Path
from typing import Any

FEATURES = ("age", "male", "egfr", "uacr")


def logistic(intercept: float, *coefficients: float) -> Any:
    import numpy
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression()
    model.classes_ = numpy.array([0, 1])
    model.coef_ = numpy.array([coefficients])
    model.intercept_ = numpy.array([intercept])
    model.n_features_in_ = len(coefficients)
    return model


def for_mlserver(file: Path, intercept: float, *coefficients: float) -> None:
    import joblib

    joblib.dump(logistic(intercept, *coefficients), file)


def for_mlflow(folder: Path, intercept: float, *coefficients: float) -> None:
    import mlflow.pyfunc
    import mlflow.sklearn
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    types = {"age": "long", "male": "boolean"}
    signature = ModelSignature(inputs=Schema([ColSpec(types.get(name, "double"), name) for name in FEATURES]))
    for name, function in (("probabilities", "predict_proba"), ("labels", "predict")):
        mlflow.sklearn.save_model(
            logistic(intercept, *coefficients),
            folder / name,
            signature=signature,
            pyfunc_predict_fn=function,
            serialization_format="cloudpickle",
            pip_requirements=[],
        )

    class Frame(mlflow.pyfunc.PythonModel):
        """Risk and contributions, a column each; refuses what it does not like as Python code does: with the data."""

        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow reads the hints
            import math

            import pandas

            if (model_input["uacr"] > 4000).any():
                raise ValueError(f"cannot score {model_input.to_dict(orient='records')}")
            rows = []
            for values in model_input[list(FEATURES)].astype(float).values.tolist():
                terms = [c * v for c, v in zip(coefficients, values, strict=True)]
                rows.append({"risk": 1 / (1 + math.exp(-intercept - sum(terms))), "contributions": terms})
            return pandas.DataFrame(rows)

    mlflow.pyfunc.save_model(folder / "frame", python_model=Frame(), signature=signature, pip_requirements=[])


if __name__ == "__main__":
    server, target, *numbers = sys.argv[1:]
    {"mlserver": for_mlserver, "mlflow": for_mlflow}[server](Path(target), *map(float, numbers))
