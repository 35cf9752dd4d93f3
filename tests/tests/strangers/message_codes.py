"""What goes with messages at the broker, after the docs of `proto::secret` and `proto::message_code`, with a BLAKE3 of its own.

BLAKE3 after its paper, as plain as can be: https://github.com/BLAKE3-team/BLAKE3-specs
"""

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
MIXED = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
CHUNK_START, CHUNK_END, PARENT, ROOT, KEYED, CONTEXT, MATERIAL = 1, 2, 4, 8, 16, 32, 64
CHUNK, BLOCK, MASK = 1024, 64, 0xFFFFFFFF


def words(data):
    return [int.from_bytes(data[at:at + 4], "little") for at in range(0, len(data), 4)]


def turned(word, by):
    return (word >> by | word << (32 - by)) & MASK


def compress(chaining, block, counter, length, flags):
    state = [*chaining, *IV[:4], counter & MASK, counter >> 32, length, flags]
    message = words(block.ljust(BLOCK, b"\0"))
    for _ in range(7):
        for number, (a, b, c, d) in enumerate(MIXED):
            for word, (first, second) in zip(message[2 * number:2 * number + 2], ((16, 12), (8, 7))):
                state[a] = (state[a] + state[b] + word) & MASK
                state[d] = turned(state[d] ^ state[a], first)
                state[c] = (state[c] + state[d]) & MASK
                state[b] = turned(state[b] ^ state[c], second)
        message = [message[at] for at in PERMUTATION]
    return [state[at] ^ state[at + 8] for at in range(8)]


def node(key, data, counter, flags, root):
    if len(data) <= CHUNK:
        chaining, blocks = key, [data[at:at + BLOCK] for at in range(0, len(data), BLOCK)] or [b""]
        for number, block in enumerate(blocks):
            last = number == len(blocks) - 1
            of_block = flags | (CHUNK_START if number == 0 else 0) | ((CHUNK_END | root) if last else 0)
            chaining = compress(chaining, block, counter, len(block), of_block)
        return chaining
    left = CHUNK
    while left * 2 < len(data):
        left *= 2
    halves = [node(key, data[:left], counter, flags, 0), node(key, data[left:], counter + left // CHUNK, flags, 0)]
    block = b"".join(word.to_bytes(4, "little") for half in halves for word in half)
    return compress(key, block, 0, BLOCK, flags | PARENT | root)


def blake3(data, key=IV, flags=0):
    return b"".join(word.to_bytes(4, "little") for word in node(key, data, 0, flags, ROOT))


def derived(context, material):
    return blake3(material, words(blake3(context.encode(), IV, CONTEXT)), MATERIAL)


def code_key(secret):
    return derived("tillway 2026-11-30 key of the codes of a peer's messages", bytes.fromhex(secret.removeprefix("tws1_")))


def head(secret, direction, peer, kind, number, body):
    """What goes with a message: `direction` is 1 to the peer, 2 to the server."""
    parts = [peer.encode(), kind.encode(), number.encode(), body]
    told = bytes([1, direction]) + b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    code = blake3(told, words(code_key(secret)), KEYED)
    return {"type": kind, "id": number, "peer": peer, "code": "1." + code.hex()}
