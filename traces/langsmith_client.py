"""A client of LangSmith's REST API that fails within seconds and says why.

LangSmith's own client stays out for what it cannot do in public calls: runs and feedback in one request, compressed;
the status with which a request was refused; the time a server asks to wait (measured in benchmarks/README.md). This
client makes one attempt of some ten seconds at most, and raises. Runs go to /runs/multipart, compressed where the
server takes that (to a twentieth), or to /runs/batch where the server has nothing else.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import orjson

if TYPE_CHECKING:
    import httpx2

HOSTED = "https://api.smith.langchain.com"
CONNECT_S, ANSWER_S = 3.0, 10.0
OPERATIONS = 100
"""Runs and feedback of one request where the server names no other limit."""
_BOUNDARY = b"automem-6d1f0a3c9b74"
_PARTS = ("inputs", "outputs", "extra", "error")
_JSON = {"content-type": "application/json"}


class LangSmithFailure(Exception):
    """LangSmith cannot be reached or refuses; one sentence, without the key. `lasting`: another attempt is no use."""

    def __init__(self, sentence: str, *, lasting: bool = False, wait_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.lasting = lasting
        self.wait_s = wait_s
        """Seconds that the server asks to wait."""


class RequestRefused(LangSmithFailure):
    """The server does not accept the content of this request; others may pass."""


class AlreadyThere(RequestRefused):
    """The server holds a part of this request already (409), and may have taken none of it."""


class EncodedStep(NamedTuple):
    """The runs and the feedback of a step as they are sent."""

    runs: tuple[bytes, ...]
    feedback: tuple[bytes, ...]

    @property
    def operations(self) -> int:
        """How many runs and feedback it has."""
        return len(self.runs) + len(self.feedback)

    @property
    def size(self) -> int:
        """Bytes before compression."""
        return sum(map(len, self.runs)) + sum(map(len, self.feedback))


def tracing_is_wanted() -> bool:
    """Whether the environment turns tracing on; like LangSmith's own client, by the word true alone."""
    return (_environment("TRACING_V2") or _environment("TRACING")) == "true"


def project_name(given: str | None = None) -> str:
    """Return the project to use: the given one, or the environment's, as LangSmith's own client finds it."""
    return given or _environment("PROJECT") or _environment("SESSION") or "default"


def endpoint() -> str:
    """Return the API's address: LANGSMITH_ENDPOINT, or the hosted one."""
    return (_environment("ENDPOINT") or HOSTED).strip().strip('"').rstrip("/")


def encoded(value: Any) -> bytes:
    """Return plain data as JSON that LangSmith stores: NUL characters become ␀, lone surrogates ?."""
    try:
        data = orjson.dumps(value)
    except TypeError:  # a lone surrogate, or an integer beyond 64 bits
        return json.dumps(_without_nul(value), ensure_ascii=False).encode("utf-8", "replace")
    return orjson.dumps(_without_nul(value)) if b"\\u0000" in data else data


class LangSmithClient:
    """A connection to one project. `open` comes before everything else; LangSmithFailure where that fails."""

    def __init__(self, project: str | None = None) -> None:
        self.url = endpoint()
        self.project = project_name(project)
        self.operations = OPERATIONS
        self._key = (_environment("API_KEY") or "").strip().strip('"')
        self._http: httpx2.Client | None = None
        self._multipart = self._zstd = False
        self._project_id: str | None = None
        self._hidden: dict[str, Any] = {
            name: {} for name in ("inputs", "outputs") if _environment(f"HIDE_{name.upper()}") == "true"
        }
        """LangSmith's own switches: LANGSMITH_HIDE_INPUTS, LANGSMITH_HIDE_OUTPUTS."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, *, create: bool = True) -> None:
        """Ask what the server takes, and find the project; make it if there is none and `create` is set."""
        if not self._key and self.url == HOSTED:
            raise LangSmithFailure("LANGSMITH_API_KEY is not set.", lasting=True)
        try:
            self._read_info(self.get("/info"))
            self._project_id = self._found_project() or (self._made_project() if create else None)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            sentence = f"What answers at {self.url} is no LangSmith: its answers have another form."
            raise LangSmithFailure(sentence, lasting=True) from error
        if self._project_id is None:
            raise LangSmithFailure(f"LangSmith at {self.url} has no project {self.project!r}.", lasting=True)

    @property
    def project_id(self) -> str:
        """The project's id."""
        assert self._project_id is not None, "opened first"
        return self._project_id

    def encode(self, runs: Iterable[Mapping[str, Any]], feedback: Iterable[Mapping[str, Any]]) -> EncodedStep:
        """Return a step's runs and feedback as they are sent."""
        ours = [{**run, **self._hidden, "session_name": self.project} for run in runs]
        judged = [{**one, "session_id": self.project_id} for one in feedback]
        if not self._multipart:
            return EncodedStep(tuple(map(encoded, ours)), tuple(map(encoded, judged)))
        return EncodedStep(
            tuple(b"".join(_run_parts(run)) for run in ours),
            tuple(_part(f"feedback.{one['id']}", one) for one in judged),
        )

    def send(self, runs: Sequence[bytes], feedback: Sequence[bytes]) -> None:
        """Send encoded runs and feedback. LangSmithFailure unless all of it has arrived."""
        if self._multipart:
            self._send_multipart(b"".join([*runs, *feedback, b"--", _BOUNDARY, b"--\r\n"]))
            return
        if runs:
            body = b'{"post":[' + b",".join(runs) + b'],"patch":[]}'
            self._request("POST", "/runs/batch", content=body, headers=_JSON)
        for one in feedback:
            with suppress(AlreadyThere):
                self._request("POST", "/feedback", content=one, headers=_JSON)

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the answer to a GET."""
        return _content(self._request("GET", path, params=parameters), path)

    def post(self, path: str, value: Mapping[str, Any]) -> Any:
        """Return the answer to a POST of JSON."""
        return _content(self._request("POST", path, content=encoded(value), headers=_JSON), path)

    def close(self) -> None:
        """Close the connection."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _send_multipart(self, body: bytes) -> None:
        headers = {"content-type": f"multipart/form-data; boundary={_BOUNDARY.decode()}"}
        if self._zstd:
            import zstandard

            body = zstandard.ZstdCompressor(level=1).compress(body)
            headers["content-encoding"] = "zstd"
        self._request("POST", "/runs/multipart", content=body, headers=headers)

    def _read_info(self, info: Any) -> None:
        """Note what the server takes, as far as it says. ValueError, TypeError or AttributeError for another form."""
        limits = (info.get("batch_ingest_config") if isinstance(info, dict) else None) or {}
        flags = (info.get("instance_flags") if isinstance(info, dict) else None) or {}
        self._multipart = bool(limits.get("use_multipart_endpoint", True))
        self._zstd = bool(flags.get("zstd_compression_enabled"))
        self.operations = max(1, int(limits.get("size_limit") or OPERATIONS))

    def _found_project(self) -> str | None:
        found = self.get("/sessions", name=self.project, limit=1)
        return str(found[0]["id"]) if found else None

    def _made_project(self) -> str | None:
        with suppress(AlreadyThere):  # another process made it at the same time
            self._request("POST", "/sessions", content=encoded({"name": self.project}), headers=_JSON)
        return self._found_project()

    def _request(self, method: str, path: str, **options: Any) -> "httpx2.Response":
        """Make one attempt."""
        import httpx2

        if self._http is None:
            try:
                self._http = self._connected()
            except (httpx2.InvalidURL, ValueError) as error:
                raise LangSmithFailure(f"LANGSMITH_ENDPOINT {self.url!r} is no address.", lasting=True) from error
        try:
            answer = self._http.request(method, f"{self.url}{path}", **options)
        except httpx2.TimeoutException as error:
            raise LangSmithFailure(f"LangSmith at {self.url} does not answer.") from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise LangSmithFailure(f"LANGSMITH_ENDPOINT {self.url!r} is no address.", lasting=True) from error
        except httpx2.HTTPError as error:
            raise LangSmithFailure(f"LangSmith at {self.url} cannot be reached.") from error
        if answer.is_success:
            return answer
        raise self._failure(answer, f"{method} {path}")

    def _failure(self, answer: "httpx2.Response", asked: str) -> LangSmithFailure:
        status = answer.status_code
        if status in (401, 403):
            return LangSmithFailure(f"LangSmith at {self.url} refuses the API key (HTTP {status}).", lasting=True)
        said = answer.text[:200]
        said = " ".join((said.replace(self._key, "…") if self._key else said).split())
        sentence = f"LangSmith at {self.url} answered {asked} with HTTP {status}: {said}"
        if status == 409:
            return AlreadyThere(sentence)
        if status in (400, 413, 422):
            return RequestRefused(sentence)
        wait = answer.headers.get("retry-after", "")
        return LangSmithFailure(sentence, lasting=status == 404, wait_s=float(wait) if wait.isdigit() else 0.0)

    def _connected(self) -> "httpx2.Client":
        import httpx2

        headers = {"x-api-key": self._key} if self._key else {}
        if workspace := _environment("WORKSPACE_ID"):
            headers["x-tenant-id"] = workspace
        return httpx2.Client(headers=headers, timeout=httpx2.Timeout(ANSWER_S, connect=CONNECT_S))


def _environment(name: str) -> str | None:
    """Return a variable of LangSmith's, by its new or its old name."""
    return os.environ.get(f"LANGSMITH_{name}") or os.environ.get(f"LANGCHAIN_{name}") or None


def _content(answer: "httpx2.Response", path: str) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise LangSmithFailure(f"What answered {path} is no LangSmith: its answer is no JSON.", lasting=True) from error


def _run_parts(run: dict[str, Any]) -> Iterator[bytes]:
    """Yield a run as parts of a form: its large fields each in a part of its own."""
    large = {name: run.pop(name) for name in _PARTS if name in run}
    yield _part(f"post.{run['id']}", run)
    for name, value in large.items():
        yield _part(f"post.{run['id']}.{name}", value)


def _part(name: str, value: Any) -> bytes:
    data = encoded(value)
    head = f'--%s\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: application/json\r\n'
    return head.encode() % _BOUNDARY + b"Content-Length: %d\r\n\r\n" % len(data) + data + b"\r\n"


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "␀")
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nul(one) for one in value]
    return value
