"""What bodies of the admin API share."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from wardgate.web.admin.problems import Problem

Moment = Annotated[str, Field(examples=["2026-11-30T06:00:00Z"], max_length=40)]


def example(*bodies: Mapping[str, Any]) -> ConfigDict:
    """Strict, and closed; with what a person might send."""
    return ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [dict(body) for body in bodies]})


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ReasonBody(BaseModel):
    """Why. `reason` is a code that stands on the audit chain; `remark` is free text, kept where it can be erased."""

    reason: str = Field("", pattern=r"^(|[a-z][a-z0-9_.]{0,63})$", examples=["alert_rate"])
    ticket: str = Field("", pattern=r"^(|[A-Za-z0-9][A-Za-z0-9._/#-]{0,63})$", examples=["OPS-1234"])
    remark: str = Field("", max_length=4000, pattern=r"^[^\x00]*$")

    model_config = example({"reason": "alert_rate", "ticket": "OPS-1234"})


def moment_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def seconds_of(moment: str) -> float:
    """Epoch seconds. Raises Problem for what is no time with its zone."""
    try:
        read = datetime.fromisoformat(moment)
        if read.tzinfo is not None:
            return read.timestamp()
    except (ValueError, OverflowError):
        pass
    raise Problem(422, "That is no time. Write it as 2026-11-30T06:00:00Z, with its zone.")


class ReleaseNames(Protocol):
    """Versions and digests of the releases of a service, as far as anybody knows them. Needs no store for those of the
    files."""

    def services(self) -> Collection[str]:
        """That the configuration has."""
        ...

    def sites(self) -> Collection[str]:
        """That a call can come from, as the configuration has it."""
        ...

    def digest(self, service: str, name: str) -> str | None:
        """Of a version, a digest, or the beginning of one; None: unknown, or more than one."""
        ...

    def version(self, service: str, digest: str) -> str | None: ...
