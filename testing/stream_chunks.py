"""Stream chunks as a tab receives them; `chat_app.states.chunks` says what they are."""

from typing import Any


def chunks_of(value: list[Any]) -> list[list[Any]]:
    """The chunks in a value of the feed's var: one, or several that belong together."""
    return value if value and isinstance(value[0], list) else [value] if value else []


def parts_of(chunks: list[list[Any]], stream_id: str) -> list[dict[str, Any]]:
    """The parts that a page makes of the chunks of one stream.

    Raises:
        AssertionError: There is a gap in them.
    """
    parts: list[dict[str, Any]] = []
    for stream, index, third, *rest in chunks:
        if stream != stream_id or index < 0:
            continue
        assert index <= len(parts), "a part is missing"
        if index == len(parts):
            parts.append({"type": "text", "text": ""})
        part = parts[index]
        patch, offset = (third, 0) if isinstance(third, dict) else ({"text": rest[0]}, third)
        had = part["text"].encode("utf-16-le")
        assert 2 * offset <= len(had), "a gap"
        fresh = patch.get("text", "").encode("utf-16-le")[len(had) - 2 * offset :]
        part |= {**patch, "text": (had + fresh).decode("utf-16-le")}
    return parts
