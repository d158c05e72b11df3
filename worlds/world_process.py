"""A world in a process of its own: a crash of its engine ends one episode, and it branches by fork(2).

This process starts one server, which imports engines and forks a process for each world. A world's process answers
over a socket and forks once more for each branch. Memory is shared until it is written to; what else two branches
must not share, the world copies in `World._branched`. Every process ends when the socket of its owner closes.
"""

from __future__ import annotations

import atexit
import os
import pickle
import resource
import socket
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from itertools import islice
from typing import Any, NamedTuple, cast

from numpy.typing import NDArray

from worlds.registry import make_world, world_entry
from worlds.world import Actions, EngineFailure, Frame, Turn, World

_AT_ONCE = 256
"""Actions of a replay that are sent together."""

_LENGTH = struct.Struct("!I")
"""What each message begins with: the bytes of its pickle."""
_BRANCH = "branch"
"""The request that is answered with None and followed by a byte that brings the new branch's socket."""
_Plain = tuple[Any, ...]
"""A Turn as it is sent: without its class, it is read in half of the time."""
_READ = 2**16
"""Bytes read at once: nearly every message."""

_LOCK = threading.Lock()
_server: _Server | None = None


class _Facts(NamedTuple):
    """What the owner of a world has to know of it."""

    name: str
    task: str
    max_steps: int
    actions: Actions
    clock: str


class _Wanted(NamedTuple):
    """What `make_world` is given."""

    name: str
    task: str | None
    max_steps: int | None
    options: dict[str, str]


class ProcessWorld(World):
    """A world whose engine runs in another process. `branch` costs milliseconds at any depth."""

    def __init__(self, line: socket.socket, facts: _Facts) -> None:
        self.name, self.actions, self.clock = facts.name, facts.actions, facts.clock
        self.tasks = (facts.task,)
        super().__init__(facts.task, facts.max_steps)
        self._line = line
        self._skipped: Iterator[_Plain | Exception] = iter(())

    def _reset(self, seed: int) -> Turn:
        return Turn._make(self._ask("_reset", seed))

    def _step(self, action: str) -> Turn:
        return Turn._make(self._ask("_step", action))

    def replay(self, actions: Iterable[str]) -> Iterator[tuple[float, bool, bool, dict[str, Any]]]:
        """As the base class's, with one question to the process for some hundred actions."""
        left = iter(actions)
        while part := list(islice(left, _AT_ONCE)):
            turns = iter(self._ask("_skip_all", part))
            self._skipped = turns
            yield from super().replay(part)

    def _skip(self, action: str) -> Turn:
        turn = next(self._skipped)
        if isinstance(turn, Exception):
            raise turn
        return Turn._make(turn)

    def frame(self) -> Frame:
        """The present moment as the world shows it."""
        return cast(Frame, self._ask("frame"))

    def tiles(self) -> NDArray[Any] | None:
        """The present moment in the engine's own pictures, where it has any."""
        return cast("NDArray[Any] | None", self._ask("tiles"))

    def truth(self) -> str | None:
        """The true state of the world, where it gives one."""
        return cast("str | None", self._ask("truth"))

    def branch(self) -> ProcessWorld:
        """An exact copy of the running episode in a process of its own. RuntimeError where that fails."""
        line, far = socket.socketpair()
        try:
            with far:
                self._ask(_BRANCH)  # it waits for the socket now: a plain `recv` would lose it
                socket.send_fds(self._line, [b"b"], [far.fileno()])
            _receive(line)
        except OSError as error:
            line.close()
            raise EngineFailure("the world's process has ended") from error
        except RuntimeError:
            line.close()
            raise
        twin = cast(ProcessWorld, self._twin())
        twin._line = line
        return twin

    def close(self) -> None:
        """End the episode and its process."""
        super().close()
        self._line.close()

    def _ask(self, method: str, *arguments: Any) -> Any:
        self._send((method, *arguments))
        return _receive(self._line)

    def _send(self, request: tuple[Any, ...]) -> None:
        try:
            _put(self._line, request)
        except OSError as error:
            raise RuntimeError("the world's process has ended") from error


def open_world(name: str, task: str | None = None, *, max_steps: int | None = None, **options: str) -> World:
    """The world for an episode: in a process of its own where its entry asks for one. Raises what `make_world` does."""
    global _server
    if not world_entry(name).own_process:
        return make_world(name, task, max_steps=max_steps, **options)
    line = None
    try:
        line, far = socket.socketpair()
        with far, _LOCK:
            if _server is None or not _server.alive():
                _server = _Server()
            _server.hand(far)
        _put(line, (_Wanted(name, task, max_steps, options), dict(os.environ), sys.path))
        return ProcessWorld(line, cast(_Facts, _receive(line)))
    except BaseException as error:
        if line is not None:
            line.close()
        if isinstance(error, OSError):
            raise EngineFailure(f"World {name!r} cannot be opened in a process of its own: {error}") from error
        raise


class _Server:
    """The process that forks worlds, and this process's end of the socket to it."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._socket, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from worlds.world_process import serve; serve({far.fileno()})"],
                pass_fds=[far.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what an engine prints is no output of the command
                start_new_session=True,  # Ctrl-C is for its owner, which lets the step end
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
            )
        atexit.register(self._end)

    def _end(self) -> None:
        if self._owner == os.getpid():
            self._socket.close()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def alive(self) -> bool:
        """Whether it runs and is this process's own."""
        return self._owner == os.getpid() and self._process.poll() is None

    def hand(self, far: socket.socket) -> None:
        """Give it one end of a world's socket."""
        socket.send_fds(self._socket, [b"w"], [far.fileno()])


def serve(descriptor: int) -> None:
    """The server's life: for each socket it is handed, a forked process that makes one world and answers for it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    control = socket.socket(fileno=descriptor)
    while True:
        _, handed, _, _ = socket.recv_fds(control, 1, 1)
        _reap()
        if not handed:
            return
        line = socket.socket(fileno=handed[0])
        try:
            request = _get(line)
        except (EOFError, OSError):
            line.close()
            continue
        wanted, environment, path = request
        sys.path[:] = path
        _import_engine(wanted.name)
        if os.fork() == 0:
            control.close()
            os.environ.clear()
            os.environ.update(environment)
            _live(line, wanted)
        line.close()


def _import_engine(name: str) -> None:
    """Import a world's engine once, for all worlds forked later. Making the world reports what is wrong."""
    with suppress(Exception):
        import_module(world_entry(name).factory.partition(":")[0])


def _live(line: socket.socket, wanted: _Wanted) -> None:
    """The life of a world's process. It ends the process, without the clean-up of the one that it was forked from."""
    status = 1
    try:
        world = _make(line, wanted)
        if world is not None:
            _answer(line, world)
        status = 0
    except (BrokenPipeError, ConnectionResetError):
        status = 0  # its owner is gone
    except Exception:  # noqa: BLE001  # its owner sees that the process has ended; here is why
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _make(line: socket.socket, wanted: _Wanted) -> World | None:
    try:
        world = make_world(wanted.name, wanted.task, max_steps=wanted.max_steps, **wanted.options)
        world._alone()
    except Exception as error:  # noqa: BLE001  # its owner raises it
        _put(line, _portable(error))
        return None
    _put(line, _Facts(world.name, world.task, world.max_steps, world.actions, world.clock))
    return world


def _answer(line: socket.socket, world: World) -> None:
    while True:
        try:
            method, *arguments = _get(line)
            if method == _BRANCH:
                _reap()
                _put(line, None)
                _, handed, _, _ = socket.recv_fds(line, 1, 1)
        except (EOFError, OSError):
            world.close()
            return
        if method == _BRANCH:
            if os.fork() != 0:
                os.close(handed[0])
                continue
            line.close()
            line = socket.socket(fileno=handed[0])
            method, arguments = "_branched", []
        try:
            answer = _skip_all(world, *arguments) if method == "_skip_all" else getattr(world, method)(*arguments)
        except Exception as error:  # noqa: BLE001  # its owner raises it
            answer = _portable(error)
        _put(line, tuple(answer) if isinstance(answer, Turn) else answer)


def _skip_all(world: World, actions: list[str]) -> list[_Plain | Exception]:
    """What each action led to, up to the first that ended the episode or failed."""
    turns: list[_Plain | Exception] = []
    for action in actions:
        try:
            turn = world._skip(action)
        except Exception as error:  # noqa: BLE001  # its owner raises it
            return [*turns, _portable(error)]
        turns.append(tuple(turn))
        if turn.end_reason is not None or turn.truncated:
            break
    return turns


def _portable(error: Exception) -> Exception:
    """The error itself, where it can be sent; else its words."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:  # noqa: BLE001  # whatever an engine's error does when it is copied
        return RuntimeError(repr(error))
    return error


def _receive(line: socket.socket) -> Any:
    try:
        answer = _get(line)
    except (EOFError, OSError) as error:
        raise EngineFailure("the world's process has ended: its engine crashed, or it was killed") from error
    if isinstance(answer, Exception):
        raise answer
    return answer


def _put(line: socket.socket, message: Any) -> None:
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    line.sendall(_LENGTH.pack(len(body)) + body)


def _get(line: socket.socket) -> Any:
    """The next message; it is sent when the one before has been answered, so that nothing follows it.

    EOFError where the other end is closed.
    """
    data = line.recv(_READ)
    if not data:
        raise EOFError
    missing = _LENGTH.unpack_from(data)[0] + _LENGTH.size - len(data)
    if missing > 0:
        parts = [data]
        while missing > 0:
            if not (part := line.recv(min(missing, 2**20))):
                raise EOFError
            parts.append(part)
            missing -= len(part)
        data = b"".join(parts)
    return pickle.loads(memoryview(data)[_LENGTH.size :])  # noqa: S301  # both ends are this program's


def _reap() -> None:
    """Let ended branches go."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
