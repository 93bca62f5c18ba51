"""The token endpoint: JWT bearer and client credentials. Neither answer says when the token ends."""

import base64
import binascii
import functools
import time
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from connectors.kit.sandbox import Call, Refusal, Reply

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LOGIN_HOSTS = ("https://login.salesforce.com", "https://test.salesforce.com")
LONGEST_EXP = 600


def new_key() -> str:
    """A private key in PEM, as an administrator makes one for a connected app."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@functools.cache
def public_part(private_key: str) -> str:
    """The public key that the connected app keeps."""
    key = serialization.load_pem_private_key(private_key.encode(), password=None)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def refusal(error: str, description: str, status: int = 400) -> Refusal:
    """An OAuth error: an object, unlike the arrays of the data API."""
    return Refusal(Reply.json({"error": error, "error_description": description}, status))


def check_jwt(
    assertion: str, *, public_key: str, consumer: str, username: str, audiences: tuple[str, ...]
) -> None:
    """Raise the refusal that the vendor would give."""
    try:
        claims: dict[str, Any] = jwt.decode(
            assertion, RSAKey.import_key(public_key), algorithms=["RS256"]
        ).claims
    except (JoseError, ValueError) as error:
        raise refusal("invalid_grant", "invalid assertion") from error
    if claims.get("iss") != consumer:
        raise refusal("invalid_client_id", "client identifier invalid")
    if str(claims.get("aud", "")).rstrip("/") not in audiences:
        raise refusal("invalid_grant", "audience is invalid")
    if claims.get("sub") != username:
        raise refusal("invalid_grant", "user hasn't approved this consumer")
    text = str(claims.get("exp", ""))
    # Milliseconds lie far ahead, a past time behind; both are refused with the same words.
    if not text.isdigit() or not 0 < int(text) - time.time() <= LONGEST_EXP:
        raise refusal("invalid_grant", "expired authorization code")


def check_client(call: Call, *, consumer: str, secret: str) -> None:
    """Client id and secret, as form fields or as HTTP Basic."""
    form = call.form()
    given = (form.get("client_id", ""), form.get("client_secret", ""))
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise refusal("invalid_client", "invalid client credentials") from error
        given = (user, password)
    if given[0] != consumer:
        raise refusal("invalid_client_id", "client identifier invalid")
    if given[1] != secret:
        raise refusal("invalid_client", "invalid client credentials")


def token_body(token: str, origin: str) -> dict[str, str]:
    """The answer of a successful call."""
    return {
        "access_token": token,
        "signature": "c2lnbmF0dXJl",
        "scope": "api",
        "instance_url": origin,
        "id": f"{origin}/id/00DRs0000000001EAA/005Rs0000000001EAA",
        "token_type": "Bearer",
        "token_format": "opaque",
        "issued_at": str(int(time.time() * 1000)),
    }
