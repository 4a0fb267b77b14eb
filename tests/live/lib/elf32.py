"""The smallest useful 32-bit program: no compiler for it is needed. It maps memory through the
32-bit system calls, writes two pages of it, and sleeps for ever."""
import os
import struct

BASE = 0x08048000


def code(text):
    return bytes.fromhex(
        "b8c0000000"      # mov eax, 192          mmap2
        "31db"            # xor ebx, ebx
        "b900001000"      # mov ecx, 0x100000
        "ba03000000"      # mov edx, PROT_READ | PROT_WRITE
        "be22000000"      # mov esi, MAP_PRIVATE | MAP_ANONYMOUS
        "83cfff"          # or edi, -1
        "31ed"            # xor ebp, ebp
        "cd80"            # int 0x80
        "c60001"          # mov byte [eax], 1
        "c6800030000001"  # mov byte [eax + 0x3000], 1
        "b804000000"      # mov eax, 4            write
        "bb01000000"      # mov ebx, 1
        "b9" + struct.pack("<I", text).hex() +  # mov ecx, text
        "ba06000000"      # mov edx, 6
        "cd80"            # int 0x80
        "b81d000000"      # again: mov eax, 29    pause
        "cd80"            # int 0x80
        "ebf7")           # jmp again


def program():
    header_bytes = 52 + 32
    entry = BASE + header_bytes
    body = code(entry + len(code(0))) + b"ready\n"
    size = header_bytes + len(body)
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, entry, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    load = struct.pack("<IIIIIIII", 1, 0, BASE, BASE, size, size, 5, 0x1000)
    return header + load + body


def write(path):
    with open(path, "wb") as f:
        f.write(program())
    os.chmod(path, 0o755)
