"""Prompts come out byte for byte as agreed, hostile texts included; every fault of a template is found when loading."""

import pytest

from scaffolds import VARIABLES, Prompts, Scaffold, ScaffoldError

BEFORE = {"long": "You see:\n- tree 1 step to your north", "short": "Your status:\n- health: 9/9"}
NOW = {"long": "You see nothing away from you.", "short": "Your status:\n- health: 8/9"}
HOSTILE = "{{ 7 * 7 }} {% for x in y %} {# gone? #} <b>&amp;</b> <|ACTION|>Do<|END|> \\n %s {0} \u202e\x00 é\n- line"


@pytest.fixture(scope="module")
def v0():
    return Scaffold.load("crafter/v0")


def test_log_message_is_as_agreed(v0):
    text = v0.render(
        "log", step=2, action="Do", previous=BEFORE, observation=NOW, notices=[], files=[("a.md", 12), ("b.md", 0)]
    )
    assert text == (
        "LOG step 2\n\n## Before\nYou see:\n- tree 1 step to your north\n\nYour status:\n- health: 9/9\n\n"
        "## Action sent\nDo\n\n## Now\nYou see nothing away from you.\n\nYour status:\n- health: 8/9\n\n"
        "## Notebook\n- a.md (12 lines)\n- b.md (0 lines)"
    )


def test_plan_message_is_as_agreed(v0):
    text = v0.render("plan", step=9, action="Do", observation=NOW, notices=["one", "two"], files=[("a.md", 1)])
    assert text == (
        "PLAN step 9\n\n## Action sent\nDo\n\n## Now\nYou see nothing away from you.\n\nYour status:\n- health: 8/9\n\n"
        "## Notices\n- one\n- two\n\n## Notebook\n- a.md (1 lines)"
    )


def test_plan_message_without_action_notices_and_notebook_is_only_the_observation(v0):
    text = v0.render("plan", step=1, action=None, observation=NOW, notices=[], files=[])
    assert text == "PLAN step 1\n\n## Now\nYou see nothing away from you.\n\nYour status:\n- health: 8/9"


def test_results_message_is_as_agreed(v0):
    replies = [{"title": "SEARCH a.md|tree", "text": "2: tree"}, {"title": "READ b.md", "text": "empty"}]
    text = v0.render("results", replies=replies, routine="PLAN", turns_left=3, note="Held back.")
    assert text == (
        "RESULTS\n\n### SEARCH a.md|tree\n2: tree\n\n### READ b.md\nempty\n\nHeld back.\n\nPLAN: 3 replies left."
    )


def test_texts_of_the_world_and_the_model_come_out_as_they_went_in(v0):
    hostile = {"long": HOSTILE, "short": HOSTILE}
    for text in (
        v0.render(
            "log",
            step=2,
            action=HOSTILE,
            previous=hostile,
            observation=hostile,
            notices=[HOSTILE],
            files=[(HOSTILE, 1)],
        ),
        v0.render("plan", step=2, action=HOSTILE, observation=hostile, notices=[HOSTILE], files=[(HOSTILE, 1)]),
        v0.render("results", replies=[{"title": HOSTILE, "text": HOSTILE}], routine="LOG", turns_left=1, note=HOSTILE),
        v0.render("handoff", step=2, note=HOSTILE),
    ):
        assert HOSTILE in text
        assert text.replace(HOSTILE, "").count("{") == 0


def test_a_variable_too_few_or_too_many_is_our_error(v0):
    with pytest.raises(ValueError, match=r"missing \['note'\], too many \['notes'\]"):
        v0.render("handoff", step=1, notes="")
    with pytest.raises(ValueError, match="There is no prompt 'logs'"):
        v0.render("logs", step=1)


def test_every_template_says_which_variables_it_may_use():
    assert set(VARIABLES) == {"system", "log", "plan", "results", "handoff"}


@pytest.mark.parametrize(
    ("page", "line", "says"),
    [
        pytest.param("a\nb {{ stepp }}", 2, "handoff.md has no variable 'stepp', did you mean 'step'?", id="variable"),
        pytest.param("{% if 0 %}\n{{ seed }}{% endif %}", 2, "no variable 'seed'", id="variable in a dead branch"),
        pytest.param("a\n{% if step %}", 2, "Unexpected end of template", id="unclosed"),
        pytest.param("a\n{{ step", 2, "cannot be read", id="unclosed variable"),
        pytest.param("a\n\n{{ step | uper }}", 3, "No filter named 'uper'", id="unknown filter"),
        pytest.param("{{ step }}\n{{ note.txt }}", 2, "has no attribute 'txt'", id="missing attribute"),
        pytest.param("{{ step + note }}", 1, "cannot be filled in", id="types that do not add"),
        pytest.param("{{ [step] }}", 1, "prints texts and numbers, this is list", id="a list is no text"),
        pytest.param("{% if note %}\n{{ none }}{% endif %}", 2, "this is NoneType", id="None is no text"),
        pytest.param("\n{{ note.__class__.__mro__ }}", 2, "cannot be filled in", id="way out of the sandbox"),
        pytest.param("{% set x = step %}", 1, "Assign is not available in prompts", id="set"),
        pytest.param("\n{% include 'log.md' %}", 2, "Include is not available", id="include"),
        pytest.param("{% macro m() %}{% endmacro %}", 1, "Macro is not available", id="macro"),
        pytest.param("{% for a in note recursive %}{% endfor %}", 1, "not recursive", id="recursive loop"),
        pytest.param("{{ range(9) }}", 1, "Call is not available", id="call"),
        pytest.param("{{ 'a' * 999999999999 }}", 1, "Mul is not available", id="wild allocation"),
        pytest.param("{{ 9 ** 9 ** 9 }}", 1, "Pow is not available", id="wild power"),
        pytest.param("{{ '%999999999d' % step }}", 1, "Mod is not available", id="wild formatting"),
        pytest.param("{{ note ~ note }}", 1, "Concat is not available", id="concatenation"),
        pytest.param("{{ note | join(note) }}", 1, "fixed separator", id="growing join"),
        pytest.param("{{ note | center(99999999) }}", 1, "No filter named 'center'", id="wild padding"),
        pytest.param("{% for a in note %}{% for b in note %}{% for c in note %}{% endfor %}{% endfor %}{% endfor %}", 1,
                     "two deep", id="three loops"),
        pytest.param("(" * 70_000, None, "70000 characters", id="too long"),
        pytest.param("{{ " + "(" * 20_000 + "step" + ")" * 20_000 + " }}", None, "nested too deeply", id="too deep"),
    ],
)  # fmt: skip
def test_a_fault_in_a_template_names_file_and_line_when_loading(make_scaffold, page, line, says):
    folder = make_scaffold({"prompts/handoff.md": page})
    with pytest.raises(ScaffoldError) as caught:
        Scaffold.load(folder)
    where = f"{folder / 'prompts/handoff.md'}:" + (f"{line}:" if line else "")
    assert str(caught.value).startswith(where)
    assert says in str(caught.value)


def test_what_only_some_data_shows_is_found_when_loading(make_scaffold):
    page = "{% if notebook == 'frozen' and not files %}\n{{ files[0][0] }}\n{% endif %}"
    folder = make_scaffold({"prompts/system.md": page})
    with pytest.raises(ScaffoldError, match=r"system\.md:2: "):
        Scaffold.load(folder)


def test_a_missing_or_misnamed_prompt_is_named(make_scaffold):
    with pytest.raises(ScaffoldError, match=r"plan\.md: this prompt is missing"):
        Scaffold.load(make_scaffold({"prompts/plan.md": None}, name="a"))
    with pytest.raises(ScaffoldError, match=r"plans\.md: there is no such prompt, did you mean 'plan\.md'\?"):
        Scaffold.load(make_scaffold({"prompts/plans.md": "x"}, name="b"))


def test_what_a_page_needs_is_there(tmp_path):
    for name in VARIABLES:
        (tmp_path / f"{name}.md").write_text("")
    page = """
{# a comment #}
{% for name, lines in files %}{{ loop.index }}/{{ loop.length }} {{ name|upper }}{{ ", " if not loop.last }}{% endfor %}
{% if step > 1 and action is not none %}{{ action|default("x")|trim }}{% else %}{{ notices | join("; ") }}{% endif %}

{% raw %}{{ as it is }}{% endraw %}
"""
    (tmp_path / "plan.md").write_text(page)
    prompts = Prompts(tmp_path)
    given = {"observation": NOW, "files": [("a", 1), ("b", 2)], "notices": ["n", "m"]}
    assert prompts.render("plan", step=2, action=" Do ", **given) == "1/2 A, 2/2 BDo\n{{ as it is }}"  # trim_blocks
    assert prompts.render("plan", step=1, action=None, **given) == "1/2 A, 2/2 Bn; m\n{{ as it is }}"
