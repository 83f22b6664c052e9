"""Runs Conan's recipe, with a few lines in place of Conan: tests/recipes/conan.py FOLDER [OPTION...]

The exported files are built in FOLDER, so that a forgotten file is noticed. SPDX-License-Identifier: BSD-3-Clause
"""
import collections
import fnmatch
import importlib.util
import pathlib
import shutil
import subprocess
import sys
import types

RECIPE = pathlib.Path(__file__).resolve().parents[2] / "cmake/conan/conanfile.py"
WORK = pathlib.Path(sys.argv[1]).resolve()


def run(*command):
    subprocess.run([str(word) for word in command], check=True)


def copy(_recipe, pattern, source, destination):
    files = [file.relative_to(source) for file in pathlib.Path(source).rglob("*") if file.is_file()]
    files = [file for file in files if fnmatch.fnmatch(str(file), pattern)]
    assert files, f"the recipe copies {pattern}, of which there is nothing"
    for file in files:
        (pathlib.Path(destination) / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(pathlib.Path(source) / file, pathlib.Path(destination) / file)


class ConanFile:
    recipe_folder = str(RECIPE.parent)
    export_sources_folder = source_folder = str(WORK / "source")
    build_folder = str(WORK / "build")
    package_folder = str(WORK / "package")
    required = []

    def requires(self, reference, **_traits):
        self.required.append(reference)


class CMakeToolchain:
    variables = {}

    def __init__(self, _recipe):
        self.cache_variables = CMakeToolchain.variables

    def generate(self):
        pass


class CMake:
    def __init__(self, recipe):
        self.recipe = recipe

    def configure(self):
        run("cmake", "-S", self.recipe.source_folder, "-B", self.recipe.build_folder, "-DCMAKE_INSTALL_LIBDIR=lib",
            "-DBUILD_SHARED_LIBS=OFF", *(f"-D{name}={value}" for name, value in CMakeToolchain.variables.items()))

    def build(self):
        run("cmake", "--build", self.recipe.build_folder)

    def install(self):
        run("cmake", "--install", self.recipe.build_folder, "--prefix", self.recipe.package_folder)


class Information:
    """Of a package or a component."""

    def __init__(self):
        self.components = collections.defaultdict(Information)
        self.libs, self.requires, self.properties = [], [], {}

    def set_property(self, name, value):
        self.properties[name] = value


def module(name, **members):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(members)


module("conan", ConanFile=ConanFile)
module("conan.errors", ConanInvalidConfiguration=Exception)
module("conan.tools")
module("conan.tools.cmake", CMake=CMake, CMakeToolchain=CMakeToolchain, cmake_layout=lambda recipe: None)
module("conan.tools.files", copy=copy, load=lambda recipe, path: pathlib.Path(path).read_text(encoding="utf-8"),
       rmdir=lambda recipe, path: shutil.rmtree(path))

shutil.rmtree(WORK, ignore_errors=True)
(WORK / "source").mkdir(parents=True)
spec = importlib.util.spec_from_file_location("conanfile", RECIPE)
conanfile = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conanfile)

recipe = conanfile.AsynchatConan()
recipe.settings = types.SimpleNamespace(os="Linux", rm_safe=lambda name: None)
recipe.options = types.SimpleNamespace(**{name: name in sys.argv[2:] for name in recipe.default_options})
recipe.cpp_info = Information()
for step in ("set_version", "export_sources", "configure", "validate", "requirements", "layout", "generate", "build",
             "package", "package_info"):
    getattr(recipe, step)()

components = recipe.cpp_info.components
built = sorted(file.stem.removeprefix("lib") for file in (WORK / "package/lib").glob("*.a"))
named = sorted(name for info in components.values() for name in info.libs)
assert built == sorted(["asynchat-framer", *named]), f"{built} were built, and {named} are named"
needed = {name.partition("::")[0] for info in components.values() for name in info.requires if "::" in name}
required = {reference.partition("/")[0] for reference in recipe.required}
assert needed == required, f"{needed} are named, and {required} are required"
for prop in ("cmake_target_name", "pkg_config_name"):
    names = [info.properties[prop] for info in (recipe.cpp_info, *components.values())]
    assert len(set(names)) == len(names), f"{prop}: {names}"
assert recipe.name not in components, "a component has the name of the package"
print(f"conan: {recipe.name} {recipe.version} with {', '.join(components)}")
