#!/usr/bin/env python3
"""Log-probabilities of continuations under a llama-architecture GGUF, in float64 and without llama.cpp.

Reads token ids from a JSON file of passages, and writes them back with one natural-log
probability per token of the continuation. Needs `gguf` and `numpy` and nothing else.

    python scoring-reference.py MODEL.gguf passages.json > scoring-reference.json
"""

import json
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize


def main():
    reader = GGUFReader(sys.argv[1])
    number = lambda key: float(reader.fields["llama." + key].contents())
    heads, kv_heads = int(number("attention.head_count")), int(number("attention.head_count_kv"))
    width = int(number("embedding_length"))
    weights = {t.name: dequantize(t.data, t.tensor_type).astype(np.float64) for t in reader.tensors}
    model = dict(
        weights=weights,
        blocks=int(number("block_count")),
        heads=heads,
        kv_heads=kv_heads,
        head=width // heads,
        epsilon=number("attention.layer_norm_rms_epsilon"),
        base=number("rope.freq_base"),
    )
    file = json.load(open(sys.argv[2]))
    for item in file["passages"]:
        tokens, scored = item["tokens"], item["scored"]
        first = len(tokens) - scored
        logits = forward(model, np.array(tokens))
        peak = logits.max(axis=1, keepdims=True)
        logs = logits - peak - np.log(np.exp(logits - peak).sum(axis=1, keepdims=True))
        item["log_probs"] = [round(float(logs[i - 1, tokens[i]]), 7) for i in range(first, len(tokens))]
    lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in file["passages"])
    print('{"passages": [\n' + lines + "\n]}")


def forward(model, tokens):
    """Logits of the next token at every position: [tokens, vocabulary]."""
    weights, n = model["weights"], len(tokens)
    x = weights["token_embd.weight"][tokens]
    future = np.triu(np.full((n, n), -np.inf), 1)
    for block in range(model["blocks"]):
        at = lambda name: weights[f"blk.{block}.{name}.weight"]
        h = rms_norm(x, at("attn_norm"), model["epsilon"])
        q = rotate((h @ at("attn_q").T).reshape(n, model["heads"], -1), model["base"])
        k = rotate((h @ at("attn_k").T).reshape(n, model["kv_heads"], -1), model["base"])
        v = (h @ at("attn_v").T).reshape(n, model["kv_heads"], -1)
        out = np.empty_like(q)
        for head in range(model["heads"]):
            group = head * model["kv_heads"] // model["heads"]
            scores = q[:, head] @ k[:, group].T / np.sqrt(model["head"]) + future
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            out[:, head] = scores / scores.sum(axis=1, keepdims=True) @ v[:, group]
        x = x + out.reshape(n, -1) @ at("attn_output").T
        h = rms_norm(x, at("ffn_norm"), model["epsilon"])
        gate = h @ at("ffn_gate").T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ at("ffn_up").T)) @ at("ffn_down").T
    x = rms_norm(x, weights["output_norm.weight"], model["epsilon"])
    return x @ weights.get("output.weight", weights["token_embd.weight"]).T


def rms_norm(x, weight, epsilon):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + epsilon) * weight


def rotate(x, base):
    """Rotary positions; GGUF stores a llama's query and key rows so that neighbours are pairs."""
    n, _, width = x.shape
    angles = np.arange(n)[:, None] * base ** (-np.arange(0, width, 2) / width)
    cos, sin = np.cos(angles)[:, None, :], np.sin(angles)[:, None, :]
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = np.empty_like(x)
    turned[..., 0::2], turned[..., 1::2] = even * cos - odd * sin, even * sin + odd * cos
    return turned


main()
