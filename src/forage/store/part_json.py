"""The JSON form of parts, where the store's readers look for it; the work is done in `forage.part_json`."""

from forage.part_json import decode_part, encode_part

__all__ = ["decode_part", "encode_part"]
