"""A tokenizer of whole words, with which a list of tokens can be read: every word, blank and line break is one."""

from __future__ import annotations

import re
from typing import Any

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
PIECES = r"\n+| ?[^\s|<>]+|[\s|<>]"
"""As real vocabularies do, it has one token for two line breaks in a row."""


def word_tokenizer(template: str, *texts: str) -> Any:
    """A fast tokenizer whose vocabulary is what stands in the texts, with ChatML's special tokens."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = dict.fromkeys(word for text in texts for word in re.findall(PIECES, text))
    vocabulary = {word: index for index, word in enumerate((*SPECIAL, *words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(PIECES), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        unk_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=template,
    )
