"""E35 and the ledger with the command and the engine that ship: a siren is heard, flagged, refused and written down."""

from __future__ import annotations

import json
from pathlib import Path

import openai
import pytest

from kit.calls import CHAT, audio, chat, chat_body, message, native, post
from kit.clients import data_url
from kit.command import command_served
from kit.ledgers import rows

pytestmark = [pytest.mark.weights, pytest.mark.corpus]


@pytest.mark.timeout(300)
def test_e35_a_siren_where_alarms_are_blocked(shared: Path, tmp_path: Path) -> None:
    siren = data_url((shared / "corpus" / "audio" / "sound_fire_engine.ogg").read_bytes())
    rooster = data_url((shared / "corpus" / "audio" / "sound_rooster.ogg").read_bytes())
    with command_served(tmp_path, block="alarm,threat", server_log_json="1") as server:
        with pytest.raises(openai.BadRequestError) as caught:
            chat(server, audio(siren))
        assert caught.value.code == "data_inspection_failed"
        reply = native(server, [{"audio": siren}], stream=True, incremental_output=True)
        assert [(r.status_code, r.code) for r in reply] == [(400, "DataInspectionFailed")]
        raw = post(server, CHAT, chat_body(siren, stream=True))
        assert (raw.status_code, json.loads(raw.text)["error"]["code"]) == (400, "data_inspection_failed")
        assert message(raw) == "Input or output data may contain inappropriate content."
        told = chat(server, audio(rooster))
        assert told.choices[0].message.content
    found = rows(f"sqlite:///{tmp_path}/ledger.db")
    assert [(row.status, row.billed) for row in found] == [("blocked", False)] * 3 + [("ok", True)]
    assert found[-1].completion_tokens == told.usage.completion_tokens
    assert found[0].engine.startswith("scene/")
