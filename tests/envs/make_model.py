# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return, unused-ignore"
"""Runs inside the environment of a model server: writes a logistic model of exact coefficients as that server loads it.

make_model.py sklearn FILE INTERCEPT COEFFICIENT...        a joblib file, for MLServer
make_model.py mlflow FOLDER FUNCTION INTERCEPT COEFFICIENT...    FUNCTION: predict_proba or predict
make_model.py frame FOLDER INTERCEPT COEFFICIENT...        a model of one's own code that returns a data frame
"""

import sys
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


def main(kind: str, target: str, *arguments: str) -> None:
    if kind == "sklearn":
        import joblib

        joblib.dump(logistic(*map(float, arguments)), target)
        return

    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = [ColSpec("boolean" if name == "male" else "double", name) for name in FEATURES]
    signature = ModelSignature(inputs=Schema(columns))
    if kind == "mlflow":
        import mlflow.sklearn

        mlflow.sklearn.save_model(
            logistic(*map(float, arguments[1:])),
            target,
            signature=signature,
            pyfunc_predict_fn=arguments[0],
            serialization_format="cloudpickle",
            pip_requirements=[],
        )
        return

    import mlflow.pyfunc

    intercept, *coefficients = map(float, arguments)

    class Frame(mlflow.pyfunc.PythonModel):
        """Risk and contributions, a column each; refuses what it does not like as Python code does: with the data."""

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            import math

            import pandas

            if (model_input["uacr"] > 4000).any():
                raise ValueError(f"cannot score {model_input.to_dict(orient='records')}")
            rows = []
            for values in model_input[list(FEATURES)].astype(float).values.tolist():
                terms = [c * v for c, v in zip(coefficients, values, strict=True)]
                rows.append({"risk": 1 / (1 + math.exp(-intercept - sum(terms))), "contributions": terms})
            return pandas.DataFrame(rows)

    mlflow.pyfunc.save_model(target, python_model=Frame(), signature=signature, pip_requirements=[])


if __name__ == "__main__":
    main(*sys.argv[1:])
