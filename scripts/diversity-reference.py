#!/usr/bin/env python3
"""The golden numbers of gra-analysis' diversity tests, from the packages that others use.

Needs vendi-score 0.0.3, prdc 0.2, nltk 3.10.4, scikit-learn and numpy:

    python diversity-reference.py
"""

import contextlib
import io
import math

import numpy as np
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from prdc import compute_prdc
from vendi_score import vendi

TEXTS = [
    "Write a short story about a lost dog",
    "Write a short poem about a lost cat and a lost dog",
    "Explain how to sort a list of numbers",
    "Explain how to sort a list of words, and how to sort numbers",
    "Translate it",
    "Bonjour",
]


def main():
    few, many = clustered(10, 10, 24, 9), clustered(9, 200, 24, 9)
    print("vendi", [float(vendi.score_dual(rows)) for rows in (many, few)])

    wide = clustered(8, 400, 12, 9)
    narrow = np.array([row for at, row in enumerate(wide) if at >= 200 and at % 9 < 4])
    same = clustered(7, 300, 12, 6)
    for name, rows, reference in [("narrow", narrow, wide[:200]), ("same", same[150:], same[:150])]:
        with contextlib.redirect_stdout(io.StringIO()):
            found = compute_prdc(reference, rows, nearest_k=5)
        print("prdc", name, [float(found[k]) for k in ("precision", "recall", "density", "coverage")])

    words = ["".join(c if c.isalnum() else " " for c in text.lower()).split() for text in TEXTS]
    smooth = SmoothingFunction().method1
    print("self-bleu", [
        float(sentence_bleu(words[:at] + words[at + 1:], text, smoothing_function=smooth))
        for at, text in enumerate(words)
    ])


def clustered(seed, count, dim, centres):
    """The vectors of `unit_vectors::by_hand::clustered`, rounded to float32 as there."""
    state = seed

    def uniform():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 40) / 2**23 - 1

    middles = [uniform() for _ in range(centres * dim)]
    rows = []
    for at in range(count):
        middle = middles[at % centres * dim:][:dim]
        row = [x + 0.5 * uniform() for x in middle]
        length = math.sqrt(sum(x * x for x in row))
        rows.append([x / length for x in row])
    return np.array(rows, dtype=np.float32).astype(np.float64)


main()
