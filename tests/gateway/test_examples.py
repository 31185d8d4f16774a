"""Front ends of `examples/` beside the pages: where a setting says so, and nothing else changes."""

from pathlib import Path
from typing import Any

import pytest

from chat_app.gateway.examples import with_examples
from chat_app.settings import read_settings
from testing.gateway_server import RecordingApp

PAGE = '<!doctype html><script type="module" src="./assets/index-1.js"></script>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a built front end, one that is not built, and a file beside them."""
    dist = tmp_path / "examples" / "one" / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text(PAGE)
    (dist / "assets" / "index-1.js").write_text("export {}")
    (tmp_path / "examples" / "two").mkdir()
    (tmp_path / "examples" / "one" / "secret.txt").write_text("not served")
    return tmp_path / "examples"


async def test_a_built_front_end_is_open_to_everyone_under_the_policy_of_the_pages(
    open_server: Any, folder: Path, tmp_path: Path
) -> None:
    app = with_examples(RecordingApp(), folder)
    async with open_server(app=app, build=tmp_path, examples_dir=str(folder)) as server:
        token, _ = server.sessions.issue()
        ours = await server.client.get("/", headers={"Cookie": f"chat_session={token}"})
        page = await server.client.get("/examples/one/")
        assert (page.status_code, page.text) == (200, PAGE)
        for name in ("content-security-policy", "x-frame-options", "cache-control"):
            assert page.headers[name] == ours.headers[name]
        assert "script-src 'self';" in page.headers["content-security-policy"]
        script = await server.client.get("/examples/one/assets/index-1.js")
        assert (script.status_code, script.text) == (200, "export {}")
        bare = await server.client.get("/examples/one?thread=1")
        assert (bare.status_code, bare.headers["location"]) == (
            307,
            f"{server.url}/examples/one/?thread=1",
        )


async def test_nothing_else_of_the_folder_is_served(
    open_server: Any, folder: Path, tmp_path: Path
) -> None:
    app = with_examples(RecordingApp(), folder)
    async with open_server(app=app, build=tmp_path, examples_dir=str(folder)) as server:
        for path in (
            "/examples",
            "/examples/",
            "/examples/two/",
            "/examples/one/secret.txt",
            "/examples/one/%2e%2e/secret.txt",
            "/examples/one/..%2fsecret.txt",
            "/examples/one//secret.txt",
        ):
            assert (await server.client.get(path)).status_code == 404, path
        assert (await server.client.post("/examples/one/")).status_code == 405
        foreign = {"Origin": "https://evil.example"}
        assert (await server.client.get("/examples/one/", headers=foreign)).status_code == 403
        signed_out = await server.client.get("/c/1")
        assert (signed_out.status_code, signed_out.headers["location"][:7]) == (303, "/signin")


async def test_in_development_they_are_at_the_server_and_not_where_the_pages_are(
    open_server: Any, folder: Path
) -> None:
    app = with_examples(RecordingApp(), folder)
    ports = {"reflex_frontend_port": 3000, "reflex_backend_port": 8000}
    given = {"reflex_env_mode": "dev", **ports, "examples_dir": str(folder)}
    async with open_server(app=app, **given) as server:
        here = {"Host": "localhost:8000"}
        pages = await server.client.get("/signin", headers=here)
        assert pages.headers["location"] == "http://localhost:3000/signin"
        page = await server.client.get("/examples/one/", headers=here)
        assert (page.status_code, page.text) == (200, PAGE)


async def test_without_the_setting_their_paths_are_pages_like_any_other(
    open_server: Any, tmp_path: Path
) -> None:
    app = RecordingApp()
    assert with_examples(app, None) is app
    async with open_server(build=tmp_path) as server:
        answer = await server.client.get("/examples/one/")
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/signin")


def test_only_development_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().examples is None
    monkeypatch.setenv("REFLEX_ENV_MODE", "dev")
    assert read_settings().examples == Path("examples")
    monkeypatch.setenv("EXAMPLES_DIR", "front-ends")
    assert read_settings().examples == Path("front-ends")
