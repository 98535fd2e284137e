"""The virtual machine's kernel and its first file system, out of packages that lie unpacked in a folder.

usage: image.py ROOT OUT    (ROOT: all packages unpacked into one tree; OUT gets `vmlinux` and `initramfs`)

The file system has busybox, dbus-daemon, bluetoothd, the modules that a serial Bluetooth controller on a virtio console
needs, and the libraries of all that and of the program under test, which comes over 9p. It is written here, so that nothing of this machine gets into it and no `cpio` is
needed.
"""

import lzma
import re
import stat
import subprocess
import sys
from pathlib import Path

# What the guest loads, in this order; what they depend on comes before them.
MODULES = ["virtio_pci", "virtio_console", "virtio_net", "9pnet_virtio", "9p", "cmac", "ecb", "hci_uart"]

PROGRAMS = ["usr/bin/dbus-daemon", "usr/bin/dbus-send", "usr/libexec/bluetooth/bluetoothd", "usr/bin/btattach"]

APPLETS = "sh mount insmod ip ls cat date echo sleep usleep grep mkdir poweroff kill pidof true".split()

# What the program under test needs beside what they need.
LIBRARIES = ["libgcc_s.so.1", "libm.so.6"]

HERE = Path(__file__).parent


class Archive:
    """A cpio archive of the form that kernels read."""

    def __init__(self):
        self.entries = {}

    def folder(self, name):
        parent = ""
        for part in name.strip("/").split("/"):
            parent = f"{parent}/{part}".strip("/")
            self.entries.setdefault(parent, (stat.S_IFDIR | 0o755, b""))

    def file(self, name, content, mode=0o755):
        name = name.strip("/")
        if "/" in name:
            self.folder(name.rsplit("/", 1)[0])
        self.entries[name] = (stat.S_IFREG | mode, content)

    def link(self, name, target):
        self.entries[name.strip("/")] = (stat.S_IFLNK | 0o777, target.encode())

    def bytes(self):
        out = bytearray()
        listed = [*self.entries.items(), ("TRAILER!!!", (0, b""))]
        for number, (name, (mode, content)) in enumerate(listed):
            path = name.encode() + b"\0"
            fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0]
            out += b"070701" + b"".join(b"%08x" % field for field in fields) + path
            out += bytes(-len(out) % 4) + content
            out += bytes(-len(out) % 4)
        return bytes(out)


def uncompressed_kernel(image):
    """The ELF file inside a kernel that unpacks itself. Started directly it saves half of the start."""
    data = image.read_bytes()
    for place in re.finditer(re.escape(b"\xfd7zXZ\0"), data):
        try:
            kernel = lzma.LZMADecompressor().decompress(data[place.start() :])
        except lzma.LZMAError:
            continue
        if kernel.startswith(b"\x7fELF"):
            return kernel
    sys.exit(f"{image} holds no kernel that is packed with xz")


def modules(root):
    """Name and content of each module, what others depend on first."""
    (folder,) = (root / "lib/modules").iterdir()
    paths = {path.name.split(".")[0]: path for path in (folder / "kernel").rglob("*.ko*")}
    ordered = []

    def add(name):
        if name in ordered or name not in paths:
            return
        for needed in dependencies(content(paths[name])):
            add(needed)
        ordered.append(name)

    for name in MODULES:
        if name not in paths:
            print(f"no module {name}: part of the kernel", file=sys.stderr)
        add(name)
    return [(name, content(paths[name])) for name in ordered]


def content(path):
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def dependencies(module):
    """The modules that a module names as what it depends on, soft dependencies included."""
    hard = re.search(rb"\0depends=([^\0]*)\0", module)
    soft = re.findall(rb"\0softdep=pre: ([^\0]*)\0", module)
    names = b",".join([hard.group(1) if hard else b"", *soft]).decode()
    return [name.replace("-", "_") for name in re.split(r"[ ,]+", names) if name and ":" not in name]


def library_folders(root):
    return [root / "lib/x86_64-linux-gnu", root / "usr/lib/x86_64-linux-gnu"]


def libraries(root, program):
    """The libraries of a program, as the tree's own loader finds them in the tree."""
    folders = library_folders(root)
    # In `lib64` it is a link to where it would be on this machine.
    loader = next(path for path in (folder / "ld-linux-x86-64.so.2" for folder in folders) if path.is_file())
    search = ":".join(str(path) for path in folders)
    listed = subprocess.run(
        [loader, "--list", "--library-path", search, program], capture_output=True, text=True, check=True
    )
    found = [Path(path) for path in re.findall(r"=> (/\S+)", listed.stdout)]
    # One that only this machine has is one that the machine under test would lack.
    missing = [path.name for path in found if root not in path.parents]
    if missing or "not found" in listed.stdout:
        sys.exit(f"{program} needs {missing}, which is in none of the packages:\n{listed.stdout}")
    return loader, found


def main(root, out):
    archive = Archive()
    for name in "bin dev etc/bluetooth lib64 lib/modules mnt proc run sys tmp var/lib/bluetooth var/run".split():
        archive.folder(name)
    archive.file("bin/busybox", (root / "bin/busybox").read_bytes())
    for applet in APPLETS:
        archive.link(f"bin/{applet}", "busybox")
    for number, (name, module) in enumerate(modules(root)):
        archive.file(f"lib/modules/{number:02}-{name}.ko", module)
    for name in PROGRAMS:
        program = root / name
        archive.file(name, program.read_bytes())
        loader, needed = libraries(root, program)
        archive.file("lib64/ld-linux-x86-64.so.2", loader.read_bytes())
        for library in needed:
            archive.file(f"lib/x86_64-linux-gnu/{library.name}", library.read_bytes())
    for name in LIBRARIES:
        library = next(path for path in (folder / name for folder in library_folders(root)) if path.exists())
        archive.file(f"lib/x86_64-linux-gnu/{name}", library.read_bytes())
    archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nmessagebus:x:100:100::/:/bin/false\n", 0o644)
    archive.file("etc/group", b"root:x:0:\nbluetooth:x:101:\n", 0o644)
    archive.file("etc/machine-id", b"0123456789abcdef0123456789abcdef\n", 0o644)
    archive.file("etc/dbus.conf", (HERE / "dbus.conf").read_bytes(), 0o644)
    archive.file("etc/bluetooth/main.conf", (HERE / "main.conf").read_bytes(), 0o644)
    archive.file("init", (HERE / "init").read_bytes())
    (out / "initramfs").write_bytes(archive.bytes())
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    (out / "vmlinux").write_bytes(uncompressed_kernel(kernel))


main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
