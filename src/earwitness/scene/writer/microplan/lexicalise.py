"""Messages to clauses: each kind of message has its wording."""

from __future__ import annotations

from earwitness.scene.writer.messages import (
    Absence,
    Caution,
    Changing,
    Closing,
    Expressing,
    Formed,
    Happening,
    Inference,
    Manner,
    Message,
    Musical,
    Opening,
    Playing,
    Recording,
    Setting,
    Speaking,
    Toned,
)
from earwitness.scene.writer.microplan import framing, placing, playing, sounding, voicing
from earwitness.scene.writer.microplan.context import Wording
from earwitness.scene.writer.phrase import Clause


def lexicalise(message: Message, w: Wording) -> list[Clause]:  # noqa: C901 - one line a kind of message
    """The clauses of one message, in order. May be empty where a listener named what no lexicon knows.

    Raises:
        TypeError: a message without a wording.
    """
    match message:
        case Opening():
            return framing.opening(message, w)
        case Closing():
            return framing.closing(message, w)
        case Happening():
            return [sounding.happening(message, w)]
        case Formed():
            return [sounding.formed(message, w)]
        case Toned():
            return [sounding.toned(message, w)]
        case Speaking():
            return voicing.speaking(message, w)
        case Manner():
            return voicing.manner(message, w)
        case Expressing():
            return voicing.expressing(message, w)
        case Caution():
            return voicing.caution(message, w)
        case Playing():
            return playing.playing(message, w)
        case Musical():
            return playing.musical(message, w)
        case Changing():
            return playing.changing(message, w)
        case Setting():
            return placing.setting(message, w)
        case Recording():
            return placing.recording(message, w)
        case Absence():
            return placing.absence(message, w)
        case Inference():
            return placing.inference(message, w)
    raise TypeError(f"no wording for {type(message).__name__}")
