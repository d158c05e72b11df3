"""A selection follows its policy, the curator's decisions, and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from training.candidates import Candidate
from training.selection import DEFAULT_POLICY, POLICIES, Decision, Filters, Policy, PolicyError, Quotas, select


def candidate(step: int, routine: str = "LOG", seed: int = 1, **features: object) -> Candidate:
    base = Candidate(
        id=f"w/t/seed-{seed}/step-{step}/{routine}",
        world="w",
        task="t",
        seed=seed,
        step=step,
        routine=routine,  # type: ignore[arg-type]
        shape=f"{routine}: Now; replies 1",
        recalls=1,
    )
    return replace(base, **features)  # type: ignore[arg-type]


def policy(total: int = 10, order: str = "credit", **tables: object) -> Policy:
    tables.setdefault("quotas", Quotas(log_share=1.0))
    return Policy(summary="a test", total=total, order=order, **tables)  # type: ignore[arg-type]


def steps(*ids: str) -> list[int]:
    return [int(one.split("step-")[1].split("/")[0]) for one in ids]


def test_the_most_credited_come_first() -> None:
    found = [candidate(step, credit=credit) for step, credit in ((1, 0.5), (2, 2.0), (3, 1.0))]
    assert steps(*select(found, policy(total=2)).chosen) == [2, 3]


@pytest.mark.parametrize(
    ("filters", "features"),
    [
        (Filters(max_mistakes=0), {"mistakes": 1}),
        (Filters(max_rejected=0), {"outcomes": {"rejected": 1}}),
        (Filters(max_redundant_writes=0), {"redundant_writes": 1}),
        (Filters(max_empty_searches=0), {"empty_searches": 1}),
        (Filters(min_operations=1), {"recalls": 0}),
        (Filters(min_credit=0.5), {"credit": 0.4}),
        (Filters(min_reward_nearby=0.5), {"reward_nearby": 0.4}),
        (Filters(min_feedback=0.5), {"feedback": 0.0}),
        (Filters(max_turns=1), {"turns": 2}),
        (Filters(max_prompt_characters=100), {"characters": 101}),
        (Filters(recall_before_record=True), {"records": 1}),
        (Filters(productive_only=True), {"unproductive": True}),
        (Filters(top_episodes=0.5), {"episode_rank": 0.5}),
    ],
)
def test_each_filter_keeps_out_what_it_names_and_nothing_else(filters: Filters, features: dict[str, object]) -> None:
    chosen = select([candidate(1, credit=1, reward_nearby=1), candidate(2, **features)], policy(filters=filters))
    kept = {"min_credit", "min_reward_nearby"} & filters.model_fields_set
    assert steps(*chosen.chosen) == [1], kept
    assert list(chosen.left_out.values()) == [1]


def test_quotas_spread_the_selection_over_routines_episodes_and_shapes() -> None:
    found = [candidate(step, routine, seed) for seed in (1, 2) for step in range(1, 21) for routine in ("LOG", "PLAN")]
    chosen = select(found, policy(total=10, quotas=Quotas(log_share=0.4, per_episode=0.5)))
    assert chosen.routines == {"LOG": 4, "PLAN": 6}
    assert chosen.episodes == {"w/t/seed-1": 5, "w/t/seed-2": 5}
    narrow = select(found, policy(total=10, quotas=Quotas(log_share=0.4, per_shape=0.2)))
    assert narrow.shapes == {"LOG: Now; replies 1": 2, "PLAN: Now; replies 1": 2}


def test_a_part_of_each_routine_is_drawn_from_the_ordinary_turns_too() -> None:
    credited = [candidate(step, "PLAN", credit=1.0) for step in range(1, 21)]
    ordinary = [candidate(step, "PLAN") for step in range(21, 101)]
    drawn = policy(total=20, quotas=Quotas(log_share=0.0, by_chance=0.5))
    chosen = select([*credited, *ordinary], drawn)
    assert Counter(chosen.chosen.values()) == {"policy, by credit": 10, "policy, by chance": 10}
    assert len({one.id for one in ordinary} & chosen.chosen.keys()) >= 5
    assert chosen.left_out == {"PLAN is full": 80}
    assert list(select([*credited, *ordinary], drawn).chosen) == list(chosen.chosen)
    assert list(select([*credited, *ordinary], drawn, seed=1).chosen) != list(chosen.chosen)


def test_what_a_curator_accepted_is_never_left_to_chance() -> None:
    found = [candidate(step, "PLAN") for step in range(1, 41)]
    said = [Decision(one.id, "accept", "read") for one in found[:10]]
    chosen = select(found, policy(total=10, quotas=Quotas(log_share=0.0, by_chance=1.0)), said)
    assert set(chosen.chosen) == {one.id for one in found[:10]}


def test_an_episode_quota_never_starves_a_selection_of_few_episodes() -> None:
    found = [candidate(step) for step in range(1, 21)]
    assert len(select(found, policy(total=10, quotas=Quotas(log_share=1.0, per_episode=0.05))).chosen) == 10


def test_a_curators_word_comes_before_the_policys() -> None:
    found = [candidate(1, credit=9.0), candidate(2, mistakes=3), candidate(3, credit=1.0)]
    said = [Decision(found[0].id, "reject", "copied a rule"), Decision(found[1].id, "accept", "a fine repair")]
    chosen = select(found, policy(total=2, filters=Filters(max_mistakes=0)), said)
    assert steps(*chosen.chosen) == [2, 3]
    assert chosen.chosen[found[1].id] == "accepted: a fine repair"
    assert chosen.left_out == {"rejected by the curator": 1}


def test_chance_is_seeded() -> None:
    found = [candidate(step) for step in range(1, 101)]
    one, again, other = (list(select(found, policy(order="random"), seed=seed).chosen) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert list(select(reversed(found), policy(order="random"), seed=1).chosen) == one


def test_a_policys_own_scores_order_and_filter() -> None:
    found = [candidate(step) for step in (1, 2, 3)]
    scores = {found[0].id: 0.1, found[1].id: 0.9, found[2].id: None}
    assert steps(*select(found, policy(order="score"), scores=scores).chosen) == [2, 1]
    with pytest.raises(PolicyError, match=r"write policy\.py"):
        select(found, policy(order="score"))


def test_by_effect_takes_what_is_proven_helpful_the_most_helpful_first() -> None:
    effects = {
        1: (0.1, 0.05, 0.2),
        2: (0.5, 0.2, 0.8),
        3: (0.9, -0.1, 1.0),
        4: (-0.5, -0.8, -0.2),
        5: (0.9, None, None),
    }
    found = [candidate(9, credit=9.0)]
    found += [candidate(step, effect=e, effect_low=low, effect_high=high) for step, (e, low, high) in effects.items()]
    chosen = select(found, Policy.parse((POLICIES / "by_effect.toml").read_text()))
    assert steps(*chosen.chosen) == [2, 1]
    assert chosen.left_out == {"proven_helpful": 4}
    assert steps(*select(found, policy(order="effect")).chosen)[-2:] == [4, 9]


def test_the_shipped_policy_parses() -> None:
    assert Policy.parse(DEFAULT_POLICY.read_text()).total >= 300


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("total = ", "is not TOML"),
        ('summary = "x"\ntotal = 0', "total"),
        ('summary = "x"\ntotal = 5\nordre = "credit"', "ordre"),
        ('summary = "x"\ntotal = 5\n[filters]\nmax_mistakes = -1', "filters.max_mistakes"),
        ('summary = "x"\ntotal = 5\n[quotas]\nper_episode = 0', "quotas.per_episode"),
    ],
)
def test_a_faulty_policy_is_refused_by_name(toml: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        Policy.parse(toml)
