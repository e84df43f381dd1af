"""Who can be asked for what: the compiler, the schema and the registry say the same."""

import json
import re
from pathlib import Path
from typing import get_args

from nexusflow.ir.task import MADE_BY, MediaType
from nexusflow.protocols.makers.registry import maker_for

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "schemas/gateway.v1.schema.json").read_bytes())
PAGE = (Path(__file__).resolve().parents[3] / "docs/tasks.md").read_text(encoding="utf-8")
RULES = {"unknown": "unknown", "lookup": "looked up", "resubmit": "sent again"}
PROTOCOLS = SCHEMA["$defs"]["UpstreamProtocol"]["enum"]


def test_every_protocol_has_the_makers_that_the_compiler_counts_on() -> None:
    for kind in get_args(MediaType):
        assert {protocol for protocol in PROTOCOLS if maker_for(protocol, kind) is not None} == MADE_BY[kind]


def test_no_protocol_of_the_schema_is_without_anything_behind_it() -> None:
    chats = {"openai/chat-completions", "openai/responses", "anthropic/messages", "google/generate-content"}
    assert set(PROTOCOLS) - {"simulator"} == chats.union(*MADE_BY.values())


def test_the_table_of_the_docs_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| (`\S+/\S+`.*?) \| (.+?) \| .+? \| (.+?) \|$", PAGE, re.MULTILINE)
    told = {name: (makes, rule) for names, makes, rule in rows for name in re.findall(r"`(\S+/\S+)`", names)}
    assert set(told) == set().union(*MADE_BY.values())
    for protocol, (makes, rule) in told.items():
        for kind in get_args(MediaType):
            maker = maker_for(protocol, kind)
            assert (maker is not None) == (f"{kind}s" in makes)
            assert maker is None or RULES[maker.after_loss] == rule
