"""What a browser is asked for, and whether what it brings is that. Pure: nothing is kept here.

A challenge is a one-time token: what a browser signs names the ceremony that it was asked in, and
using that up comes before looking at the rest.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
from chat_app.settings import Settings
from chat_app.settings.validation import host_of

CHALLENGE_SECONDS = 300
"""How long a browser may take."""

_LONGEST = 1364  # characters of a credential's id (1,023 bytes, WebAuthn §5.8.3)
_VERIFIED = UserVerificationRequirement.REQUIRED
_TRANSPORTS = {one.value: one for one in AuthenticatorTransport}


@dataclass(frozen=True, slots=True)
class RegisteredPasskey:
    """A passkey that was registered before.

    Args:
        credential_id: Its id in base64url.
        transports: How its device is reached, as the browser said.
    """

    credential_id: str
    transports: Sequence[str]


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A new passkey, proved.

    Args:
        credential_id: Its id in base64url.
        public_key: In COSE form.
        sign_count: How often it was used; devices that do not count say 0.
        aaguid: The make of the device.
        transports: How it is reached.
        backed_up: Whether it is on more devices than this one.
    """

    credential_id: str
    public_key: bytes
    sign_count: int
    aaguid: str
    transports: Sequence[str]
    backed_up: bool


@dataclass(frozen=True, slots=True)
class PasskeyResponse:
    """What a browser brings, before anything of it is proved.

    Args:
        challenge: The token that it was asked with.
        credential_id: Which passkey it says it is.
        user_handle: Whose the device thinks it is.
        content: All of it.
    """

    challenge: str
    credential_id: str
    user_handle: UUID | None
    content: dict[str, Any]


def registration(
    settings: Settings,
    challenge: str,
    user_id: UUID,
    email: str,
    name: str,
    known: Iterable[RegisteredPasskey],
) -> dict[str, Any]:
    """The options for making a passkey that needs no user name and always verifies its user."""
    options = generate_registration_options(
        rp_id=host_of(settings.url),
        rp_name=host_of(settings.url),
        user_id=user_id.bytes,
        user_name=email,
        user_display_name=name or email,
        challenge=base64url_to_bytes(challenge),
        timeout=CHALLENGE_SECONDS * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_VERIFIED
        ),
        exclude_credentials=_descriptors(known),
    )
    return options_to_json_dict(options)


def authentication(
    settings: Settings, challenge: str, known: Iterable[RegisteredPasskey] = ()
) -> dict[str, Any]:
    """The options for showing a passkey.

    Args:
        settings: Where this is.
        challenge: What to sign.
        known: Which ones will do; none leaves it to the person, who needs no user name then.
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
    """What a browser brings, as its `toJSON` wrote it.

    Raises:
        PasskeyRefused: It cannot be read.
    """
    try:
        content = json.loads(credential)
        response = content["response"]
        client_data = parse_client_data_json(base64url_to_bytes(response["clientDataJSON"]))
        handle = response.get("userHandle")
        shown = PasskeyResponse(
            challenge=bytes_to_base64url(client_data.challenge),
            credential_id=content["id"],
            user_handle=UUID(bytes=base64url_to_bytes(handle)) if handle else None,
            content=content,
        )
        if not isinstance(shown.credential_id, str) or len(shown.credential_id) > _LONGEST:
            raise InvalidPasskey
    except Exception:  # the library raises whatever a stranger's bytes make it stumble over
        raise InvalidPasskey from None
    return shown


def verify_new(settings: Settings, shown: PasskeyResponse) -> NewCredential:
    """Prove a new passkey against the challenge that it names, which is used up by now.

    Raises:
        PasskeyRefused: It was made elsewhere, for elsewhere, or without its user.
    """
    try:
        found = verify_registration_response(
            credential=shown.content,
            expected_challenge=base64url_to_bytes(shown.challenge),
            expected_rp_id=host_of(settings.url),
            expected_origin=sorted(settings.origins),
            require_user_verification=True,
        )
        said = shown.content["response"].get("transports") or []
        transports = [one for one in _TRANSPORTS if one in said]
    except Exception:  # as in `read`
        raise InvalidPasskey from None
    return NewCredential(
        credential_id=bytes_to_base64url(found.credential_id),
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        aaguid=found.aaguid,
        transports=transports,
        backed_up=found.credential_backed_up,
    )


def verify(settings: Settings, shown: PasskeyResponse, public_key: bytes, sign_count: int) -> int:
    """Prove that a passkey was shown, against the challenge that it names, which is used up by now.

    Args:
        settings: Where this is.
        shown: What the browser brought.
        public_key: What the passkey was registered with.
        sign_count: How often it had been used.

    Returns:
        How often it has been used now.

    Raises:
        PasskeyRefused: It is not that one, or a copy of it: its count went back.
    """
    try:
        found = verify_authentication_response(
            credential=shown.content,
            expected_challenge=base64url_to_bytes(shown.challenge),
            expected_rp_id=host_of(settings.url),
            expected_origin=sorted(settings.origins),
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    except Exception:  # as in `read`
        raise InvalidPasskey from None
    return found.new_sign_count


def _descriptors(known: Iterable[RegisteredPasskey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(one.credential_id),
            transports=[_TRANSPORTS[name] for name in one.transports if name in _TRANSPORTS],
        )
        for one in known
    ]
