"""Whether somebody has proved lately who they are (ASVS 7.5.1)."""

from datetime import datetime, timedelta

from chat_app.auth.refusals import StepUpRequired
from chat_app.auth.session_views import Resolved
from chat_app.settings import Settings


def require_fresh(visit: Resolved, now: datetime, settings: Settings) -> None:
    """Refuse a sensitive change when the proof is old. Use of the session does not renew it.

    Raises:
        StepUpRequired: They must prove it again.
    """
    if now - visit.authenticated_at > timedelta(minutes=settings.fresh_minutes):
        raise StepUpRequired
