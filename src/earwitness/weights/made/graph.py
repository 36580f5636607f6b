"""Writes ONNX files: tensors, nodes, typed inputs and outputs, a model around them.

Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from earwitness.weights.made.wire import Field, Fixed, encode

FLOAT, INT64 = 1, 7
# AttributeProto.AttributeType
_AS_FLOAT, _AS_INT, _AS_INTS = 1, 2, 7

Attribute = int | float | Sequence[int]


def tensor(name: str, shape: Sequence[int], raw: bytes, kind: int = FLOAT) -> bytes:
    """A TensorProto: `raw` holds its numbers, row-major and little-endian."""
    return encode([*(Field(1, n) for n in shape), Field(2, kind), Field(8, name.encode()), Field(9, raw)])


def integers(name: str, values: Sequence[int]) -> bytes:
    """A one-dimensional int64 tensor."""
    return tensor(name, [len(values)], struct.pack(f"<{len(values)}q", *values), INT64)


def attribute(name: str, value: Attribute) -> bytes:
    """An AttributeProto of a float, an integer or a list of integers."""
    fields = [Field(1, name.encode())]
    if isinstance(value, float):
        fields += [Field(2, Fixed(struct.pack("<f", value))), Field(20, _AS_FLOAT)]
    elif isinstance(value, int):
        fields += [Field(3, value), Field(20, _AS_INT)]
    else:
        fields += [*(Field(8, n) for n in value), Field(20, _AS_INTS)]
    return encode(fields)


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Attribute) -> bytes:
    """A NodeProto."""
    return encode(
        [
            *(Field(1, name.encode()) for name in inputs),
            *(Field(2, name.encode()) for name in outputs),
            Field(4, kind.encode()),
            *(Field(5, attribute(name, value)) for name, value in sorted(attributes.items())),
        ]
    )


def port(name: str, shape: Sequence[int | str]) -> bytes:
    """A ValueInfoProto of float32; a text in `shape` names a length that is free."""
    dims = [encode([Field(2, n.encode()) if isinstance(n, str) else Field(1, n)]) for n in shape]
    typed = encode([Field(1, FLOAT), Field(2, encode(Field(1, dim) for dim in dims))])
    return encode([Field(1, name.encode()), Field(2, encode([Field(1, typed)]))])


def model(
    name: str,
    nodes: Sequence[bytes],
    tensors: Sequence[bytes],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
    *,
    opset: int,
    ir: int = 9,
) -> bytes:
    """A ModelProto of one graph."""
    graph = encode(
        [
            *(Field(1, n) for n in nodes),
            Field(2, name.encode()),
            *(Field(5, t) for t in tensors),
            *(Field(11, i) for i in inputs),
            *(Field(12, o) for o in outputs),
        ]
    )
    versions = encode([Field(1, b""), Field(2, opset)])
    return encode([Field(1, ir), Field(2, b"earwitness"), Field(7, graph), Field(8, versions)])
