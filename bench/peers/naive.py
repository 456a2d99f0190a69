"""What most teams would write first: FastAPI, pydantic bodies, httpx, automatic instrumentation.

Where there is a choice, it is the cheaper one: one instrumentation (FastAPI's own is off, the instrumentor on),
one shared client, spans in batches, no metrics.
"""

import argparse
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from time import CLOCK_REALTIME, clock_gettime
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic import BaseModel

# httpcore tries to import sniffio several times a call, anyio no longer brings it, and Python does not remember
# that an import failed: an accident of packaging, nearly half of an httpx call, that the peer is not charged for.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]

_EGFR = {"33914-3", "98979-8", "62238-1"}
_UACR = {"9318-7", "14959-1", "32294-1"}


class HookRequest(BaseModel):
    hook: str
    hookInstance: str
    fhirServer: str | None = None
    fhirAuthorization: dict[str, Any] | None = None
    context: dict[str, Any]
    prefetch: dict[str, Any] = {}


class Source(BaseModel):
    label: str
    url: str


class Card(BaseModel):
    uuid: str
    summary: str
    indicator: str
    detail: str
    source: Source


class CdsResponse(BaseModel):
    cards: list[Card]


Validate = Callable[[dict[str, Any]], None]


class Gateway:
    def __init__(self, model: str, validate: Validate) -> None:
        self._url = f"{model}/v2/models/kfre/versions/1/infer"
        self._validate = validate
        self._client = httpx.AsyncClient()

    async def close(self) -> None:
        await self._client.aclose()

    async def call(self, request: HookRequest) -> CdsResponse:
        self._validate(request.prefetch)
        age, male, egfr, uacr = features(request.prefetch)
        tensor = {"name": "features", "shape": [1, 4], "datatype": "FP64", "data": [age, male, egfr, uacr]}
        reply = await self._client.post(self._url, json={"inputs": [tensor]})
        reply.raise_for_status()
        score = next(output for output in reply.json()["outputs"] if output["name"] == "risk_2y")["data"][0]
        card = Card(
            uuid=str(uuid4()),
            summary=f"Kidney failure risk in 2 years: {score * 100:.2f} %",
            indicator="warning" if score >= 0.2 else "info",
            detail=f"eGFR {egfr} mL/min/1.73 m2, urine albumin/creatinine {uacr} mg/g. Model kfre 1.",
            source=Source(label="Benchmark", url="https://example.org"),
        )
        return CdsResponse(cards=[card])


def features(prefetch: dict[str, Any]) -> tuple[float, float, float, float]:
    observations = [entry["resource"] for entry in prefetch["labs"]["entry"]]
    patient = prefetch["patient"]
    today = datetime.fromtimestamp(clock_gettime(CLOCK_REALTIME), UTC).date()
    age = (today - date.fromisoformat(patient["birthDate"])).days / 365.2425
    uacr = newest(observations, _UACR)
    return age, float(patient["gender"] == "male"), newest(observations, _EGFR), min(max(uacr, 1.0), 10000.0)


def newest(observations: list[dict[str, Any]], codes: set[str]) -> float:
    matching = [o for o in observations if any(coding["code"] in codes for coding in o["code"]["coding"])]
    return float(max(matching, key=lambda o: str(o["effectiveDateTime"]))["valueQuantity"]["value"])


def instrument(app: FastAPI, collector: str) -> None:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{collector}/v1/traces")))
    trace.set_tracer_provider(provider)
    FastAPIInstrumentor.instrument_app(app)
    HTTPXClientInstrumentor().instrument()


def build(model: str, collector: str, validate: Validate) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await gateway.close()

    app = FastAPI(lifespan=lifespan, telemetry={"tracing": False, "metrics": False, "logs": False})
    instrument(app, collector)
    gateway = Gateway(model, validate)
    app.post("/cds-services/kidney-failure")(gateway.call)
    return app


def no_validation(prefetch: dict[str, Any]) -> None:
    """The naive peer takes what comes."""


def main(validate: Validate = no_validation) -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--model", required=True)
    options.add_argument("--collector", required=True)
    chosen = options.parse_args()
    app = build(chosen.model, chosen.collector, validate)
    uvicorn.run(app, port=chosen.port, loop="uvloop", http="httptools", access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
