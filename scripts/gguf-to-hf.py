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


# Of byte-pair tokenizers, how a text is cut into words before pairs are merged; GGUF names it, and has no rule of it. A wrong
# one trains a model on other tokens than those that it is served. `None`: GPT-2's rule, which ByteLevel has in it.
WORDS = {
    "gpt-2": None,
    "smollm": "digits",
    "llama-bpe": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}

# Kinds of tokens in GGUF: those that texts do not consist of, and those that are never split.
CONTROL, USER_DEFINED = 3, 4


def read_metadata(file):
    """What the file says of its tokenizer, by GGUF's names without `tokenizer.ggml.`."""
    from gguf import GGUFReader

    fields = GGUFReader(file).fields

    def value(key):
        return fields[key].contents() if key in fields else None

    if (value("split.count") or 1) > 1:
        sys.exit(f"{file}: one of several parts\nhint: join them first, with llama.cpp's llama-gguf-split --merge")
    keys = ("model", "pre", "tokens", "token_type", "merges", "add_bos_token")
    metadata = {key: value(f"tokenizer.ggml.{key}") for key in keys}
    if metadata["tokens"] is None:
        sys.exit(f"{file}: no tokens in its metadata, so it is no language model")
    metadata["ids"] = {name: value(f"tokenizer.ggml.{key}_token_id") for name, key in SPECIAL_TOKENS.items()}
    metadata["template"] = value("tokenizer.chat_template")
    architecture = value("general.architecture")
    metadata["context"] = value(f"{architecture}.context_length")
    return metadata


def save_tokenizer(file, metadata, folder):
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    special = {f"{name}_token": metadata["tokens"][token] for name, token in metadata["ids"].items() if token is not None}
    if metadata["model"] == "gpt2":
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_pairs(file, metadata), **special)
    elif metadata["model"] == "llama":
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        for name, token in special.items():
            setattr(tokenizer, name, token)
    else:
        refuse(file, f"its tokenizer is a {metadata['model']}")
    tokenizer.chat_template = metadata["template"]
    tokenizer.clean_up_tokenization_spaces = False
    if metadata["context"]:
        tokenizer.model_max_length = metadata["context"]
    tokenizer.save_pretrained(folder)
    # transformers 5 writes a class that version 4, which OpenCompass has, does not know; both know this one.
    change(folder / "tokenizer_config.json", lambda config: config.update(tokenizer_class="PreTrainedTokenizerFast"))


def refuse(file, problem):
    sys.exit(f"{file}: {problem}, which is not converted\nhint: give the Hugging Face folder that the file was made from")


def byte_pairs(file, metadata):
    """A byte-pair tokenizer as its makers have it. transformers makes one for every architecture by the rules of Llama 2's
    tokenizer, which is another kind: numbers and spaces come out as other tokens."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    pre, tokens = metadata["pre"], metadata["tokens"]
    if pre not in WORDS:
        refuse(file, f"it cuts texts into words by the rule {pre}")
    merges = [tuple(merge.split(" ", 1)) for merge in metadata["merges"]]
    vocabulary = {token: at for at, token in enumerate(tokens)}
    # Llama 3 takes a whole word that is a token for this token, whatever merges lead to.
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=pre == "llama-bpe"))
    rule = WORDS[pre]
    if rule is None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    elif rule == "digits":
        cuts = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    else:
        cuts = [pre_tokenizers.Split(Regex(rule), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    if pre == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    for kind, is_special in ((CONTROL, True), (USER_DEFINED, False)):
        named = [token for token, its in zip(tokens, metadata["token_type"], strict=True) if its == kind]
        tokenizer.add_tokens([AddedToken(token, special=is_special, normalized=False) for token in named])
    if metadata["add_bos_token"] and metadata["ids"]["bos"] is not None:
        bos = tokens[metadata["ids"]["bos"]]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, vocabulary[bos])]
        )
    return tokenizer


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

    tokens, ids, template = metadata["tokens"], metadata["ids"], metadata["template"]
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
    save_model(file, metadata["ids"], part)
    check(part, metadata)
    shutil.rmtree(options.folder, ignore_errors=True)
    part.rename(options.folder)


if __name__ == "__main__":
    main()
