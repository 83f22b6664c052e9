# A toolchain for another processor. Its libraries are in a folder of their own, and an emulator runs its programs:
# cmake --toolchain cmake/foreign.cmake with the variables below. SPDX-License-Identifier: BSD-3-Clause
#
# ASYNCHAT_FOREIGN_COMPILER  such as s390x-linux-gnu-gcc
# ASYNCHAT_FOREIGN_TRIPLET   Debian's name for the processor's folders, such as s390x-linux-gnu
# ASYNCHAT_FOREIGN_ROOT      the folder
# ASYNCHAT_FOREIGN_EMULATOR  such as qemu-s390x-static; or empty if this machine's processor runs the programs, with
#                            ASYNCHAT_FOREIGN_LOADER, the dynamic linker in the folder
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ASYNCHAT_FOREIGN_COMPILER ASYNCHAT_FOREIGN_TRIPLET ASYNCHAT_FOREIGN_ROOT
    ASYNCHAT_FOREIGN_EMULATOR ASYNCHAT_FOREIGN_LOADER)
set(CMAKE_SYSTEM_NAME Linux)
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR "${ASYNCHAT_FOREIGN_TRIPLET}")
set(CMAKE_C_COMPILER ${ASYNCHAT_FOREIGN_COMPILER})
if(ASYNCHAT_FOREIGN_EMULATOR)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${ASYNCHAT_FOREIGN_EMULATOR} -L ${ASYNCHAT_FOREIGN_ROOT})
endif()

# The headers of the C library come with the compiler; these are the headers that it lacks.
set(include ${ASYNCHAT_FOREIGN_ROOT}/usr/include)
set(lib ${ASYNCHAT_FOREIGN_ROOT}/usr/lib/${ASYNCHAT_FOREIGN_TRIPLET})
set(CMAKE_C_FLAGS_INIT "-isystem ${include} -isystem ${include}/${ASYNCHAT_FOREIGN_TRIPLET}")
foreach(kind EXE SHARED)
    set(CMAKE_${kind}_LINKER_FLAGS_INIT "-L${lib} -Wl,-rpath-link,${lib}")
endforeach()
if(NOT ASYNCHAT_FOREIGN_EMULATOR)
    # Old tags, since the libraries find each other in the folder, too.
    string(APPEND CMAKE_EXE_LINKER_FLAGS_INIT " -Wl,--dynamic-linker,${ASYNCHAT_FOREIGN_ROOT}${ASYNCHAT_FOREIGN_LOADER}"
        " -Wl,--disable-new-dtags,-rpath,${lib}:${ASYNCHAT_FOREIGN_ROOT}/lib/${ASYNCHAT_FOREIGN_TRIPLET}")
endif()
set(CMAKE_FIND_ROOT_PATH ${ASYNCHAT_FOREIGN_ROOT})
set(CMAKE_LIBRARY_PATH /usr/lib/${ASYNCHAT_FOREIGN_TRIPLET})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
