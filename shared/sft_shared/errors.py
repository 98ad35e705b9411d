"""The error tree. A user-facing message says what was found, where, and what to do.

FedsftError            anything a command answers with one line and exit code 2
├── ConfigError        a setting or a YAML file is wrong
├── DataError          a dataset or one of its lines is wrong
│   └── LeakError      personal data is left in what was to be trained on
├── ModelError         a base model or an adapter is missing or does not fit
├── TrainingError      training cannot go on (a NaN loss, nothing to train on)
├── KeysError          a key or certificate is missing, damaged or not trusted
├── TransportError     a port, an address or the Flower process behind it fails
├── StoreError         the server's or node's state on disk is in use or damaged
├── WireError          bytes that came over the network are not what they must be
│   └── SignatureError the bytes are not signed by whom they must be
├── UpdateRejected     a readable update that breaks its order; carries a reason code
└── AggregationError   accepted updates cannot be combined
"""

from __future__ import annotations


class FedsftError(Exception):
    """Root of every error that a user can cause or mend."""

    exit_code = 2


class ConfigError(FedsftError):
    """A setting or a YAML file is wrong."""


class DataError(FedsftError):
    """A dataset or one of its lines is wrong."""


class LeakError(DataError):
    """Personal data is left in what was to be trained on; the message names its place, never its value."""


class ModelError(FedsftError):
    """A base model or an adapter is missing or does not fit."""


class TrainingError(FedsftError):
    """Training cannot go on."""


class KeysError(FedsftError):
    """A key or certificate is missing, damaged or not trusted."""


class TransportError(FedsftError):
    """A port, an address or the Flower process behind it fails."""


class StoreError(FedsftError):
    """State on disk is in use or damaged."""


class WireError(FedsftError):
    """Bytes from the network are not what they must be."""


class SignatureError(WireError):
    """Bytes are not signed by whom they must be signed."""


class MalformedMessage(WireError):
    """Bytes that no sender of ours writes; ``reason`` is a code of `UpdateRejected`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class OrderRefused(FedsftError):
    """An order that this node does not follow.

    ``reason`` is a short stable code for logs and counters; the message says it in words that may leave
    the node.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UpdateRejected(FedsftError):
    """A readable update that breaks its order.

    ``reason`` is a short stable code for logs and counters, such as ``not-finite``;
    the message says it in words.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class AggregationError(FedsftError):
    """Accepted updates cannot be combined."""
