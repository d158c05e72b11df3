"""The check of a candidate: what it must keep, what it must change, and what must stand in its texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from candidates import ANALYSIS, METHOD, PLACE, UPSERT, VAULT, Edit, evaluated, hooks, revise, workspace
from foreign_scaffold import why_not_contained

from graphs.reviewer.check import Checked, Citations, check_candidate, uncited
from graphs.reviewer.workspace import Workspace
from graphs.settings import SettingsError
from scaffolds import SHIPPED
from scaffolds.containment.bubblewrap import CannotContain
from traces import EpisodeFolder, copy_steps

contained = pytest.mark.skipif(why_not_contained() != "", reason=why_not_contained())
STATUS = '\n[files."status.md"]\npurpose = "how things stand"\nmaintained_by = "hooks"\n'
MAINTAIN = "class Hooks:\n    def maintain(self, view, notebook):\n        notebook.write('status.md', 'x')\n"
SAVE = '''from memory_fs import MemoryResult
from scaffolds import NotebookView, operation


@operation(kind="{kind}")
def save(notebook: NotebookView{argument}) -> MemoryResult:
    """Save how things stand."""
    return notebook.{does}
'''


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluated(tmp_path_factory.mktemp("check") / "run")


@pytest.fixture
def made(tmp_path: Path, run: Path) -> Workspace:
    return workspace(tmp_path, {"incumbent": run})


def check(made: Workspace) -> Checked:
    return check_candidate(made.parent, made.candidate, made.notes, runs=made.runs)


def test_a_structural_change_with_its_reasons_passes(made: Workspace) -> None:
    checked = check(revise(made, UPSERT))
    assert checked == Checked(faults=[], changes={"vocabulary": ["log: +upsert"]}, structural=True)


def test_a_copy_fails_for_everything_it_lacks(made: Workspace) -> None:
    faults = "\n".join(check(made).faults)
    assert "Nothing structural has changed" in faults
    assert "notes/analysis.md has 0 characters" in faults
    assert "METHOD.md is still the parent's" in faults
    (made.candidate / "METHOD.md").unlink()
    assert "candidate/METHOD.md has 0 characters" in "\n".join(check(made).faults)


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        pytest.param([("scaffold.toml", 'world = "vault"', 'world = "valt"')], "scaffold.toml:4: ", id="does not load"),
        pytest.param([UPSERT, ("scaffold.toml", 'world = "vault"', 'world = "crafter"')], "The world was", id="world"),
        pytest.param([("prompts/system.md", "# Goal", "# The goal")], "Nothing structural", id="prompts alone"),
        pytest.param([("scaffold.toml", "log = 10", "log = 9")], "Nothing structural", id="numbers alone"),
        pytest.param(
            [UPSERT, ("scaffold.toml", "\n[turns]", "hooks_share = 0.9\n[turns]")], "may not rise", id="share"
        ),
        pytest.param([UPSERT, ("scaffold.toml", 'act = "gameplay"', 'act = "memory"')], "name the roles", id="roles"),
        pytest.param([("scaffold.toml", '"append", "write", "create"', '"create"')], "LOG has no record", id="record"),
        pytest.param([("scaffold.toml", '"act"]', '"act", "append"]')], "PLAN records nothing", id="outcome"),
        pytest.param([("scaffold.toml", ', "done"]', "]")], "log needs one of", id="log without end"),
        pytest.param([UPSERT, ("prompts/log.md", "LOG step {{ step }}", "LOG")], "must open with the line", id="log"),
        pytest.param([UPSERT, ("prompts/plan.md", "PLAN step {{ step }}", "Now")], "PLAN step {{ step }}", id="plan"),
        pytest.param(
            [UPSERT, ("prompts/plan.md", "{{ observation.long }}", "")], "plan.md no longer shows: long", id="unseen"
        ),
        pytest.param(
            [UPSERT, ("prompts/results.md", "{{ reply.text }}", "")], "results.md no longer shows: result", id="result"
        ),
    ],
)
def test_a_rule_that_is_broken_is_named(made: Workspace, edits: list[Edit], says: str) -> None:
    faults = check(revise(made, *edits)).faults
    assert len(faults) == 1, faults
    assert says in faults[0]
    assert str(made.candidate) not in faults[0]


def test_roles_may_change_where_the_method_says_why(made: Workspace) -> None:
    roles = ("scaffold.toml", 'act = "gameplay"', 'act = "memory"')
    checked = check(revise(made, roles, METHOD=METHOD + "\nThe roles change because one model is enough."))
    assert checked.faults == []


@contained
def test_hooks_may_keep_their_share_of_the_files_and_no_more(made: Workspace) -> None:
    toml = (made.candidate / "scaffold.toml").read_text()
    (made.candidate / "scaffold.toml").write_text(toml + STATUS)
    checked = check(revise(made, hooks=MAINTAIN))
    assert checked.faults == []
    assert set(checked.changes) == {"file schema", "hooks"}
    more = "".join(STATUS.replace("status", f"status{number}") for number in range(4))
    (made.candidate / "scaffold.toml").write_text(toml + more)
    (fault,) = check(made).faults
    assert fault.startswith("Hooks keep 4 of 7 files")


@contained
@pytest.mark.parametrize(
    ("kind", "argument", "does", "faults"),
    [
        ("record", "", "append('codes.md', 'x')", 1),
        ("record", ", text: str", "append('codes.md', text)", 0),
        ("recall", "", "read('codes.md')", 2),
        ("recall", ", word: str", "search('codes.md', word)", 0),
    ],
)
def test_an_operation_in_which_the_model_decides_nothing_is_not_enough(
    made: Workspace, kind: str, argument: str, does: str, faults: int
) -> None:
    own = SAVE.format(kind=kind, argument=argument, does=does)
    toml = made.candidate / "scaffold.toml"
    if kind == "record":
        text = toml.read_text().replace('"append", "write", "create"', '"save"')
    else:
        text = toml.read_text().replace('"search", "read", "tail", "count"', '"save"')
    toml.write_text(text)
    assert len(check(revise(made, operations=own)).faults) == faults


@contained
def test_code_is_told_by_what_it_reaches(made: Workspace) -> None:
    code = hooks("return ['x']") + "\n    def act(self, action, view):\n        return Send(action)\n"
    checked = check(revise(made, hooks=f"from scaffolds import Send\n{code}"))
    assert checked.faults == []
    assert checked.changes == {"hooks": ["hooks.py added (has act, observe; +act +observe)"]}


@contained
def test_code_that_does_not_run_is_blamed_by_file_and_line(made: Workspace) -> None:
    checked = check(revise(made, hooks="import nothing_like_it\n\nclass Hooks: ...\n"))
    assert checked.faults[0].startswith("candidate/hooks.py:1: ")
    assert len(checked.faults) == 1


def test_a_machine_that_cannot_contain_code_is_not_the_candidates_fault(
    made: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> None:
        raise CannotContain("bubblewrap is not installed here")

    monkeypatch.setattr("scaffolds.containment.process.start", cannot)
    with pytest.raises(SettingsError, match="bubblewrap is not installed"):
        check(revise(made, hooks=hooks("return ['never seen before']")))


def test_a_candidate_among_the_shipped_scaffolds_is_never_loaded(made: Workspace) -> None:
    with pytest.raises(SettingsError, match="uncontained"):
        check_candidate(VAULT, SHIPPED / "vault/v1", made.notes, runs=made.runs)


def test_links_in_a_candidate_are_a_fault(made: Workspace, tmp_path: Path) -> None:
    revise(made, UPSERT)
    (tmp_path / "secret.md").write_text("x")
    (made.candidate / "secret.md").symlink_to(tmp_path / "secret.md")
    assert "may not hold links" in check(made).faults[0]


@pytest.mark.parametrize(
    ("cited", "says"),
    [
        ("[one-door/seed-1 step 2]", ""),
        ("[one-door/seed-1 steps 2-6]", ""),
        ("[one-door/seed-1 steps 2–6]", ""),
        ("[incumbent: one-door/seed-1 step 6]", ""),
        ("[one-door/seed-1 step 7]", "the episode has 6"),
        ("[one-door/seed-1 steps 4-99]", "the episode has 6"),
        ("[one-door/seed-1 step 0]", "numbered from 1"),
        ("[one-door/seed-1 steps 4-3]", "numbered from 1"),
        ("[one-door/seed-2 step 1]", "in none of the runs"),
        ("[six-doors/seed-1 step 1]", "in none of the runs"),
        ("[../seed-1 step 1]", "in none of the runs"),
        ("[holdout: one-door/seed-1 step 1]", "there are incumbent"),
        ("[one-door/seed-1]", "is no citation"),
        ("[one-door/seed-1 step 2; one-door/seed-1 step 3]", "is no citation"),
        ("[vault/one-door/seed-1 step 2]", "is no citation"),
    ],
)
def test_a_citation_points_at_a_step_that_was_played(run: Path, cited: str, says: str) -> None:
    found = Citations(f"So it is {cited}.", {"incumbent": run})
    assert found.valid == (not says)
    assert [says in fault for fault in found.faults] == ([True] if says else [])


def test_an_episode_under_way_can_be_cited_as_far_as_it_was_played(run: Path, tmp_path: Path) -> None:
    episode = tmp_path / "run/episodes/vault/one-door/seed-1"
    episode.mkdir(parents=True)
    copy_steps(EpisodeFolder(run / "episodes/vault/one-door/seed-1"), EpisodeFolder(episode), 3)
    text = "[one-door/seed-1 step 3] [one-door/seed-1 step 4]"
    found = Citations(text, {"now": tmp_path / "run"})
    assert (found.valid, len(found.faults)) == (1, 1)


def test_every_paragraph_and_item_is_a_claim() -> None:
    text = (
        "# A heading that claims nothing\n\nA paragraph over\ntwo lines without any.\n\n"
        f"Another one, which cites {PLACE}.\n\nThese are the findings:\n- one that cites nothing\n- one {PLACE}\n"
        "  that goes on\n1. a numbered one, uncited\n\n```\ncode claims nothing at all here\n```\n| a | table |\nYes.\n"
    )
    assert uncited(text) == [
        "A paragraph over two lines without any.",
        "- one that cites nothing",
        "1. a numbered one, uncited",
    ]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({"analysis": "Short."}, ["analysis.md has 6 characters"]),
        ({"analysis": ANALYSIS.replace(PLACE, "")}, ["cites 0 places", *["claims without a citation"] * 5]),
        ({"analysis": ANALYSIS + "\n- An afterthought without a place.\n"}, ["An afterthought without a place"]),
        ({"analysis": ANALYSIS.replace("step 2", "step 9", 1)}, ["analysis.md: [one-door/seed-1 step 9] names a step"]),
        ({"METHOD": "Better."}, ["METHOD.md has 7 characters"]),
        ({"METHOD": METHOD.replace(PLACE, "a trace")}, ["METHOD.md cites nothing"]),
        ({"METHOD": METHOD + " [one-door/seed-9 step 1]"}, ["METHOD.md: [one-door/seed-9 step 1] names an episode"]),
    ],
)
def test_claims_need_places_that_exist(made: Workspace, texts: dict[str, str], says: list[str]) -> None:
    faults = check(revise(made, UPSERT, **texts)).faults
    assert len(faults) == len(says), faults
    for fault, part in zip(faults, says, strict=True):
        assert part in fault
