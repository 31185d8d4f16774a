"""Route tables: each route of a module is declared above its handler, with who may call it.

A handler returns a response, or JSON, or None for 204.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat_app.api.forms import FormRoute, take_form
from chat_app.api.requests import PrincipalRoute, fresh, signed_in
from chat_app.api.responses import json_response, no_content

Handler = Callable[[Request], Awaitable[Any]]

_T = TypeVar("_T")


class Routes(list[Route]):
    """The routes of a module, in order.

    Below `/api/auth/` the gateway lets everyone through; everywhere else it responds 401 to
    anonymous requests, whatever is declared here. Several methods are separated by spaces.
    """

    def public(self, methods: str, *paths: str) -> Callable[[Handler], Handler]:
        """A route for everyone."""
        return self._add(lambda handler: handler, methods, paths)

    def form(self, path: str, *, error_page: str) -> Callable[[FormRoute], FormRoute]:
        """A POST of a form by anyone; see `forms.take_form`."""
        return self._add(lambda route: take_form(route, error_page), "POST", (path,))

    def signed_in(self, methods: str, path: str) -> Callable[[PrincipalRoute], PrincipalRoute]:
        """A route for signed-in users; see `requests.signed_in`."""
        return self._add(signed_in, methods, (path,))

    def fresh(self, methods: str, path: str) -> Callable[[PrincipalRoute], PrincipalRoute]:
        """A route for users who have authenticated lately; see `requests.fresh`."""
        return self._add(fresh, methods, (path,))

    def _add(
        self, decorate: Callable[[_T], Handler], methods: str, paths: tuple[str, ...]
    ) -> Callable[[_T], _T]:
        def add(route: _T) -> _T:
            handler = decorate(route)

            async def respond(request: Request) -> Response:
                result = await handler(request)
                if isinstance(result, Response):
                    return result
                return no_content() if result is None else json_response(result)

            self.extend(Route(path, respond, methods=methods.split()) for path in paths)
            return route

        return add
