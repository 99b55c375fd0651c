"""The gRPC side of the door: a table of methods becomes handlers that check the token, apply faults and log.

No generated stubs: proto-plus and plain protobuf messages carry their own codecs, and method names are all a client sends.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.status_pb2 import Status

from sandbox.access import Access
from sandbox.door import Call, Door, Note, Refused, Struck
from sandbox.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpc:
    """One method: its messages, how its target is named, and what it does for a caller who is known."""

    request: Any
    response: Any
    target: Callable[[Any], str]
    run: Callable[[Any, str, Note], Any]
    mutating: bool = False


def handlers(full_name: str, service: str, rpcs: Mapping[str, Rpc], door: Door, access: Access) -> Any:
    """The generic handler that serves these methods as `full_name`."""
    return grpc.method_handlers_generic_handler(
        full_name, {method: _handler(service, method, rpc, door, access) for method, rpc in rpcs.items()}
    )


def _handler(service: str, method: str, rpc: Rpc, door: Door, access: Access) -> Any:
    def serve(request: Any, context: Any) -> Any:
        call = Call(service=service, method=method, target=rpc.target(request), mutating=rpc.mutating)

        metadata = dict(context.invocation_metadata())

        def effect(note: Note) -> Any:
            return rpc.run(request, access.caller(metadata.get("authorization")), note)

        try:
            return door.serve(call, effect)
        except Refused as refusal:
            _refuse(context, refusal)
        except Struck as struck:
            _strike(context, struck.fault)

    decode = getattr(rpc.request, "deserialize", None) or rpc.request.FromString
    encode = getattr(rpc.response, "serialize", None) or rpc.response.SerializeToString
    return grpc.unary_unary_rpc_method_handler(serve, request_deserializer=decode, response_serializer=encode)


def _refuse(context: Any, refusal: Refused) -> NoReturn:
    code = grpc.StatusCode[refusal.code]
    if refusal.details:
        status = Status(code=code.value[0], message=refusal.text)
        for detail in refusal.details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, refusal.text)
    raise AssertionError  # abort never returns


def _strike(context: Any, fault: Fault) -> NoReturn:
    if fault.answer == "hang":
        gone = threading.Event()
        context.add_callback(gone.set)
        gone.wait(fault.seconds)
    if fault.answer in {"hang", "lost", "park"}:
        context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
    context.abort(grpc.StatusCode[fault.answer], fault.text)
    raise AssertionError  # abort never returns
