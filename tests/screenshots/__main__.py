"""`python -m tests.screenshots`: the pictures of docs/console.md, of a real gateway with some traffic."""

import tempfile
from pathlib import Path

from nexusflow.testing.gateway import nexusflow
from tests.e2e.test_console import CHAT, FAL, HELLO, TOKEN, chat_model
from tests.support.browser import running_browser
from tests.support.media import lane, staged, video_model

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
PAGES = {"overview": "", "keys": "keys/", "money": "money/"}


def main() -> None:
    """Write them anew."""
    models = {"talker": chat_model("chat"), "broken": chat_model("fault-500"), "film": video_model(lane(FAL, "video"))}
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder), (FAL, CHAT), models) as stage:
        nexusflow("accounts", "create", "acme", root=stage.gateway.root)
        nexusflow("credit", "acme", "250", "--source", "bank", "--memo", "invoice 7", root=stage.gateway.root)
        for model, times in (("talker", 45), ("broken", 2)):
            for _ in range(times):
                stage.client.ask("POST", "/v1/chat/completions", {"model": model, "messages": HELLO, "stream": True})
        stage.client.until(stage.client.made(model="film", duration=5)["id"])
        [token] = set(TOKEN.findall(stage.gateway.log.read_text()))
        with running_browser() as browser:
            for scheme in ("light", "dark"):
                page = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 860}).new_page()
                page.goto(f"{stage.gateway.url}/console/")
                page.get_by_label("Operator's token").fill(token)
                page.get_by_role("button", name="Sign in").click()
                for name, path in PAGES.items():
                    page.goto(f"{stage.gateway.url}/console/{path}")
                    page.wait_for_load_state("networkidle")
                    if scheme == "light" or name == "overview":
                        page.screenshot(path=FOLDER / f"console-{name}{'-dark' if scheme == 'dark' else ''}.png")


if __name__ == "__main__":
    main()
