"""The tag dialect: damages that are read, mentions that are not, and what is reported."""

import pytest
from tool_vocabularies import ACTIONS, EVOLVED_LOG, LOG, PLAN

from tools import Call, Mistake, MistakeCode, Reading, Vocabulary, act_operation, dialect

TAGS = dialect("tags")


def read(content: str, vocabulary: Vocabulary = LOG, *, truncated: bool = False) -> Reading:
    return TAGS.read({"role": "assistant", "content": content}, vocabulary, truncated=truncated)


def words(content: str, vocabulary: Vocabulary = LOG, *, truncated: bool = False) -> list[str]:
    """Calls as `name argument|argument`, mistakes as their code."""

    def call(item: Call) -> str:
        values = item.arguments.model_dump().values()
        return f"{item.operation.name} {'|'.join(map(str, values))}" if values else item.operation.name

    items = read(content, vocabulary, truncated=truncated).items
    return [call(item) if isinstance(item, Call) else item.code.value for item in items]


CLOSERS = (
    *("<|END|>", "<|END|}", "<END>", "<|end|>", "<|END>", "<END|>", "|END|>", "<|End|>", "<| END |>", "<|END|]"),
    *("<|/END|>", "</END>", "</|END|>", "<|END|", "<|END", "<END}", "|END|}", "</SEARCH>", "<|/SEARCH|>"),
)
OPENERS = ("<|SEARCH|>", "<SEARCH>", "<|SEARCH>", "<SEARCH|>", "<|SEARCH|}", "<|SEARCH|", "<|search|>", "<| SEARCH |>")


@pytest.mark.parametrize("closer", CLOSERS)
@pytest.mark.parametrize("opener", OPENERS)
def test_damaged_tags_are_read(opener: str, closer: str) -> None:
    text = f"I look.\n{opener}map.md|tree{closer}\n<|READ|>a.md<|END|>\nThat was all."
    assert words(text) == ["search map.md|tree", "read a.md"]


@pytest.mark.parametrize("closer", CLOSERS[:-2])
def test_every_closer_ends_a_text(closer: str) -> None:
    assert words(f"<|APPEND|>map.md|a tree{closer}\n<|DONE|>") == ["append map.md|a tree", "done"]


@pytest.mark.parametrize(
    "text",
    [
        "<|SEARCH|>map.md|tree\n<|READ|>a.md",
        "<|SEARCH|>map.md|tree<|READ|>a.md<|END|>",
        "<|SEARCH|>map.md|tree\nand then\n<|READ|>a.md\nDone looking.",
        "```\n<|SEARCH|>map.md|tree<|END|>\n```\n```text\n<|READ|>a.md<|END|>\n```",
        "```<|SEARCH|>map.md|tree\n```\n`<|READ|>a.md<|END|>`",
        "<|SEARCH|> map.md | tree <|END|><|END|>\n<|END|}<|READ|>\na.md\n<|END|>",
        "- <|SEARCH|>map.md|tree<|END|>\n- <|READ|>a.md<|END|> because 3 < 4 and a | b",
        "<|SEARCH|>map.md|tree\nsince I am lost<|END|> <|READ|>a.md<|EN",
    ],
)
def test_fences_prose_and_missing_closers_do_not_matter(text: str) -> None:
    assert words(text) == ["search map.md|tree", "read a.md"]


@pytest.mark.parametrize("torn", ["<|", "<|E", "<|EN", "<|en", "<|END", "\n```", "\n"])
def test_a_torn_closer_at_the_end_of_the_message_does_not_matter(torn: str) -> None:
    assert words(f"<|SEARCH|>map.md|tree{torn}") == ["search map.md|tree"]
    assert words(f"<|APPEND|>map.md|tree{torn}") == ["append map.md|tree"]


def test_the_first_separators_divide_and_the_last_argument_takes_the_rest() -> None:
    assert words("<|APPEND|>map.md|a|b\nc | d<|END|>") == ["append map.md|a|b\nc | d"]
    assert words("<|SEARCH|>map.md|a|b<|END|>") == ["search map.md|a|b"]
    assert words("<|UPSERT_MAP|>3,4|stairs | down<|END|>", EVOLVED_LOG) == ["upsert_map 3,4|stairs | down"]
    assert words("<|UPSERT|>m.md|3,4|a|b<|END|>", EVOLVED_LOG) == ["upsert m.md|3,4|a|b"]


def test_text_is_kept_as_written_but_for_a_line_break_next_to_each_tag() -> None:
    assert words("<|WRITE|>a.md|\n  # Plan\n\n- wood\n<|END|>") == ["write a.md|  # Plan\n\n- wood"]
    assert words("<|WRITE|>a.md|\n\nx \n\n<|END|>") == ["write a.md|\nx \n"]
    assert words("<|WRITE|>a.md|<|END|>") == ["write a.md|"]


@pytest.mark.parametrize(
    "text", ["<|DONE|>", "<DONE>", "<|done|>", "<|DONE|><|END|>", "<|DONE|> all noted <|END|>", "```\n<|DONE|>\n```"]
)
def test_done_needs_no_closer_and_takes_one(text: str) -> None:
    assert words(text) == ["done"]


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("<|ACTION|>Move West<|END|>", "Move West"),
        ("<|ACTION|>Move West", "Move West"),
        ("<|ACT|>Do<|END|>", "Do"),
        ("<|ACTION|>Do\nbecause a tree is in front of me<|END|>", "Do"),
        ("ACTION: Do", "Do"),
        ("I face a tree.\n\n**ACTION:** Move West\n", "Move West"),
        ("> action: `move west`\nThat is all.", "move west"),
        ("ACTION: Do<|END|>", "Do"),
        ("Action: I might search\nAction: Do\n", "Do"),
        ("ACTION: Noop\nOn second thought:\n<|ACTION|>Do<|END|>", "Do"),
        ("<think>\n<|ACTION|>Noop<|END|> or not</think>\n<|ACTION|>Do<|END|>", "Do"),
        ("I could <|ACTION|>Noop<|END|>.</think>\n<|ACTION|>Do<|END|>", "Do"),
        ("<|ACTION|>Do<|END|><|im_end|>", "Do"),
    ],
)
def test_the_action_is_found(text: str, action: str) -> None:
    assert words(text, PLAN) == [f"act {action}"]


def test_an_action_line_is_prose_where_no_action_is_allowed_or_no_action_named() -> None:
    assert words("ACTION: Do") == ["unreadable"]
    assert words("ACTION: ponder", PLAN) == ["unreadable"]
    assert words("My last ACTION: Do\n", PLAN) == ["unreadable"]


def test_a_second_action_line_is_answered() -> None:
    assert words("ACTION: Do\nACTION: Noop\n", PLAN) == ["act Do", "after_end"]


@pytest.mark.parametrize("name", ["<", ">", "|", ".", ":", "<<", "a|b"])
def test_actions_made_of_marks_are_read(name: str) -> None:
    vocabulary = Vocabulary("PLAN", [act_operation([name])])
    assert words(f"<|ACTION|>{name}<|END|>", vocabulary) == [f"act {name}"]


def test_a_removed_action_line_takes_its_markdown_along() -> None:
    message = {"role": "assistant", "content": "I face a tree.\n> **ACTION: Do**\n"}
    reading = TAGS.read(message, PLAN)
    assert TAGS.remove(message, reading.items) == {"role": "assistant", "content": "I face a tree."}


# --- texts that mention tags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "use `<|SEARCH|>` first",
        'write "<|DONE|>" at the end',
        "use `<|READ|>strategy.md<|END|>` before acting",
        "search with <|SEARCH|> before acting",
        "after <|DONE|> nothing is read",
        "x <END> y",
        "x |END|> y",
        "a <tree> and <b>bold</b>, 3<4, <|unknown|> and </read>",
        "ACTION: Do",
    ],
)
def test_a_text_may_mention_tags(text: str) -> None:
    assert words(f"<|APPEND|>a.md|{text}<|END|>\n<|READ|>b.md<|END|>") == [f"append a.md|{text}", "read b.md"]


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("<|APPEND|>a.md|a tree<|DONE|>", ["append a.md|a tree", "done"]),
        ("<|APPEND|>a.md|a tree\n<|DONE|><|END|>", ["append a.md|a tree", "done"]),
        ("<|APPEND|>a.md|a tree\n<|DONE|> that is all<|END|>", ["append a.md|a tree", "done"]),
        ("<|APPEND|>a.md|a tree\n```\n<|SEARCH|>b.md|x<|END|>", ["append a.md|a tree", "search b.md|x"]),
        ("<|APPEND|>a.md|a tree <|SEARCH|>b.md|x<|END|>", ["append a.md|a tree", "search b.md|x"]),
        ("<|APPEND|>a.md|a tree\n<|SEARCH|>b.md<|END|>", ["append a.md|a tree", "bad_arguments"]),
        ("<|APPEND|>a.md|a tree\n- <|APPEND|>b.md|x", ["append a.md|a tree", "append b.md|x"]),
        ("<|APPEND|>a.md|a tree\n<|ACTION|>Do<|END|>", ["append a.md|a tree", "not_allowed"]),
        ("<|WRITE|>a.md|one\ntwo\n```\n", ["write a.md|one\ntwo"]),
        ("<|APPEND|>a.md|a tree<|im_end|>\n<|READ|>b.md<|END|>", ["append a.md|a tree", "after_end"]),
    ],
)
def test_a_text_without_closer_ends_where_the_next_operation_begins(text: str, read_as: list[str]) -> None:
    assert words(text) == read_as


# --- what is reported ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("<|FLY|>up<|END|>", ["unknown_operation"]),
        ("<|FLY|>up\n<|READ|>a.md<|END|>", ["unknown_operation", "read a.md"]),
        ("<|SEARCH|>map.md<|END|>", ["bad_arguments"]),
        ("<|SEARCH|>|tree<|END|>", ["bad_arguments"]),
        ("<|SEARCH|><|END|>", ["bad_arguments"]),
        ("<|SEARCH|>map.md", ["unclosed"]),
        ("<|SEARCH|>\n<|READ|>a.md<|END|>", ["unclosed", "read a.md"]),
        ("<|TAIL|>a.md|5 lines<|END|>", ["bad_arguments"]),
        ("<|TAIL|>a.md|0<|END|><|TAIL|>a.md|x<|END|>", ["bad_arguments", "bad_arguments"]),
        ("map.md|tree<|END|>", ["unreadable"]),
        ("|SEARCH|>map.md|tree<|END|>", ["unreadable"]),
        ("<|SEARCH map.md|tree<|END|> <|READ|>a.md<|END|>", ["unreadable", "read a.md"]),
        ('<SEARCH file="map.md" keyword="tree">', ["unreadable"]),
        ("<|?|>\n<|READ|>a.md<|END|>\n<|", ["unreadable", "read a.md", "unreadable"]),
        ("<|READ|>a.md\n<|SEARCH b.md|x<|END|>", ["read a.md", "unreadable"]),
        ("<think>not closed <|READ|>a.md<|END|>", ["empty_reply"]),
        ("<|im_end|>", ["unreadable"]),
        ("<|READ|>a.md<|END|>\nx\n<|END|>\n<|FLY|>", ["read a.md", "unreadable", "unknown_operation"]),
    ],
)
def test_what_cannot_be_read_is_reported_in_its_place(text: str, read_as: list[str]) -> None:
    assert words(text) == read_as


def test_after_the_end_only_operations_are_reported() -> None:
    assert words("<|DONE|>\nThat was <| all <|END|> I had.\n<|READ|>a.md<|END|>") == ["done", "after_end"]


def test_a_mistake_shows_the_form_and_the_fragment() -> None:
    (mistake,) = read("Hm. <|SEARCH|>map.md<|END|> Good.").mistakes
    assert mistake.message == "SEARCH is incomplete; write it as <|SEARCH|>file|keyword<|END|>"
    assert mistake.fragment == "<|SEARCH|>map.md<|END|>"
    assert mistake.span == (4, 27)


def test_the_forms_are_shown_once_per_message() -> None:
    first, second = read("x<|END|> y\nz<|END|>").mistakes
    assert "<|SEARCH|>file|keyword<|END|>" in first.message
    assert "<|SEARCH|>" not in second.message


def test_prose_that_looks_a_little_like_tags_is_not_reported() -> None:
    assert words("<b>Note</b>: 3 < 4 | 5 > 2, <read this> and <think> <br/> </think>\n<|READ|>a.md<|END|>") == [
        "read a.md"
    ]


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("<|READ|>a.md<|END|>\n<|WRITE|>b.md|half of a sen", ["read a.md", "truncated"]),
        ("<|READ|>a.md\n<|WRITE|>b.md|all of it<|END|> and th", ["read a.md", "write b.md|all of it"]),
        ("<|READ|>a.md<|END|>\n<|WRI", ["read a.md", "truncated"]),
        ("<|READ|>a.md<|END|>\n<|SEARCH|", ["read a.md", "truncated"]),
        ("<|READ|>a.m", ["truncated"]),
        ("<think>and so on", ["truncated"]),
        ("<|READ|>a.md<|END|>\n<|DONE|>", ["read a.md", "done"]),
    ],
)
def test_a_cut_reply_never_carries_out_what_is_cut(text: str, read_as: list[str]) -> None:
    assert words(text, truncated=True) == read_as


def test_a_cut_action_is_not_sent() -> None:
    assert words("<|ACTION|>Move", PLAN, truncated=True) == ["truncated"]
    assert words("ACTION: Move", PLAN, truncated=True) == ["truncated"]
    assert words("ACTION: Noop", PLAN, truncated=True) == ["truncated"]
    assert words("ACTION: Noop\nbecau", PLAN, truncated=True) == ["act Noop"]


def test_a_reply_beyond_any_token_limit_is_read_up_to_a_bound() -> None:
    assert words("<|READ|>a.md<|END|>" + "x" * 1_000_000 + "<|DONE|>") == ["read a.md"]
    assert words("<|WRITE|>a.md|" + "x" * 1_000_000 + "<|END|>") == ["truncated"]


def test_content_may_come_in_parts() -> None:
    parts = [
        {"type": "text", "text": "<|READ|>a"},
        "no part",
        {"type": "image"},
        {"type": "text", "text": ".md<|END|>"},
    ]
    (call,) = TAGS.read({"role": "assistant", "content": [parts[0], parts[2], parts[3]]}, LOG).calls
    assert call.arguments.model_dump() == {"file": "a.md"}


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_fluent_speaker_writes_the_papers_forms() -> None:
    message = TAGS.write(
        [("search", {"keyword": "tree", "file": "map.md"}), ("append", {"file": "a.md", "text": "x\n"}), ("done", {})]
    )
    assert message == {
        "role": "assistant",
        "content": "<|SEARCH|>map.md|tree<|END|>\n<|APPEND|>a.md|x\n\n<|END|>\n<|DONE|>",
    }
    assert TAGS.write([("act", {"action": ACTIONS[1]})])["content"] == "<|ACTION|>Move West<|END|>"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("append", {"file": "a.md", "text": "then <|DONE|>"}),
        ("append", {"file": "a.md", "text": "see <b>"}),
        ("append", {"file": "a|b", "text": "x"}),
        ("append", {"file": " a.md", "text": "x"}),
        ("search", {"file": "a.md", "keyword": "two\nlines"}),
        ("search", {"file": "a.md", "keyword": "x|END|>"}),
        ("search", {"file": "a.md", "keyword": ""}),
        ("act", {"action": "Do\n"}),
    ],
)
def test_what_tags_cannot_carry_is_refused_in_writing(name: str, arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"{name}: the tag dialect cannot carry"):
        TAGS.write([(name, arguments)])


def test_mistakes_of_a_message_are_mistakes_not_calls() -> None:
    reading = read("<|FLY|>x<|END|><|DONE|>")
    assert [type(item) for item in reading.items] == [Mistake, Call]
    assert reading.mistakes[0].code is MistakeCode.UNKNOWN_OPERATION
