"""Certificates for tests in Python, made by the program openssl.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import shutil
import subprocess

CONFIG = """
[req]
distinguished_name = subject
[subject]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[identity]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


def can_be_made():
    return shutil.which("openssl") is not None


class Authority:
    """Who issues certificates. `certificate` is the file of its own one."""

    def __init__(self, folder, name="authority"):
        self.folder = folder
        self.certificate, self.key = self.make(name, "authority", "DNS:none")

    def make(self, name, kind, names, *options):
        certificate, key, config = (os.path.join(self.folder, name + end) for end in (".pem", ".key", ".conf"))
        with open(config, "w") as file:
            file.write(CONFIG.format(names=names))
        subprocess.run(["openssl", "req", "-x509", "-config", config, "-extensions", kind, "-subj", "/CN=" + name,
                        "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-keyout", key, "-out", certificate, *options],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        return certificate, key

    def issue(self, name, names="DNS:localhost,IP:127.0.0.1"):
        """The files of a certificate and of its key."""
        return self.make(name, "identity", names, "-CA", self.certificate, "-CAkey", self.key)
