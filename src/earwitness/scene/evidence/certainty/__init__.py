"""What a score is worth: thresholds per listener and label, as data."""

from earwitness.scene.evidence.certainty.scale import certainty, certainty_of

__all__ = ["certainty", "certainty_of"]
