"""The door for HTTP: who may ask what, before anything is read or parsed."""

from collections import Counter
from dataclasses import dataclass
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app.auth import cookie
from chat_app.auth.address import rate_key
from chat_app.errors import TooLarge
from chat_app.guard.asgi import answer, answer_error, header_values, only_header, without
from chat_app.guard.bodies import limited
from chat_app.guard.headers import cors, preflight
from chat_app.guard.live import Arrival, LiveConnections
from chat_app.guard.needs import NO_ANSWER, Services, Visit
from chat_app.guard.origins import UNSAFE_METHODS, is_cross_site
from chat_app.guard.pages import SENTENCE, come_back, wrong_host
from chat_app.guard.paths import API, Place, is_under, place_of
from chat_app.guard.renewal import renewing
from chat_app.guard.rules import Rules, relative_target
from chat_app.guard.streams import Stream

_READING = frozenset({"GET", "HEAD"})
_SECRETS = frozenset({b"cookie", b"authorization"})


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    status: int
    sentence: str


_WRONG_HOST = _Refusal("host", 421, SENTENCE)
_CLOSED = _Refusal("not_found", 404, "There is nothing here.")
_FOREIGN = _Refusal("origin", 403, "This request comes from a place that may not make it.")
_CROSS_SITE = _Refusal(
    "cross_site",
    403,
    "This page is of another site than the server, and a browser keeps a session's cookie to one "
    "site. Serve both below one domain, such as app.example.com and api.example.com.",
)
_METHOD = _Refusal("method", 405, "This cannot be done here.")
_NOBODY = _Refusal("unauthenticated", 401, "Sign in first.")
_NO_STORE = _Refusal("unavailable", 503, "The server cannot look you up now; try again soon.")


class HttpDoor:
    """Lets a request in, or answers it here.

    What is let in finds in its scope: `principal`, `session` (both None for nobody) and
    `session_token`; its Cookie and Authorization headers are gone. Only the routes that make
    somebody of nobody keep their cookies, without the session's.

    Args:
        app: What stands behind the door.
        services: Where sessions are looked up.
        rules: What the settings mean.
        live: Where open streams are registered.
        refused: Counts what was refused, by reason.
    """

    def __init__(
        self,
        app: ASGIApp,
        services: Services,
        rules: Rules,
        live: LiveConnections,
        refused: Counter[str],
    ) -> None:
        self._app = app
        self._services = services
        self._rules = rules
        self._live = live
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        place = place_of(scope["path"])
        is_ours = self._rules.origins.judge(header_values(scope, b"origin")) == "ours"
        origin = only_header(scope, b"origin") if is_ours else None
        is_preflight = scope["method"] == "OPTIONS"
        sharing = (preflight if is_preflight else cors)(origin) if origin else []
        answered = False

        async def dressed(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                headers = self._rules.headers.dress(
                    place, scope["path"], message["status"], message.get("headers", []), sharing
                )
                message = {**message, "headers": headers}
            await send(message)

        refusal = self._judge(scope, place)
        if refusal is not None:
            await self._refuse(scope, dressed, refusal)
        elif is_preflight:
            await answer(dressed, 204)
        else:
            try:
                await self._admit(scope, receive, dressed, place)
            except TooLarge as error:
                if answered:
                    raise
                refusal = _Refusal(error.code, error.status, error.sentence)
                await self._refuse(scope, dressed, refusal)

    def _judge(self, scope: Scope, place: Place) -> _Refusal | None:
        """What is refused whoever asks."""
        method, origins = scope["method"], self._rules.origins
        if place is Place.PROBE and method in _READING:
            return None
        if origins.scheme_for(only_header(scope, b"host")) is None:
            return _WRONG_HOST
        if place is Place.CLOSED:
            return _CLOSED
        origin = origins.judge(header_values(scope, b"origin"))
        sites = header_values(scope, b"sec-fetch-site")
        if not origins.permits(
            method,
            origin,
            sites,
            has_cookie=bool(header_values(scope, b"cookie")),
        ):
            return _FOREIGN
        # A preflight passes: nobody is shown the answer to one.
        if origin == "ours" and method != "OPTIONS" and is_cross_site(sites):
            return _CROSS_SITE
        if method in _READING or method == "OPTIONS":
            return None
        is_api = is_under(scope["path"], API)
        return None if method in UNSAFE_METHODS and is_api else _METHOD

    async def _refuse(self, scope: Scope, send: Send, refusal: _Refusal) -> None:
        self._refused[refusal.reason] += 1
        page = None if is_under(scope["path"], API) else self._page_for(scope, refusal)
        if page is None:
            await answer_error(send, refusal.status, refusal.reason, refusal.sentence)
        else:
            await answer(send, refusal.status, page, "text/html; charset=utf-8")

    def _page_for(self, scope: Scope, refusal: _Refusal) -> bytes | None:
        if refusal is _WRONG_HOST:
            return wrong_host(only_header(scope, b"host") or "", self._rules.settings.url)
        return come_back(refusal.sentence) if refusal is _NO_STORE else None

    async def _admit(self, scope: Scope, receive: Receive, send: Send, place: Place) -> None:
        if place in (Place.PROBE, Place.ASSET):
            await self._app(self._inner_scope(scope, place, None), receive, send)
            return
        with self._live.arriving() as arrival:
            try:
                visit = await self._look_up(scope)
            except NO_ANSWER:
                await self._refuse(scope, send, _NO_STORE)
                return
            if visit is not None and arrival.missed(visit.principal.session_id):
                visit = None
            send = renewing(send, visit, arrival, self._rules.settings)
            if place is Place.API and visit is None:
                await self._refuse(scope, send, _NOBODY)
            elif (target := self._elsewhere(scope, place, visit)) is not None:
                await answer(send, 303, headers=[(b"location", target.encode())])
            else:
                await self._pass(scope, receive, send, place, visit, arrival)

    async def _look_up(self, scope: Scope) -> Visit | None:
        token = cookie.read_token(scope["headers"], self._rules.settings)
        return await self._services.sessions.resolve(token) if token else None

    def _elsewhere(self, scope: Scope, place: Place, visit: Visit | None) -> str | None:
        """Where the browser is sent instead of the page it asked for, if anywhere."""
        if not self._rules.serves_pages:
            return None
        if place is Place.PUBLIC_PAGE and visit is not None:
            return "/"
        if place is Place.PAGE and visit is None:
            target = relative_target(scope)
            return "/signin" if target == "/" else f"/signin?callbackUrl={quote(target, safe='')}"
        return None

    async def _pass(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        place: Place,
        visit: Visit | None,
        arrival: Arrival,
    ) -> None:
        receive = limited(scope, receive, self._rules.settings.request_bytes)
        inner = self._inner_scope(scope, place, visit)
        if place is not Place.API or visit is None:
            await self._app(inner, receive, send)
            return
        stream = Stream(
            send,
            session_id=visit.principal.session_id,
            household=rate_key(inner["client"][0]),
            live=self._live,
            arrival=arrival,
        )
        await stream.run(self._app, inner, receive)

    def _inner_scope(self, scope: Scope, place: Place, visit: Visit | None) -> Scope:
        settings = self._rules.settings
        headers = without(scope["headers"], _SECRETS)
        if place is Place.AUTH:
            others = cookie.others(scope["headers"], settings)
            headers += [(b"cookie", others.encode("latin-1"))] if others else []
        return self._rules.as_seen_outside(
            scope,
            headers=headers,
            principal=visit.principal if visit else None,
            session=visit,
            session_token=cookie.read_token(scope["headers"], settings),
        )
