#!/usr/bin/env python3
"""A GGUF file becomes a Hugging Face folder, which trainers start from.

    gguf-to-hf FILE.gguf FOLDER

Weights are dequantised to 32-bit floats, so nothing more is lost than quantisation lost before. Special tokens and the chat
template are those of the file's own metadata: transformers guesses some of them, and several of its versions took the
token that begins a text for the one that ends it, after which a trained model never stops. FOLDER appears when it is
whole. Ends with 1 and a reason where the file cannot be converted.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

# transformers' name of a special token -> GGUF's.
SPECIAL_TOKENS = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}


def read_metadata(file):
    """Its tokens, the ids of special tokens by transformers' names, and its chat template or None."""
    from gguf import GGUFReader

    fields = GGUFReader(file).fields

    def value(key):
        return fields[key].contents() if key in fields else None

    if (value("split.count") or 1) > 1:
        sys.exit(f"{file}: one of several parts\nhint: join them first, with llama.cpp's llama-gguf-split --merge")
    tokens = value("tokenizer.ggml.tokens")
    if tokens is None:
        sys.exit(f"{file}: no tokens in its metadata, so it is no language model")
    ids = {name: value(f"tokenizer.ggml.{key}_token_id") for name, key in SPECIAL_TOKENS.items()}
    return tokens, ids, value("tokenizer.chat_template")


def save_tokenizer(file, metadata, folder):
    from transformers import AutoTokenizer

    tokens, ids, template = metadata
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    for name, token in ids.items():
        if token is not None:
            setattr(tokenizer, f"{name}_token", tokens[token])
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    # transformers 5 writes a class that version 4, which OpenCompass has, does not know; both know this one.
    change(folder / "tokenizer_config.json", lambda config: config.update(tokenizer_class="PreTrainedTokenizerFast"))


def save_model(file, ids, folder):
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32, **dequantized())
    # Its weights are plain floats now, but it still says that it is quantised, and such a model is not saved.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    for config in (model.config, model.generation_config):
        for name in ("bos", "eos", "pad"):
            setattr(config, f"{name}_token_id", ids[name])
    model.save_pretrained(folder)
    # transformers 4 reads the base of rotary positions here, and takes 10000 where it finds none.
    change(folder / "config.json", lambda config: config.setdefault("rope_theta", rope_theta(config)))


def dequantized():
    """Newer versions of transformers keep a GGUF model quantised unless they are told."""
    try:
        from transformers import GgufConfig
    except ImportError:
        return {}
    return {"quantization_config": GgufConfig(dequantize=True)}


def rope_theta(config):
    return (config.get("rope_parameters") or {}).get("rope_theta", 10000.0)


def change(path, with_config):
    config = json.loads(path.read_text())
    with_config(config)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def check(folder, metadata):
    """Reads the tokenizer back: a wrong end token costs a whole training before it shows."""
    from transformers import AutoTokenizer

    tokens, ids, template = metadata
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for name, token in ids.items():
        if token is not None and getattr(tokenizer, f"{name}_token_id") != token:
            found = getattr(tokenizer, f"{name}_token")
            sys.exit(f"{name} token is {found!r} in the folder and {tokens[token]!r} in the file; not converted")
    if tokenizer.chat_template != template:
        sys.exit("the folder's chat template is not the file's; not converted")


def main():
    parser = argparse.ArgumentParser(prog="gguf-to-hf", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    if not options.file.is_file():
        sys.exit(f"{options.file}: no such file")
    part = options.folder.with_name(options.folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    file = options.file.resolve()
    metadata = read_metadata(file)
    save_tokenizer(file, metadata, part)
    save_model(file, metadata[1], part)
    check(part, metadata)
    shutil.rmtree(options.folder, ignore_errors=True)
    part.rename(options.folder)


if __name__ == "__main__":
    main()
