"""Why a call was not authenticated: a closed list, for a metric alone. Whoever called learns none of it (CDS Hooks best
practices, "Security": a 401 does not say what it found)."""

from enum import StrEnum


class TokenFault(StrEnum):
    MISSING = "missing"
    SCHEME = "scheme"
    MALFORMED = "malformed"
    HEADER = "header"
    ISSUER = "issuer"
    TENANT = "tenant"
    ALGORITHM = "algorithm"
    JKU = "jku"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    TOO_OLD = "too_old"
    KEYS_UNAVAILABLE = "keys_unavailable"
    KEY_UNKNOWN = "key_unknown"
    SIGNATURE = "signature"
    REPLAYED = "replayed"
    REPLAY_UNKNOWN = "replay_unknown"


class Fetched(StrEnum):
    """How a fetch of a client's key set ended."""

    GOOD = "good"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    """An answer that is not 200; redirects are not followed."""
    TOO_LARGE = "too_large"
    UNUSABLE = "unusable"
    """No key set, or none with a key for the client's algorithms."""


TOKEN_FAULTS: dict[TokenFault, tuple[str, str]] = {
    TokenFault.MISSING: ("There is no Authorization header.", "Is the client set up to send tokens at all?"),
    TokenFault.SCHEME: (
        "The Authorization header is not one Bearer token: another scheme, or several headers.",
        "What does the client send there, and what does the proxy before the gateway make of it?",
    ),
    TokenFault.MALFORMED: (
        "The token is no compact JWS of strict JSON with the required claims, each of its type.",
        "Which tool makes the client's tokens? `iss`, `aud`, `exp`, `iat` and `jti` are required.",
    ),
    TokenFault.HEADER: (
        "The token's header lacks `alg`, `kid` or `typ: JWT`, or asks for an extension (`crit`).",
        "CDS Hooks requires all three; no extension is understood.",
    ),
    TokenFault.ISSUER: (
        "No client is registered under this `iss`.",
        "Compare `clients[].issuer` with the client's, letter by letter: a last slash counts.",
    ),
    TokenFault.TENANT: (
        "The `tenant` is not the one of a client that is registered under this `iss`.",
        "Compare `clients[].tenant` with what the client's vendor has told you.",
    ),
    TokenFault.ALGORITHM: (
        "The algorithm is not on the client's list.",
        "Extend `clients[].algorithms`, where you trust it.",
    ),
    TokenFault.JKU: (
        "The token names a key set that is not the registered one. It was not fetched.",
        "Extend `clients[].keys.jku`, once you know that the address is the client's.",
    ),
    TokenFault.AUDIENCE: (
        "The `aud` is not the URL that was called.",
        "Is `public_url` what the client was told? Otherwise extend `clients[].audiences`.",
    ),
    TokenFault.EXPIRED: (
        "The token has expired.",
        "`wardgate_token_age_seconds` shows whether the clocks differ; `clients[].leeway` bridges a little.",
    ),
    TokenFault.NOT_YET: ("The token counts from later on (`iat`, `nbf`).", "As for `expired`."),
    TokenFault.TOO_OLD: (
        "The token was issued longer ago than `clients[].max_age`.",
        "Does the client make a token for each call? Raise `max_age` where it may not.",
    ),
    TokenFault.KEYS_UNAVAILABLE: (
        "No key set of this client could be had yet.",
        "Can the gateway reach `keys.jwks_url`? `wardgate_key_sets_fetched_total` says what went wrong.",
    ),
    TokenFault.KEY_UNKNOWN: (
        "The client's key set has no such `kid` for this algorithm.",
        "Was a key rotated and not published? With `jwks_file`: replace the file, and reload.",
    ),
    TokenFault.SIGNATURE: (
        "The signature is not of that key.",
        "One is a client that mixes up its keys; many are an attack: tell whoever runs the network.",
    ),
    TokenFault.REPLAYED: (
        "A token with this `jti` was used before.",
        "Does the client, or a proxy, send a call twice? `replay: allow` is for test clients.",
    ),
    TokenFault.REPLAY_UNKNOWN: (
        "Whether the token was used before cannot be told, and the client is `replay: strict`: the hot store is down, "
        "or there is none that outlives the process, and the token is older than that.",
        "Look at the hot store.",
    ),
}
"""What was found, and what an engineer does."""
