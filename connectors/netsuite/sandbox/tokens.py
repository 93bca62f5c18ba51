"""OAuth 2.0 client credentials with a certificate, as the account's token endpoint checks them.

The assertion is taken apart by hand (RFC 7515, RFC 7518): only PSS and ECDSA signatures are taken, never PKCS#1 v1.5.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPES = frozenset({"restlets", "rest_webservices", "suite_analytics"})
MAX_ASSERTION_SECONDS = 3600
TOKEN_SECONDS = 3600
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}


@dataclass(frozen=True)
class Certificate:
    """A certificate uploaded on the M2M setup page: its id, the integration and the public key."""

    certificate_id: str
    client_id: str
    public_pem: str


class NotGranted(Exception):
    """The token endpoint's refusal, with its OAuth error code."""

    def __init__(self, error: str, why: str) -> None:
        super().__init__(why)
        self.error = error
        self.why = why


@dataclass
class TokenDesk:
    """Checks token requests against the certificates of the account."""

    certificates: list[Certificate] = field(default_factory=list)

    def claims(self, form: Mapping[str, str], token_url: str, now: float) -> dict[str, object]:
        """The claims of a good token request. Raises NotGranted."""
        if form.get("grant_type") != "client_credentials":
            raise NotGranted("unsupported_grant_type", "grant_type must be client_credentials")
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise NotGranted("invalid_request", "client_assertion_type")
        return self._claims(form.get("client_assertion", ""), token_url, now)

    def _claims(self, assertion: str, token_url: str, now: float) -> dict[str, object]:
        head, body, signature = _parts(assertion)
        header, claims = _json(head), _json(body)
        certificate = next((c for c in self.certificates if c.certificate_id == header.get("kid")), None)
        if certificate is None or claims.get("iss") != certificate.client_id:
            raise NotGranted("invalid_client", "the certificate is not known for this client")
        if header.get("typ") != "JWT":
            raise NotGranted("invalid_request", "typ must be JWT")
        if not _verified(
            str(header.get("alg")), certificate.public_pem, f"{head}.{body}".encode(), signature
        ):
            raise NotGranted("invalid_client", "the signature or its algorithm is not accepted")
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or not isinstance(expires, int):
            raise NotGranted("invalid_request", "iat and exp are needed")
        if expires <= now or issued > now + 60 or expires - issued > MAX_ASSERTION_SECONDS:
            raise NotGranted("invalid_grant", "the assertion is expired, from the future or too long-lived")
        audience = claims.get("aud")
        if audience != token_url and audience != [token_url]:
            raise NotGranted("invalid_grant", "aud must be the address of the token endpoint")
        scope = claims.get("scope")
        wanted = set(scope.replace(",", " ").split()) if isinstance(scope, str) else set(_strings(scope))
        if not wanted or wanted - SCOPES:
            raise NotGranted("invalid_scope", "scope")
        return claims


def access_token() -> str:
    """A new access token. It is a JWT too, but nobody outside can check its signature: the account knows its tokens."""
    payload = {"sub": "7;3", "iss": "https://system.netsuite.com", "scope": ["rest_webservices"]}
    parts = [_b64(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, payload)]
    return ".".join([*parts, _b64(secrets.token_bytes(32))])


def _strings(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else []


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _parts(assertion: str) -> tuple[str, str, bytes]:
    pieces = assertion.split(".")
    if len(pieces) != 3:
        raise NotGranted("invalid_request", "client_assertion is not a JWT")
    try:
        return pieces[0], pieces[1], _unb64(pieces[2])
    except (binascii.Error, ValueError):
        raise NotGranted("invalid_request", "client_assertion is not a JWT") from None


def _json(part: str) -> dict[str, object]:
    try:
        value = json.loads(_unb64(part))
    except (binascii.Error, ValueError):
        raise NotGranted("invalid_request", "client_assertion is not a JWT") from None
    if not isinstance(value, dict):
        raise NotGranted("invalid_request", "client_assertion is not a JWT")
    return value


def _verified(alg: str, public_pem: str, signed: bytes, signature: bytes) -> bool:
    key = load_pem_public_key(public_pem.encode())
    chosen = _HASHES.get(alg[2:])
    if chosen is None or alg[:2] not in {"PS", "ES"}:
        return False
    try:
        if alg.startswith("PS") and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PSS(padding.MGF1(chosen), chosen.digest_size), chosen)
            return True
        if alg.startswith("ES") and isinstance(key, ec.EllipticCurvePublicKey):
            half = len(signature) // 2
            pair = encode_dss_signature(
                int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
            )
            key.verify(pair, signed, ec.ECDSA(chosen))
            return True
    except InvalidSignature:
        return False
    return False
