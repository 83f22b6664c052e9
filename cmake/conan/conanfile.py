"""A recipe of the source it lies in: conan create cmake/conan. SPDX-License-Identifier: BSD-3-Clause"""
import os
import re
import shutil

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir

required_conan_version = ">=2.0"


class AsynchatConan(ConanFile):
    name = "asynchat"
    description = "Python's asynchat in C, on libevent's bufferevents"
    license = "BSD-3-Clause"
    topics = ("asynchat", "libevent", "network", "protocol")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "openssl": [True, False], "uring": [True, False]}
    default_options = {"shared": False, "openssl": False, "uring": False}

    def _top(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        header = load(self, os.path.join(self._top(), "include", "asynchat", "version.h"))
        self.version = re.search(r'define ASYNCHAT_VERSION "([0-9.]+)"', header).group(1)

    # Conan's copy searches the whole folder. So it does not start in the project's folder, which may contain builds.
    def export_sources(self):
        for folder in ("cmake", "include", "src"):
            copy(self, "*", os.path.join(self._top(), folder), os.path.join(self.export_sources_folder, folder))
        for name in ("CMakeLists.txt", "asynchat.pc.in", "asynchat-openssl.pc.in", "asynchat-testing.pc.in",
                     "asynchat-uring.pc.in", "LICENSE"):
            shutil.copy2(os.path.join(self._top(), name), self.export_sources_folder)

    def configure(self):
        self.settings.rm_safe("compiler.cppstd")
        self.settings.rm_safe("compiler.libcxx")

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("asynchat is for Linux")

    def requirements(self):
        self.requires("libevent/2.1.12", transitive_headers=True, transitive_libs=True)
        if self.options.openssl:
            self.requires("openssl/[>=3.0 <4]", transitive_headers=True, transitive_libs=True)
        if self.options.uring:
            self.requires("liburing/[>=2.3 <3]")

    def layout(self):
        cmake_layout(self)

    # This also tells where the libraries of libevent, OpenSSL and liburing are.
    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["ASYNCHAT_BUILD_DOCS"] = "OFF"
        toolchain.cache_variables["ASYNCHAT_BUILD_EXAMPLES"] = "OFF"
        toolchain.cache_variables["ASYNCHAT_BUILD_TESTS"] = "OFF"
        toolchain.cache_variables["ASYNCHAT_INSTALL"] = "ON"
        toolchain.cache_variables["ASYNCHAT_OPENSSL"] = "ON" if self.options.openssl else "OFF"
        toolchain.cache_variables["ASYNCHAT_URING"] = "ON" if self.options.uring else "OFF"
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        rmdir(self, os.path.join(self.package_folder, "lib", "cmake"))
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "asynchat")
        # The names of everything together must not be those of the first library.
        self.cpp_info.set_property("cmake_target_name", "asynchat::all")
        self.cpp_info.set_property("pkg_config_name", "asynchat-all")
        self._library("core", "asynchat", "asynchat::asynchat", ["libevent::core"])
        self._library("testing", "asynchat-testing", "asynchat::testing", ["core"])
        if self.options.openssl:
            self._library("openssl", "asynchat-openssl", "asynchat::openssl", ["core", "openssl::ssl", "openssl::crypto"])
        if self.options.uring:
            self._library("uring", "asynchat-uring", "asynchat::uring", ["core", "liburing::liburing"])

    # A component must not have the name of the package.
    def _library(self, component, name, target, requires):
        info = self.cpp_info.components[component]
        info.libs = [name]
        info.requires = requires
        info.set_property("cmake_target_name", target)
        info.set_property("pkg_config_name", name)
