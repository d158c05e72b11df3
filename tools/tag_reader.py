"""Reads a message in the tag dialect.

Reading accepts the damages models are known for and never carries out what cannot be read. The rules:
- A missing closer: the next opener, the end of the message or, for all but text, the end of the line closes.
- Inside a text (append, write, upsert) a mark is part of the text when it is quoted or no known operation, and away
  from a line's start also when what follows could not be that operation's arguments, or when taking it for one would
  leave the text's own closer without an operation. Otherwise it begins the next operation: a forgotten closer is far
  more common than a note that mentions tags, and an operation swallowed by a note would be lost in silence.
- A damaged closer inside a text yields to a whole `<|END|>` before the next operation.
- A line `ACTION: Do` counts only without an ACTION tag in the message, and only with one of the world's actions.
- A reply cut by the token limit: an operation still open is not carried out.
- After `done` or `act` prose and stray marks are ignored, and each further operation is answered AFTER_END.
"""

from tools import tag_grammar
from tools.operation import ACT
from tools.reading import AFTER_END, MAX_OPERATIONS, Call, Mistake, MistakeCode, excerpt, nothing_written
from tools.schema import Vocabulary
from tools.tag_body import divide, is_torn_closer, line_value
from tools.tag_scanner import Mark, Token, scan

MAX_REPLY_CHARS = 1_000_000
"""Far above what 4,096 or even 131,072 tokens hold; a longer text is read up to here and counts as cut."""
_QUOTES = "`\"'“‘«("
_END_QUOTES = ("`", '"', "'", "”", "’", "»", ")")


class TagReader:
    """Walks the marks of one message once, from left to right."""

    def __init__(self, text: str, vocabulary: Vocabulary, truncated: bool) -> None:
        self.text = text
        self.vocabulary = vocabulary
        self.truncated = truncated
        self.items: list[Call | Mistake] = []
        self.position = 0  # everything before it has been read
        self.ended = ""  # once ended, why: a sentence for the operations that follow
        self.cut_at = len(text.rstrip()) if truncated else len(text) + 1  # an open operation that reaches this is cut

    def read(self) -> list[Call | Mistake]:
        """Calls and mistakes in the order written; at least one."""
        if not self.text.strip():
            return [nothing_written(self.truncated, self._how())]
        is_action = self.vocabulary.is_action if ACT in self.vocabulary.names else None
        self.tokens = scan(self.text, self.position, self.vocabulary.known, is_action=is_action)
        index = 0
        while index < len(self.tokens) and len(self.items) < MAX_OPERATIONS:
            index = self._step(index)
        if index < len(self.tokens):
            message = f"Only the first {MAX_OPERATIONS} operations of a reply are read."
            self._mistake(MistakeCode.TOO_MANY, message, self.position)
        if not self.items:
            self._nothing_read()
        return self.items

    def _step(self, index: int) -> int:
        token = self.tokens[index]
        if token.mark is Mark.OPENER or token.mark is Mark.LINE:
            return self._operation(index)
        if token.mark is Mark.TURN_END and self.items and not self.ended:
            self.ended = f"Your turn ended at {self.text[token.start : token.end]}; what follows is not carried out."
        elif token.mark is Mark.CLOSER and not self.ended:
            self._orphan_closer(token)
        elif token.mark is Mark.STRAY and not self.ended:
            return self._stray(index)
        self.position = max(self.position, token.end)
        return index + 1

    def _operation(self, index: int) -> int:
        token = self.tokens[index]
        shape = self.vocabulary.known.get(token.name)
        if token.mark is Mark.LINE:
            after, body_end, end, closed = index + 1, token.end, token.end, token.end < len(self.text)
        elif shape is not None and not shape.fields:
            after, end = self._empty_extent(index)
            body_end, closed = token.end, True
        else:
            after, body_end, end, closed = self._extent(index, is_text=shape is not None and shape.carries_text)
        self._read_operation(token, body_end, end, closed)
        self.position = end
        return after

    def _read_operation(self, token: Token, body_end: int, end: int, closed: bool) -> None:
        fragment, span = excerpt(self.text[token.start : end]), (token.start, end)
        operation = self.vocabulary.get(token.name)
        if self.ended:
            self.items.append(Mistake(MistakeCode.AFTER_END, self.ended, fragment, None, span))
            return
        if operation is None:
            code, message = self.vocabulary.refusal(token.name)
            self.items.append(Mistake(code, message, fragment, None, span))
            return
        if not closed and body_end >= self.cut_at:
            message = f"The reply was cut at the token limit inside {operation.tag}; write it again, shorter."
            self.items.append(Mistake(MistakeCode.TRUNCATED, message, fragment, None, span))
            return
        line = token.mark is Mark.LINE
        body = line_value(self.text[token.start : body_end]) if line else self.text[token.end : body_end]
        values = divide(body, operation, closed=closed)
        if values is None:
            code = MistakeCode.BAD_ARGUMENTS if closed else MistakeCode.UNCLOSED
            message = f"{operation.tag} is incomplete; write it as {tag_grammar.form(operation)}"
            self.items.append(Mistake(code, message, fragment, None, span))
            return
        item = self.vocabulary.validate(operation.name, values, fragment=fragment, span=span)
        self.items.append(item)
        if isinstance(item, Call) and operation.ends_routine:
            self.ended = AFTER_END

    def _extent(self, index: int, *, is_text: bool) -> tuple[int, int, int, bool]:
        """Where the operation opened at `index` ends: the next mark, the end of its body, its end, whether closed."""
        name, skipped = self.tokens[index].name, -1
        for after in range(index + 1, len(self.tokens)):
            token = self.tokens[after]
            if after == skipped:
                continue
            if token.mark is Mark.NAMED_CLOSER and token.name == name:
                return after + 1, token.start, token.end, True
            if token.mark is Mark.CLOSER and not (is_text and self._yields(after)):
                return after + 1, token.start, token.end, True
            if token.mark is Mark.TURN_END or (token.mark is Mark.STRAY and not is_text and not self._is_torn(token)):
                return after, token.start, token.start, False
            if token.mark is Mark.OPENER or token.mark is Mark.LINE:
                if not (is_text and self._is_mention(after)):
                    return after, token.start, token.start, False
                skipped = after + 1 if self._is_quoted(after) else -1
        return len(self.tokens), len(self.text), len(self.text), False

    def _empty_extent(self, index: int) -> tuple[int, int]:
        """An operation without arguments ends with its opener, or with a closer that follows before any other mark."""
        if index + 1 < len(self.tokens) and self.tokens[index + 1].mark is Mark.CLOSER:
            return index + 2, self.tokens[index + 1].end
        return index + 1, self.tokens[index].end

    def _yields(self, index: int) -> bool:
        """Whether the damaged closer at `index` is part of a text that a whole closer ends further on."""
        if not self.tokens[index].damaged or index + 1 >= len(self.tokens):
            return False
        following = self.tokens[index + 1]
        between = self.text[self.tokens[index].end : following.start]
        return following.mark is Mark.CLOSER and not following.damaged and bool(between.strip())

    def _is_torn(self, token: Token) -> bool:
        """Whether the stray mark is the torn closer at the very end of the message."""
        return is_torn_closer(self.text[token.start : token.start + 8]) and not self.text[token.end :].strip()

    def _is_mention(self, index: int) -> bool:
        """Whether the opener at `index`, met inside a text, is part of that text."""
        token = self.tokens[index]
        shape = self.vocabulary.known.get(token.name)
        if token.mark is Mark.LINE or shape is None or self.text[token.start - 1] in _QUOTES:
            return True
        line_start = self.text.rfind("\n", self.tokens[index - 1].end, token.start)
        if line_start >= 0 and not self.text[line_start : token.start].strip(" \t\n>*-"):
            return False
        following = self.tokens[index + 1] if index + 1 < len(self.tokens) else None
        body = self.text[token.end : following.start if following else len(self.text)]
        if not shape.fields:
            return following is not None and following.mark is Mark.CLOSER and bool(body.strip())
        return not body.strip() or divide(body, shape, closed=True) is None

    def _is_quoted(self, index: int) -> bool:
        """Whether the mention at `index` is a whole operation in quotes, closer included: `<|READ|>file<|END|>`."""
        if index + 1 >= len(self.tokens) or self.text[self.tokens[index].start - 1] not in _QUOTES:
            return False
        closer = self.tokens[index + 1]
        return closer.mark is Mark.CLOSER and self.text[closer.end : closer.end + 1] in _END_QUOTES

    def _orphan_closer(self, token: Token) -> None:
        between = self.text[self.position : token.start]
        if self.items and not between.strip("` \t\r\n"):
            return  # the closer was written twice
        line_start = max(self.position, self.text.rfind("\n", self.position, token.start) + 1)
        self._mistake(MistakeCode.UNREADABLE, f"This closes no operation; {self._how()}", line_start, token.end)

    def _stray(self, index: int) -> int:
        """Answers a tag that was begun and not finished, up to the closer, the next mark or the end of its line."""
        token, after = self.tokens[index], index + 1
        following = self.tokens[after] if after < len(self.tokens) else None
        if following is not None and following.mark is Mark.CLOSER:
            end, after = following.end, after + 1
        else:
            limit = following.start if following is not None else len(self.text)
            line_end = self.text.find("\n", token.end, limit)
            end = limit if line_end < 0 else line_end
        if self.truncated and end >= len(self.text):
            self._mistake(MistakeCode.TRUNCATED, "The reply was cut at the token limit here.", token.start, end)
        else:
            self._mistake(MistakeCode.UNREADABLE, f"This is no operation; {self._how()}", token.start, end)
        self.position = end
        return after

    def _nothing_read(self) -> None:
        if self.truncated:
            message = f"The reply was cut at the token limit before any operation; be brief and {self._how()}"
            self._mistake(MistakeCode.TRUNCATED, message, 0)
        else:
            self._mistake(MistakeCode.UNREADABLE, f"The reply holds no operation; {self._how()}", 0)

    def _mistake(self, code: MistakeCode, message: str, start: int, end: int | None = None) -> None:
        end = len(self.text) if end is None else end
        self.items.append(Mistake(code, message, excerpt(self.text[start:end]), None, (start, end)))

    def _how(self) -> str:
        if self.items:
            return "see the system message for how to write operations."
        forms = " ".join(tag_grammar.form(operation) for operation in self.vocabulary.operations)
        return f"write operations as {forms}" if forms else "no operation is allowed here."
