#!/usr/bin/env bash
# rank-bm25 0.2.2: a score cannot tell whether a document holds the word.
# Guess: a document with the word scores above 0, one without it 0, so `score > 0` finds the matches.
# Seen: BM25Okapi gives 0 to a document that holds a word which is in half of all documents, as to one without it.
#   BM25Plus gives every document more than 0, those without the word too. Matches have to be found by the words.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check rank-bm25==0.2.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from rank_bm25 import BM25Okapi, BM25Plus

documents = [["red", "door"], ["blue", "lake"]]
okapi, plus = (kind(documents).get_scores(["red"]).tolist() for kind in (BM25Okapi, BM25Plus))
print("rank-bm25", version("rank-bm25"))
print("scores of a word that the first of two documents holds:")
print("  BM25Okapi", okapi)
print("  BM25Plus ", plus)
assert okapi == [0.0, 0.0]
assert plus[0] > plus[1] > 0
PYTHON
