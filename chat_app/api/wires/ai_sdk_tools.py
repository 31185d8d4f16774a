"""Tool calls in the UI message stream and in UI messages, with their approvals. Pure.

Version 5 of the client has no approvals: it gets them as data, and a call that was denied as one
that failed.
"""

import json
from functools import reduce
from typing import Any, Literal

from chat_app.api.wires.ai_sdk_positions import (
    ANSWERED,
    ASKED,
    CALLED,
    DONE_CALL,
    STREAMING,
    Chunk,
)
from chat_app.core.errors import message_of
from chat_app.core.events import ToolApprovalRequest, ToolApprovalResponse, ToolResult
from chat_app.core.json_values import compact_json
from chat_app.core.parts import ToolApproval, ToolCallPart

ClientVersion = Literal[5, 6, 7]
"""What a client knows: no approvals; requests of an approval; also what was answered."""

INVALID_ARGUMENTS = "The arguments of this tool call are not valid JSON."
DENIED = "You did not allow this tool call."


class OpenCall:
    """Encodes a tool call of a running answer.

    Tools run on the server and are not known to the client, so each call is `providerExecuted` and
    `dynamic`.

    Args:
        id_: The call's.
        name: The tool's.
        version: The client's.
        state: How far the client has it; see `OpenCallPosition`.

    Attributes:
        arguments: The pieces of its arguments.
    """

    def __init__(self, id_: str, name: str, version: ClientVersion, state: int = STREAMING) -> None:
        self.arguments: list[str] = []
        self._id = id_
        self._name = name
        self._version: ClientVersion = version
        self._state = state
        self._approval = ""
        self._is_answered = False

    def start(self) -> list[Chunk]:
        """The chunks of its beginning."""
        return [self._chunk("tool-input-start", toolName=self._name)]

    def delta(self, arguments: str) -> list[Chunk]:
        """The chunks of a piece of its arguments."""
        if self._state != STREAMING or not arguments:
            return []
        self.arguments.append(arguments)
        return [{"type": "tool-input-delta", "toolCallId": self._id, "inputTextDelta": arguments}]

    def end(self) -> list[Chunk]:
        """The chunks of the end of its arguments."""
        if self._state != STREAMING:
            return []
        self._state = CALLED
        return [self._chunk(**_input("".join(self.arguments)), toolName=self._name)]

    def request_approval(self, event: ToolApprovalRequest) -> list[Chunk]:
        """The chunks of the question whether it may run; none if its arguments are no JSON."""
        if self._state == DONE_CALL or self._approval:
            return []
        self._approval = event.approval_id
        if self._state >= ASKED or self._is_invalid:
            return []
        self._state = ASKED
        if self._version == 5:
            return [_approval_data(self._id, {"id": self._approval})]
        request = {"approvalId": self._approval, "toolCallId": self._id}
        return [{"type": "tool-approval-request", **request}]

    def approval(self, event: ToolApprovalResponse) -> list[Chunk]:
        """The chunks of what the user has answered."""
        if self._state == DONE_CALL or not self._approval or self._is_answered:
            return []
        self._is_answered = True
        chunks: list[Chunk] = []
        if self._state < ANSWERED:
            chunks += self._answer(event)
            self._state = ANSWERED
        if not event.approved:
            self._state = DONE_CALL
            chunks.append(self._denied())
        return [] if self._is_invalid else chunks

    def result(self, event: ToolResult) -> list[Chunk]:
        """The chunks of what the tool has returned."""
        if self._state == DONE_CALL:
            return []
        self._state = DONE_CALL
        if event.error:
            return [self._chunk("tool-output-error", errorText=message_of(event.error, {}))]
        return [self._chunk("tool-output-available", output=without_prototype_keys(event.result))]

    @property
    def _is_invalid(self) -> bool:
        """Whether its arguments are no JSON."""
        return "errorText" in _input("".join(self.arguments))

    def _answer(self, event: ToolApprovalResponse) -> list[Chunk]:
        if self._version == 6:
            return []  # it has no chunk for it, and sees what follows
        approval: ToolApproval = {"id": self._approval, "approved": event.approved}
        if event.reason:
            approval["reason"] = event.reason
        if self._version == 5:
            return [_approval_data(self._id, approval)]
        known = {key: value for key, value in approval.items() if key != "id"}
        return [{"type": "tool-approval-response", "approvalId": self._approval, **known}]

    def _denied(self) -> Chunk:
        if self._version == 5:
            return self._chunk("tool-output-error", errorText=DENIED)
        return {"type": "tool-output-denied", "toolCallId": self._id}

    def _chunk(self, type: str, **more: Any) -> Chunk:
        flags = {"providerExecuted": True, "dynamic": True}
        return {"type": type, "toolCallId": self._id, **more, **flags}


def _approval_data(call_id: str, approval: ToolApproval) -> Chunk:
    """An approval for version 5. A later one with the same id takes the place of the first."""
    known = {key: value for key, value in approval.items() if key != "id"}
    data = {"approvalId": approval["id"], "toolCallId": call_id, **known}
    return {"type": "data-approval", "id": f"approval-{call_id}", "data": data}


def ui_tool_call(part: ToolCallPart, version: ClientVersion) -> list[dict[str, Any]]:
    """A stored tool call as the parts of a UI message.

    Args:
        part: The call.
        version: The client's.
    """
    call: dict[str, Any] = {
        "type": "dynamic-tool",
        "toolName": part["name"],
        "toolCallId": part["call_id"],
        "providerExecuted": True,
    }
    if part["state"] == "streaming":
        return [{**call, "state": "input-streaming"}]
    arguments = _input(part["arguments"])
    approval = None if "errorText" in arguments else part.get("approval")
    call |= {"input": arguments["input"], **_ui_state(part, arguments, version)}
    if approval is None:
        return [call]
    if version == 5:
        return [call, _approval_data(part["call_id"], approval)]
    # with an output an approval is one that was given
    return [{**call, "approval": approval} if _fits(call["state"], approval) else call]


def _ui_state(
    part: ToolCallPart, arguments: dict[str, Any], version: ClientVersion
) -> dict[str, Any]:
    approval = part.get("approval")
    if part["state"] == "done":
        output = without_prototype_keys(part.get("result"))
        return {"state": "output-available", "output": output}
    if part["state"] == "failed":
        return {"state": "output-error", "errorText": message_of(part.get("error", ""), {})}
    if "errorText" in arguments:
        return {"state": "output-error", "errorText": arguments["errorText"]}
    if part["state"] == "denied":
        if version == 5:
            return {"state": "output-error", "errorText": DENIED}
        return {"state": "output-denied"}
    if approval is None or version == 5:
        return {"state": "input-available"}
    return {"state": "approval-responded" if "approved" in approval else "approval-requested"}


def _fits(state: str, approval: ToolApproval) -> bool:
    return state in ("approval-requested", "output-denied") or approval.get("approved", False)


def _input(arguments: str) -> dict[str, Any]:
    """The arguments of a tool call; with an error if they are not JSON that can be sent on."""
    try:
        value = without_prototype_keys(json.loads(arguments or "{}"))
        compact_json(reduce(lambda nested, _: [nested], range(_MAX_ADDED_DEPTH), value)).encode()
    except (ValueError, RecursionError):
        return {"type": "tool-input-error", "input": arguments, "errorText": INVALID_ARGUMENTS}
    return {"type": "tool-input-available", "input": value}


def without_prototype_keys(value: Any) -> Any:
    """A JSON value without the keys of prototypes, at which clients stop reading the stream.

    They are those of `packages/provider-utils/src/secure-json-parse.ts`.
    """
    text = compact_json(value)
    if "__proto__" not in text and '"constructor"' not in text:
        return value
    return json.loads(text, object_pairs_hook=_object_without_prototype_keys)


def _object_without_prototype_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    found.pop("__proto__", None)
    constructor = found.get("constructor", "")
    if constructor is None or (isinstance(constructor, dict) and "prototype" in constructor):
        del found["constructor"]
    return found


_MAX_ADDED_DEPTH = 100
"""How much deeper JSON may be nested where it is sent than where it is read."""
