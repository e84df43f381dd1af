"""Pieces of a provider's answer that its whole and its streamed form share."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from nexusflow.ir.capabilities import Destination
from nexusflow.ir.chat import Citation, Data, Ext, Finish, Logprob, Media, Opaque
from nexusflow.ir.errors import RequestRefused
from nexusflow.protocols.common import media
from nexusflow.protocols.openai_chat.tables import CHAT, FINISHES
from nexusflow.protocols.openai_chat.wire_reply import (
    Annotation,
    Answer,
    Audio,
    Choice,
    ExtraContent,
    Function,
    ImageUrl,
    Logprobs,
    Message,
    Piece,
    Source,
    TokenLogprob,
    says,
)

read_answer = msgspec.json.Decoder(Answer).decode
read_piece = msgspec.json.Decoder(Piece).decode
_read_logprobs = msgspec.json.Decoder(Logprobs).decode
_read_addresses = msgspec.json.Decoder(list[str]).decode
_read_sources = msgspec.json.Decoder(list[Source]).decode


def finish_of(raw: str | None, stop: str | None, *, called: bool, refused: bool) -> Finish:
    """The canonical finish. `called`, `refused`: the answer has tool calls, a refusal; `stop` is the sequence hit.

    Calls make it `tools` where the provider says a plain end, and `tools` without any call is a plain end (2.1.7); an
    answer that was cut off stays so, since its last call may be broken.
    """
    reason = FINISHES.get(raw.lower(), "end") if raw else "end"
    if reason in ("end", "stop_sequence", "tools"):
        if called:
            reason = "tools"
        elif refused:
            reason = "refusal"
        elif stop is not None:
            reason = "stop_sequence"
        elif reason == "tools":
            reason = "end"
    return Finish(reason=reason, raw=raw or None, sequence=stop if reason == "stop_sequence" else None)


def stop_of(choice: Choice) -> str | None:
    """The stop sequence that was hit, where the server says; a number there is a token's."""
    for raw in (choice.stop_sequence, choice.stop_reason, choice.matched_stop):
        if bytes(raw).startswith(b'"'):
            return msgspec.json.decode(raw, type=str) or None
    return None


def numbered(message: Message | None) -> Message | None:
    """Calls of a whole message are as many as are listed, whatever index or id they bear."""
    if message is None or not message.tool_calls:
        return message
    calls = [msgspec.structs.replace(call, index=index) for index, call in enumerate(message.tool_calls)]
    return msgspec.structs.replace(message, tool_calls=calls)


def arguments_of(function: Function) -> str:
    """Arguments as text, whichever way they were sent."""
    given = function.arguments
    return given if isinstance(given, str) else "" if given is None else msgspec.json.encode(given).decode()


def signature_of(extra: ExtraContent | None, to: Destination) -> Opaque | None:
    """The opaque state of a call or a text, in Google's place for it."""
    if extra is None or extra.google is None or not extra.google.thought_signature:
        return None
    return Opaque(CHAT, to.family, extra.google.thought_signature)


def citation_of(annotation: Annotation, before: int) -> Citation | None:
    """A source; `before` counts the characters of content ahead of the part that it belongs to."""
    found = annotation.url_citation
    if found is None:
        return None
    placed = found.start_index is not None and found.end_index is not None and found.end_index > found.start_index
    return Citation(
        url=found.url,
        title=found.title,
        cited_text=found.content,
        start=max(0, (found.start_index or 0) - before) if placed else None,
        end=max(0, (found.end_index or 0) - before) if placed else None,
    )


def sources_of(citations: Raw, results: Raw) -> tuple[Citation, ...]:
    """Perplexity's sources of the whole answer."""
    if not says(citations):
        return ()
    try:
        titles = {one.url: one.title for one in _read_sources(results)} if says(results) else {}
        return tuple(Citation(url=url, title=titles.get(url)) for url in _read_addresses(citations))
    except msgspec.DecodeError:
        return ()


def logprobs_of(raw: Raw) -> tuple[tuple[Logprob, ...], tuple[Logprob, ...]]:
    """Those of the content and those of the refusal; a form that is not the chat's says nothing."""
    if not says(raw):
        return (), ()
    try:
        found = _read_logprobs(raw)
    except msgspec.DecodeError:
        return (), ()
    return _tokens(found.content), _tokens(found.refusal)


def _tokens(wire: Sequence[TokenLogprob] | None) -> tuple[Logprob, ...]:
    return tuple(
        Logprob(
            token=one.token,
            logprob=one.logprob,
            bytes=tuple(one.bytes) if one.bytes is not None else None,
            top=_tokens(one.top_logprobs),
        )
        for one in wire or ()
    )


def texts_of(thinking: str | list[Piece]) -> list[str]:
    """The texts of a reasoning piece that are not empty."""
    found = [thinking] if isinstance(thinking, str) else [piece.text for piece in thinking]
    return [text for text in found if text]


def image_of(piece: Piece) -> Media | None:
    """An image that the model made; None when the piece is none."""
    given = piece.image_url
    url = given.url if isinstance(given, ImageUrl) else given
    if not url:
        return None
    try:
        return Media(kind="image", source=media.from_url(url, "image_url"))
    except RequestRefused:
        return None


def audio_of(audio: Audio) -> Media:
    """Sound that the model made. Its format is nowhere in the answer, so its first bytes have to tell."""
    ext: Ext = {}
    if audio.id:
        ext["id"] = Raw(msgspec.json.encode(audio.id))
    if audio.expires_at is not None:
        ext["expires_at"] = Raw(b"%d" % audio.expires_at)
    return Media(
        kind="audio",
        source=Data(media.sniff(audio.data or ""), audio.data or ""),
        transcript=audio.transcript,
        ext=ext or None,
    )
