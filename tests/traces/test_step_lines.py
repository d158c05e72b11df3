"""A step's record comes back equal from its line, whatever a model wrote."""

import json
from dataclasses import replace

import orjson
import pytest
from effort import effort
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from traces import Conversation, ModelCall, OperationRecord, RecordError, StepRecord
from traces.lines import decode, encode, load_head
from traces.plain_json import dump, load

TEXT = st.text(max_size=80) | st.lists(st.text(max_size=30), max_size=20).map("\n".join)
WILD_TEXT = TEXT | st.text(st.characters(categories=["Cs", "Cc", "L"]), max_size=40)  # lone surrogates and controls
COUNT = st.integers(0, 10**6)
MAYBE_COUNT = st.none() | COUNT
FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | WILD_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WILD_TEXT, inner, max_size=4),
    max_leaves=8,
)
JSON_OBJECT = st.dictionaries(WILD_TEXT, JSON, max_size=4)
CALLS = st.builds(
    ModelCall,
    prompt_length=st.integers(0, 9),
    prompt_tokens=MAYBE_COUNT,
    completion_tokens=MAYBE_COUNT,
    cached_tokens=MAYBE_COUNT,
    latency_s=st.floats(0, 1000),
    attempts=st.integers(1, 5),
    finish_reason=st.none() | st.sampled_from(["stop", "length"]),
    seed=MAYBE_COUNT,
    thoughts=st.just("") | WILD_TEXT,
    repeated=st.booleans(),
)
OPERATIONS = st.builds(
    OperationRecord,
    call=st.integers(-1, 9),
    operation=WILD_TEXT,
    arguments=JSON_OBJECT | st.fixed_dictionaries({"file": WILD_TEXT, "text": WILD_TEXT}),
    outcome=st.sampled_from(["hit", "empty", "written", "mistake", "done"]),
    code=st.none() | WILD_TEXT,
    file=st.none() | WILD_TEXT,
    lines=st.lists(COUNT, max_size=30).map(tuple),
    provenance=st.lists(st.tuples(COUNT, COUNT), max_size=30).map(tuple),
    total=COUNT,
    revision=COUNT,
)
MESSAGES = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": WILD_TEXT}) | JSON_OBJECT
CONVERSATIONS = st.builds(
    Conversation,
    routine=st.sampled_from(["LOG", "PLAN"]),
    role=st.sampled_from(["memory", "gameplay"]),
    model=TEXT,
    messages=st.lists(MESSAGES, max_size=5),
    calls=st.lists(CALLS, max_size=3),
    operations=st.lists(OPERATIONS, max_size=3),
    tools=st.none() | st.lists(JSON_OBJECT, max_size=2),
)
STEPS = st.builds(
    StepRecord,
    step=st.just(1),
    observation=st.fixed_dictionaries({"long": WILD_TEXT, "short": WILD_TEXT}),
    action=WILD_TEXT,
    chosen=st.none() | WILD_TEXT,
    action_outcome=st.sampled_from(["valid", "repaired", "invalid", "missing", "vetoed"]),
    notices=st.lists(WILD_TEXT, max_size=2),
    conversations=st.lists(CONVERSATIONS, max_size=2),
    reward=FINITE,
    terminated=st.booleans(),
    truncated=st.booleans(),
    info=JSON_OBJECT,
    tokens=st.dictionaries(st.sampled_from(["prompt", "completion", "cached"]), COUNT),
    model_calls=COUNT,
    latency_s=st.floats(0, 1000),
    revision=COUNT,
    hook_operations=st.lists(OPERATIONS, max_size=2),
)


def there_and_back(record: StepRecord) -> StepRecord:
    return decode(load(encode(record)))


@settings(max_examples=effort(60, 150), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_a_record_comes_back_equal(record):
    assert there_and_back(record) == record


@settings(max_examples=effort(40, 100), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(JSON_OBJECT)
def test_a_message_comes_back_with_its_keys_in_order(message):
    record = StepRecord(1, {}, "Do", conversations=[Conversation("LOG", "memory", "", [message])])
    back = there_and_back(record).conversations[0].messages[0]
    assert json.dumps(back) == json.dumps(message)


def test_tool_calls_come_back_byte_for_byte():
    messages = [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "read", "arguments": '{"file":  "map.md" }'}},
                {"id": "b", "type": "function", "function": {"name": "done", "arguments": ""}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "map.md has 2 lines\n" * 5},
    ]
    tools = [{"type": "function", "function": {"name": "read", "parameters": {"b": 1, "a": [2.0, 10**30]}}}]
    record = StepRecord(1, {}, "Do", conversations=[Conversation("LOG", "memory", "m", messages, tools=tools)])
    back = there_and_back(record).conversations[0]
    assert json.dumps([back.messages, back.tools]) == json.dumps([messages, tools])


def test_defaults_are_left_out():
    record = StepRecord(step=2, observation={"long": "a", "short": "b"}, action="Do")
    assert load(encode(record)) == {"step": 2, "observation": {"long": "a", "short": "b"}, "action": "Do"}


@settings(max_examples=effort(40, 100), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_the_head_of_a_line_is_all_of_it_but_the_messages_whatever_is_named_so_elsewhere(record):
    named = replace(record, info={**record.info, "a": {"b": 1, "messages": [1]}, "messages": [2]})
    whole = load(encode(named))
    whole.pop("messages", None)
    data = encode(named)
    head = load_head(data, 0, len(data))
    head.pop("messages", None)  # where its parts are ambiguous, the whole line is parsed
    assert head == whole


def test_latencies_are_kept_to_a_tenth_of_a_millisecond():
    assert ModelCall(1, latency_s=0.123456).latency_s == 0.1235
    assert StepRecord(1, {}, "Do", latency_s=2.00004).latency_s == 2.0


def test_the_prompt_of_a_call_is_the_first_messages():
    messages = [{"role": "user", "content": str(number)} for number in range(4)]
    conversation = Conversation("PLAN", "memory", "m", messages, [ModelCall(1), ModelCall(3)])
    assert conversation.prompt(0) == messages[:1]
    assert conversation.prompt(1) == messages[:3]


@pytest.mark.parametrize("value", [object(), {1: "an integer as key"}, {"deep": [{2: "\ud800"}]}, {("a",): 1}])
def test_what_is_not_plain_data_is_refused(value):
    with pytest.raises(RecordError, match="plain data only"):
        dump({"info": value})


@pytest.mark.parametrize("value", ["\ud800", 10**30, [-(10**30), "\udfff", 1.5]])
def test_what_orjson_refuses_is_kept_all_the_same(value):
    with pytest.raises(TypeError):
        orjson.dumps(value)
    assert load(dump(value)) == value
