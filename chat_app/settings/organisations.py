"""What organisations of the installation may do."""

from chat_app.settings.validation import SettingsGroup


class OrganisationSettings(SettingsGroup):
    """Organisations."""

    admin_reading: bool = True
    """Whether an organisation may let its admins read a member's chats in it, with a reason and a
    time limit, and told to the member. false ends what is being read."""
