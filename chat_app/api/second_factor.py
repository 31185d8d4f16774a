"""The second factor over HTTP: finishing a sign-in with it, turning it on and off."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat_app.api.answers import (
    CODE_PAGE,
    SIGN_IN_PAGE,
    browser_of,
    enter,
    is_on,
    refused,
    set_cookie,
)
from chat_app.api.forms import check_csrf, read_form
from chat_app.auth import cookie
from chat_app.auth.refusals import AccessDenied, InvalidToken
from chat_app.errors import ChatError
from chat_app.services import services


async def finish(request: Request) -> Response:
    """Finish a sign-in with `code`: of the moment, or a backup code.

    `trust` makes the browser one that need not show it again for a while.
    """
    fields = await read_form(request)
    live = services()
    challenge = cookie.read(request.scope["headers"], cookie.challenge_name(live.settings))
    browser = browser_of(request, fields)
    try:
        check_csrf(request, fields)
        spent = await live.second_factors.pass_challenge(challenge or "", fields.get("code", ""))
        entered = await live.admission.finish(spent, browser)
    except (InvalidToken, AccessDenied) as error:
        return refused(request, error, SIGN_IN_PAGE, fields)
    except ChatError as error:
        return refused(request, error, CODE_PAGE, fields)
    answer = enter(request, entered, fields)
    if is_on(fields, "trust") and live.devices.max_age:
        token = await live.devices.remember(entered.user_id, browser.user_agent)
        name = cookie.device_name(live.settings)
        set_cookie(answer, cookie.write(live.settings, name, token, max_age=live.devices.max_age))
    return answer


routes = [
    Route("/api/auth/callback/second-factor", finish, methods=["POST"]),
]
