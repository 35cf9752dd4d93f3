"""Computes the proofs of a code to attach a till, with a BLAKE3 of its own, from what the module doc of
proto/src/attach.rs says. Prints, for a code and the 32 bytes that TLS exports (hex): the key, the server's proof, the
peer's proof.

BLAKE3 here is that of its paper, for inputs of one chunk (1,024 bytes), which is all that is needed.
"""

import sys

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, ROOT, KEYED, DERIVE_CONTEXT, DERIVE_MATERIAL = 1, 2, 8, 16, 32, 64
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CONTEXT = b"tillway 2026-11-30 key of the proofs of a code to attach a peer"


def rotated(word, by):
    return (word >> by | word << 32 - by) & 0xFFFFFFFF


def mixed(v, a, b, c, d, x, y):
    for word, turn_d, turn_b in ((x, 16, 12), (y, 8, 7)):
        v[a] = (v[a] + v[b] + word) & 0xFFFFFFFF
        v[d] = rotated(v[d] ^ v[a], turn_d)
        v[c] = (v[c] + v[d]) & 0xFFFFFFFF
        v[b] = rotated(v[b] ^ v[c], turn_b)


def compressed(chaining, block, flags):
    words = [int.from_bytes(block.ljust(64, b"\0")[at : at + 4], "little") for at in range(0, 64, 4)]
    v = list(chaining) + list(IV[:4]) + [0, 0, len(block), flags]
    for _ in range(7):
        for at, (a, b, c, d) in enumerate(
            ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
        ):
            mixed(v, a, b, c, d, words[2 * at], words[2 * at + 1])
        words = [words[at] for at in ORDER]
    return [v[at] ^ v[at + 8] for at in range(8)]


def blake3(data, key=IV, flags=0):
    assert len(data) <= 1024
    blocks = [data[at : at + 64] for at in range(0, len(data), 64)] or [b""]
    chaining = key
    for at, block in enumerate(blocks):
        first = CHUNK_START if at == 0 else 0
        last = CHUNK_END | ROOT if at == len(blocks) - 1 else 0
        chaining = compressed(chaining, block, flags | first | last)
    return b"".join(word.to_bytes(4, "little") for word in chaining)


def words_of(key):
    return [int.from_bytes(key[at : at + 4], "little") for at in range(0, 32, 4)]


def derived(context, material):
    return blake3(material, words_of(blake3(context, flags=DERIVE_CONTEXT)), DERIVE_MATERIAL)


def main(code, binding):
    # The empty input, as everybody knows it.
    assert blake3(b"").hex().startswith("af1349b9f5f9a1a6a0404dea36dcc949")
    symbols = code.replace("-", "")
    secret = 0
    for symbol in symbols[4:]:
        secret = secret << 5 | SYMBOLS.index(symbol)
    key = derived(CONTEXT, secret.to_bytes(10, "big"))
    print(key.hex())
    for side in (1, 2):
        print(blake3(bytes([1, side]) + symbols[:4].encode() + bytes.fromhex(binding), words_of(key), KEYED).hex())


main(*sys.argv[1:])
