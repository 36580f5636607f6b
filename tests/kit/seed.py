"""The programs printed in the service's documentation, read from the shared folder at test time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

HEADINGS = {"Python": "python", "Node.js": "node", "curl": "curl", "Java": "java"}
ENDS = {
    "響應結果",
    "DashScope",
    "OpenAI相容",
    "API參考",
    "傳入本地檔案(Base 64 編碼或檔案路徑)",
    "工作方式",
    "流式輸出",
}
FIRST = re.compile(r"^(import |from |curl |# =======)")
CLOUD = "https://dashscope-intl.aliyuncs.com"


@dataclass(frozen=True)
class Program:
    """One program. `kind`: url, stream, base64 or file; `protocol`: openai or dashscope."""

    language: str
    protocol: str
    kind: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.language}-{self.protocol}-{self.kind}"


def programs(shared: Path) -> list[Program]:
    """All programs of the documentation, in its order."""
    text = "\n".join(p.read_text() for p in sorted((shared / "seed").glob("*.txt")))
    found: list[Program] = []
    language: str | None = None
    lines: list[str] = []
    for line in [*text.splitlines(), "API參考"]:
        if line.strip() in HEADINGS or line.strip() in ENDS:
            if language and any(FIRST.match(one) for one in lines):
                found.append(_program(language, lines))
            language, lines = HEADINGS.get(line.strip()), []
        else:
            lines.append(line)
    return found


def _program(language: str, lines: list[str]) -> Program:
    begin = next(i for i, line in enumerate(lines) if FIRST.match(line))
    text = "\n".join(lines[begin:]).rstrip() + "\n"
    protocol = "openai" if "input_audio" in text else "dashscope"
    kind = "url"
    if re.search(r"stream=True|stream: true|\"stream\":true|SSE: enable|streamCall", text):
        kind = "stream"
    elif "base64" in text:
        kind = "base64"
    elif "file://" in text:
        kind = "file"
    return Program(language, protocol, kind, text)
