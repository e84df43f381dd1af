"""Settings of the gateway.yaml as a caller notices them."""

import base64
import json
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import openai
import pytest

from nexusflow.testing.gateway import running_gateway
from nexusflow.testing.simulator import received, running_simulator
from tests.support.bridge_gateway import PIXEL, embedding, model


class Pictures(BaseHTTPRequestHandler):
    """A file server without TLS in the gateway's own network."""

    def do_GET(self) -> None:
        """http.server's own name."""
        self.send_response(200)
        self.send_header("content-type", "image/png")
        self.end_headers()
        self.wfile.write(base64.b64decode(PIXEL))

    def log_message(self, format: str, *args: Any) -> None:
        """http.server's own name: nothing is written."""


@pytest.fixture
def files() -> Iterator[str]:
    """The server's `host:port`."""
    server = HTTPServer(("127.0.0.1", 0), Pictures)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def text(simulator: str, models: dict[str, Any], **gateway: Any) -> str:
    """A gateway.yaml with these settings, in front of the simulator over two protocols."""
    providers = {
        "chat": {"protocol": "openai/chat-completions", "base_url": f"{simulator}/v1", "simulated": True},
        "gemini": {"protocol": "google/generate-content", "base_url": simulator, "simulated": True},
    }
    return json.dumps({"version": 1, "gateway": gateway, "providers": providers, "models": models})


def test_SEC20_media_of_an_own_file_server_are_fetched_where_media_fetch_names_it(files: str, tmp_path: Path) -> None:
    """Google's lane takes bytes alone. Another port of the same host stays closed."""
    with (
        running_simulator() as simulator,
        running_gateway(
            text(simulator, {"see": model("gemini", "chat")}, media_fetch={"allow_hosts": [files]}), tmp_path
        ) as gateway,
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client,
    ):

        def see(url: str) -> str:
            part: Any = {"type": "image_url", "image_url": {"url": url}}
            answer = client.chat.completions.create(model="see", messages=[{"role": "user", "content": [part]}])
            return answer.choices[0].message.content or ""

        assert "1 image: image/png of 70 bytes" in see(f"http://{files}/a.png")
        with pytest.raises(openai.BadRequestError) as caught:
            see(f"{simulator}/a.png")
        assert (caught.value.code, caught.value.param) == (
            "media_not_fetched",
            "messages[0].content[0].image_url.url",
        )


def test_T111_a_provider_without_base64_is_asked_for_numbers(tmp_path: Path) -> None:
    """OpenAI's clients ask for base64 always; `base64_embeddings: false` says that a provider has none."""
    models = {"plain": embedding("chat") | {"capabilities": {"base64_embeddings": False}}}
    with running_simulator() as simulator, running_gateway(text(simulator, models), tmp_path) as gateway:
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key) as client:
            vector = client.embeddings.create(model="plain", input="Hi").data[0].embedding
            packed: Any = client.embeddings.create(model="plain", input="Hi", encoding_format="base64")
        assert received(simulator)[-1]["body"]["encoding_format"] == "float"
    found = base64.b64decode(packed.data[0].embedding)
    assert list(struct.unpack(f"<{len(found) // 4}f", found)) == pytest.approx(vector)
