"""One contract for each private name that `chat_app/reflex_ext` uses.

A contract that fails after an upgrade says which name moved and what of ours depends on it. The
checks look names up by their path and import nothing of the program, so that they still speak when
the program itself no longer starts.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "reflex.md"


@dataclass(frozen=True)
class Contract:
    """A name that is not ours.

    Args:
        name: As docs/reflex.md lists it.
        dependent: What of ours depends on it.
        holds: Looks at the installed package.
    """

    name: str
    dependent: str
    holds: Callable[[], object]


def resolve(path: str) -> Any:
    """The object at `module:attribute.attribute`."""
    module, _, names = path.partition(":")
    found: Any = importlib.import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    return found


def takes(path: str, *names: str) -> bool:
    """Whether a function takes exactly these arguments, besides `self`."""
    found = [name for name in inspect.signature(resolve(path)).parameters if name != "self"]
    return found == list(names)


def source(path: str) -> str:
    return inspect.getsource(resolve(path))


def template(name: str) -> str:
    folder = Path(importlib.import_module("reflex_base").__file__ or "").parent
    return (folder / ".templates" / "web" / name).read_text(encoding="utf-8")


def _server() -> Any:
    return resolve("socketio:AsyncServer")(async_mode="asgi")


def _namespace() -> Any:
    return resolve("reflex.app:EventNamespace")("/_event", None)


def _framework_handlers() -> bool:
    root = resolve("reflex.state:State").event_handlers
    load = resolve("reflex.state:OnLoadInternalState").event_handlers
    return (
        {"hydrate", "hydrate_and_load", "set_is_hydrated"} <= set(root)
        and {"on_load_internal", "set_is_hydrated"} <= set(load)
        and "update_vars_internal" in resolve("reflex.state:UpdateVarsInternalState").event_handlers
        and "handle_frontend_exception"
        in resolve("reflex.state:FrontendEventExceptionState").event_handlers
    )


def _handlers_are_registered() -> bool:
    registry = resolve("reflex_base.registry:RegistrationContext")
    return (
        "event_handlers" in registry.__annotations__
        and hasattr(registry, "get")
        and "setvar" in resolve("reflex.state:State").event_handlers
    )


def _handler_names() -> bool:
    handler = resolve("reflex.state:State").event_handlers["hydrate"]
    name = resolve("reflex_base.utils.format:format_event_handler")(handler)
    return name == "reflex___state____state.hydrate"


def _router_data() -> bool:
    text = source("reflex.app:EventNamespace.on_connect") + source(
        "reflex.app:EventNamespace.on_event"
    )
    fields = (
        resolve("reflex.state:State").__annotations__
        | resolve("reflex.state:BaseState").__annotations__
    )
    page = template("utils/state.js")
    return "router_data" in fields and "HEADERS" in text and "asPath: " in page


def _authorization_stays_here() -> bool:
    data = resolve("reflex.istate.data:HeaderData").from_router_data(
        {"headers": {"authorization": "the id of a session"}}
    )
    shown = resolve("reflex.utils.serializers:serialize")(data)
    return "the id of a session" not in str(shown)


def _memory_manager() -> bool:
    token = resolve("reflex.istate.manager.token:BaseStateToken")(
        ident="tab", cls=resolve("reflex.state:State")
    )
    manager = resolve("reflex.istate.manager.memory:StateManagerMemory")()
    return (
        isinstance(token.lock_key, str)
        and manager._states_locks == {}
        and manager._token_expires_at == {}
        and takes("reflex.istate.manager.memory:StateManagerMemory._purge_token", "token")
    )


def _environment(name: str, variable: str) -> Callable[[], bool]:
    return lambda: getattr(resolve("reflex_base.environment:environment"), name).name == variable


CONTRACTS = (
    Contract(
        "App._setup_state",
        "our policy and event namespace are put in place (reflex_ext/app.py)",
        lambda: (
            takes("reflex.app:App._setup_state")
            and "_setup_state" in source("reflex.app:App._enable_state")
        ),
    ),
    Contract(
        "App._event_namespace",
        "our event namespace replaces Reflex's (reflex_ext/app.py)",
        lambda: "_event_namespace" in source("reflex.app:App.event_namespace.fget"),
    ),
    Contract(
        "Middleware.preprocess",
        "the policy table stops events, and may put another in their place (states/policy.py)",
        lambda: (
            takes("reflex.middleware.middleware:Middleware.preprocess", "app", "state", "event")
            and "_route_events"
            in source(
                "reflex_base.event.processor.base_state_processor:"
                "BaseStateEventProcessor._execute_event"
            )
        ),
    ),
    Contract(
        "EventNamespace.on_event",
        "malformed and unknown events are dropped (reflex_ext/event_namespace.py)",
        lambda: takes("reflex.app:EventNamespace.on_event", "sid", "data"),
    ),
    Contract(
        "EventNamespace.emit_update",
        "an update goes straight into the queue of its socket (reflex_ext/event_namespace.py)",
        lambda: takes("reflex.app:EventNamespace.emit_update", "update", "token"),
    ),
    Contract(
        "EventNamespace.link_token_to_sid",
        "a tab is known to be open (reflex_ext/event_namespace.py)",
        lambda: takes(
            "reflex.app:EventNamespace.link_token_to_sid", "sid", "token", "update_state"
        ),
    ),
    Contract(
        "EventNamespace.on_disconnect",
        "what followed a tab ends with its socket (reflex_ext/event_namespace.py)",
        lambda: takes("reflex.app:EventNamespace.on_disconnect", "sid"),
    ),
    Contract(
        "EventNamespace.on_client_error",
        "the text of a page's errors is not logged (reflex_ext/event_namespace.py)",
        lambda: takes("reflex.app:EventNamespace.on_client_error", "sid", "data"),
    ),
    Contract(
        "EventNamespace._token_manager",
        "the socket of a client token is found (reflex_ext/event_namespace.py)",
        lambda: (
            _namespace()._token_manager.token_to_socket == {}
            and _namespace().sid_to_token == {}
            and _namespace().token_to_sid == {}
            and "sid" in resolve("reflex.utils.token_manager:SocketRecord").__annotations__
        ),
    ),
    Contract(
        "StateManagerMemory._states_locks",
        "the state of a closed tab is dropped (reflex_ext/event_namespace.py)",
        _memory_manager,
    ),
    Contract(
        "State.event_handlers",
        "the policy table has a row for each of Reflex's own handlers (reflex_ext/events.py)",
        _framework_handlers,
    ),
    Contract(
        "RegistrationContext.event_handlers",
        "the policy table closes the `setvar` of every state (reflex_ext/events.py)",
        _handlers_are_registered,
    ),
    Contract(
        "format_event_handler",
        "the policy table knows handlers by the name that pages send (reflex_ext/events.py)",
        _handler_names,
    ),
    Contract(
        "BaseState.router_data",
        "handlers learn their session, the page and its thread (reflex_ext/events.py)",
        _router_data,
    ),
    Contract(
        "HeaderData.from_router_data",
        "the id of the session, in the Authorization header, is kept from the page (gateway)",
        _authorization_stays_here,
    ),
    Contract(
        "EventContext.emit_delta",
        "stream chunks reach a tab without the lock of its state (reflex_ext/events.py)",
        lambda: (
            takes("reflex_base.event.context:EventContext.emit_delta", "delta")
            and "token" in resolve("reflex_base.event.context:EventContext").__annotations__
        ),
    ),
    Contract(
        "FIELD_MARKER",
        "stream chunks name their var as pages do (reflex_ext/events.py)",
        lambda: resolve("reflex_base.constants.state:FIELD_MARKER") == "_rx_state_",
    ),
    Contract(
        "__REFLEX_MOUNT_FRONTEND_COMPILED_APP",
        "one process serves pages and sockets (reflex_ext/build.py)",
        _environment("REFLEX_MOUNT_FRONTEND_COMPILED_APP", "__REFLEX_MOUNT_FRONTEND_COMPILED_APP"),
    ),
    Contract(
        "__REFLEX_SKIP_COMPILE",
        "the server starts without building pages (reflex_ext/build.py)",
        _environment("REFLEX_SKIP_COMPILE", "__REFLEX_SKIP_COMPILE"),
    ),
    Contract(
        "REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE",
        "a message may be as large as MESSAGE_BYTES allows (reflex_ext/build.py)",
        _environment("REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE", "REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE"),
    ),
    Contract(
        "REFLEX_ENV_MODE",
        "settings know whether Reflex develops or serves (chat_app/settings)",
        _environment("REFLEX_ENV_MODE", "REFLEX_ENV_MODE"),
    ),
    Contract(
        ".web/build/client",
        "the built pages are found (reflex_ext/build.py)",
        lambda: (
            resolve("reflex_base.constants.base:Dirs").WEB == ".web"
            and Path(resolve("reflex_base.constants.base:Dirs").STATIC) == Path("build/client")
        ),
    ),
    Contract(
        "REFLEX_WEB_WORKDIR",
        "a server keeps the pages that it started with, whatever is built (reflex_ext/build.py)",
        lambda: (
            _environment("REFLEX_WEB_WORKDIR", "REFLEX_WEB_WORKDIR")()
            and "get_web_dir()" in source("reflex.utils.exec:get_frontend_mount")
        ),
    ),
    Contract(
        "build.zip_app",
        "an export packs nothing of the users (reflex_ext/bundle.py)",
        lambda: (
            "backend_excluded_dirs"
            in inspect.signature(resolve("reflex.utils.build:zip_app")).parameters
            and "build.zip_app(" in source("reflex.utils.export:export")
        ),
    ),
    Contract(
        "Config._set_persistent",
        "pages are built for the URLs that `reflex deploy` learns (reflex_ext/bundle.py)",
        lambda: all(
            f"config._set_persistent({name}=" in source("reflex.utils.export:export")
            for name in ("api_url", "deploy_url")
        ),
    ),
    Contract(
        "__REFLEX_COMPILE_CONTEXT",
        "`reflex run` is refused what it cannot serve (reflex_ext/run.py)",
        lambda: (
            _environment("REFLEX_COMPILE_CONTEXT", "__REFLEX_COMPILE_CONTEXT")()
            and resolve("reflex_base.constants.compiler:CompileContext").RUN.value == "run"
            and _environment("REFLEX_BACKEND_ONLY", "REFLEX_BACKEND_ONLY")()
            and _environment("REFLEX_FRONTEND_ONLY", "REFLEX_FRONTEND_ONLY")()
        ),
    ),
    Contract(
        "frontend_skeleton.sync_web_lockfile_to_root",
        "a build leaves the committed lock files alone (reflex_ext/bundle.py)",
        lambda: (
            "sync_web_lockfile_to_root(name)"
            in source("reflex.utils.frontend_skeleton:sync_web_lockfiles_to_root")
            and takes("reflex.utils.frontend_skeleton:get_web_lockfile_path", "filename")
            and takes("reflex.utils.frontend_skeleton:get_root_lockfile_path", "filename")
        ),
    ),
    Contract(
        "processes.handle_port",
        "`reflex run` takes the port of PORT (reflex_ext/run.py)",
        lambda: (
            takes("reflex.utils.processes:handle_port", "service_name", "port", "auto_increment")
            and "processes.handle_port(" in source("reflex.reflex:_run")
        ),
    ),
    Contract(
        "exec.notify_frontend",
        "`reflex run` prints the address that answers (reflex_ext/run.py)",
        lambda: (
            takes("reflex.utils.exec:notify_frontend", "url", "backend_present")
            and "exec.notify_frontend(" in source("reflex.reflex:_run_prod")
            and "notify_frontend(url, backend_present)"
            in source("reflex.utils.exec:run_process_and_launch_url")
        ),
    ),
    Contract(
        "exec.notify_backend",
        "the same, for the socket in development (reflex_ext/run.py)",
        lambda: takes("reflex.utils.exec:notify_backend", "host"),
    ),
    Contract(
        "Plugin.post_build",
        "the built pages are rewritten (reflex_ext/bundle.py)",
        lambda: "post_build(static_dir=static_dir)" in source("reflex.utils.build:build"),
    ),
    Contract(
        "Plugin.pre_compile",
        "a new chat and an open one are one page (reflex_ext/bundle.py)",
        lambda: (
            "add_modify_task=" in source("reflex.compiler.compiler:compile_app")
            and resolve("reflex.compiler.utils:get_page_path")("c/[thread]").endswith(
                "app/routes/[c].$[thread]._index.jsx"
            )
        ),
    ),
    Contract(
        "__spa-fallback.html",
        "the scripts of a chat are preloaded at every URL of a chat (reflex_ext/bundle.py)",
        lambda: (
            resolve("reflex_base.constants.base:ReactRouter").SPA_FALLBACK == "__spa-fallback.html"
        ),
    ),
    Contract(
        "/_event",
        "the gateway knows the path of the socket, and pages its URL (gateway, reflex_ext/bundle)",
        lambda: (
            str(resolve("reflex_base.constants.event:Endpoint").EVENT) == "/_event"
            or resolve("reflex_base.constants.event:Endpoint").EVENT.value == "_event"
        ),
    ),
    Contract(
        "state.js query token",
        "the gateway reads the client token of a handshake and derives the state key (gateway)",
        lambda: "query: { token" in template("utils/state.js"),
    ),
    Contract(
        "state.js event names",
        "other Socket.IO events than these are dropped (reflex_ext/event_namespace.py)",
        lambda: (
            'emit("event"' in template("utils/state.js")
            and 'CLIENT_ERROR_EVENT = "client_error"' in template("utils/state.js")
        ),
    ),
    Contract(
        "color_mode",
        "the account menu chooses the color mode (reflex_ext/page.py)",
        lambda: (
            resolve("reflex.style:set_color_mode") is not None
            and resolve("reflex.style:color_mode") is not None
            and resolve("reflex_base.style:LiteralColorMode") is not None
        ),
    ),
    Contract(
        "has_connection_errors",
        "the offline bar appears (reflex_ext/page.py)",
        lambda: resolve("reflex_components_core.core.banner:has_connection_errors") is not None,
    ),
    Contract(
        "ReactRouterLink",
        "links of a page do not load the page anew (reflex_ext/page.py)",
        lambda: resolve("reflex_components_core.react_router.dom:ReactRouterLink") is not None,
    ),
    Contract(
        "AsyncServer._handle_eio_message",
        "malformed packets are dropped before Socket.IO logs them (reflex_ext/event_namespace.py)",
        lambda: takes("socketio:AsyncServer._handle_eio_message", "eio_sid", "data"),
    ),
    Contract(
        "AsyncServer._handle_event",
        "events that no page sends are dropped (reflex_ext/event_namespace.py)",
        lambda: (
            takes("socketio:AsyncServer._handle_event", "eio_sid", "namespace", "id", "data")
            and "self._handle_event(" in source("socketio:AsyncServer._handle_eio_message")
        ),
    ),
    Contract(
        "AsyncServer.packet_class",
        "a packet is made without Socket.IO's task for each recipient (event_namespace.py)",
        lambda: (
            resolve("socketio.packet:EVENT") == 2
            and takes("socketio:AsyncManager.eio_sid_from_sid", "sid", "namespace")
            and _server().packet_class is resolve("socketio.packet:Packet")
        ),
    ),
    Contract(
        "AsyncServer.eio._async",
        "frames that are no packets are dropped before Engine.IO raises (event_namespace.py)",
        lambda: inspect.iscoroutinefunction(_server().eio._async["websocket"].wait),
    ),
    Contract(
        "AsyncSocket.queue",
        "updates wait in the queue of their socket, and its length slows a follower (tabs.py)",
        lambda: (
            _server().eio.sockets == {}
            and {"queue", "closed"}
            <= set(vars(resolve("engineio.async_socket:AsyncSocket")(_server().eio, "sid")))
        ),
    ),
    Contract(
        "engineio.packet.MESSAGE",
        "an update is one Engine.IO message (reflex_ext/event_namespace.py)",
        lambda: (
            resolve("engineio.packet:Packet")(resolve("engineio.packet:MESSAGE"), "x").encode()
            == "4x"
        ),
    ),
)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
async def test_a_private_name_is_where_we_use_it(contract: Contract) -> None:
    try:
        holds, why = contract.holds(), ""
    except Exception as error:  # whatever a name that is not there raises
        holds, why = False, f" ({type(error).__name__}: {error})"
    assert holds, (
        f"{contract.name} moved or changed{why}. Ours that depends on it: {contract.dependent}. "
        "See docs/reflex.md."
    )


def test_the_documentation_lists_every_private_name() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [one.name for one in CONTRACTS if f"`{one.name}`" not in text] == []
