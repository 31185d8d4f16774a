"""The rewriting of the built pages."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from chat_app.reflex_ext.bundle import (
    RouteNotFound,
    SocketUrlNotFound,
    preload_route,
    require_socket,
    use_page_origin,
    write_fonts,
    write_policies,
)

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("quote", ["'", '"', "`"])
def test_the_built_page_uses_its_own_origin(tmp_path: Path, quote: str) -> None:
    script = tmp_path / "assets" / "env.js"
    script.parent.mkdir()
    script.write_text(
        f"var e={{PING:{quote}http://localhost:3000/ping{quote},"
        f"EVENT:{quote}ws://localhost:3000/_event{quote}}},t='see http://localhost:3000/x'"
    )
    use_page_origin(tmp_path, "http://localhost:3000")
    assert script.read_text() == (
        'var e={PING:(location.origin+"/ping"),EVENT:(location.origin+"/_event")},'
        "t='see http://localhost:3000/x'"
    )


def test_a_public_url_is_replaced_as_well(tmp_path: Path) -> None:
    script = tmp_path / "env.js"
    script.write_text('a="wss://chat.example/_event"')
    use_page_origin(tmp_path, "https://chat.example")
    assert script.read_text() == 'a=(location.origin+"/_event")'


def test_another_port_is_not_replaced(tmp_path: Path) -> None:
    script = tmp_path / "env.js"
    script.write_text('a="ws://localhost:30001/_event"')
    with pytest.raises(SocketUrlNotFound):
        use_page_origin(tmp_path, "http://localhost:3000")
    assert script.read_text() == 'a="ws://localhost:30001/_event"'


def test_pages_for_another_host_keep_the_url_of_the_server(tmp_path: Path) -> None:
    script, text = tmp_path / "env.js", 'a="wss://api.example.com/_event"'
    script.write_text(text)
    require_socket(tmp_path, "https://api.example.com")
    assert script.read_text() == text
    (tmp_path / "ping.js").write_text('b="https://example.com/ping"')
    for other in ("https://example.com", "https://api.example.com.evil.test"):
        with pytest.raises(SocketUrlNotFound):
            require_socket(tmp_path, other)


def test_a_policy_stands_before_every_script_of_every_page(tmp_path: Path) -> None:
    page = "<!DOCTYPE html><html><head><script>1</script></head><body></body></html>"
    paths = [tmp_path / "index.html", tmp_path / "signin" / "index.html"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text(page)
    write_policies(tmp_path, lambda path: f"default-src '{path.parent.name}'")
    for path in paths:
        policy = f"default-src &#x27;{path.parent.name}&#x27;"
        tag = f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>'
        assert path.read_text() == page.replace("<head>", f"<head>{tag}")


PERSIST = """
import json
import rxconfig
from chat_app.reflex_ext.build import baked_settings
before = baked_settings().api_origin
rxconfig.config._set_persistent(api_url="https://api.example.com")
rxconfig.config._set_persistent(deploy_url="https://chat.example.com")
after = baked_settings()
print(json.dumps([before, after.api_origin, after.page_origins[0], rxconfig.config.api_url]))
"""


def test_what_reflex_deploy_sets_reaches_the_pages() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PERSIST],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    urls = ["https://api.example.com", "https://chat.example.com", "https://api.example.com"]
    assert json.loads(done.stdout) == ["", *urls]


def _built(folder: Path) -> Path:
    chat = {"module": "/assets/chat-1.js", "imports": ["/assets/state-2.js", "/assets/text-3.js"]}
    manifest = folder / "assets" / "manifest-0.js"
    manifest.parent.mkdir()
    listed = {"entry": {}, "routes": {"routes/chat": chat}}
    manifest.write_text(f"window.__reactRouterManifest={json.dumps(listed)};")
    page = folder / "__spa-fallback.html"
    link = '<link rel="modulepreload" href="/assets/state-2.js"/>'
    page.write_text(f"<html><head>{link}</head><body></body></html>")
    return page


def test_the_fallback_page_preloads_every_script_of_a_chat(tmp_path: Path) -> None:
    page = _built(tmp_path)
    preload_route(tmp_path, "routes/chat")
    found = re.findall(r'<link rel="modulepreload" href="([^"]+)"/>', page.read_text())
    assert found == ["/assets/state-2.js", "/assets/chat-1.js", "/assets/text-3.js"]
    assert page.read_text().endswith("</head><body></body></html>")


def test_a_build_without_the_route_is_an_error(tmp_path: Path) -> None:
    _built(tmp_path)
    with pytest.raises(RouteNotFound):
        preload_route(tmp_path, "routes/other")


EXPORT = """
import os, sys
import rxconfig
from pathlib import Path
from reflex.utils import build
build.zip_app(frontend=False, backend=True, zip_dest_dir=sys.argv[1], include_db_file=True,
              backend_excluded_dirs=(Path("left_out_too").resolve(),))
"""


def test_an_export_packs_the_program_and_nothing_of_its_users(tmp_path: Path) -> None:
    project, target = tmp_path / "project", tmp_path / "out"
    target.mkdir()
    private = [
        *("data/chat.db", "data/chat.db-wal", "data/auth_secret", "data/backups/old.db"),
        *("private/chat.db-wal", "private/reserve", "elsewhere/own.db", "elsewhere/own.db-wal"),
        *("elsewhere/own.db-reserve", "uploaded_files/photo.png", ".env", "left_out_too/file"),
        *("hosted.env", "tls.key", "tls.pem", "old.zip", "node_modules/x/index.js", "tests/x.py"),
        "examples/one/node_modules/x/index.js",
    ]
    for name in (*private, "chat_app/page.py", "assets/data/logo.svg", "elsewhere/kept.txt"):
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (project / ".env").write_text("")
    subprocess.run(
        [sys.executable, "-c", EXPORT, str(target)],
        cwd=project,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "DATA_DIR": str(project / "private"),
            "DATABASE_URL": f"sqlite+aiosqlite:///{project / 'elsewhere' / 'own.db'}",
        },
        capture_output=True,
        timeout=120,
        check=True,
    )
    with zipfile.ZipFile(target / "backend.zip") as packed:
        names = packed.namelist()
    assert sorted(names) == ["assets/data/logo.svg", "chat_app/page.py", "elsewhere/kept.txt"]


def test_a_small_font_is_a_file_which_the_policy_of_the_pages_allows(tmp_path: Path) -> None:
    style = tmp_path / "assets" / "a.css"
    style.parent.mkdir()
    style.write_text(
        "@font-face{src:url(data:font/woff2;base64,AAEC) format('woff2'),url(/assets/b.woff)}"
        "a{background:url(data:image/png;base64,AAEC)}"
    )
    write_fonts(tmp_path)
    (font,) = style.parent.glob("*.woff2")
    assert font.read_bytes() == b"\0\1\2"
    assert style.read_text() == (
        f"@font-face{{src:url({font.name}) format('woff2'),url(/assets/b.woff)}}"
        "a{background:url(data:image/png;base64,AAEC)}"
    )
