"""YAMNet as a float graph, from the packaged graph with quantisation nodes.

The packaged graph keeps its weights as float32 (rounded to an int8 grid) and puts a QuantizeLinear/DequantizeLinear
pair around every tensor, which fixes the batch to one and leaves scores in steps of 0.76 logit. Here the 58 pairs
are left out: batches of any size, float logits, and the input of the classifier as a second output.

The finished `yamnet.onnx`:
    input  `patches`   float32 [n, 1, 96, 64]: log-mel, 96 frames of 10 ms by 64 bands
    output `logits`    float32 [n, 521]; a class's score is 1 / (1 + exp(-logit)); class names in `classes.csv`
    output `embedding` float32 [n, 1024]

Its front end: 16 kHz mono; windows of 400 samples (periodic Hann), hop 160, FFT 512, no centring; magnitude; 64 HTK
mel bands from 125 to 7500 Hz; log(x + 0.001).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earwitness.weights.made import graph
from earwitness.weights.made.wire import Field, decode, encode, first, texts

_PAIR = (b"QuantizeLinear", b"DequantizeLinear")


def make(inputs: Path, out: Path) -> None:
    """Writes `yamnet.onnx` from `model.onnx` and `model.data`.

    Raises:
        ValueError: not the graph that this recipe knows.
    """
    (out / "yamnet.onnx").write_bytes(
        convert((inputs / "model.onnx").read_bytes(), (inputs / "model.data").read_bytes())
    )


def convert(packaged: bytes, data: bytes) -> bytes:
    """The float graph's bytes from the packaged graph and its external data."""
    source = first(decode(packaged), 7)
    if not isinstance(source, bytes):
        raise ValueError("not an ONNX model")  # noqa: TRY004 (the bytes are wrong, not the caller)
    fields = decode(source)
    nodes = [decode(f.value) for f in fields if f.number == 1 and isinstance(f.value, bytes)]
    tensors = [decode(f.value) for f in fields if f.number == 5 and isinstance(f.value, bytes)]
    bypass = {texts(n, 2)[0]: texts(n, 1)[0] for n in nodes if first(n, 4) in _PAIR}
    kept = [n for n in nodes if first(n, 4) not in _PAIR]
    classifier = [n for n in kept if first(n, 4) == b"Gemm"]
    if len(classifier) != 1:
        raise ValueError("the graph has no single classifier")
    names = {
        "audio": "patches",
        _origin("class_scores", bypass): "logits",
        _origin(texts(classifier[0], 1)[0], bypass): "embedding",
    }
    used = {_origin(name, bypass) for n in kept for name in texts(n, 1)}
    return graph.model(
        "yamnet",
        [_renamed(n, bypass, names) for n in kept],
        [_inlined(t, data) for t in tensors if texts(t, 8)[0] in used],
        [graph.port("patches", ["n", 1, 96, 64])],
        [graph.port("logits", ["n", 521]), graph.port("embedding", ["n", 1024])],
        opset=20,
    )


def _origin(name: str, bypass: dict[str, str]) -> str:
    while name in bypass:
        name = bypass[name]
    return name


def _renamed(node: Sequence[Field], bypass: dict[str, str], names: dict[str, str]) -> bytes:
    fields = []
    for f in node:
        if f.number in (1, 2) and isinstance(f.value, bytes):
            origin = _origin(f.value.decode(), bypass)
            fields.append(Field(f.number, names.get(origin, origin).encode()))
        else:
            fields.append(f)
    return encode(fields)


def _inlined(tensor: Sequence[Field], data: bytes) -> bytes:
    """The tensor with its numbers inside it; the one shape tensor gets a free batch."""
    name, kind = texts(tensor, 8)[0], first(tensor, 2)
    if kind == graph.INT64:
        return graph.integers(name, [-1, 1024])
    where = dict(_pair(f.value) for f in tensor if f.number == 13 and isinstance(f.value, bytes))
    if not where:
        return encode(tensor)
    start, size = int(where["offset"]), int(where["length"])
    if kind != graph.FLOAT or start + size > len(data):
        raise ValueError(f"tensor {name} is not where it should be")
    kept = [f for f in tensor if f.number not in (9, 13, 14)]
    return encode([*kept, Field(9, data[start : start + size])])


def _pair(entry: bytes) -> tuple[str, str]:
    fields = decode(entry)
    return texts(fields, 1)[0], texts(fields, 2)[0]
