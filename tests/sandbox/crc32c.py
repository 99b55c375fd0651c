"""The Castagnoli checksum that Secret Manager checks payloads by; no dependency for ten lines."""

_POLYNOMIAL = 0x82F63B78


def _crc_entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_CRC = [_crc_entry(byte) for byte in range(256)]


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum of the payload."""
    total = 0xFFFFFFFF
    for byte in data:
        total = _CRC[(total ^ byte) & 0xFF] ^ total >> 8
    return total ^ 0xFFFFFFFF
