"""Where a group lives: which partition of `__consumer_offsets` keeps it. PURE."""


def partition_of(group_id: str, partition_count: int) -> int:
    """The partition's index: Java's String.hashCode of the group's id, modulo their count."""
    units = group_id.encode("utf-16-be", "surrogatepass")
    value = 0
    for index in range(0, len(units), 2):
        value = (value * 31 + int.from_bytes(units[index : index + 2], "big")) & 0xFFFFFFFF
    return (value & 0x7FFFFFFF) % partition_count
