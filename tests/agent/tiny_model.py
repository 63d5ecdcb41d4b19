"""A language model of a few kilobytes in llama.cpp's own format, whose every answer can be foretold.

It has one byte a token and looks at nothing: it says the most liked character of those it may say. Held to a schema it
therefore writes the shortest object with the most liked letters; let alone it repeats one character for ever.
"""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

WIDTH = 32
_U32, _I32, _F32, _STRING, _ARRAY = 4, 5, 6, 8, 9
_ALIGNMENT = 32


def write_tiny_model(path: Path, liked: str) -> Path:
    """Write a model that likes the characters of ``liked``, the first most, and all others alike."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581"]
    kinds = [2, 3, 3, *[6] * 256, 1]
    likes = np.zeros(len(tokens), np.float32)
    likes[[0, 1, 2, 3 + ord(" "), 3 + ord("\n"), len(tokens) - 1]] = -1
    for place, character in enumerate(liked):
        likes[3 + ord(character)] = len(liked) - place
    facts = [
        _fact("general.architecture", _STRING, "llama"),
        _fact("tokenizer.ggml.model", _STRING, "llama"),
        _list("tokenizer.ggml.tokens", _STRING, tokens),
        _list("tokenizer.ggml.scores", _F32, [0.0] * len(tokens)),
        _list("tokenizer.ggml.token_type", _I32, kinds),
        _fact("llama.attention.layer_norm_rms_epsilon", _F32, 1e-5),
        *(_fact(f"llama.{name}", _U32, value) for name, value in _SIZES.items()),
        *(_fact(f"tokenizer.ggml.{name}_token_id", _U32, n) for n, name in enumerate(("unknown", "bos", "eos"))),
    ]
    _write(path, facts, _tensors(likes))
    return path


_SIZES = {
    "context_length": 16384, "embedding_length": WIDTH, "block_count": 1, "feed_forward_length": WIDTH,
    "attention.head_count": 1, "rope.dimension_count": WIDTH,
}  # fmt: skip


def _tensors(likes: np.ndarray) -> dict[str, np.ndarray]:
    """Every token is the same vector and no layer changes it, so that the output is ``likes`` whatever was said."""
    embedding, output = (np.zeros((len(likes), WIDTH), np.float32) for _ in range(2))
    embedding[:, 0], output[:, 0] = 1, likes
    ones, nothing = np.ones(WIDTH, np.float32), np.zeros((WIDTH, WIDTH), np.float32)
    layers = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    return {
        "token_embd.weight": embedding,
        "output.weight": output,
        "output_norm.weight": ones,
        "blk.0.attn_norm.weight": ones,
        "blk.0.ffn_norm.weight": ones,
        **{f"blk.0.{name}.weight": nothing for name in layers},
    }


def _write(path: Path, facts: Sequence[bytes], tensors: dict[str, np.ndarray]) -> None:
    heads, data = [], b""
    for name, values in tensors.items():
        shape = values.shape[::-1]
        heads.append(_text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data)))
        data += _padded(values.tobytes())
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(facts)) + b"".join(facts) + b"".join(heads)
    path.write_bytes(_padded(head) + data)


def _fact(key: str, kind: int, value: str | float) -> bytes:
    return _text(key) + struct.pack("<I", kind) + _value(kind, value)


def _list(key: str, kind: int, values: Sequence[str | float]) -> bytes:
    return _text(key) + struct.pack("<IIQ", _ARRAY, kind, len(values)) + b"".join(_value(kind, each) for each in values)


def _value(kind: int, value: str | float) -> bytes:
    if isinstance(value, str):
        return _text(value)
    return struct.pack({_U32: "<I", _I32: "<i", _F32: "<f"}[kind], value)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % _ALIGNMENT)
