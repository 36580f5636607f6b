"""One caption in work, whatever the protocol, and what is written down of it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field

from earwitness.accounting import rule
from earwitness.accounting.books import Books, Closed, Entry, Outcome
from earwitness.caption import Caption, Event, Finish, Folder, Heard, Reason, Usage
from earwitness.captioner import Captioner
from earwitness.clip import Clip
from earwitness.errors import EarwitnessError
from earwitness.server import sentences
from earwitness.server.ask import Ask
from earwitness.server.door import broken
from earwitness.server.gate.policy import Policy
from earwitness.server.log import Log
from earwitness.server.metrics import Stages

log = Log("earwitness.server")


@dataclass(slots=True)
class Call:
    """One caption in work. `id` is the UUID that the caller sees everywhere; `clip` is decoded and within limits."""

    id: str
    ask: Ask
    clip: Clip
    captioner: Captioner
    policy: Policy = field(default_factory=Policy)
    turn: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    stages: Stages = field(default_factory=Stages)
    made: int = field(default_factory=lambda: int(time.time()))
    heard: Folder = field(default_factory=Folder)
    _finish: Finish | None = None
    _flags: set[str] = field(default_factory=set)

    async def events(self) -> AsyncGenerator[Event, None]:
        """What the engine tells, as it tells it; all of it at the end where a policy must see the whole first.

        Raises:
            NotAllowed: the policy blocks what was heard; nothing of it was told.
            TimedOut: its turn did not come.
        """
        told = self.policy.passed(self.captioner.listen(self.clip, self.ask.options))
        async with self.turn(), aclosing(told) as events:
            async for event in events:
                self.heard.add(event)
                if isinstance(event, Heard):
                    self._flags.update(note.label for note in event.notes if note.kind == "flag")
                if isinstance(event, Finish):
                    self._finish = event
                yield event

    async def caption(self) -> Caption:
        """All of it at once."""
        async with aclosing(self.events()) as events:
            async for _ in events:
                pass
        return self.heard.caption()

    def finish(self) -> Finish:
        """How it ended.

        Raises:
            Failed: it has not.
        """
        if self._finish is None:
            raise broken()
        return self._finish

    @property
    def engine(self) -> str:
        """Who listens, as replies name it."""
        return str(self.captioner.engine.info)

    @property
    def prompt_tokens(self) -> tuple[int, int]:
        """(audio, text) tokens of the request, by the documented rule."""
        return rule.audio_tokens(self.clip.seconds), rule.TEXT_TOKENS

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return self.captioner.tokenizer.count(text)

    def completion_tokens(self) -> int:
        """Tokens told so far; final once it has ended."""
        if self._finish is not None and self._finish.usage is not None:
            return self._finish.usage.completion_tokens
        return self.count(self.heard.text) if self.heard.text else 0

    def usage(self) -> Usage:
        """Tokens until now."""
        return Usage(*self.prompt_tokens, self.completion_tokens())

    def flags(self) -> tuple[str, ...]:
        """The flags that what was heard has raised, each once."""
        return tuple(sorted(self._flags))

    def cut(self) -> tuple[str, ...]:
        """Why less was told than there was: a model repeated itself, an upstream heard only a part."""
        facts = {} if self._finish is None else self._finish.facts
        found = {"repetition": facts.get("ended") == "repetition", "upstream": facts.get("upstream_cut") is True}
        return tuple(name for name, so in found.items() if so)

    @property
    def reason(self) -> Reason | None:
        """Why the text ends, once it has ended."""
        return None if self._finish is None else self._finish.reason


class Record:
    """One request in the ledger and in the log: opened when its work starts, closed once, whatever happens."""

    def __init__(self, books: Books, entry: Entry, log_captions: bool) -> None:
        self._books = books
        self._captions = log_captions
        self.entry = entry
        self._begun = time.monotonic()
        self.call: Call | None = None
        self.outcome: Outcome | None = None
        self.price_nano = 0
        self._begins = False

    async def open(self) -> None:
        """Writes that work starts; raises NotReady where it cannot be written."""
        self._begins = True
        await self._books.open(self.entry)

    async def complete(self) -> None:
        """Writes that all was told; raises NotReady where it cannot be written."""
        outcome = self._outcome("ok")
        self.price_nano = await self._books.complete(self.entry, outcome)
        self._log(outcome)

    def settle(self, status: Closed, error: EarwitnessError | None = None) -> None:
        """Writes that it ended otherwise; what was refused before its work started has no row in the ledger."""
        name = "" if error is None else sentences.name(error)
        outcome = self._outcome("blocked" if name == "NotAllowed.blocked_content" else status, name)
        if self._begins:
            self._books.settle(self.entry, outcome)
        self._log(outcome)

    def _outcome(self, status: Closed, error: str = "") -> Outcome:
        call = self.call
        return Outcome(
            status=status,
            duration_s=time.monotonic() - self._begun,
            audio_s=0.0 if call is None else call.clip.seconds,
            usage=Usage(0, 0, 0) if call is None else call.usage(),
            finish=None if call is None else call.reason,
            error=error,
        )

    def _log(self, outcome: Outcome) -> None:
        self.outcome = outcome
        entry, usage = self.entry, outcome.usage
        fields = {
            "status": outcome.status,
            "key": entry.key,
            "workspace": entry.workspace,
            "protocol": entry.protocol,
            "streamed": entry.streamed,
            "code": outcome.error,
            "finish": outcome.finish,
            "audio_s": round(outcome.audio_s, 3),
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "took_s": round(outcome.duration_s, 3),
        }
        if self._captions and self.call is not None:
            fields["caption"] = self.call.heard.text
        log.event("request.ended", fields)
