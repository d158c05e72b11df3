"""An example of custom auth: a token names an owner, who sees their own threads, runs, assistants and run folders.

Not served by default. To switch it on, write the file that AUTOMEM_TOKENS names, a line `OWNER SHA256-OF-TOKEN` for
each owner (`printf %s "$TOKEN" | sha256sum`), and add to langgraph.json:

    "auth": {"path": "graphs.served.token_auth:auth", "disable_studio_auth": true}

A client sends `Authorization: Bearer TOKEN`. Its run folders lie below runs/OWNER/; it may name no other folder in
runs/. The state of a thread is not edited by clients, only its metadata; the store and crons are closed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from langgraph_sdk import Auth

TOKENS = "AUTOMEM_TOKENS"
RUNS = Path("runs")
_LINE = re.compile(r"([a-z0-9][a-z0-9_-]{0,31})\s+([0-9a-f]{64})")

auth = Auth()


def owners(path: str | None) -> dict[str, str]:
    """The owner of each token's SHA-256, from the file at `path`. ValueError, with the line's number, for a bad one."""
    if not path:
        raise ValueError(f"{TOKENS} names no file of tokens.")
    found = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not (match := _LINE.fullmatch(line.strip())):
            raise ValueError(f"{path}, line {number}: write OWNER SHA256-OF-TOKEN, OWNER in a-z, 0-9, - and _.")
        found[match[2]] = match[1]
    return found


@auth.authenticate
async def authenticate(authorization: str | None) -> Auth.types.MinimalUserDict:
    """The owner whose token a request holds; 401 without one."""
    scheme, _, token = (authorization or "").partition(" ")
    known = await asyncio.to_thread(owners, os.environ.get(TOKENS))
    owner = known.get(hashlib.sha256(token.strip().encode()).hexdigest())
    if scheme.lower() != "bearer" or owner is None:
        raise Auth.exceptions.HTTPException(401, "Send a token that this server knows: Authorization: Bearer TOKEN.")
    return {"identity": owner}


@auth.on
async def refuse(ctx: Auth.types.AuthContext, value: Any) -> bool:
    """What no rule below allows."""
    return False


@auth.on.threads
async def own_threads(ctx: Auth.types.AuthContext, value: Any) -> dict[str, Any]:
    """A thread belongs to the owner who makes it; others do not find it."""
    return _owned(ctx, value)


@auth.on.threads.update
async def own_changes(ctx: Auth.types.AuthContext, value: Any) -> dict[str, Any] | bool:
    """An owner changes the metadata of their threads and cancels their runs.

    An edit of a thread's state comes here without its values, which could name another owner's folder: refused.
    """
    if value.get("action") is not None:
        return {"owner": ctx.user.identity} if value.get("thread_id") else False
    return _owned(ctx, value) if value.get("metadata") else False


@auth.on.threads.create_run
async def own_runs(ctx: Auth.types.AuthContext, value: Any) -> dict[str, Any]:
    """A run reads and writes below its owner's folder of runs/."""
    given = value["kwargs"]
    for name in ("input", "command", "context", "config"):
        await asyncio.to_thread(_check_paths, given.get(name), ctx.user.identity)
    context = given.get("context")
    own = str(RUNS / ctx.user.identity)
    if not (given.get("config") or {}).get("configurable", {}).get("runs"):
        given["context"] = {"runs": own, **(context or {})}
    return _owned(ctx, value)


@auth.on.assistants
async def own_assistants(ctx: Auth.types.AuthContext, value: Any) -> dict[str, Any]:
    """An owner's assistants are theirs; what they name is checked as a run's is."""
    metadata = value.get("metadata") or {}
    if metadata.get("created_by") == "system":
        raise Auth.exceptions.HTTPException(403, "The server's own assistants are made by the server.")
    for name in ("context", "config"):
        await asyncio.to_thread(_check_paths, value.get(name), ctx.user.identity)
    return _owned(ctx, value)


@auth.on.assistants.read
async def readable_assistants(ctx: Auth.types.AuthContext, value: Any) -> dict[str, Any]:
    """The server's own assistants are everyone's to run."""
    return _own_or_system(ctx)


@auth.on.assistants.search
async def found_assistants(ctx: Auth.types.AuthContext, value: Any) -> dict[str, Any]:
    """What can be read can be found."""
    return _own_or_system(ctx)


def _own_or_system(ctx: Auth.types.AuthContext) -> dict[str, Any]:
    return {"$or": [{"owner": ctx.user.identity}, {"created_by": "system"}]}


def _owned(ctx: Auth.types.AuthContext, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        # In place: the server keeps the table that it handed over, not what replaces it.
        value.setdefault("metadata", {})["owner"] = ctx.user.identity
    return {"owner": ctx.user.identity}


def _check_paths(given: object, owner: str) -> None:
    """403 for a text that names a folder in runs/ which is not the owner's, or runs/ itself."""
    runs = RUNS.absolute()
    for text in _texts(given):
        for part in {text, *re.split(r"[+=,;\s]", text)}:  # embedded+adapter=PATH
            path = Path(os.path.normpath(runs.parent / part)) if "\0" not in part else runs
            if path.is_relative_to(runs) and not path.is_relative_to(runs / owner):
                raise Auth.exceptions.HTTPException(
                    403, f"Your run folders lie below runs/{owner}/, not at {text[:200]!r}."
                )


def _texts(given: object) -> Iterator[str]:
    if isinstance(given, str):
        yield given
    elif isinstance(given, Mapping):
        for value in given.values():
            yield from _texts(value)
    elif isinstance(given, list | tuple):
        for value in given:
            yield from _texts(value)
