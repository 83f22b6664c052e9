# Runs vcpkg's recipe, with a few lines in place of vcpkg: cmake -D WORK=FOLDER -D LINKAGE=static|dynamic
# -D FEATURES=[openssl;uring] -P tests/recipes/vcpkg.cmake. SPDX-License-Identifier: BSD-3-Clause
cmake_minimum_required(VERSION 3.25)
set(port ${CMAKE_CURRENT_LIST_DIR}/../../cmake/vcpkg/asynchat)
set(CURRENT_PACKAGES_DIR ${WORK}/packages)

file(READ ${port}/vcpkg.json manifest)
file(STRINGS ${port}/../../../include/asynchat/version.h version REGEX "define ASYNCHAT_VERSION ")
string(JSON manifest_version GET "${manifest}" version-semver)
if(NOT version MATCHES "\"${manifest_version}\"")
    message(FATAL_ERROR "vcpkg.json is for version ${manifest_version}, the header has: ${version}")
endif()

foreach(feature IN LISTS FEATURES)
    string(JSON dependency GET "${manifest}" features ${feature} dependencies 0)
    if(NOT dependency MATCHES "^(lib)?${feature}$")
        message(FATAL_ERROR "vcpkg.json: feature ${feature} needs ${dependency}")
    endif()
endforeach()

function(must_exist)
    foreach(file IN LISTS ARGN)
        if(NOT EXISTS ${file})
            message(FATAL_ERROR "the recipe names ${file}, which is not there")
        endif()
    endforeach()
endfunction()

function(must_not_exist)
    foreach(file IN LISTS ARGN)
        if(EXISTS ${file})
            message(FATAL_ERROR "the recipe installs ${file}")
        endif()
    endforeach()
endfunction()

# Each feature turns an option on or off.
function(vcpkg_check_features)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" OUT_FEATURE_OPTIONS FEATURES)
    set(options)
    while(arg_FEATURES)
        list(POP_FRONT arg_FEATURES feature option)
        set(value OFF)
        if(feature IN_LIST FEATURES)
            set(value ON)
        endif()
        list(APPEND options -D${option}=${value})
    endwhile()
    set(${arg_OUT_FEATURE_OPTIONS} ${options} PARENT_SCOPE)
endfunction()

function(vcpkg_cmake_configure)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" SOURCE_PATH OPTIONS)
    string(COMPARE EQUAL "${LINKAGE}" dynamic shared)
    execute_process(COMMAND ${CMAKE_COMMAND} -S ${arg_SOURCE_PATH} -B ${WORK}/build -DBUILD_SHARED_LIBS=${shared}
        -DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR} -DCMAKE_INSTALL_LIBDIR=lib ${arg_OPTIONS}
        COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(vcpkg_cmake_install)
    execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/build --target install COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(vcpkg_cmake_config_fixup)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" CONFIG_PATH "")
    must_exist(${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}/asynchatConfig.cmake)
endfunction()

function(vcpkg_fixup_pkgconfig)
    must_exist(${CURRENT_PACKAGES_DIR}/lib/pkgconfig/asynchat.pc)
endfunction()

function(vcpkg_install_copyright)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "" FILE_LIST)
    must_exist(${arg_FILE_LIST})
endfunction()

include(${port}/portfile.cmake)

foreach(pair openssl,tls.h uring,uring.h)
    string(REGEX MATCH "(.*),(.*)" pair ${pair})
    set(name ${CMAKE_MATCH_1})
    set(files lib/pkgconfig/asynchat-${name}.pc include/asynchat/${CMAKE_MATCH_2}
        lib/cmake/asynchat/asynchat-${name}Targets.cmake)
    list(TRANSFORM files PREPEND ${CURRENT_PACKAGES_DIR}/)
    if(name IN_LIST FEATURES)
        must_exist(${files})
    else()
        must_not_exist(${files})
    endif()
endforeach()
