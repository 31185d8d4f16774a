"""What the audit log records: a closed list of actions, in plain words for people."""

from chat_app.core.logging import SecurityEvent

Action = SecurityEvent
"""What happened. Each is logged too, so the list of names is that of the log."""

TITLES: dict[Action, str] = {
    "sign_in": "Signed in",
    "sign_in_failed": "Sign-in failed",
    "locked_out": "Too many attempts",
    "session_ended": "Session ended",
    "user_created": "Account created",
    "user_deleted": "Account deleted",
    "user_disabled": "Account disabled",
    "user_enabled": "Account enabled",
    "user_unlocked": "Failed attempts cleared",
    "password_changed": "Password changed",
    "password_removed": "Password removed",
    "password_reset": "Password reset",
    "password_link_created": "Password link created",
    "email_changed": "Email changed",
    "email_verified": "Email verified",
    "second_factor_on": "Two-factor authentication turned on",
    "second_factor_off": "Two-factor authentication turned off",
    "backup_codes_renewed": "Backup codes renewed",
    "passkey_added": "Passkey added",
    "passkey_removed": "Passkey removed",
    "api_key_created": "API key created",
    "api_key_ended": "API key ended",
    "login_method_added": "Login method added",
    "login_method_removed": "Login method removed",
    "account_exported": "Account data exported",
    "chats_exported": "Chats exported",
    "audit_exported": "Audit log exported",
    "audit_key_changed": "Audit log key changed",
    "role_changed": "Role changed",
    "organisation_created": "Organisation created",
    "organisation_changed": "Organisation changed",
    "organisation_deleted": "Organisation deleted",
    "member_removed": "Member removed",
    "member_left": "Member left",
    "invitation_created": "Invitation created",
    "invitation_accepted": "Invitation accepted",
    "invitation_revoked": "Invitation revoked",
    "invitation_declined": "Invitation declined",
    "thread_moved": "Chat moved",
    "reading_granted": "Reading of a member's chats allowed",
    "reading_listed": "List of a member's chats shown",
    "thread_read": "Member's chat read",
    "reading_ended": "Reading of a member's chats ended",
    "model_rule_changed": "Model switched on or off",
    "setup_link_used": "Setup link used",
    "sign_up_policy_changed": "Sign-up policy changed",
    "announcement_created": "Announcement created",
    "announcement_changed": "Announcement changed",
    "announcement_ended": "Announcement ended",
    "announcement_deleted": "Announcement deleted",
}
"""Action → its name on a page."""

SIGNALLED: frozenset[Action] = frozenset({"session_ended", "api_key_ended"})
"""What is logged when its signal arrives, also from another process, so `append` does not."""
