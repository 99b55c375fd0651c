"""From functions-framework's request to a door and back. The only module that knows Flask's objects."""

import importlib
import os
from typing import Any

from rotator import logs
from rotator.doors import house
from rotator.doors.form import Asked, Refused, Said, problem, shown
from rotator.errors import Invalid, Permanent, RotatorError, Transient, Unreadable

LARGEST = 1_000_000
"""Bytes of a body; the longest that a sender of ours makes is a finding of Security Command Center, some ten thousand."""


SERVER_FAULT = 500
MISFIT = frozenset({409, 422})
"""Of a door that no person asks: the deployment does not fit, and nobody but the log's reader can learn of it."""


def answer(request: Any, door: str) -> Any:
    """The door's answer as (body, status, headers). No fault leaves a traceback or repeats what was sent."""
    said = _said(request, door)
    house.flush()
    return said.body, said.status, {"Content-Type": said.content_type, "Cache-Control": "no-store", **said.headers}


def _said(request: Any, door: str) -> Said:
    if (request.content_length or 0) > LARGEST:
        return problem(413, f"{request.method} {shown(request.path)}: a body has at most {LARGEST} bytes")
    try:
        body = request.stream.read(LARGEST + 1)
    except Exception:  # noqa: BLE001 - each server has its own for chunks that are none, and for a caller who hung up
        return problem(400, f"{request.method} {shown(request.path)}: the body does not arrive as its headers say")
    if len(body) > LARGEST:
        return problem(413, f"{request.method} {shown(request.path)}: a body has at most {LARGEST} bytes")
    asked = Asked(
        method=request.method,
        path=request.path,
        query=request.args.to_dict(),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        remote=request.remote_addr or "",
    )
    logs.request(asked.headers, os.environ.get("GOOGLE_CLOUD_PROJECT", ""))
    said = _asked(asked, door)
    if said.status >= SERVER_FAULT or (said.status in MISFIT and door != "api"):
        logs.line("ERROR", "fault", f"{door}: {said.status}: {said.body.decode(errors='replace')}", door=door)
    return said


def _asked(asked: Asked, door: str) -> Said:
    module = importlib.import_module(f"rotator.doors.{door}")
    try:
        return module.handle(asked, os.environ)  # type: ignore[no-any-return]
    except Refused as fault:
        return problem(fault.status, fault.detail, **fault.more)
    except Invalid as fault:
        return problem(422, "; ".join(fault.faults))
    except Permanent as fault:
        return problem(409, str(fault), code=fault.code, next_command=fault.next_command)
    except (Transient, Unreadable, RotatorError) as fault:
        return problem(503, str(fault))
    except Exception as fault:  # noqa: BLE001 - the last line of defence: a traceback would show what was sent
        logs.line("CRITICAL", "fault", f"a fault of this program: {type(fault).__name__} in {_where(fault)}", door=door)
        return problem(
            500, f"{asked.method} {shown(asked.path)}: {type(fault).__name__}; nothing is half-done, every step is saved"
        )


def _where(fault: BaseException) -> str:
    trace = fault.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno}" if trace else "an unknown place"
