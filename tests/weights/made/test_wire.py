from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.weights.made.wire import Field, Fixed, decode, encode, first, texts, varint

values = st.one_of(
    st.integers(0, 2**64 - 1),
    st.binary(max_size=300),
    st.binary(min_size=4, max_size=4).map(Fixed),
    st.binary(min_size=8, max_size=8).map(Fixed),
)
messages = st.lists(st.builds(Field, st.integers(1, 2**29 - 1), values), max_size=8)


@given(message=messages)
def test_there_and_back(message: list[Field]) -> None:
    again = decode(encode(message))
    assert again == message
    assert [type(f.value) for f in again] == [type(f.value) for f in message]


@pytest.mark.parametrize(("value", "data"), [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02")])
def test_integers_as_the_format_describes_them(value: int, data: str) -> None:
    assert varint(value).hex() == data


def test_a_negative_integer_takes_ten_bytes() -> None:
    assert encode([Field(1, -1)]).hex() == "08" + "ff" * 9 + "01"


@given(message=messages.filter(bool), data=st.data())
def test_a_cut_message_is_shorter_or_refused(message: list[Field], data: st.DataObject) -> None:
    whole = encode(message)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        assert len(decode(cut)) < len(message)
    except ValueError:
        return


def test_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="wire type 3"):
        decode(b"\x0b")


def test_look_ups() -> None:
    fields = [Field(1, b"a"), Field(1, b"b"), Field(2, 7)]
    assert texts(fields, 1) == ["a", "b"]
    assert (first(fields, 2), first(fields, 3)) == (7, None)
