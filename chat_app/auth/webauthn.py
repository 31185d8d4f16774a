"""WebAuthn ceremonies: the options for the browser, and verifying its response. Pure.

A challenge is a one-time token, so that it names its ceremony; it is consumed before the response
is verified.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    options_to_json_dict,
    parse_client_data_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from chat_app.auth.errors import InvalidPasskey
from chat_app.db.tables import Passkey, User
from chat_app.settings import Settings
from chat_app.settings.validation import host_of

CHALLENGE_SECONDS = 300
"""How long a challenge is valid."""

_ID_MAX_LENGTH = 1364  # characters of a credential's id (1,023 bytes, WebAuthn §5.8.3)
_VERIFIED = UserVerificationRequirement.REQUIRED
_TRANSPORTS = {one.value: one for one in AuthenticatorTransport}


@dataclass(frozen=True, slots=True)
class PasskeyResponse:
    """A browser's response before it is verified.

    Args:
        challenge: The challenge's token.
        credential_id: The claimed passkey.
        user_handle: The claimed user.
        content: The whole response.
    """

    challenge: str
    credential_id: str
    user_handle: UUID | None
    content: dict[str, Any]


def registration(
    settings: Settings, challenge: str, user: User, known: Iterable[Passkey]
) -> dict[str, Any]:
    """The options for registering a discoverable passkey with user verification."""
    options = generate_registration_options(
        rp_id=host_of(settings.url),
        rp_name=host_of(settings.url),
        user_id=user.id.bytes,
        user_name=user.email,
        user_display_name=user.name or user.email,
        challenge=base64url_to_bytes(challenge),
        timeout=CHALLENGE_SECONDS * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_VERIFIED
        ),
        exclude_credentials=_descriptors(known),
    )
    return options_to_json_dict(options)


def authentication(
    settings: Settings, challenge: str, known: Iterable[Passkey] = ()
) -> dict[str, Any]:
    """The options for signing in.

    Args:
        settings: The relying party's origin.
        challenge: The token to sign.
        known: The allowed passkeys; none allows any discoverable one.
    """
    options = generate_authentication_options(
        rp_id=host_of(settings.url),
        challenge=base64url_to_bytes(challenge),
        timeout=CHALLENGE_SECONDS * 1000,
        allow_credentials=_descriptors(known),
        user_verification=_VERIFIED,
    )
    return options_to_json_dict(options)


def read(credential: str) -> PasskeyResponse:
    """Parse a browser's response, as `toJSON` writes it.

    Raises:
        InvalidPasskey: It is malformed.
    """
    try:
        content = json.loads(credential)
        attested = content["response"]
        client_data = parse_client_data_json(base64url_to_bytes(attested["clientDataJSON"]))
        handle = attested.get("userHandle")
        response = PasskeyResponse(
            challenge=bytes_to_base64url(client_data.challenge),
            credential_id=content["id"],
            user_handle=UUID(bytes=base64url_to_bytes(handle)) if handle else None,
            content=content,
        )
        if (
            not isinstance(response.credential_id, str)
            or len(response.credential_id) > _ID_MAX_LENGTH
        ):
            raise InvalidPasskey
    except Exception:  # malformed input makes the library raise anything
        raise InvalidPasskey from None
    return response


def verify_new(
    settings: Settings, response: PasskeyResponse, *, user_id: UUID, name: str, now: datetime
) -> Passkey:
    """Verify a new passkey against its challenge, which the caller has consumed.

    Args:
        settings: The relying party's origin.
        response: The browser's response.
        user_id: The user who registers it.
        name: The name that they chose.
        now: The time.

    Returns:
        The row to store.

    Raises:
        InvalidPasskey: Another origin, or no user verification.
    """
    try:
        found = verify_registration_response(
            credential=response.content,
            expected_challenge=base64url_to_bytes(response.challenge),
            expected_rp_id=host_of(settings.url),
            expected_origin=sorted(settings.origins),
            require_user_verification=True,
        )
        offered = response.content["response"].get("transports") or []
        transports = [one for one in _TRANSPORTS if one in offered]
    except Exception:  # as in `read`
        raise InvalidPasskey from None
    return Passkey(
        user_id=user_id,
        credential_id=bytes_to_base64url(found.credential_id),
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        aaguid=found.aaguid,
        transports=transports,
        backed_up=found.credential_backed_up,
        name=name,
        created_at=now,
    )


def verify(settings: Settings, response: PasskeyResponse, passkey: Passkey) -> int:
    """Verify a passkey's signature over its challenge, which the caller has consumed.

    Args:
        settings: The relying party's origin.
        response: The browser's response.
        passkey: The registered passkey, with its public key and signature counter.

    Returns:
        The new signature counter.

    Raises:
        InvalidPasskey: Another passkey, or a clone whose counter went back.
    """
    try:
        found = verify_authentication_response(
            credential=response.content,
            expected_challenge=base64url_to_bytes(response.challenge),
            expected_rp_id=host_of(settings.url),
            expected_origin=sorted(settings.origins),
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except Exception:  # as in `read`
        raise InvalidPasskey from None
    return found.new_sign_count


def _descriptors(known: Iterable[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(one.credential_id),
            transports=[_TRANSPORTS[name] for name in one.transports if name in _TRANSPORTS],
        )
        for one in known
    ]
