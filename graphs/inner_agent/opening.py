"""Open an episode: a new one, or one rebuilt from its folder by replaying the actions of its trace."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice, pairwise, tee
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from chat_models.factory import has_server
from chat_models.keys import called_for_client
from graphs.inner_agent.arms import check_arm, check_place, open_notebook, purposes
from graphs.inner_agent.branches import Living
from graphs.inner_agent.forking import origin_of
from graphs.inner_agent.hooks import decide, observe_notices
from graphs.inner_agent.run_file import begin_run, run_of
from graphs.inner_agent.session import Role, Session
from graphs.inner_agent.state import Position, plain
from graphs.settings import EpisodeSettings, SettingsError
from graphs.spending import check_prices, parse_ceilings, read_prices
from scaffolds import Scaffold
from tools import dialect
from traces import EpisodeFolder, StepRecord, TraceDamaged, TraceReader, read_result
from traces.langsmith_episode import Choice
from traces.langsmith_export import live_episode
from traces.langsmith_texts import hidden_kinds
from worlds import EngineFailure, MissingEngine, Observation, World, open_world

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from chat_models import Retry


def check(settings: EpisodeSettings) -> Scaffold:
    """Load and build all that an episode needs but the episode itself; our errors are raised here, before any cost."""
    scaffold = Scaffold.load(settings.scaffold, trust_code=settings.trust_scaffold_code)
    if scaffold.settings.world != settings.world:
        raise SettingsError(
            f"The scaffold {settings.scaffold} is for the world {scaffold.settings.world!r}, not {settings.world!r}."
        )
    playing = models(settings)
    if settings.constrained:
        _check_constrained(settings, scaffold, playing)
    ceilings = parse_ceilings(settings.ceilings)
    check_prices(ceilings, read_prices(settings.prices), {settings.model, settings.gameplay_model or settings.model})
    _check_tracing(settings)
    dialect(settings.dialect or scaffold.settings.dialect)
    world = _new_world(settings)
    try:
        check_arm(settings, world)
    finally:
        world.close()
    return scaffold


def check_first(settings: EpisodeSettings, tasks: Sequence[str]) -> Scaffold:
    """`check` with the first of these tasks whose engine is there; MissingEngine of the last where that of none is."""
    for task in tasks[:-1]:
        try:
            return check(dataclasses.replace(settings, task=task))
        except MissingEngine:
            continue
    return check(dataclasses.replace(settings, task=tasks[-1]))


def open_session(
    settings: EpisodeSettings,
    folder: EpisodeFolder,
    *,
    step: int | None = None,
    revision: int | None = None,
    living: Living | None = None,
) -> Session:
    """The live session of an episode, after its last complete step.

    `step` is the next step by the caller's state; `revision`, for a caller in the middle of that step, the
    notebook's revision there. Raises SettingsError where the folder does not agree, TraceDamaged where its files are
    not what they were when it ended, EngineFailure where the replay parts from the recording, and every error of
    `check`.
    """
    scaffold = check(settings)
    probe(settings)
    check_place(settings, folder)
    begin_run(run_of(folder), settings, scaffold.digest)
    ended = read_result(folder, content=True)
    if ended is not None and ended.status == "damaged" and ended.failure is not None:
        raise TraceDamaged(f"{ended.failure.sentence}: it cannot be played on; restore it, or play it again elsewhere")
    folder.create()
    folder.set_failure_aside()
    world = living.world if living is not None else _new_world(settings)
    session = Session(
        settings=settings,
        folder=folder,
        scaffold=scaffold,
        world=world,
        notebook=open_notebook(settings, folder, scaffold),
        dialect=dialect(settings.dialect or scaffold.settings.dialect),
        models=models(settings),
        retry=retry_of(settings),
    )
    try:
        session.system = {"role": "system", "content": system_text(session)}
        _restore(session, step, revision, living)
        choice = Choice(settings.trace_sample, tuple(settings.trace_hide))
        session.live = live_episode(folder, choice, session.position.step - 1)
        if session.live is not None and session.position.over:
            session.live.end(session.result())
    except BaseException:
        session.close()  # contained hooks are a process, which has to end
        raise
    return session


def system_text(session: Session) -> str:
    """The system message of an episode, as its scaffold words it."""
    settings, scaffold, actions = session.settings, session.scaffold, session.world.actions
    forms = {routine: session.dialect.forms(words) for routine, words in session.vocabularies.items()}
    return scaffold.render(
        "system",
        world=settings.world,
        task=settings.task,
        actions=[(name, actions.help(name)) for name in actions],
        log_forms=forms.get("LOG", []),
        plan_forms=forms["PLAN"],
        files=purposes(settings, scaffold),
        turns=scaffold.settings.turns.shown(),
        notebook=settings.notebook,
        dialect=session.dialect.name,
    )


def _new_world(settings: EpisodeSettings) -> World:
    return open_world(settings.world, settings.task, max_steps=settings.max_steps, **settings.world_options)


def _restore(session: Session, step: int | None, revision: int | None, living: Living | None) -> None:
    """Bring a new session to the position of its folder and of the caller."""
    folder = session.folder
    if living is None:
        _replay(session, session.world)
    else:
        _recount(session, living)
    origin = origin_of(folder)
    if origin is not None and origin.step == session.position.step:
        session.start_revision = origin.revision
    if step is not None and step != session.position.step:
        raise SettingsError(
            f"This thread is at step {step}, its episode in {folder.path} at step {session.position.step}: "
            "play on from the latest checkpoint, or start a new thread."
        )
    if revision is not None:
        observe_notices(session)  # the hooks had already seen this step when it was interrupted
    if revision is not None and revision > session.notebook.revision:
        raise SettingsError(
            f"The notes this checkpoint of {folder.path} stands on have been taken back: play on from the checkpoint "
            "before the step, or from the latest."
        )
    session.notebook.rewind(session.start_revision if revision is None else revision)
    if session.position.over and not folder.is_finished():
        session.trace.finish(session.result())  # killed between the last step and its result


def _check_tracing(settings: EpisodeSettings) -> None:
    if not 0 <= settings.trace_sample <= 1:
        raise SettingsError(f"The share of the steps to trace lies between 0 and 1, not at {settings.trace_sample}.")
    try:
        hidden_kinds(settings.trace_hide)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _check_constrained(settings: EpisodeSettings, scaffold: Scaffold, playing: dict[Role, BaseChatModel]) -> None:
    """ConfigurationError or SettingsError if replies cannot be constrained: ignoring it would not be noticed."""
    from chat_models import check_constrainable

    spoken = settings.dialect or scaffold.settings.dialect
    if spoken != "tags":
        raise SettingsError(f"Constrained replies are tags, but the dialect is {spoken}: set `dialect` to tags.")
    for role, name in _constrained_roles(settings).items():
        check_constrainable(playing[role], name)


def _constrained_roles(settings: EpisodeSettings) -> dict[Role, str]:
    """Whose replies are held to operations, by role: beside a language model not a scripted one's, which are anyway."""
    names: dict[Role, str] = {"memory": settings.model, "gameplay": settings.gameplay_model or settings.model}
    return {role: name for role, name in names.items() if name != "scripted"} or names


def probe(settings: EpisodeSettings) -> None:
    """ConfigurationError if servers of one model serve different models, or one passes over a request to constrain
    replies.

    One request per model, server and process; ProviderFailure where no server answers it.
    """
    playing = models(settings)
    for model in playing.values():
        if (check_same := getattr(model, "check_same", None)) is not None:
            check_same()
    if not settings.constrained:
        return
    from chat_models.probes import check_held

    for role, name in _constrained_roles(settings).items():
        check_held(playing[role], name, retry_of(settings))


def retry_of(settings: EpisodeSettings) -> Retry:
    """How an episode's model calls are repeated."""
    from chat_models import Retry

    return Retry(attempts=settings.attempts, patience_s=settings.patience_s)


def models(settings: EpisodeSettings) -> dict[Role, BaseChatModel]:
    """The chat model of each role: one object when both are the same."""
    memory, gameplay = _base_urls(settings)
    first = _model(settings.model, settings.world, memory, *_sampling(settings))
    if settings.gameplay_model is None:
        return {"memory": first, "gameplay": first}
    return {
        "memory": first,
        "gameplay": _model(settings.gameplay_model, settings.world, gameplay, *_sampling(settings)),
    }


BaseUrls: TypeAlias = str | tuple[str, ...] | None


def _base_urls(settings: EpisodeSettings) -> tuple[BaseUrls, BaseUrls]:
    """The base URLs of the memory and the gameplay model. Several that are meant for one of the two only, because the
    other has no server, are left out for the other."""
    memory = tuple(given) if isinstance(given := settings.base_url, list) else given
    own = tuple(given) if isinstance(given := settings.gameplay_base_url, list) else given
    gameplay = own or memory
    if isinstance(memory, tuple) and settings.gameplay_model is not None and not own:
        served = has_server(settings.model), has_server(settings.gameplay_model)
        if served == (False, True):
            return None, gameplay
        if served == (True, False):
            return memory, None
    return memory, gameplay


def _sampling(settings: EpisodeSettings) -> tuple[float, int, float, tuple[tuple[str, float], ...]]:
    return settings.temperature, settings.max_tokens, settings.timeout_s, tuple(settings.sampler.items())


def _model(spec: str, *settings: Any) -> BaseChatModel:
    # A served model's connections are worth keeping. An embedded one costs nothing to name again, and its adapter may
    # have been trained again under the same path.
    # A client's model may lack the key that the owner's has.
    build = _built.__wrapped__ if spec.startswith("embedded") or called_for_client() else _built
    return build(spec, *settings)


@lru_cache(maxsize=16)
def _built(
    spec: str,
    world: str,
    base_url: BaseUrls,
    temperature: float,
    max_tokens: int,
    timeout_s: float,
    sampler: tuple[tuple[str, float], ...],
) -> BaseChatModel:
    from chat_models import chat_model

    sampling: Any = {"temperature": temperature, "max_tokens": max_tokens, "timeout_s": timeout_s}
    return chat_model(spec, world=world, base_url=base_url, sampler=dict(sampler), **sampling)


COMPARED = 2
"""Steps at the end of a replay whose observations are compared with the recording; before them only the first is. A
world saves the work of wording the others; all that is scored is compared at every step."""


def _replay(session: Session, world: World) -> None:
    """Bring world, hooks and counts to where the trace ends; check all that is scored against what is recorded."""
    session.start_revision = session.notebook.seeded
    observation, info = world.reset(seed=session.settings.seed)
    session.position = Position(step=1, observation=observation, info=info)
    with TraceReader(session.folder) as reader:
        quick = max(0, len(reader) - COMPARED)
        if quick:
            _check_shown(session, reader.step(1))
        pairs, again = tee(islice(pairwise(reader.steps()), quick))
        skipped = world.replay(played.action for played, _ in again)
        for (played, following), step in zip(pairs, skipped, strict=True):
            _play_again(session, played)
            _count_again(session, played, cast(Observation, following.observation), *step)
        for played in reader.steps(quick + 1):
            _check_shown(session, played)
            _play_again(session, played)
            _count_again(session, played, *world.step(played.action))


def _recount(session: Session, living: Living) -> None:
    """Bring hooks and counts to where the trace ends; the world is there."""
    session.start_revision = session.notebook.seeded
    with TraceReader(session.folder) as reader:
        if not len(reader):
            raise SettingsError(f"{session.folder.path} has no step yet: there is nothing to go on from.")
        session.position = Position(step=1, observation=cast(Observation, reader.step(1).observation), info={})
        for played, following in pairwise(chain(reader.steps(), [None])):
            assert played is not None, "only the last of a pair is nothing"
            _play_again(session, played)
            after = living.observation if following is None else cast(Observation, following.observation)
            _count_again(session, played, after, played.reward, played.terminated, played.truncated, played.info)


def _check_shown(session: Session, played: StepRecord) -> None:
    """EngineFailure where the world shows something else than the recording says."""
    if played.observation != plain(session.position.observation):
        raise EngineFailure(
            f"Replaying {session.folder.path} parts from its recording at step {played.step}: the world showed "
            "another observation. It was recorded with another version of the world's engine."
        )


def _play_again(session: Session, played: StepRecord) -> None:
    """Bring the hooks' state to what it was when the step's action was sent."""
    observe_notices(session)
    for vetoed in _vetoed_choices(played):
        decide(session, vetoed)
    decide(session, played.chosen)


def _count_again(
    session: Session,
    played: StepRecord,
    after: Observation,
    reward: float,
    terminated: bool,
    truncated: bool,
    info: dict[str, Any],
) -> None:
    _check_scored(session.folder, played, _scored(reward, terminated, truncated, info))
    session.advance(played, after)
    for conversation in played.conversations:
        for call in conversation.calls:
            session.account.add_call(conversation.role, call)


def _scored(reward: float, terminated: bool, truncated: bool, info: Mapping[str, Any]) -> dict[str, Any]:
    """What of a step the score of an episode is made of."""
    figures: dict[str, Any] = {"reward": reward, "terminated": terminated, "truncated": truncated}
    return figures | {name: info.get(name) for name in ("progression", "end_reason")}


def _check_scored(folder: EpisodeFolder, played: StepRecord, now: Mapping[str, Any]) -> None:
    """EngineFailure where the world scores a step otherwise than the recording says."""
    then = _scored(played.reward, played.terminated, played.truncated, played.info)
    for name, value in now.items():
        if value != then[name]:
            raise EngineFailure(
                f"Replaying {folder.path} parts from its recording at step {played.step}: {name} is {value!r}, the "
                f"recording says {then[name]!r}. It was changed, or made with another version of the world's engine."
            )


def _vetoed_choices(played: StepRecord) -> list[str]:
    """The actions a hook turned down in a step: it is shown them again, so that its state becomes what it was."""
    operations = [facts for conversation in played.conversations for facts in conversation.operations]
    return [str(facts.arguments["action"]) for facts in operations if facts.outcome == "vetoed"]
