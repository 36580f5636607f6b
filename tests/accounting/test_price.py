from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from earwitness.accounting.price import rates
from earwitness.caption import Usage
from earwitness.errors import BadRequest


def test_a_million_of_each_costs_the_list_price() -> None:
    usage = Usage(audio_tokens=999_992, text_tokens=8, completion_tokens=1_000_000)
    assert rates().price(usage) == Decimal("6.87")
    assert rates("mainland").price(usage) == Decimal("4.086")


def test_small_sums_are_exact() -> None:
    usage = Usage(75, 8, 200)
    assert sum(rates().price(usage) for _ in range(1000)) == rates().price(Usage(75_000, 8000, 200_000))


def test_free_tokens_are_part_of_the_international_list_only() -> None:
    assert (rates().free_tokens, rates().free_days) == (1_000_000, 90)
    assert rates("mainland").free_tokens == 0


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('[house]\ncurrency = "EUR"\ninput = "1"\noutput = "2.5"\n')
    own = rates("house", file)
    assert (own.currency, own.price(Usage(0, 1_000_000, 1_000_000))) == ("EUR", Decimal("3.5"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[a]\ncurrency = "EUR"\ninput = "1"\n', "lacks 'output'"),
        ('[a]\ncurrency = "EUR"\ninput = "1"\noutput = "x"\n', "cannot be used"),
        ('[a]\ncurrency = "EUR"\ninput = "NaN"\noutput = "1"\n', "no price"),
        ('[a]\ncurrency = "EUR"\ninput = "1"\noutput = "1"\nfee = 2\n', "unknown key 'fee'"),
        ("not toml", "cannot be used"),
    ],
)
def test_a_broken_list(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(BadRequest, match=says) as caught:
        rates("a", file)
    assert caught.value.code == "settings"


def test_an_unknown_list_names_the_known_ones() -> None:
    with pytest.raises(BadRequest, match="international, mainland"):
        rates("lunar")
