"""Plugins of detect-secrets, for what it does not know, or not well enough."""

import re

from detect_secrets.plugins.base import RegexBasedDetector


class GatewayTokenDetector(RegexBasedDetector):
    """`wgt_` and 43 digits of base64url: the form that `wardgate token new` prints."""

    secret_type = "wardgate admin token"
    denylist = (re.compile(r"\bwgt_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"),)


class PrivateKeyLineDetector(RegexBasedDetector):
    """The first line of a private key in PEM, and what follows there. The library's own looks into small files only."""

    secret_type = "private key"
    denylist = (re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----.*"),)
