"""The audit log of the installation."""

from collections.abc import Container
from urllib.parse import urlencode

import reflex as rx

from chat_app.audit.queries import AuditPage, page, typed_filters
from chat_app.auth.principal import Principal
from chat_app.services import services
from chat_app.states.admin import AdminState
from chat_app.states.audit_log import AuditLogState


class AuditState(AdminState, AuditLogState, rx.State):
    """The audit log of the installation, as far as it was opened."""

    @rx.var(initial_value="")
    def export_query(self) -> str:
        """The filters as the query of a URL."""
        return urlencode(self._typed())

    async def _find(
        self, principal: Principal, before: int | None
    ) -> tuple[AuditPage, Container[str] | None]:
        db = services().db
        return await page(db, await typed_filters(db, **self._typed()), before=before), None
