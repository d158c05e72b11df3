"""What a model and its server do, found out with a dozen short calls."""

from __future__ import annotations

import dataclasses
import statistics
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from chat_models import Completion, ConfigurationError, FailureKind, ProviderFailure, Retry, call, chat_model
from chat_models.messages import Message, to_langchain
from chat_models.retrying import retried
from graphs.doctor.rows import Row, State, ok, within
from graphs.doctor.server import REACH_S, cheap_rows, context_if_known, context_of, context_row, is_served, reached
from graphs.settings import Context, EpisodeSettings
from scaffolds import Scaffold
from tools.thoughts import separate
from tools.written_calls import written_calls

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

ONE_TOKEN = {"top_k": 1, "top_p": 1e-6, "min_p": 1.0}
"""Of each part of a sampler, what leaves the likeliest token alone."""
THIRTY_WORDS = "Write thirty words that have nothing to do with one another."
"""A question that another draw answers otherwise."""
SHORT, TALK = 16, 256
"""New tokens of a short call, and of one in which a model may think."""
PREFIX_WORDS, LONG_WORDS = 1_200, 4_500
"""Words of a prompt that two calls share, and of one longer than what Ollama reads by default (4,096 tokens)."""
HIT = 0.5
"""Share of a repeated prompt's tokens, or of its time, that a working prefix cache saves at least."""
LONG_S = 60.0
"""Seconds that the longest prompt may take by the rate of the one before."""
MEASURABLE_S = 0.3
"""Calls that end sooner are no measure of a cache."""
_NO_ANSWER = frozenset(
    {
        *(FailureKind.REFUSED, FailureKind.TIMEOUT, FailureKind.INTERRUPTED, FailureKind.RATE_LIMITED),
        *(FailureKind.UNAUTHORISED, FailureKind.NO_CREDIT, FailureKind.LIMIT_REACHED, FailureKind.UNKNOWN_MODEL),
    }
)
"""Failures after which nothing else is asked."""
TOOL: Message = {
    "type": "function",
    "function": {
        "name": "note",
        "description": "Write a note.",
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    },
}
TOOL_ADVICE = (
    "use the dialect tags; vLLM needs --enable-auto-tool-choice --tool-call-parser PARSER, SGLang --tool-call-parser "
    "PARSER, and automem evolve a reviewer that calls tools"
)


@dataclass
class Examination:
    """A model as it is to be used, and what was found of it."""

    spec: str
    base_url: str | None = None
    others: list[str] = field(default_factory=list)
    """Further servers, which are to serve the same: they are looked at without a model call."""
    world: str = ""
    max_tokens: int = 4096
    timeout_s: float = 60.0
    dialect: str = "tags"
    constrained: bool = False
    sampler: Mapping[str, float] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    context: int | None = None
    """Tokens of prompt and reply together; None where the server does not say."""
    tokens_per_s: float | None = None
    """New tokens of one call alone; None where the server does not count them."""
    prompt_tokens_per_s: float | None = None
    """The same of a prompt that the server has not seen before."""
    holds: bool | None = None
    """Whether replies can be constrained; None if that was not found out."""
    calls_tools: bool | None = None
    dead: bool = False
    """Whether nothing more can be asked."""

    @classmethod
    def of(cls, spec: str, context: Context, settings: EpisodeSettings | None) -> Examination:
        """The model with the settings of a run; `settings`: of its episodes, where a world is named."""
        spoken = context.dialect or "tags"
        if settings is not None and context.dialect is None:
            spoken = Scaffold.load(settings.scaffold, trust_code=context.trust_scaffold_code).settings.dialect
        urls: list[Any] = context.base_url if isinstance(context.base_url, list) else [context.base_url]
        return cls(
            spec=spec,
            base_url=urls[0],
            others=urls[1:],
            world=settings.world if settings is not None else "",
            max_tokens=context.max_tokens,
            timeout_s=context.timeout_s,
            dialect=spoken,
            constrained=context.constrained,
            sampler=context.sampler,
        )

    def examine(self) -> None:
        """Fill `rows`; at the first failure that says that no call will succeed, the rest is not tried."""
        if self.spec.strip() == "scripted" and not self.others:
            self.rows.append(ok("model", "scripted: rules, no language model"))
            return
        try:
            if self.others:
                chat_model(self.spec, world=self.world, base_url=[str(self.base_url), *self.others])
            first = self._model(SHORT)
        except ConfigurationError as error:
            self.rows.append(Row("model", "fault", str(error), "correct the model's name or its settings"))
            self.dead = True
        else:
            self.rows += reached(self._model(SHORT, REACH_S))
            self.dead = any(row.state == "fault" for row in self.rows)
            self.rows += self._others()
            looks: dict[str, Callable[[], list[Row]]] = {
                "first call": lambda: self._first(first),
                "context length": self._context,
                "sampler": self._sampler,
                "alternation": self._alternation,
                "prefix cache": self._prefix,
                "seed": self._seed,
                "thoughts": self._thoughts,
                "tool calling": self._tools,
                "constrained decoding": self._constraint,
                "long prompts": self._long,
            }
            for name, look in looks.items():
                self.rows += self._looked(name, look)

    def _others(self) -> list[Row]:
        """What the further servers say without a model call: each must have the model, and the same context."""
        rows, lengths = [], {}
        for url in self.others:
            for row in cheap_rows(self.spec, url, self.world, self.max_tokens):
                found = row.found if url in row.found else f"{url}: {row.found}"
                state = "fault" if row.name == "model listed" and row.state == "warning" else row.state
                rows.append(dataclasses.replace(row, found=found, state=state))
        if self.dead or any(row.state == "fault" for row in rows):
            return rows
        for url in (str(self.base_url), *self.others):
            model = chat_model(self.spec, world=self.world, base_url=url, timeout_s=REACH_S)
            lengths[url] = within(2 * REACH_S, partial(context_if_known, model), None)
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{url} {length or 'unknown'}" for url, length in lengths.items())
            advice = "serve it with the same context at each: which results fit a prompt depends on it"
            rows.append(Row("same context", "warning", f"{found} tokens", advice))
        return rows

    def _looked(self, name: str, look: Callable[[], list[Row]]) -> list[Row]:
        if self.dead:
            return [Row(name, "warning", "not tried", "see the fault above")]
        try:
            return look()
        except ProviderFailure as failed:
            self.dead = failed.kind in _NO_ANSWER and name != "long prompts"  # the slowest of all: others may go well
            what, _, advice = failed.sentence.rstrip(".").rpartition("; ")
            return [Row(name, "fault" if self.dead or name == "first call" else "warning", what, advice)]
        except (ConfigurationError, NotImplementedError) as error:
            self.dead = name == "first call"
            return [Row(name, "fault" if self.dead else "warning", str(error), "name another model")]

    def _model(self, tokens: int, timeout_s: float | None = None, **options: Any) -> BaseChatModel:
        limit = min(tokens, self.max_tokens)
        seconds = self.timeout_s if timeout_s is None else timeout_s
        return chat_model(
            self.spec,
            world=self.world,
            base_url=self.base_url,
            max_tokens=limit,
            timeout_s=seconds,
            **{"sampler": self.sampler, **options},
        )

    def _first(self, model: BaseChatModel) -> list[Row]:
        """Whether the model answers at all; whether it takes a system message, and counts tokens."""
        reply = _ask(model, "Write the word hello.", system="Be brief.")
        refused = any("system role" in change for change in reply.changes)
        role = "refused: the system text opens the first user message" if refused else "accepted"
        rows = [ok("first call", f"answered after {reply.latency_s:.1f} s"), ok("system role", role)]
        rows += [Row("request", "warning", change, "") for change in reply.changes if "system role" not in change]
        if reply.prompt_tokens is None:
            advice = "limit runs by calls or minutes: ceilings of tokens and cost cannot be kept"
            return [*rows, Row("usage", "warning", "no token counts", advice)]
        return [*rows, ok("usage", f"{reply.prompt_tokens} prompt and {reply.completion_tokens} new tokens counted")]

    def _context(self) -> list[Row]:
        self.context = context_of(self._model(SHORT, REACH_S))
        return [context_row(self.context, self.max_tokens)]

    def _sampler(self) -> list[Row]:
        """Which tokens are drawn from: as asked for, else as the server says; nothing where neither is known."""
        model, found = self._model(SHORT, REACH_S), dict(self.sampler)
        if is_served(model):
            from chat_models.probes import servers_sampler

            found = {**servers_sampler(model), **found}
        shown = ", ".join(f"{name} {value:g}" for name, value in found.items())
        if not self.sampler:
            return [ok("sampler", f"{shown}: the server's own")] if found else []
        if ignored := [name for name in self.sampler if not self._draws_by(name)]:
            what = f"{', '.join(ignored)}: the server passes over it"
            return [Row("sampler", "warning", what, "leave it out of `sampler`, or set it where the server is started")]
        more = "" if set(found) == set(self.sampler) else ", the rest is the server's own"
        asked = ", ".join(self.sampler)
        return [ok("sampler", f"{shown}: {asked} as asked for{more}")]

    def _draws_by(self, name: str) -> bool:
        """Whether one part of a sampler is kept: with one token to draw from, no seed gives another reply."""
        model = self._model(SHORT, temperature=1.0, sampler={name: ONE_TOKEN[name]})
        return len({_text(_ask(model, THIRTY_WORDS, seed=seed)) for seed in (7, 8)}) == 1

    def _alternation(self) -> list[Row]:
        model = self._model(SHORT)
        if is_served(model):
            from chat_models.probes import needs_alternation

            demanded = needs_alternation(model)
        else:
            try:
                call(model, [_user("Good day."), _user("Write the word hello.")], retry=Retry(attempts=1))
                demanded = False
            except ProviderFailure as failed:
                if failed.kind in _NO_ANSWER:
                    raise
                demanded = True
        return [ok("alternation", "demanded: roles alternate in all prompts" if demanded else "not demanded")]

    def _prefix(self) -> list[Row]:
        """Two calls with a long beginning in common, one after the other."""
        model = self._model(SHORT)
        shared = f"{uuid.uuid4()} {_words(self._room(PREFIX_WORDS))}"  # unlike any prompt of an earlier examination
        before, after = (_ask(model, f"Write the word {word}.", system=shared) for word in ("one", "two"))
        cached, prompt = after.cached_tokens, after.prompt_tokens
        if before.prompt_tokens is not None:
            self.prompt_tokens_per_s = before.prompt_tokens / before.latency_s
        advice = "every call reads its whole prompt again: leave the server's prefix cache on, if it has one"
        if cached is None or not prompt:
            counting = "vLLM counts with --enable-prompt-tokens-details, SGLang with --enable-cache-report"
            counted = Row("cached tokens", "warning", "not counted", counting)
            seconds = f"{before.latency_s:.1f} s, then {after.latency_s:.1f} s"
            if before.latency_s < MEASURABLE_S:
                return [counted, ok("prefix cache", f"too fast to be seen ({seconds})")]
            if after.latency_s < HIT * before.latency_s:
                return [counted, ok("prefix cache", f"works by the time taken: {seconds}")]
            return [counted, Row("prefix cache", "warning", f"none to be seen: {seconds}", advice)]
        counted = ok("cached tokens", f"{cached} of {prompt} on the second call")
        if cached < HIT * prompt:
            return [counted, Row("prefix cache", "warning", f"{cached} of {prompt} tokens of the same prompt", advice)]
        return [counted, ok("prefix cache", f"{100 * cached / prompt:.0f} % of a repeated prompt")]

    def _seed(self) -> list[Row]:
        """Three short calls: twice with one seed, once with another. Each must end at its limit of new tokens."""
        model = self._model(SHORT, temperature=1.0)
        replies = [_ask(model, THIRTY_WORDS, seed=seed) for seed in (7, 7, 8)]
        limit = min(SHORT, self.max_tokens)
        counts = [one.completion_tokens for one in replies if one.completion_tokens is not None]
        rates = [one.completion_tokens / one.latency_s for one in replies if one.completion_tokens and one.latency_s]
        self.tokens_per_s = statistics.median(rates) if rates else None
        lengths = counts or [len(_text(one).split()) for one in replies]
        if max(lengths) > limit:
            advice = "the limit of new tokens is not kept: set one at the server, or name another one"
            kept = Row("max_tokens", "fault", f"{max(lengths)} tokens where {limit} are allowed", advice)
        else:
            kept = ok("max_tokens", f"kept: {max(lengths)} of {limit} tokens")
        one, same, another = map(_text, replies)
        if one != same:
            advice = "runs cannot be repeated exactly; results keep their mean"
            return [kept, Row("seed", "warning", "not honoured: one seed, two replies", advice)]
        if one == another:
            return [kept, ok("seed", "the same reply with every seed: cannot be seen")]
        return [kept, ok("seed", "honoured")]

    def _thoughts(self) -> list[Row]:
        """Where a model that thinks before it answers leaves its thoughts."""
        model = self._model(TALK)
        prompt = to_langchain([_user("How much is 17 times 23? Think first, then write the number.")])
        reply = retried(lambda: model.invoke(prompt), model, Retry(attempts=1))[1]
        text, usage = reply.text, reply.usage_metadata
        details: Mapping[str, Any] = usage.get("output_token_details", {}) if usage else {}
        cut = reply.response_metadata.get("finish_reason") == "length"
        if reply.additional_kwargs.get("reasoning_content"):
            where = "apart from the reply: never read as operations"
        elif found := separate(text).thoughts:
            where = f"in the reply, after {found.split()[0][:20]}: not read as operations"
        elif hidden := details.get("reasoning"):
            where = f"hidden by the provider, {hidden} tokens counted"
        else:
            return [ok("thoughts", "none apart from the reply")]
        if cut and self.max_tokens < 4 * TALK:
            advice = f"raise the limit of new tokens to {4 * TALK} or more"
            return [Row("thoughts", "warning", f"{where}; they use up {TALK} tokens", advice)]
        return [ok("thoughts", where)]

    def _tools(self) -> list[Row]:
        state: State = "fault" if self.dialect == "functions" else "warning"
        try:
            reply = call(
                self._model(TALK),
                [_user("Call the function note with the text hello.")],
                tools=[TOOL],
                retry=Retry(attempts=1),
            )
        except (ConfigurationError, NotImplementedError):
            self.calls_tools = False
            return [Row("tool calling", state, "the model takes no tools", TOOL_ADVICE)]
        except ProviderFailure as failed:
            if failed.kind in _NO_ANSWER:
                raise
            self.calls_tools = False
            return [Row("tool calling", state, failed.sentence.rpartition("; ")[0], TOOL_ADVICE)]
        names = [one["function"]["name"] for one in reply.message.get("tool_calls", ())]
        self.calls_tools = names == ["note"]
        if self.calls_tools:
            return [ok("tool calling", "works")]
        if written_calls(_text(reply)).calls:  # which the dialect functions reads; a reviewer's tools do not
            return [Row("tool calling", "warning", "a call written as text", TOOL_ADVICE)]
        return [Row("tool calling", state, "no call where one was asked for", TOOL_ADVICE)]

    def _constraint(self) -> list[Row]:
        state: State = "fault" if self.constrained else "warning"
        model = self._model(TALK)
        if not getattr(model, "takes_constraint", False):
            self.holds = False
            advice = "name the model as what serves it: vllm:NAME, sglang:NAME or llamacpp:NAME"
            found = "not possible with this kind of model"
            return (
                [Row("constrained decoding", "fault", found, advice)]
                if self.constrained
                else [ok("constrained decoding", found)]
            )
        from chat_models.probes import HELD

        reply = call(model, [_user("Write the word hello.")], constraint=HELD, retry=Retry(attempts=1))
        cut = reply.finish_reason == "length" and not _text(reply).strip()
        self.holds = _text(reply) == HELD or cut
        if self.holds:
            return [ok("constrained decoding", "works")]
        advice = "name the model as what serves it (vllm:, sglang:, llamacpp:), or leave constrained replies out"
        return [Row("constrained decoding", state, "the server passes over the request", advice)]

    def _long(self) -> list[Row]:
        """Whether a prompt that is too long is refused, and one that is not is read whole."""
        words = LONG_WORDS if self.context is None or self.context > 1.3 * LONG_WORDS else round(1.1 * self.context)
        takes_s = words / self.prompt_tokens_per_s if self.prompt_tokens_per_s else 0.0
        if takes_s > min(LONG_S, self.timeout_s / 2):
            found = f"not tried: one of {words} words would take some {takes_s:.0f} s"
            return [Row("long prompts", "warning", found, "ask again when the server is idle")]
        try:
            reply = _ask(self._model(SHORT), f"{_words(words)} Write the word hello.")
        except ProviderFailure as failed:
            if failed.kind is not FailureKind.CONTEXT_TOO_LONG:
                raise
            return [ok("long prompts", f"one of {words} words is refused, not cut")]
        if reply.prompt_tokens is None:
            found = "cannot be seen without token counts"
            return [Row("long prompts", "warning", found, "Ollama cuts prompts: set its context length (num_ctx)")]
        if reply.prompt_tokens < words:
            found = f"cut without a word: {reply.prompt_tokens} tokens read of {words} words"
            advice = "raise the server's context length (Ollama: OLLAMA_CONTEXT_LENGTH or num_ctx)"
            return [Row("long prompts", "fault", found, advice)]
        return [ok("long prompts", f"{reply.prompt_tokens} tokens read whole")]

    def _room(self, words: int) -> int:
        return words if self.context is None else min(words, self.context // 3)


def _ask(model: BaseChatModel, text: str, *, system: str | None = None, seed: int | None = None) -> Completion:
    opening = [{"role": "system", "content": system}] if system else []
    return call(model, [*opening, _user(text)], seed=seed, retry=Retry(attempts=1))


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _text(reply: Completion) -> str:
    return str(reply.message["content"])


def _words(count: int) -> str:
    """So many words, each of at least one token."""
    some = ["river", "stone", "cloud", "table", "green", "seven", "walking", "letter", "window", "paper"]
    return " ".join(some[index * 7 % 10] for index in range(count))
