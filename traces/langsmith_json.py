"""JSON that LangSmith's stores take: what a model wrote may hold what they refuse."""

import json
from typing import Any

import orjson


def dumped(value: Any) -> bytes:
    """Return plain data as JSON without NUL characters (shown as ␀) or lone surrogates (shown as ?)."""
    try:
        data = orjson.dumps(value)
    except TypeError:  # a lone surrogate, or an integer beyond 64 bits
        return json.dumps(_clean(value), ensure_ascii=False).encode("utf-8", "replace")
    return orjson.dumps(_clean(value)) if b"\\u0000" in data else data


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "␀")
    if isinstance(value, dict):
        return {_clean(name): _clean(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    return value
