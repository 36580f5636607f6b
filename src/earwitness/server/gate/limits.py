"""What one key may do. Data only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """Limits of one key; None: the server's default, 0: no limit (but a budget of 0 refuses every call)."""

    requests_per_minute: int | None = None
    """Captions asked for in a minute."""

    tokens_per_minute: int | None = None
    """Tokens in a minute, of audio, prompt and text together."""

    running: int | None = None
    """Calls in work at one time."""

    budget: Decimal | None = None
    """What all calls together may cost, in the currency of the price list; None: anything."""

    models: tuple[str, ...] = ()
    """Names of models that the key may use; none: all that are served."""

    def over(self, default: KeyLimits) -> KeyLimits:
        """These limits, and `default` where they say nothing."""
        own = {
            name: getattr(default, name)
            for name in ("requests_per_minute", "tokens_per_minute", "running", "budget")
            if getattr(self, name) is None
        }
        return replace(self, **own)
