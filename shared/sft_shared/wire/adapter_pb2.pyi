# mypy: disable-error-code=type-arg
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENCODING_UNSPECIFIED: _ClassVar[Encoding]
    FP32: _ClassVar[Encoding]
    BF16: _ClassVar[Encoding]
    INT8: _ClassVar[Encoding]
ENCODING_UNSPECIFIED: Encoding
FP32: Encoding
BF16: Encoding
INT8: Encoding

class Tensor(_message.Message):
    __slots__ = ("name", "shape", "encoding", "block", "scales", "payload")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    SCALES_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    name: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    encoding: Encoding
    block: int
    scales: bytes
    payload: bytes
    def __init__(self, name: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., encoding: _Optional[_Union[Encoding, str]] = ..., block: _Optional[int] = ..., scales: _Optional[bytes] = ..., payload: _Optional[bytes] = ...) -> None: ...

class TensorList(_message.Message):
    __slots__ = ("tensors",)
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    tensors: _containers.RepeatedCompositeFieldContainer[Tensor]
    def __init__(self, tensors: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ...) -> None: ...

class CycleOrder(_message.Message):
    __slots__ = ("protocol", "federation", "cycle", "parent_sha256", "recipe", "base_fingerprint", "encoding", "nonce", "deadline_unix_s", "issued_unix_s")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_FIELD_NUMBER: _ClassVar[int]
    CYCLE_FIELD_NUMBER: _ClassVar[int]
    PARENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    BASE_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_UNIX_S_FIELD_NUMBER: _ClassVar[int]
    ISSUED_UNIX_S_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    federation: str
    cycle: int
    parent_sha256: bytes
    recipe: bytes
    base_fingerprint: str
    encoding: Encoding
    nonce: bytes
    deadline_unix_s: float
    issued_unix_s: float
    def __init__(self, protocol: _Optional[int] = ..., federation: _Optional[str] = ..., cycle: _Optional[int] = ..., parent_sha256: _Optional[bytes] = ..., recipe: _Optional[bytes] = ..., base_fingerprint: _Optional[str] = ..., encoding: _Optional[_Union[Encoding, str]] = ..., nonce: _Optional[bytes] = ..., deadline_unix_s: _Optional[float] = ..., issued_unix_s: _Optional[float] = ...) -> None: ...

class AdapterUpdate(_message.Message):
    __slots__ = ("protocol", "order_sha256", "node", "base_fingerprint", "tuning", "num_examples", "metrics", "tensors_bytes", "tensors_zstd", "trained_unix_s")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    ORDER_SHA256_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    BASE_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    TUNING_FIELD_NUMBER: _ClassVar[int]
    NUM_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    TENSORS_BYTES_FIELD_NUMBER: _ClassVar[int]
    TENSORS_ZSTD_FIELD_NUMBER: _ClassVar[int]
    TRAINED_UNIX_S_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    order_sha256: bytes
    node: str
    base_fingerprint: str
    tuning: str
    num_examples: int
    metrics: _containers.ScalarMap[str, float]
    tensors_bytes: int
    tensors_zstd: bytes
    trained_unix_s: float
    def __init__(self, protocol: _Optional[int] = ..., order_sha256: _Optional[bytes] = ..., node: _Optional[str] = ..., base_fingerprint: _Optional[str] = ..., tuning: _Optional[str] = ..., num_examples: _Optional[int] = ..., metrics: _Optional[_Mapping[str, float]] = ..., tensors_bytes: _Optional[int] = ..., tensors_zstd: _Optional[bytes] = ..., trained_unix_s: _Optional[float] = ...) -> None: ...

class Signed(_message.Message):
    __slots__ = ("signer", "body", "signature")
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    signer: str
    body: bytes
    signature: bytes
    def __init__(self, signer: _Optional[str] = ..., body: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...
